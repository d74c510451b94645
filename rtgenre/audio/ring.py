"""A ring of audio blocks in shared memory: one producer process, one consumer process, no waiting.

Who may call what
    ``RingReader`` (creates the segment) belongs to the daemon, ``RingWriter`` (attaches) to the capture child.
    ``RingWriter.write`` runs in PortAudio's callback: it neither waits, allocates in proportion to anything but
    the block, nor does I/O. All other writer methods run in the child's main thread.

Order of the words
    The producer writes samples, then the block's stamp, then ``HEAD``; the consumer reads ``HEAD``, then stamp
    and samples, then writes the tails. Each word is an aligned int64 with one writer, so it is never torn.
    ``_Fence`` keeps that order on processors that reorder stores (ARM); on x86 it changes nothing.

Loss
    A block that finds no room is dropped whole; its frames are counted in ``DROPPED`` and in the stamp of the
    next block that finds room, so the consumer knows where the hole is.

Life time
    One segment serves one child. The daemon unlinks the name as soon as the child has attached, so that on POSIX
    systems not even a killed daemon leaves a segment behind; before that moment Python's resource tracker does it.
    On Windows a segment vanishes with its last user.
"""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import dataclass
from enum import IntEnum
from multiprocessing import resource_tracker
from multiprocessing.shared_memory import SharedMemory
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Sized

_MAGIC = 0x7274_6752_696E_6701
_WORDS_BYTES = 512
_TEXT_BYTES = 4096 - _WORDS_BYTES
_N_STAMPS = 1024
_STAMP_WORDS = 4
_STAMPS_BYTES = _N_STAMPS * _STAMP_WORDS * 8
_SAMPLES_OFFSET = _WORDS_BYTES + _TEXT_BYTES + _STAMPS_BYTES
BYTES_PER_SAMPLE = 4  # float32
DEFAULT_CAPACITY = 1 << 20  # samples over all channels: 10.9 s of 48 kHz stereo in 4 MiB


class _Word(IntEnum):
    """Index of each int64 word in the header; the consumer writes the tails, the producer all others."""

    MAGIC = 0
    STATE = 1
    SAMPLE_RATE = 2
    CHANNELS = 3
    CAPACITY = 4  # frames
    TEXT_LENGTH = 5  # bytes
    HEARTBEAT_NS = 6
    XRUNS = 7
    DROPPED = 8  # frames
    HEAD = 16  # blocks written; words 16 and 24 lie on cache lines of their own
    TAIL = 24  # blocks read
    TAIL_FRAMES = 25


class ChildState(IntEnum):
    """How far the capture child is."""

    NEW = 0
    ATTACHED = 1
    RUNNING = 2
    FAILED = 3


@dataclass(frozen=True, slots=True)
class Chunk:
    """One block as it came out of the ring.

    Attributes:
        raw: n_frames · channels float32 in native byte order, interleaved; the receiver owns it.
        n_frames: frames in it.
        arrival_ns: monotonic clock in the callback that delivered it.
        dropped_before: frames dropped directly before it because the ring was full.
        xruns: overflows flagged by the device with this block or those dropped before it.
    """

    raw: bytearray
    n_frames: int
    arrival_ns: int
    dropped_before: int
    xruns: int


class _Fence:
    """Keeps earlier memory accesses before later ones.

    A lock that no other thread ever takes, taken twice: its first release holds back nothing that came before,
    its second acquire lets nothing begin that comes after. It cannot block, and costs about 0.2 µs.
    """

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __call__(self) -> None:
        with self._lock:
            pass
        with self._lock:
            pass


class _Segment:
    """The mapped memory, cut into header words, text, stamps and samples."""

    def __init__(self, shm: SharedMemory) -> None:
        self.shm = shm
        self._whole = cast("memoryview", shm.buf)[:]  # None only once closed
        self.words = self._whole[:_WORDS_BYTES].cast("q")
        self.text = self._whole[_WORDS_BYTES : _WORDS_BYTES + _TEXT_BYTES]
        self.stamps = self._whole[_WORDS_BYTES + _TEXT_BYTES : _SAMPLES_OFFSET].cast("q")
        self.samples = self._whole[_SAMPLES_OFFSET:]

    def close(self) -> None:
        """Unmap; the views must go first, or the mapping stays."""
        for view in (self.words, self.text, self.stamps, self.samples, self._whole):
            view.release()
        self.shm.close()


