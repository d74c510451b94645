"""What libsndfile does not tell: headers that contradict themselves, and files that were cut off.

libsndfile silently believes the size of a truncated WAV, AIFF or AU file rather than its header, and takes the last
whole page of an Ogg file for its end.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import BinaryIO

from rtgenre.errors import SourceError

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_UNKNOWN_SIZE = 0xFFFFFFFF  # also 0: written by programs that could not go back to the header
_OGG_TAIL = 1 << 17  # two of the largest pages
_OGG_END_OF_STREAM = 0x04


@dataclass(frozen=True, slots=True)
class HeaderFacts:
    """What the container says about the length of the sound.

    Attributes:
        declared_frames: frames that the header promises; 0 where it does not say.
        lacks_end: True when the container has an end mark and this file does not.
    """

    declared_frames: int = 0
    lacks_end: bool = False


def check_header(raw: BinaryIO, shown: str) -> HeaderFacts:
    """Look at a file's container.

    Args:
        raw: the file, open for reading bytes.
        shown: how to name it in a message.

    Raises:
        SourceError: the file is empty, or its header contradicts itself.
    """
    magic = raw.read(4)
    if not magic:
        raise SourceError(f"{shown} is empty", "get the file again")
    if magic in (b"RIFF", b"RF64"):
        return _check_wave(raw, shown)
    if magic == b"OggS":
        return HeaderFacts(lacks_end=not _ogg_has_end(raw))
    if magic == b"FORM":
        return _check_aiff(raw)
    if magic == b".snd":
        return _check_au(raw)
    return HeaderFacts()


def _check_wave(raw: BinaryIO, shown: str) -> HeaderFacts:
    file_size = raw.seek(0, os.SEEK_END)
    raw.seek(12)
    block_align = 0
    wide_size = 0
    while len(head := raw.read(8)) == 8:
        kind, size = struct.unpack("<4sI", head)
        start = raw.tell()
        if kind == b"ds64":
            wide_size = int.from_bytes(raw.read(16)[8:], "little")
        elif kind == b"fmt ":
            block_align = _check_format(raw.read(16), shown)
        elif kind == b"data":
            declared = wide_size if size == _UNKNOWN_SIZE else size
            if not block_align or not declared or start + declared <= file_size:
                return HeaderFacts()
            return HeaderFacts(declared_frames=declared // block_align)
        raw.seek(start + size + size % 2)
    return HeaderFacts()


def _check_format(chunk: bytes, shown: str) -> int:
    """Return the bytes in a frame, 0 where frames have no fixed size (compressed)."""
    if len(chunk) < 16:
        raise SourceError(f"{shown} is cut off inside its header", "get the file again")
    tag, channels, rate, byte_rate, block_align, _bits = struct.unpack("<HHIIHH", chunk)
    if tag not in (_PCM, _FLOAT, _EXTENSIBLE):
        return 0
    if byte_rate != rate * block_align:
        meant = f"{byte_rate // block_align} Hz" if block_align else "no rate at all"
        raise SourceError(
            f"{shown}: the header contradicts itself: it says {rate} Hz, but {byte_rate} bytes a second "
            f"in frames of {block_align} bytes, which is {meant} ({channels} channels)",
            "find out the true rate and write a true header: `sox -r RATE --ignore-length FILE fixed.wav`",
        )
    return int(block_align)


def _check_aiff(raw: BinaryIO) -> HeaderFacts:
    if raw.read(8)[4:] != b"AIFF":
        return HeaderFacts()  # AIFC counts in packets
    while len(head := raw.read(8)) == 8:
        kind, size = struct.unpack(">4sI", head)
        chunk = raw.read(size + size % 2)
        if kind == b"COMM" and len(chunk) >= 6:
            return HeaderFacts(declared_frames=int.from_bytes(chunk[2:6], "big"))
    return HeaderFacts()


def _check_au(raw: BinaryIO) -> HeaderFacts:
    head = raw.read(8)
    offset, size = struct.unpack(">II", head) if len(head) == 8 else (0, _UNKNOWN_SIZE)
    file_size = raw.seek(0, os.SEEK_END)
    return HeaderFacts(lacks_end=size != _UNKNOWN_SIZE and offset + size > file_size)


def _ogg_has_end(raw: BinaryIO) -> bool:
    file_size = raw.seek(0, os.SEEK_END)
    raw.seek(max(0, file_size - _OGG_TAIL))
    tail = raw.read()
    at = tail.rfind(b"OggS\0")
    return 0 <= at < len(tail) - 5 and bool(tail[at + 5] & _OGG_END_OF_STREAM)
