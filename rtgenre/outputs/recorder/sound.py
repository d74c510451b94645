"""The sound of a source as FLAC files, taken from the blocks that the engine reads.

24 bits hold every sample of 16- and 24-bit sources exactly, so what is made of a kept file is what was made of the
source. Lost audio becomes zeros of the same length, so that positions stay what the messages say.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from rtgenre.errors import OutputError
from rtgenre.outputs.mailbox import Mailbox
from rtgenre.outputs.recorder.lines import file_name

if TYPE_CHECKING:
    from pathlib import Path

    from rtgenre.audio.source import Source
    from rtgenre.records import Block, FloatArray, SourceInfo

log = logging.getLogger(__name__)

CAPACITY = 4096  # blocks kept while the disk is busy: a minute and a half of usual ones
ROOM = 64  # blocks waiting at which a source that can wait does so
MOST_CHANNELS = 8  # of FLAC
LONGEST_ZEROS_S = 10.0  # after a longer hole another file begins
_FULL_BYTES = 1 << 16  # free where a disk counts as full


@dataclass(frozen=True, slots=True)
class _Piece:
    """Samples and where they belong.

    Attributes:
        first: index of the first one since the source was opened, lost ones included.
        samples: (n, channels) float32.
        t_last_ns: monotonic clock at which the last one was captured.
    """

    first: int
    samples: FloatArray
    t_last_ns: int


class SoundTap:
    """A ``Source`` that passes another one's blocks on and keeps them; see ``Source`` for threads and errors.

    Args:
        source: not yet started.
        folder: where the files go; there already.
        rotate_s: length of a file.
    """

    def __init__(self, source: Source, folder: Path, rotate_s: float) -> None:
        self.name = source.name
        self.stats = source.stats
        self._source = source
        self._folder = folder
        self._rotate_s = rotate_s
        self._position = 0
        self._live = True
        self._keeper: SoundKeeper | None = None

    @property
    def lost(self) -> int:
        """Samples of each channel that are zeros or missing in the files so far, whoever lost them; any thread."""
        keeper = self._keeper
        if keeper is None:
            return 0
        return keeper.lost + (self._position - keeper.written if keeper.failed else 0)

    def start(self) -> None:
        """As the source's own."""
        self._source.start()

    def wait_ready(self, timeout_s: float) -> SourceInfo:
        """As the source's own; what is read from now on is kept.

        Raises:
            OutputError: it has more channels than FLAC has.
        """
        info = self._source.wait_ready(timeout_s)
        if info.channels > MOST_CHANNELS:
            raise OutputError(
                f"{info.description!r} is open with {info.channels} channels; FLAC holds at most {MOST_CHANNELS}",
                "name fewer with source.channels, or record without the sound",
            )
        self._live = info.live
        if self._keeper is None:
            self._keeper = SoundKeeper(info, self._folder, self._rotate_s)
        return info

    def read(self, timeout_s: float) -> Block | None:
        """As the source's own; where the disk is slow, a file waits, and a device does not."""
        keeper = self._keeper
        if keeper is None:
            return self._source.read(timeout_s)
        if not self._live and len(keeper.mailbox) >= ROOM:
            time.sleep(min(timeout_s, 0.001))
            return None
        block = self._source.read(timeout_s)
        if block is not None:
            self._position += block.gap_samples
            keeper.mailbox.put(_Piece(self._position, block.samples, block.t_last_ns))
            self._position += len(block.samples)
        return block

    def close(self) -> None:
        """As the source's own, and end the file."""
        self._source.close()
        self.end_recording()

    def end_recording(self) -> None:
        """End the file; more than once is fine."""
        if self._keeper is not None:
            self._keeper.close()


