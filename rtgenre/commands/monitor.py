"""``rtgenre monitor``: the level of a source, channel by channel, without any model."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from rich.live import Live
from rich.text import Text

from rtgenre import app
from rtgenre.audio.condition import FULL_SCALE
from rtgenre.audio.source import EndOfSource
from rtgenre.captures import make_source
from rtgenre.errors import EX_INTERRUPT, EX_OK

if TYPE_CHECKING:
    from rtgenre.audio.source import Source
    from rtgenre.config import SourceSettings
    from rtgenre.records import Block, SourceInfo

PERIOD_S = 0.1
FLOOR_DBFS = -90.0
BAR_CELLS = 50


@dataclass(slots=True)
class Meter:
    """Levels of the blocks since the last reading.

    Attributes:
        square_sum: (n_channels,) sum of squares.
        peak: (n_channels,) largest magnitude.
        n_samples: per channel.
        clipped: samples at full scale since the start.
        zeros: True while every sample has been exactly zero.
    """

    square_sum: np.ndarray[tuple[int], np.dtype[np.float64]]
    peak: np.ndarray[tuple[int], np.dtype[np.float64]]
    n_samples: int = 0
    clipped: int = 0
    zeros: bool = True

    def hear(self, block: Block) -> None:
        """Take a block in."""
        finite = np.nan_to_num(block.samples, posinf=0.0, neginf=0.0)
        magnitude = np.abs(finite)
        self.square_sum += np.sum(finite.astype(np.float64) ** 2, axis=0)
        self.peak = np.maximum(self.peak, magnitude.max(axis=0, initial=0.0))
        self.clipped += int(np.count_nonzero(magnitude >= FULL_SCALE))
        self.n_samples += len(finite)
        self.zeros = self.zeros and not finite.any()

    def read(self) -> list[tuple[float, float]]:
        """RMS and peak in dBFS of each channel, and begin anew."""
        mean_square = self.square_sum / max(1, self.n_samples)
        # A full-scale sine has a mean square of 1/2 and a level of 0 dBFS (AES17).
        rms = np.sqrt(2.0 * mean_square)
        levels = [(_db(r), _db(p)) for r, p in zip(rms, self.peak, strict=True)]
        self.square_sum[:] = 0.0
        self.peak = np.zeros_like(self.peak)
        self.n_samples = 0
        return levels


def show(settings: SourceSettings, *, as_json: bool, seconds: float | None) -> int:
    """Show levels until interrupted, the end of the sound, or for a time.

    Args:
        settings: which source; ``auto`` means the default device.
        as_json: one JSON line every 0.1 s.
        seconds: how long; None for ever.

    Raises:
        SourceError: the source cannot be read.
    """
    source = make_source(settings)
    source.start()
    try:
        info = source.wait_ready(app.READY_TIMEOUT_S)
        _listen(source, info, as_json=as_json, until=math.inf if seconds is None else time.monotonic() + seconds)
    except EndOfSource:
        pass
    except KeyboardInterrupt:
        return EX_INTERRUPT
    finally:
        source.close()
    return EX_OK


def _listen(source: Source, info: SourceInfo, *, as_json: bool, until: float) -> None:
    meter = Meter(np.zeros(info.channels), np.zeros(info.channels))
    due = time.monotonic() + PERIOD_S
    with contextlib.nullcontext() if as_json else Live(auto_refresh=False, transient=True) as live:
        while time.monotonic() < until:
            block = source.read(PERIOD_S)
            if block is not None:
                meter.hear(block)
            if time.monotonic() < due:
                continue
            due += PERIOD_S
            heard = meter.n_samples > 0
            levels = meter.read()
            if live is None:
                _write_line(source, info, meter, levels)
            else:
                live.update(_picture(source, info, meter, levels, heard=heard), refresh=True)


def _write_line(source: Source, info: SourceInfo, meter: Meter, levels: list[tuple[float, float]]) -> None:
    line = {
        "source": info.description,
        "sample_rate": info.sample_rate,
        "rms_dbfs": [round(rms, 2) for rms, _ in levels],
        "peak_dbfs": [round(peak, 2) for _, peak in levels],
        "clipped_samples": meter.clipped,
        "gap_samples": source.stats.gap_samples,
        "xruns": source.stats.xruns,
    }
    sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
    sys.stdout.buffer.flush()


def _picture(source: Source, info: SourceInfo, meter: Meter, levels: list[tuple[float, float]], *, heard: bool) -> Text:
    text = Text(f"{info.description}  {info.sample_rate} Hz, {info.channels} ch\n", style="bold")
    for number, (rms, peak) in enumerate(levels, start=1):
        filled = _cells(rms)
        mark = max(_cells(peak), filled)
        colour = "red" if peak > -0.1 else "yellow" if peak > -6 else "green"
        text.append(f"{number:3d} ", style="dim")
        text.append("█" * filled, style=colour)
        text.append("·" * (mark - filled), style=colour)
        text.append(" " * (BAR_CELLS - mark))
        text.append(f" {rms:6.1f} dBFS  peak {peak:6.1f}\n")
    notes = []
    if not heard:
        notes.append("no samples are arriving")
    elif meter.zeros:
        notes.append("exact zeros since the start: muted, moved, or the wrong input?")
    if meter.clipped:
        notes.append(f"{meter.clipped} samples clipped: turn the input down")
    stats = source.stats
    if stats.gap_samples or stats.xruns:
        notes.append(f"{stats.gap_samples} samples lost, {stats.xruns} xruns")
    text.append("\n".join(notes), style="yellow")
    return text


def _cells(dbfs: float) -> int:
    return round(BAR_CELLS * min(1.0, max(0.0, 1.0 - dbfs / FLOOR_DBFS)))


def _db(amplitude: float) -> float:
    """20·log10, not below the meter's floor."""
    return max(FLOOR_DBFS, 20 * math.log10(max(amplitude, 1e-12)))