class RingWriter:
    """The producer's side, in the capture child.

    Args:
        name: name of the segment.

    Raises:
        FileNotFoundError: there is no such segment.
        ValueError: the segment is not a ring of this version.
    """

    def __init__(self, name: str) -> None:
        self._segment = _Segment(_attach_untracked(name))
        self._words = self._segment.words
        self._stamps = self._segment.stamps
        self._samples = self._segment.samples
        self._fence = _Fence()
        if self._words[_Word.MAGIC] != _MAGIC:
            self._segment.close()
            raise ValueError(f"shared memory {name!r} is not a ring of this version")
        self._frame_bytes = 0
        self._capacity = 0
        self._head = 0
        self._end = 0
        self._dropped_before = 0
        self._xruns_before = 0
        self._words[_Word.STATE] = ChildState.ATTACHED

    def set_format(self, sample_rate: int, channels: int) -> None:
        """Divide the ring into frames; once, before the first ``write``."""
        self._frame_bytes = channels * BYTES_PER_SAMPLE
        self._capacity = len(self._samples) // self._frame_bytes
        self._words[_Word.SAMPLE_RATE] = sample_rate
        self._words[_Word.CHANNELS] = channels
        self._words[_Word.CAPACITY] = self._capacity

    def tell(self, state: ChildState, text: str) -> None:
        """Publish a state with its text (cut to what fits); only from one thread at a time."""
        raw = text.encode()[:_TEXT_BYTES]
        self._segment.text[: len(raw)] = raw
        self._words[_Word.TEXT_LENGTH] = len(raw)
        self._fence()
        self._words[_Word.STATE] = state

    def write(self, block: memoryview, n_frames: int, xruns: int, arrival_ns: int) -> bool:
        """Append one block, or drop and count it when there is no room.

        Args:
            block: n_frames · channels · 4 bytes, format ``B``.
            n_frames: frames in it.
            xruns: overflows that the device flagged with it.
            arrival_ns: monotonic clock now.

        Returns:
            False when the block was dropped.
        """
        words = self._words
        words[_Word.HEARTBEAT_NS] = arrival_ns
        words[_Word.XRUNS] += xruns
        head, end = self._head, self._end + n_frames
        if end - words[_Word.TAIL_FRAMES] > self._capacity or head - words[_Word.TAIL] >= _N_STAMPS:
            words[_Word.DROPPED] += n_frames
            self._dropped_before += n_frames
            self._xruns_before += xruns
            return False
        start = (self._end % self._capacity) * self._frame_bytes
        first = min(len(block), self._capacity * self._frame_bytes - start)
        self._samples[start : start + first] = block[:first]
        self._samples[: len(block) - first] = block[first:]
        at = (head % _N_STAMPS) * _STAMP_WORDS
        self._stamps[at] = end
        self._stamps[at + 1] = arrival_ns
        self._stamps[at + 2] = self._dropped_before
        self._stamps[at + 3] = self._xruns_before + xruns
        self._fence()
        self._head, self._end, self._dropped_before, self._xruns_before = head + 1, end, 0, 0
        words[_Word.HEAD] = head + 1
        return True

    def close(self) -> None:
        """Unmap the segment."""
        self._segment.close()


class RingReader:
    """The consumer's side, in the daemon; creates the segment. One thread at a time.

    Args:
        capacity: samples over all channels.
    """

    def __init__(self, capacity: int = DEFAULT_CAPACITY) -> None:
        # A short name of our own: macOS allows 31 characters, and people can tell whose it is.
        name = f"rtgenre_{os.urandom(6).hex()}"
        shm = SharedMemory(name, create=True, size=_SAMPLES_OFFSET + capacity * BYTES_PER_SAMPLE)
        self._segment = _Segment(shm)
        self._words = self._segment.words
        self._words[_Word.MAGIC] = _MAGIC
        self._fence = _Fence()
        self._tail = 0
        self._end = 0
        self._linked = True
        self._open = True
        self.name = name

    @property
    def state(self) -> ChildState:
        """How far the child is."""
        return ChildState(self._words[_Word.STATE])

    @property
    def text(self) -> str:
        """What the child said with its state: a description, or an error."""
        self._fence()
        return bytes(self._segment.text[: self._words[_Word.TEXT_LENGTH]]).decode(errors="replace")

    @property
    def sample_rate(self) -> int:
        """Hz; valid from ``RUNNING`` on."""
        return self._words[_Word.SAMPLE_RATE]

    @property
    def channels(self) -> int:
        """Channels; valid from ``RUNNING`` on."""
        return self._words[_Word.CHANNELS]

    @property
    def heartbeat_ns(self) -> int:
        """Monotonic clock of the last callback; 0 before the first."""
        return self._words[_Word.HEARTBEAT_NS]

    @property
    def xruns(self) -> int:
        """Overflows that the device flagged so far."""
        return self._words[_Word.XRUNS]

    @property
    def dropped_frames(self) -> int:
        """Frames dropped so far because the ring was full."""
        return self._words[_Word.DROPPED]

    @property
    def has_block(self) -> bool:
        """Whether ``read`` would return a block."""
        return self._words[_Word.HEAD] != self._tail

    def read(self) -> Chunk | None:
        """Take the oldest block; never waits.

        Returns:
            The block, or None when the ring is empty.
        """
        if not self.has_block:
            return None
        self._fence()
        frame_bytes = self._words[_Word.CHANNELS] * BYTES_PER_SAMPLE
        capacity = self._words[_Word.CAPACITY]
        at = (self._tail % _N_STAMPS) * _STAMP_WORDS
        end, arrival_ns, dropped_before, xruns = self._segment.stamps[at : at + _STAMP_WORDS]
        n_frames = end - self._end
        start = (self._end % capacity) * frame_bytes
        raw = bytearray(self._segment.samples[start : min(start + n_frames * frame_bytes, capacity * frame_bytes)])
        raw += self._segment.samples[: n_frames * frame_bytes - len(raw)]
        self._fence()
        self._tail, self._end = self._tail + 1, end
        self._words[_Word.TAIL_FRAMES] = end
        self._words[_Word.TAIL] = self._tail
        return Chunk(raw, n_frames, arrival_ns, dropped_before, xruns)

    def unlink(self) -> None:
        """Take the name away; both sides keep their mapping. Call it once the child has attached."""
        if self._linked:
            self._linked = False
            self._segment.shm.unlink()

    def close(self) -> None:
        """Unlink and unmap; may be called twice."""
        self.unlink()
        if self._open:
            self._open = False
            self._segment.close()


def _attach_untracked(name: str) -> SharedMemory:
    """Attach without telling the resource tracker, which would unlink the daemon's segment at our exit."""
    if sys.version_info >= (3, 13):
        return SharedMemory(name, track=False)
    register = resource_tracker.register
    resource_tracker.register = _register_nothing
    try:
        return SharedMemory(name)
    finally:
        resource_tracker.register = register


def _register_nothing(name: Sized, rtype: str) -> None:
    """Stand-in for ``resource_tracker.register`` while attaching."""
