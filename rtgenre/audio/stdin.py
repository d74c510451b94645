"""``StdinSource``: raw PCM from a pipe; rate, channels and format are given, the pipe cannot say them."""

from __future__ import annotations

import io
import os
import queue
import threading
import time
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from rtgenre.audio.clock import STANDARD_RATES_HZ, PaceMeter
from rtgenre.audio.source import EndOfSource
from rtgenre.errors import SourceError
from rtgenre.records import Block, SourceInfo, SourceStats

if TYPE_CHECKING:
    from collections.abc import Callable

    Samples = np.ndarray[tuple[int], np.dtype[np.float32]]

_MAGIC = {
    b"RIFF": "WAV", b"RF64": "WAV", b"FORM": "AIFF", b"fLaC": "FLAC", b"OggS": "Ogg", b"ID3": "MP3",
    b"caff": "CAF", b".snd": "AU", b"\x1aE\xdf\xa3": "Matroska or WebM",
}  # fmt: skip
_QUEUE_BLOCKS = 32
_FIRST_BYTES_S = 1.0
_PUT_S = 0.1
_NEAR = 0.01


def _from_s24le(raw: bytes) -> Samples:
    wide = np.zeros((len(raw) // 3, 4), np.uint8)
    wide[:, 1:] = np.frombuffer(raw, np.uint8).reshape(-1, 3)
    return (wide.view("<i4")[:, 0] * np.float32(2**-31)).astype(np.float32)


def _from_integer(dtype: str, scale: float) -> Callable[[bytes], Samples]:
    return lambda raw: np.frombuffer(raw, dtype).astype(np.float32) * np.float32(scale)


def _from_float(dtype: str) -> Callable[[bytes], Samples]:
    return lambda raw: np.frombuffer(raw, dtype).astype(np.float32)


# Name of the format → bytes in a sample, and how samples are made of them.
SAMPLE_FORMATS: dict[str, tuple[int, Callable[[bytes], Samples]]] = {
    "s16le": (2, _from_integer("<i2", 2**-15)),
    "s16be": (2, _from_integer(">i2", 2**-15)),
    "s24le": (3, _from_s24le),
    "s32le": (4, _from_integer("<i4", 2**-31)),
    "s32be": (4, _from_integer(">i4", 2**-31)),
    "f32le": (4, _from_float("<f4")),
    "f32be": (4, _from_float(">f4")),
    "f64le": (8, _from_float("<f8")),
}


class StdinSource:
    """Raw PCM from a pipe as a ``Source``.

    A thread reads the pipe and stops reading while nobody takes its blocks, so memory is bounded and it is
    the writer that waits. The time of a block is its arrival.

    Args:
        name: name used in topics.
        sample_rate: Hz.
        channels: interleaved channels.
        sample_format: a name in ``SAMPLE_FORMATS``.
        stream: where the bytes come from.
        block_samples: frames in a block; those at a pause or at the end may be shorter.

    Raises:
        SourceError: no such format, or a rate or channel count that cannot be.
    """

    def __init__(
        self,
        name: str,
        sample_rate: int,
        channels: int,
        sample_format: str,
        stream: BinaryIO,
        block_samples: int = 1024,
    ) -> None:
        if sample_format not in SAMPLE_FORMATS:
            raise SourceError(f"there is no sample format {sample_format!r}", f"known: {', '.join(SAMPLE_FORMATS)}")
        if not 4_000 <= sample_rate <= 768_000 or channels < 1:
            raise SourceError(f"{channels} channels at {sample_rate} Hz cannot be", "rates go from 4000 to 768000 Hz")
        self.name = name
        self.stats = SourceStats()
        self._info = SourceInfo(name, f"stdin ({sample_format})", sample_rate, channels, live=False)
        sample_bytes, self._convert = SAMPLE_FORMATS[sample_format]
        self._frame_bytes = sample_bytes * channels
        self._stream = stream
        self._block_bytes = self._frame_bytes * block_samples
        self._blocks: queue.Queue[Block | SourceError | None] = queue.Queue(_QUEUE_BLOCKS)
        self._arrived = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._read_stream, name=f"{name}-stdin", daemon=True)
        self._pace = PaceMeter(sample_rate)
        self._ended: SourceError | None = None
        self._is_over = False

    def start(self) -> None:
        """Begin to read.

        Raises:
            SourceError: the stream is a terminal.
        """
        if self._stream.isatty():
            raise SourceError(
                "stdin is a terminal, no sound comes from it",
                "pipe raw PCM in: `ffmpeg -i FILE -f s16le -ac 2 -ar 44100 - | rtgenre run --source stdin`",
            )
        if not self._thread.is_alive() and not self._arrived.is_set():
            self._thread.start()

    def wait_ready(self, timeout_s: float = _FIRST_BYTES_S) -> SourceInfo:
        """Tell the format; waits a second at most for the first bytes, to see whether they are raw PCM.

        Raises:
            SourceError: they are not.
        """
        self._arrived.wait(min(timeout_s, _FIRST_BYTES_S))
        if self._ended is not None:
            raise self._ended
        return self._info

    def read(self, timeout_s: float) -> Block | None:
        """Wait for the next block; see ``Source.read``.

        Raises:
            EndOfSource: the pipe was closed by its writer.
            SourceError: the bytes are no raw PCM, or come steadily at the pace of another rate.
        """
        if self._is_over:
            raise self._ended or EndOfSource
        try:
            item = self._blocks.get(timeout=timeout_s) if timeout_s > 0 else self._blocks.get_nowait()
        except queue.Empty:
            return None
        if isinstance(item, Block):
            return item
        self._is_over = True
        raise item or EndOfSource

    def close(self) -> None:
        """Stop taking blocks; see ``Source.close``. A thread that waits for the pipe ends with its next byte."""
        self._closed.set()
        self._is_over = True

    def _read_stream(self) -> None:
        """Body of the reading thread."""
        error: SourceError | None = None
        try:
            self._read_blocks()
        except SourceError as caught:
            error = caught
        except OSError as caught:
            error = SourceError(f"stdin broke: {caught.strerror}")
        self._ended = error
        self._put(error)
        self._arrived.set()

    def _read_blocks(self) -> None:
        read_some = _unbuffered(self._stream)
        pending = read_some(self._block_bytes)
        while 0 < len(pending) < 4 and (more := read_some(self._block_bytes)):
            pending += more  # enough bytes to know what it is
        if not pending:
            raise SourceError(
                "stdin ended before a single sample came", "look at the program that writes into the pipe"
            )
        _refuse_container(pending)
        self._arrived.set()
        while not self._closed.is_set():
            whole = len(pending) - len(pending) % self._frame_bytes
            if whole:
                self._deliver(pending[:whole])
                pending = pending[whole:]
            more = read_some(self._block_bytes - len(pending))
            if not more:
                break
            pending += more
        if pending and not self._closed.is_set():
            self.stats.dropped_samples += 1
            self.stats.notice = f"stdin ended inside a frame: its {len(pending)} bytes were left out"

    def _deliver(self, raw: bytes) -> None:
        now_ns = time.monotonic_ns()
        samples = self._convert(raw).reshape(-1, self._info.channels)
        if self._blocks.full():
            self._pace.reset()  # it is us who set the pace
        measured = self._pace.tell(len(samples), now_ns)
        if measured is not None:
            self._refuse_pace(measured)
        self._put(Block(samples, now_ns))

    def _put(self, item: Block | SourceError | None) -> None:
        while not self._closed.is_set():
            try:
                self._blocks.put(item, timeout=_PUT_S)
            except queue.Full:
                continue
            return

    def _refuse_pace(self, measured: float) -> None:
        """Raise when the pace is that of another standard rate; any other pace is a pipe that is not live."""
        nominal = self._info.sample_rate
        near = min(STANDARD_RATES_HZ, key=lambda rate: abs(rate - measured))
        if near != nominal and abs(measured / near - 1) < _NEAR:
            raise SourceError(
                f"stdin is said to have {nominal} Hz, but {measured:.0f} samples a second arrive steadily",
                f"give the true rate, which looks like {near} Hz, or the true number of channels",
            )


def _unbuffered(stream: BinaryIO) -> Callable[[int], bytes]:
    """Read what is there: through the descriptor, because a buffered reader locks itself until the exit."""
    try:
        fd = stream.fileno()
    except (OSError, io.UnsupportedOperation):
        return stream.read
    return lambda n: os.read(fd, n)


def _refuse_container(start: bytes) -> None:
    kind = next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), None)
    if kind is None and start[4:8] == b"ftyp":
        kind = "MP4"
    if kind is not None:
        raise SourceError(
            f"stdin carries a {kind} file, not raw PCM",
            "name the file (`--source file:PATH`), or unpack it: `ffmpeg -i - -f s16le -ac 2 -ar 44100 -`",
        )
