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
        title: what the source itself says it plays from this block on; None where it says nothing new.
    """

    samples: FloatArray
    t_last_ns: int
    gap_samples: int = 0
    xruns: int = 0
    title: str | None = None


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


class TrackReason(StrEnum):
    """Why a track was taken to begin (``reason`` in the feed)."""

    START = "start"  # the first sound
    CHANGE = "change"  # the model heard another track begin
    SILENCE = "silence"  # sound came back after a long silence
    GAP = "gap"  # … after much lost audio
    RESET = "reset"  # … after somebody asked for a fresh state


@dataclass(frozen=True, slots=True)
class TrackStart:
    """Where a track begins.

    Attributes:
        reason: how that is known.
        hop: index of its first hop; with ``change`` an estimate, some seconds before it was recognised.
        sample: index of that hop's first sample, at the frontend's rate.
    """

    reason: TrackReason
    hop: int
    sample: int


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
        music: smoothed probability that this is music; in silence the last one, 0.5 before any sound.
        track: number of the track, from 1; in silence the last one, 0 before any sound.
        track_start: where it begins; None before any sound.
        track_change: true on the one hop at which a track was recognised to have followed another.
        own: (n_own,) float32, smoothed probabilities of one's own labels; what they lack to 1 is "none of these".
            None where there are none.
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
    music: float = field(default=0.5, kw_only=True)
    track: int = field(default=0, kw_only=True)
    track_start: TrackStart | None = field(default=None, kw_only=True)
    track_change: bool = field(default=False, kw_only=True)
    own: FloatArray | None = field(default=None, kw_only=True)
