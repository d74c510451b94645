"""The demo source: an endless seeded medley of ten synthesised styles, for machines without a microphone.

The same seed and rate give the same samples, whatever the block size and pace. Only numpy is needed, and a
second of music costs about a hundredth of a second of one core.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

import numpy as np

from rtgenre.audio.source import EndOfSource
from rtgenre.audio.studio.band import Band
from rtgenre.audio.studio.instruments import Orchestra
from rtgenre.audio.studio.styles import STYLES
from rtgenre.errors import SourceError
from rtgenre.records import Block, SourceInfo, SourceStats

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rtgenre.records import FloatArray

PIECE_S = 20.0
PAUSE_S = 1.5
FADE_S = 0.6
AHEAD_S = 0.5
LATE_LIMIT_S = 1.0


@dataclass(frozen=True, slots=True)
class Passage:
    """A beat of music, or a pause.

    Attributes:
        style: a key of ``styles.STYLES``; empty in a pause.
        samples: (n,) float32 in (-1, 1).
    """

    style: str
    samples: FloatArray


def medley(seed: int, sample_rate: int) -> Iterator[Passage]:
    """Pieces of 20 s in every style, for ever, with a pause after every other one.

    The first round keeps the order of the table, which puts contrasts side by side; each later one has an
    order, keys, tempi and melodies of its own.

    Args:
        seed: of everything random.
        sample_rate: Hz.
    """
    orchestra = Orchestra(sample_rate)
    names = list(STYLES)
    pieces = 0
    for lap in count():
        order = np.random.default_rng((seed, lap)).permutation(len(names)) if lap else range(len(names))
        for index in order:
            rng = np.random.default_rng((seed, lap, int(index)))
            yield from _piece(names[index], Band(STYLES[names[index]], orchestra, rng, sample_rate), sample_rate)
            orchestra.forget()
            pieces += 1
            if pieces % 2 == 0:
                yield Passage("", np.zeros(round(PAUSE_S * sample_rate), np.float32))


def _piece(style: str, band: Band, sample_rate: int) -> Iterator[Passage]:
    """Exactly ``PIECE_S`` of one style; the end fades, so that no join clicks."""
    total, fade = round(PIECE_S * sample_rate), round(FADE_S * sample_rate)
    done = 0
    while done < total:
        beat = band.next_beat()[: total - done]
        into_fade = np.arange(done, done + beat.size) - (total - fade)
        if into_fade[-1] > 0:
            beat = beat * (0.5 + 0.5 * np.cos(np.pi * np.clip(into_fade / fade, 0.0, 1.0))).astype(np.float32)
        done += beat.size
        yield Passage(style, beat)


def render_medley(seed: int, duration_s: float, sample_rate: int) -> FloatArray:
    """The beginning of the medley in one piece: (n,) float32 in (-1, 1)."""
    total = round(duration_s * sample_rate)
    parts: list[FloatArray] = []
    missing = total
    for passage in medley(seed, sample_rate):
        if missing <= 0:
            break
        parts.append(passage.samples[:missing])
        missing -= parts[-1].size
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


class DemoSource:
    """The medley as a source (see ``source.Source``); one channel.

    Nothing is ever lost: where the reader stays away for longer than a second (a suspended machine), the medley
    waits for it and says so in ``stats.notice``.

    Args:
        name: name used in topics.
        seed: of the medley.
        sample_rate: Hz, 8000 to 192000.
        realtime: True keeps the pace of a clock; False goes as fast as it is read.
        block_samples: samples in a block.
        duration_s: where to end; None for endless.

    Raises:
        SourceError: an argument is out of range.
    """

    def __init__(
        self,
        name: str = "demo",
        seed: int = 0,
        sample_rate: int = 44100,
        *,
        realtime: bool = True,
        block_samples: int = 2048,
        duration_s: float | None = None,
    ) -> None:
        if not 8000 <= sample_rate <= 192_000:
            raise SourceError(f"demo: a sample rate of {sample_rate} Hz", "choose 8000 to 192000 Hz")
        if block_samples < 1:
            raise SourceError(f"demo: blocks of {block_samples} samples", "choose 1 or more")
        self.name = name
        self.stats = SourceStats(notices_are_routine=True)
        self._rate = sample_rate
        self._realtime = realtime
        self._block_samples = block_samples
        self._total = None if duration_s is None else round(duration_s * sample_rate)
        self._medley = medley(seed, sample_rate)
        self._rendered: list[FloatArray] = []
        self._n_rendered = 0
        self._n_read = 0
        self._zero_ns: int | None = None
        self._styles: list[tuple[int, str]] = []

    def start(self) -> None:
        """Render the first beat."""
        self._render_ahead()

    def wait_ready(self, timeout_s: float) -> SourceInfo:  # noqa: ARG002 - part of the protocol; this source is ready
        """Say the format; never waits."""
        return SourceInfo(
            name=self.name,
            description="synthesised medley",
            sample_rate=self._rate,
            channels=1,
            live=self._realtime,
            duration_s=None if self._total is None else self._total / self._rate,
        )

    def read(self, timeout_s: float) -> Block | None:
        """The next block: (n, 1) samples. The clock starts with the first call.

        Raises:
            EndOfSource: ``duration_s`` is over.
        """
        n = self._block_samples
        if self._total is not None:
            n = min(n, self._total - self._n_read)
            if n <= 0:
                raise EndOfSource
        while self._n_rendered < n:
            self._render_beat()
        t_last_ns = time.monotonic_ns()
        if self._realtime:
            due_ns = self._due_ns(self._n_read + n, t_last_ns)
            # The waiting time is there to be used: the next beat is made while this block is not yet due.
            if due_ns > t_last_ns:
                self._render_ahead()
            wait_s = (due_ns - time.monotonic_ns()) / 1e9
            if wait_s > timeout_s:
                time.sleep(max(0.0, timeout_s))
                return None
            if wait_s > 0:
                time.sleep(wait_s)
            t_last_ns = due_ns
        samples = self._take(n)
        self._notice()
        return Block(samples=samples[:, np.newaxis], t_last_ns=t_last_ns)

    def close(self) -> None:
        """Nothing is held open."""

    def _due_ns(self, n_samples: int, now_ns: int) -> int:
        """When the ``n_samples``-th sample is due; the clock moves on for a reader that was away."""
        if self._zero_ns is None:
            self._zero_ns = now_ns
        due_ns = self._zero_ns + n_samples * 1_000_000_000 // self._rate
        late_s = (now_ns - due_ns) / 1e9
        if late_s > LATE_LIMIT_S:
            self._zero_ns += now_ns - due_ns
            due_ns = now_ns
            self.stats.notice = f"demo: waited {late_s:.1f} s for its reader"
        return due_ns

    def _render_ahead(self) -> None:
        """One beat more where less than half a second is in stock."""
        if self._n_rendered < AHEAD_S * self._rate:
            self._render_beat()

    def _render_beat(self) -> None:
        passage = next(self._medley)
        start = self._n_read + self._n_rendered
        said = f"demo: synthesised {passage.style}" if passage.style else "demo: pause"
        if not self._styles or self._styles[-1][1] != said:
            self._styles.append((start, said))
        self._rendered.append(passage.samples)
        self._n_rendered += passage.samples.size

    def _take(self, n: int) -> FloatArray:
        """The next ``n`` rendered samples, owned by the caller."""
        out = np.empty(n, np.float32)
        filled = 0
        while filled < n:
            part = self._rendered[0][: n - filled]
            out[filled : filled + part.size] = part
            filled += part.size
            if part.size == self._rendered[0].size:
                self._rendered.pop(0)
            else:
                self._rendered[0] = self._rendered[0][part.size :]
        self._n_rendered -= n
        self._n_read += n
        return out

    def _notice(self) -> None:
        """Tell which style is being heard, when it changes."""
        while self._styles and self._styles[0][0] < self._n_read:
            self.stats.notice = self._styles[0][1]
            if len(self._styles) == 1:
                break
            if self._styles[1][0] >= self._n_read:
                break
            self._styles.pop(0)
