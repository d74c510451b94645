"""Frozen records that travel between rooms. They hold values, never behaviour."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float32]


class State(StrEnum):
    """What the daemon believes it hears (``state`` in the feed)."""

    STARTING = "starting"
    SILENCE = "silence"
    NOT_MUSIC = "not_music"
    UNKNOWN = "unknown"
    MUSIC = "music"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class Block:
    """What a source delivers at once.

    Attributes:
        samples: (n_samples, n_channels) float32, nominally in [-1, 1]. The receiver owns it.
        t_last_ns: monotonic clock (``time.monotonic_ns``) at which the last sample was captured.
        gap_samples: samples known to be lost directly before this block, at the source's rate.
        xruns: overflows that the device flagged since the block before.
    """

    samples: FloatArray
    t_last_ns: int
    gap_samples: int = 0
    xruns: int = 0


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What is known of a source once it is open.

    Attributes:
        name: short name used in topics (``mic``, ``demo`` …).
        description: for people: device or file name.
        sample_rate: Hz.
        channels: number of channels in each block.
        live: True where samples come at the pace of a clock and can be lost.
        duration_s: length of the sound, None where it has no end.
    """

    name: str
    description: str
    sample_rate: int
    channels: int
    live: bool
    duration_s: float | None = None


@dataclass(slots=True)
class SourceStats:
    """Counters of a source; written by the source's own thread, read anywhere (each is one int).

    Attributes:
        xruns: overflows that the device flagged.
        dropped_samples: lost because our own ring was full.
        gap_samples: all samples known to be lost, whoever lost them.
        capture_restarts: times the capture process was replaced.
        notice: last thing worth telling a person.
        notices_are_routine: True where a notice says what is played, not what went wrong.
    """

    xruns: int = 0
    dropped_samples: int = 0
    gap_samples: int = 0
    capture_restarts: int = 0
    notice: str = ""
    notices_are_routine: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What the policy says now.

    Attributes:
        state: what is heard.
        label: the genre decided for, None unless ``state`` is ``music``.
        since_hop: hop index at which this decision was taken.
    """

    state: State
    label: str | None
    since_hop: int


@dataclass(frozen=True, slots=True)
class Posterior:
    """One hop's answer.

    Attributes:
        hop: index of the hop since the start of the session's state, gaps included.
        end_sample: index, at the frontend's rate, one past the hop's last sample.
        probs: (n_labels,) float32, sums to 1; smoothed and calibrated.
        decision: what the policy made of it.
        level_dbfs: RMS of the hop's window relative to a full-scale sine, in dB.
        gap_samples: samples lost directly before this hop, at the frontend's rate.
        age_s: seconds heard since the model's state was last reset.
        frontend_ns: time spent in the frontend for this hop.
        model_ns: time spent in the model and the policy for this hop.
    """

    hop: int
    end_sample: int
    probs: FloatArray
    decision: Decision
    level_dbfs: float
    gap_samples: int
    age_s: float
    frontend_ns: int = field(compare=False)
    model_ns: int = field(compare=False)