class SoundKeeper:
    """Writes pieces of sound into ``sound-NAME-TIME.flac`` files, in a thread of its own.

    Args:
        info: of the source.
        folder: where the files go.
        rotate_s: length of a file.

    Attributes:
        mailbox: where pieces are put, by any thread.
        lost: samples of each channel before ``written`` that are zeros or missing here, whoever lost them.
        written: index one past the last sample that was kept.
        failed: True once nothing more can be kept.
    """

    def __init__(self, info: SourceInfo, folder: Path, rotate_s: float) -> None:
        self.mailbox: Mailbox[_Piece] = Mailbox(CAPACITY)
        self.lost = 0
        self.written = 0
        self.failed = False
        self._info = info
        self._folder = folder
        self._file_samples = max(1, round(rotate_s * info.sample_rate))
        self._file: soundfile.SoundFile | None = None
        self._in_file = 0
        self._thread = threading.Thread(target=self._run, name=f"rtgenre-sound-{info.name}", daemon=True)
        self._thread.start()

    def close(self, timeout_s: float = 5.0) -> None:
        """Write what is left and end; any thread but the writer's own, more than once is fine."""
        self.mailbox.close()
        if self._thread is not threading.current_thread():
            self._thread.join(timeout_s)

    # Everything below runs in the keeper's own thread.

    def _run(self) -> None:
        try:
            self._write_all()
        except (OSError, soundfile.SoundFileError) as error:
            why = getattr(error, "strerror", None) or getattr(error, "error_string", None) or error
            if _is_full(self._folder):  # libsndfile says "System error."
                why = os.strerror(errno.ENOSPC)
            kept_s = self.written / self._info.sample_rate
            self.failed = True
            log.error(  # noqa: TRY400 - no defect of ours
                "the sound of %s is kept no longer, after %.1f s: %s cannot be written: %s",
                *(self._info.name, kept_s, self._folder, why),
            )
        finally:
            self.mailbox.close()
            self.mailbox.drain()
            self.mailbox.release()
            if self._file is not None:
                self._file.close()
            if self.lost:
                lost_s = self.lost / self._info.sample_rate
                log.warning("%.2f s of the sound of %s are missing in the recording", lost_s, self._info.name)

    def _write_all(self) -> None:
        while True:
            # Looked at before draining: what was put before the mailbox closed is still in it.
            closed = self.mailbox.closed
            for piece in self.mailbox.drain():
                self._keep(piece)
            if closed:
                return
            self.mailbox.wait(1.0)

    def _keep(self, piece: _Piece) -> None:
        hole = piece.first - self.written
        if hole and self._file is not None:
            if hole > LONGEST_ZEROS_S * self._info.sample_rate:
                self._end_file()
            else:
                self._write(np.zeros((hole, self._info.channels), np.float32), piece.t_last_ns)
        self.lost += hole
        self.written = piece.first
        self._write(np.nan_to_num(piece.samples, nan=0.0, posinf=0.0, neginf=0.0), piece.t_last_ns)
        self.written += len(piece.samples)

    def _write(self, samples: FloatArray, t_last_ns: int) -> None:
        while len(samples):
            if self._file is None:
                self._file = self._begin_file(t_last_ns, len(samples))
            fits = samples[: self._file_samples - self._in_file]
            self._file.write(fits)
            self._in_file += len(fits)
            samples = samples[len(fits) :]
            if self._in_file >= self._file_samples:
                self._end_file()

    def _begin_file(self, t_last_ns: int, n_samples: int) -> soundfile.SoundFile:
        """A file whose name says when its first sample was captured."""
        began_s = time.time() - (time.monotonic_ns() - t_last_ns) / 1e9 - n_samples / self._info.sample_rate
        path = self._folder / file_name(f"sound-{self._info.name}", began_s, ".flac")
        while path.exists():  # a file that is read faster than it sounds
            began_s += 0.001
            path = self._folder / file_name(f"sound-{self._info.name}", began_s, ".flac")
        name = os.fsencode(path) if os.name == "posix" else path
        return soundfile.SoundFile(name, "x", self._info.sample_rate, self._info.channels, "PCM_24", format="FLAC")

    def _end_file(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file, self._in_file = None, 0


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < _FULL_BYTES
    except OSError:
        return False
