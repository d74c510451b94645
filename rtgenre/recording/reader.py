"""Reading a recording: messages in the order in which they were kept; what is damaged is counted, and skipped."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from rtgenre.errors import FeedError
from rtgenre.outputs import wire

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SUFFIXES = (".jsonl.gz", ".jsonl")
LONGEST_LINE_BYTES = 1 << 20
_CHUNK_BYTES = 1024  # compressed; what a damaged stream loses before the damage is less than this


@dataclass(slots=True)
class Damage:
    """What could not be read.

    Attributes:
        skipped_lines: lines that are no message of this version.
        cut_off: files without their end: of a recorder that is still writing, or was killed.
        broken: files that are damaged further in; what follows in them is lost.
    """

    skipped_lines: int = 0
    cut_off: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """One line for people; empty where everything could be read."""
        found = [f"{self.skipped_lines} damaged line(s) skipped"] if self.skipped_lines else []
        if self.cut_off:
            found.append(f"without its end (still being written, or killed): {', '.join(self.cut_off)}")
        if self.broken:
            found.append(f"damaged, the rest of it is lost: {', '.join(self.broken)}")
        return "; ".join(found)


class Recording:
    """A folder of a recorder, or one file of JSON lines, gzipped or not.

    Args:
        path: of the folder or file.

    Attributes:
        path: as given.
        files: of messages, the oldest first.
        damage: found so far; complete once ``messages`` has been read to its end.

    Raises:
        FeedError: there is nothing of that name, or it holds no file of messages.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damage = Damage()
        if path.is_dir():
            # A recorder's names begin with their time, so that they sort.
            self.files = sorted(p for p in path.iterdir() if p.name.endswith(SUFFIXES) and p.is_file())
            if not self.files:
                raise FeedError(
                    f"{str(path)!r} holds no recording: there is no file …{' or …'.join(SUFFIXES)} in it",
                    "name the folder that was given to `rtgenre record` or `rtgenre run --record`",
                )
        elif path.is_file():
            self.files = [path]
        else:
            raise FeedError(
                f"there is no recording {str(path)!r}",
                "make one: rtgenre record FOLDER, or rtgenre run --record FOLDER",
            )

    def messages(self) -> Iterator[wire.Message]:
        """All messages, oldest first; any number of times.

        Raises:
            FeedError: there is not one, or a file cannot be opened.
        """
        self.damage = Damage()
        found = False
        for path in self.files:
            for line in self._lines(path):
                try:
                    message = wire.decode(line)
                except (msgspec.DecodeError, UnicodeDecodeError):
                    self.damage.skipped_lines += 1
                else:
                    found = True
                    yield message
        if not found:
            why = str(self.damage) or "empty"
            raise FeedError(
                f"there is no message in the recording {str(self.path)!r}: {why}",
                "was it made by `rtgenre record`, and is this rtgenre as new as that one?",
            )

    def _lines(self, path: Path) -> Iterator[bytes]:
        """Complete lines of a file; what follows the last line end was cut off."""
        rest = b""
        for text in self._unpacked(path):
            *lines, rest = (rest + text).split(b"\n")
            yield from (line for line in lines if line)
            if len(rest) > LONGEST_LINE_BYTES:
                self.damage.broken.append(path.name)
                return
        self.damage.skipped_lines += bool(rest)

    def _unpacked(self, path: Path) -> Iterator[bytes]:
        try:
            with path.open("rb") as raw:
                chunks = iter(lambda: raw.read(_CHUNK_BYTES), b"")
                yield from self._gunzip(chunks, path.name) if path.name.endswith(".gz") else chunks
        except OSError as error:
            raise FeedError(
                f"{str(path)!r} cannot be read: {error.strerror or error}", "look at its access rights"
            ) from None

    def _gunzip(self, chunks: Iterator[bytes], name: str) -> Iterator[bytes]:
        unpack = zlib.decompressobj(wbits=31)  # 16 + 15: a gzip header and the largest window
        try:
            for chunk in chunks:
                yield unpack.decompress(chunk)
                while unpack.eof and unpack.unused_data:  # files that somebody joined
                    following, unpack = unpack.unused_data, zlib.decompressobj(wbits=31)
                    yield unpack.decompress(following)
        except zlib.error:
            self.damage.broken.append(name)
        else:
            if not unpack.eof:
                self.damage.cut_off.append(name)
