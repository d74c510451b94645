"""``FileSource``: a sound file, at the pace of a clock or as fast as it can be read."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import soundfile

from rtgenre.audio.headers import HeaderFacts, check_header
from rtgenre.audio.source import EndOfSource
from rtgenre.errors import SourceError
from rtgenre.records import Block, SourceInfo, SourceStats

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MIN_RATE_HZ = 4_000
MAX_RATE_HZ = 768_000
_S = 1_000_000_000
_UNKNOWN_FRAMES = 1 << 62  # libsndfile says the largest count it has where a header does not tell


@dataclass(frozen=True, slots=True)
class _Opened:
    sound: soundfile.SoundFile
    info: SourceInfo
    facts: HeaderFacts


class FileSource:
    """A sound file as a ``Source``: anything that libsndfile reads.

    A file that was cut off gives what it holds; then ``read`` raises instead of ending.

    Args:
        name: name used in topics.
        path: the file.
        realtime: True to deliver each block when its last sample would have been captured live, without
            drift; False to deliver as fast as ``read`` is called.
        block_samples: frames in a block; the last one may be shorter.
    """

    def __init__(self, name: str, path: str | os.PathLike[str], realtime: bool, block_samples: int = 1024) -> None:
        self.name = name
        self.stats = SourceStats()
        self._path = Path(path)
        self._shown = repr(str(path))
        self._realtime = realtime
        self._block_samples = block_samples
        self._opened: _Opened | None = None
        self._n_read = 0
        self._start_ns = 0
        self._next: NDArray[np.float32] | None = None
        self._is_closed = False

    def start(self) -> None:
        """Open the file and check its header.

        Raises:
            SourceError: missing, a folder, unreadable, empty, not sound, or its header cannot be true.
        """
        self._open()

    def wait_ready(self, timeout_s: float = 0.0) -> SourceInfo:  # noqa: ARG002 - a file needs no waiting
        """Tell the format; see ``Source.wait_ready``."""
        return self._open().info

    def read(self, timeout_s: float) -> Block | None:
        """Give the next block; see ``Source.read``.

        Raises:
            EndOfSource: the file is over.
            SourceError: the file was cut off or is damaged; all that could be read has been delivered.
        """
        opened = self._open()
        samples = self._next if self._next is not None else self._read_samples(opened)
        t_last_ns = time.monotonic_ns()
        self._start_ns = self._start_ns or t_last_ns
        if self._realtime:
            # Counted from the start of the file, not from the last block: waiting never adds up.
            due_ns = self._start_ns + (self._n_read + len(samples)) * _S // opened.info.sample_rate
            early_s = (due_ns - t_last_ns) / _S
            time.sleep(max(0.0, min(early_s, timeout_s)))
            if early_s > timeout_s:
                self._next = samples
                return None
            t_last_ns = due_ns
        self._n_read += len(samples)
        self._next = None
        return Block(samples, t_last_ns)

    def close(self) -> None:
        """Close the file; see ``Source.close``."""
        self._is_closed = True
        if self._opened is not None:
            self._opened.sound.close()

    def _open(self) -> _Opened:
        if self._is_closed:
            raise SourceError(f"{self._shown} is closed")
        if self._opened is None:
            facts = self._look_at_file()
            try:
                # As bytes: a file's name need not be valid UTF-8.
                sound = soundfile.SoundFile(os.fsencode(self._path) if os.name == "posix" else self._path)
            except soundfile.LibsndfileError as error:
                raise SourceError(
                    f"{self._shown} is not a sound file that can be read: {error.error_string}",
                    "convert it first: `ffmpeg -i FILE out.wav`",
                ) from error
            try:
                info = self._describe(sound)
            except SourceError:
                sound.close()
                raise
            self._opened = _Opened(sound, info, facts)
        return self._opened

    def _look_at_file(self) -> HeaderFacts:
        try:
            if self._path.is_dir():
                raise SourceError(f"{self._shown} is a folder, not a sound file", "name the files in it")
            if self._path.exists() and not self._path.is_file():
                raise SourceError(
                    f"{self._shown} is a pipe or a device, not a sound file",
                    "pipe raw PCM in: `rtgenre run --source stdin --rate HZ --channels N < PIPE`",
                )
            with self._path.open("rb") as raw:
                return check_header(raw, self._shown)
        except FileNotFoundError as error:
            raise SourceError(f"there is no file {self._shown}", "look at its spelling and its folder") from error
        except OSError as error:
            raise SourceError(f"{self._shown} cannot be read: {error.strerror}", "look at its access rights") from error

    def _describe(self, sound: soundfile.SoundFile) -> SourceInfo:
        rate, frames = int(sound.samplerate), int(sound.frames)
        if not MIN_RATE_HZ <= rate <= MAX_RATE_HZ:
            allowed = f"rates from {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz are sound"
            raise SourceError(f"{self._shown} says it has {rate} Hz", allowed)
        if frames == 0:
            raise SourceError(f"{self._shown} holds no sound: its length is zero", "get the file again")
        duration_s = frames / rate if frames < _UNKNOWN_FRAMES else None
        return SourceInfo(self.name, self._path.name, rate, int(sound.channels), self._realtime, duration_s)

    def _read_samples(self, opened: _Opened) -> NDArray[np.float32]:
        try:
            samples: NDArray[np.float32] = opened.sound.read(self._block_samples, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise SourceError(
                f"{self._shown} is damaged or cut off: {self._progress(opened)} ({error.error_string})",
                "get the file again",
            ) from error
        if not len(samples):
            raise self._end(opened)
        return samples

    def _end(self, opened: _Opened) -> SourceError | EndOfSource:
        """Say how the file ended: well, or early."""
        if self._n_read < self._declared_frames(opened):
            return SourceError(f"{self._shown} is cut off: {self._progress(opened)}", "get the file again")
        if opened.facts.lacks_end:
            return SourceError(
                f"{self._shown} is cut off: its end is missing, {self._progress(opened)}", "get the file again"
            )
        return EndOfSource()

    def _declared_frames(self, opened: _Opened) -> int:
        known = opened.info.duration_s is not None
        return max(opened.facts.declared_frames, int(opened.sound.frames) if known else 0)

    def _progress(self, opened: _Opened) -> str:
        rate, declared = opened.info.sample_rate, self._declared_frames(opened)
        of = f" of {declared / rate:.2f} s" if declared > self._n_read else ""
        return f"{self._n_read / rate:.2f} s{of} could be read"
