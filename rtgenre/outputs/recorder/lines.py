"""Messages as gzipped JSON lines, in files that follow one another and can each be read after a kill.

Once a second what has been written so far is brought to a byte boundary of the compressed stream (zlib's sync
flush, RFC 1951 section 3.2.4) and given to the system: a killed program loses at most the last second.
"""

from __future__ import annotations

import datetime as dt
import errno
import gzip
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from rtgenre.errors import OutputError

if TYPE_CHECKING:
    from pathlib import Path

FLUSH_S = 1.0


@dataclass(frozen=True, slots=True)
class Limits:
    """When the next file begins, whichever comes first.

    Attributes:
        rotate_mb: size of a file of messages as it lies on the disk, in millions of bytes.
        rotate_s: age of a file, of messages or of sound.
    """

    rotate_mb: float = 64.0
    rotate_s: float = 3600.0


def check_folder(folder: Path) -> None:
    """See whether a recording can be kept in a folder that need not be there yet; nothing is made.

    Raises:
        OutputError: it cannot be made or written.
    """
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise cannot_write(folder, OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)))
    if not os.access(there, os.W_OK | os.X_OK):
        raise cannot_write(folder, OSError(errno.EACCES, os.strerror(errno.EACCES)))


def open_folder(folder: Path) -> Path:
    """Make the folder of a recording, where there is none.

    Raises:
        OutputError: it cannot be made or written.
    """
    check_folder(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from None
    return folder


def cannot_write(path: Path, error: OSError) -> OutputError:
    """What to say of a place that cannot be written."""
    remedy = "choose another folder, or look at its access rights and the room on the disk"
    return OutputError(f"{str(path)!r} cannot be written: {error.strerror or error}", remedy)


def file_name(kind: str, t_wall_s: float, suffix: str) -> str:
    """Name that sorts by time.

    Args:
        kind: ``feed``, or ``sound-`` and the name of a source.
        t_wall_s: Unix time of its beginning.
        suffix: with its dot.
    """
    began = dt.datetime.fromtimestamp(t_wall_s, dt.UTC)
    return f"{kind}-{began:%Y%m%dT%H%M%S}.{began.microsecond // 1000:03d}Z{suffix}"


class KeptLines:
    """Writes lines into ``feed-TIME.jsonl.gz`` files; belongs to one thread.

    Args:
        folder: where they go; there already.
        limits: when the next one begins.

    Attributes:
        written: lines so far.
        files: begun so far.
    """

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.written = 0
        self.files = 0
        self._folder = folder
        self._limits = limits
        self._raw: BinaryIO | None = None
        self._packed: gzip.GzipFile | None = None
        self._t_begun = self._t_flushed = 0.0

    def write(self, line: bytes) -> None:
        """Keep a line.

        Args:
            line: without its end.

        Raises:
            OutputError: the disk is full, or the folder is gone.
        """
        try:
            self._open().write(line + b"\n")
            self.written += 1
            self.flush_if_due()
        except OSError as error:
            raise cannot_write(self._folder, error) from None

    def flush_if_due(self) -> None:
        """Give what is a second old to the system; call it about once a second where nothing is written.

        Raises:
            OutputError: see ``write``.
        """
        now = time.monotonic()
        if self._packed is None or self._raw is None or now - self._t_flushed < FLUSH_S:
            return
        try:
            self._packed.flush()
            self._raw.flush()
            self._t_flushed = now
            if self._raw.tell() >= self._limits.rotate_mb * 1e6 or now - self._t_begun >= self._limits.rotate_s:
                self.close()
        except OSError as error:
            raise cannot_write(self._folder, error) from None

    def close(self) -> None:
        """End the file; a line written later begins another.

        Raises:
            OutputError: see ``write``.
        """
        packed, raw, self._packed, self._raw = self._packed, self._raw, None, None
        try:
            if packed is not None:
                packed.close()
        except OSError as error:
            raise cannot_write(self._folder, error) from None
        finally:
            if raw is not None:
                raw.close()

    def _open(self) -> gzip.GzipFile:
        while self._packed is None:
            path = self._folder / file_name("feed", time.time(), ".jsonl.gz")
            try:
                self._raw = path.open("xb")
            except FileExistsError:  # another one of the same millisecond
                time.sleep(0.002)
                continue
            self._packed = gzip.GzipFile(filename="", mode="wb", fileobj=self._raw, compresslevel=6)
            self._t_begun = self._t_flushed = time.monotonic()
            self.files += 1
        return self._packed
