"""Spectra of sound files, kept on disk: decoding, resampling and transforming happen once a file and framing.

They are kept as decibels in whole hundredths: at most 0.005 dB (0.12 %) from the spectrum itself, a thirtieth of what
lossy coding at its best does. Every answer comes out of such hundredths, also the first, so that what is learned and
measured never depends on what the cache held. 30 s take 0.7 MB.

An entry belongs to a file's path, size and date of change. It holds the verdict on a file that is of no use, too, and
the file's own SHA-256, so that opening a data set again reads no sound.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import platformdirs
import soundfile
import soxr

from rtgenre.errors import SourceError, UsageError, printable
from rtgenre.frontend.spec import DEFINITION
from rtgenre.frontend.stream import Frontend
from rtgenre.training.datasets import sound

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from rtgenre.frontend.spec import FrontendSpec

    FloatArray = NDArray[np.float32]
    Hundredths = NDArray[np.int16]

_VERSION = 1  # of what an entry holds; raise it whenever a file would give another one
_NOTHING = -32768  # no power at all; the least that is something is -327.67 dB
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Framing:
    """Those numbers of a ``FrontendSpec`` that define its spectra; see there."""

    sample_rate: int
    n_fft: int
    hop: int
    window: str
    scaling: str

    @classmethod
    def of(cls, spec: FrontendSpec) -> Self:
        """A spec's."""
        return cls(spec.sample_rate, spec.n_fft, spec.hop, spec.window, spec.scaling)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a file once it has been read.

    Attributes:
        n_frames: hops of its spectra; 0 where it is of no use.
        sha256: of the file; empty where it cannot even be opened.
        why_useless: why it is of no use, in a line; empty where it is.
        remark: what else should be said of it; empty where nothing.
    """

    n_frames: int
    sha256: str
    why_useless: str = ""
    remark: str = ""


def default_folder() -> Path:
    """Where spectra are kept unless told."""
    return platformdirs.user_cache_path("rtgenre") / "spectra"


@dataclass(frozen=True, slots=True)
class SpectraCache:
    """Spectra of files, made when they are first asked for. Any thread, and any process beside it.

    Attributes:
        folder: where entries lie; made when needed. Entries may be deleted at any time.
        spec: the frontend; only its ``Framing`` matters.
        limit_s: see ``sound.read_sound``.

    Raises:
        UsageError: the limit is not above 0.
    """

    folder: Path
    spec: FrontendSpec
    limit_s: float | None = None

    def __post_init__(self) -> None:
        if self.limit_s is not None and not self.limit_s > 0.0:
            raise UsageError(f"a limit of {self.limit_s:g} s leaves no sound", "give more than 0 s, or no limit")

    def facts(self, path: Path) -> Facts:
        """What is known of a file; reads it only if no entry answers. Raises nothing: what is wrong is a fact."""
        try:
            entry = self._entry(path)
        except OSError as error:
            return Facts(0, "", f"cannot be read: {error.strerror or error}")
        kept = _load(entry, "facts")
        if kept is not None:
            known = json.loads(kept.tobytes())
            return Facts(**known)
        facts, _ = self._make(path, entry)
        return facts

    def power(self, path: Path) -> FloatArray:
        """Spectra of a file from its first loud sample on, (n_frames, n_bins) float32.

        Raises:
            SourceError: the file is of no use, or gone.
        """
        try:
            entry = self._entry(path)
        except OSError as error:
            raise SourceError(
                f"{str(path)!r} cannot be read: {error.strerror or error}", "open the data set again"
            ) from error
        kept = _load(entry, "hundredths_db")
        if kept is not None and kept.ndim == 2 and len(kept) and kept.shape[1] == self.spec.n_bins:
            return decoded(kept)
        facts, made = self._make(path, entry)
        if facts.why_useless:
            raise SourceError(f"{str(path)!r} {facts.why_useless}", "open the data set again")
        return decoded(made)

    def _entry(self, path: Path) -> Path:
        """Where a file's entry lies.

        Raises:
            OSError: there is no such file.
        """
        stat = path.stat()
        depends_on = [
            _VERSION,
            DEFINITION,
            asdict(Framing.of(self.spec)),
            self.limit_s,
            [sound.SHORTEST_S, sound.SILENT_DBFS, sound.ONSET_MAGNITUDE],
            [soundfile.__libsndfile_version__, soxr.__version__],
            [os.fspath(path.absolute()), stat.st_size, stat.st_mtime_ns],
        ]
        key = hashlib.sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()[:32]
        return self.folder / key[:2] / f"{key}.npz"

    def _make(self, path: Path, entry: Path) -> tuple[Facts, Hundredths]:
        nothing = np.empty((0, self.spec.n_bins), np.int16)
        try:
            with path.open("rb") as raw:
                sha256 = hashlib.file_digest(raw, "sha256").hexdigest()
        except OSError as error:  # not kept: access rights can change without the file's date
            return Facts(0, "", f"cannot be read: {error.strerror or error}"), nothing
        facts, power = self._listen(path, sha256)
        made = encoded(power) if power is not None else nothing
        _store(entry, facts=np.frombuffer(json.dumps(asdict(facts)).encode(), np.uint8), hundredths_db=made)
        return facts, made

    def _listen(self, path: Path, sha256: str) -> tuple[Facts, FloatArray | None]:
        try:
            heard = sound.read_sound(path, self.spec.sample_rate, self.limit_s)
        except SourceError as error:
            return Facts(0, sha256, error.message.removeprefix(f"{str(path)!r} ")), None
        why = sound.why_useless(heard.samples, self.spec.sample_rate)
        if why:
            return Facts(0, sha256, why), None
        power = _frontend(self.spec).spectra(sound.from_onset(heard.samples))
        if not len(power):
            return Facts(0, sha256, f"is too short for a window of {self.spec.n_fft} samples"), None
        return Facts(len(power), sha256, "", heard.remark), power


def encoded(power: FloatArray) -> Hundredths:
    """Power in whole hundredths of a decibel, int16, ``_NOTHING`` for none."""
    with np.errstate(divide="ignore"):
        hundredths = np.rint(1000.0 * np.log10(power))
    return np.clip(hundredths, _NOTHING, 32767).astype(np.int16)


def decoded(hundredths: Hundredths) -> FloatArray:
    """Power, float32, of what ``encoded`` made."""
    return _powers()[hundredths.view(np.uint16)]


@lru_cache(maxsize=1)
def _powers() -> FloatArray:
    values = np.arange(65536, dtype=np.uint16).view(np.int16)
    table = 10.0 ** (values / 1000.0)
    table[values == _NOTHING] = 0.0
    return table.astype(np.float32)


@lru_cache(maxsize=8)
def _frontend(spec: FrontendSpec) -> Frontend:
    return Frontend(spec)


def _load(entry: Path, name: str) -> NDArray[Any] | None:
    """One array of an entry; None where there is none, or where it is broken."""
    try:
        # Opened here: numpy leaves a broken file open.
        with entry.open("rb") as raw, np.load(raw, allow_pickle=False) as arrays:
            found: NDArray[Any] = arrays[name]
            return found
    except FileNotFoundError:
        return None
    except Exception as error:  # noqa: BLE001 - whatever is wrong with a kept file, it is made anew
        _log.info("kept spectra %s are broken and are made anew: %s", entry, error)
        return None


def _store(entry: Path, **arrays: NDArray[Any]) -> None:
    """Write an entry whole or not at all. One that cannot be written costs time, nothing else."""
    part = entry.with_name(f"{entry.name}.{os.getpid()}.{threading.get_ident()}.part")
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("wb") as out:
                np.savez(out, **arrays)  # type: ignore[arg-type]  # numpy's stub takes any name for allow_pickle
            part.replace(entry)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        _warn_once(str(entry.parent.parent), error.strerror or str(error))


@lru_cache(maxsize=64)
def _warn_once(folder: str, why: str) -> None:
    _log.warning("spectra cannot be kept in %s and will be made each time: %s", printable(folder), why)
