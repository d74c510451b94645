"""Find labelled sound in a folder: one folder for each label, or GTZAN's own layouts.

Accepted below the folder, or below the ``genres`` of an unpacked GTZAN:

* ``LABEL/…/song.mp3``: a folder for each label, other folders inside as one likes;
* ``LABEL.00000.wav``: flat, the label before a number;
* ``train/``, ``valid/``, ``test/`` above either of these;
* ``splits.csv`` beside the labels, with the columns ``file``, ``split`` and, if known, ``artist``. ``file`` is a path
  inside the folder, or the name alone, with or without its suffix. Files that it does not name are left out. It wins
  over folders of splits.
"""

from __future__ import annotations

import csv
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rtgenre.errors import SourceError
from rtgenre.frontend.spec import FrontendSpec
from rtgenre.training.datasets import interface
from rtgenre.training.datasets.cache import SpectraCache, default_folder
from rtgenre.training.datasets.clips import Skipped, SoundFile, SoundFolder, read_clips
from rtgenre.training.datasets.sound import is_sound

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SPLITS = ("train", "valid", "test")
SPLITS_FILE = "splits.csv"

_GTZAN_TOPS = ("genres", "genres_original", "Data/genres_original")
_FLAT_NAME = re.compile(r"(?P<label>[^.]+)\.\d+\.[^.]+")
_GTZAN_BROKEN = "jazz.00054"  # no sound file in the .wav edition that most people have; whole in the original
_BROKEN_NOTE = " (known: GTZAN's .wav edition has it broken, nothing else is wrong)"


def open_folder(
    path: Path,
    spec: FrontendSpec | None = None,
    *,
    quiet: bool = False,
    limit_s: float | None = None,
    labels: tuple[str, ...] | None = None,
    cache: Path | None = None,
) -> SoundFolder:
    """Open a folder of sound; see the module's summary for what is accepted.

    The first time, every file is read whole. Files that are broken, empty, silent (-60 dBFS or less) or shorter than
    1 s are skipped with a warning each and listed in ``skipped``.

    Args:
        path: the folder.
        spec: the frontend that the clips are for; only its framing matters; the default one if None.
        quiet: no progress bar.
        limit_s: of each file, keep at most so much out of its middle: long mixes else take 85 MB an hour on disk.
        labels: the labels to know, in their order; those found, sorted, if None.
        cache: where spectra are kept; the user's cache folder if None.

    Raises:
        SourceError: there is no such folder, no usable sound in it, or ``splits.csv`` is wrong.
        UsageError: a label is not among ``labels``.
    """
    if not path.is_dir():
        raise SourceError(f"there is no folder {str(path)!r}", interface.LAYOUTS)
    try:
        files, aside = find_files(path)
    except OSError as error:
        raise SourceError(
            f"{error.filename} cannot be read: {error.strerror or error}", "look at its access rights"
        ) from error
    if not files:
        what = "no labelled sound files" if aside else "no sound files"
        first = f"; {aside[0].what} {aside[0].why}" if aside else ""
        raise SourceError(f"{path}: there are {what} in this folder{first}", interface.LAYOUTS)
    kept = SpectraCache(cache or default_folder(), spec or FrontendSpec(), limit_s)
    return read_clips(path, files, aside, kept, quiet=quiet, labels=labels)


def find_files(path: Path) -> tuple[list[SoundFile], list[Skipped]]:
    """What a folder holds, in order, and what in it is not part of it; nothing is read but ``splits.csv``.

    Raises:
        SourceError: ``splits.csv`` is wrong.
        OSError: a folder cannot be listed.
    """
    root = next((path / top for top in _GTZAN_TOPS if (path / top).is_dir()), path)
    files: list[SoundFile] = []
    aside: list[Skipped] = []
    for split, folder in _split_folders(root, aside):
        found, left = _labelled(folder, root, split)
        files += found
        aside += left
    for table in dict.fromkeys((root / SPLITS_FILE, path / SPLITS_FILE)):
        if table.is_file():
            return _as_told(files, aside, table)
    return files, aside


def _split_folders(root: Path, aside: list[Skipped]) -> list[tuple[str, Path]]:
    """The folders that hold labels, each with its split."""
    folders = _folders(root)
    splits = [folder for folder in folders if folder.name in SPLITS]
    # ``train`` alone may well be a label (sounds of trains); with another split beside it, or labels inside it, no.
    if len(splits) < 2 and not (len(splits) == len(folders) == 1 and _has_labels(splits[0])):
        return [(interface.ALL, root)]
    others = [folder for folder in folders if folder not in splits and any(map(is_sound, _files_below(folder)))]
    aside += [Skipped(folder.name, f"is not one of {', '.join(SPLITS)}, which lie beside it") for folder in others]
    aside += [Skipped(file.name, "lies outside the folders of splits") for file in _sounds_in(root)]
    return [(folder.name, folder) for folder in splits]


def _has_labels(folder: Path) -> bool:
    return not _sounds_in(folder) and bool(_folders(folder))


def _labelled(folder: Path, root: Path, split: str) -> tuple[list[SoundFile], list[Skipped]]:
    """Files of one split, and what is left aside."""
    files: list[SoundFile] = []
    aside: list[Skipped] = []
    for label in _folders(folder):
        below = _files_below(label)
        found = [file for file in below if is_sound(file)]
        files += [_sound_file(file, root, label.name, split) for file in found]
        others = {file.suffix.lower() or file.name for file in below if not is_sound(file) and file.name[:1] != "."}
        if others:
            n = sum(not is_sound(file) and file.name[:1] != "." for file in below)
            what = f"{n} file{'s' if n > 1 else ''} in {label.relative_to(root).as_posix()}"
            aside.append(Skipped(what, f"not sound by name: {', '.join(sorted(others)[:5])}"))
    beside = _sounds_in(folder)
    if files:
        where = "lies beside the folders of labels, in none of them"
        return files, aside + [Skipped(file.relative_to(root).as_posix(), where) for file in beside]
    for file in beside:
        told = _FLAT_NAME.fullmatch(file.name)
        if told is None:
            aside.append(Skipped(file.relative_to(root).as_posix(), "has no label: LABEL.00000.wav would have one"))
        else:
            files.append(_sound_file(file, root, told["label"], split))
    return files, aside


def _sound_file(path: Path, root: Path, label: str, split: str) -> SoundFile:
    inside = path.relative_to(root).as_posix()
    # GTZAN's names say everything (and are the same as in its file of spectra); others need their folders.
    own = path.stem if _FLAT_NAME.fullmatch(path.name) else inside.removesuffix(path.suffix)
    return SoundFile(path, inside, own, label, split, known_fault=_BROKEN_NOTE if own == _GTZAN_BROKEN else "")


def _folders(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _sounds_in(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if is_sound(entry) and not entry.is_dir())


def _files_below(folder: Path) -> list[Path]:
    """All files below a folder, sorted; hidden folders are left out, links to folders are not followed."""

    def refuse(error: OSError) -> None:
        raise error

    found: list[Path] = []
    for here, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(here) / name for name in names]
    return sorted(found)


def _as_told(
    files: Sequence[SoundFile], aside: Sequence[Skipped], table: Path
) -> tuple[list[SoundFile], list[Skipped]]:
    """Give files the splits and artists of ``splits.csv``."""
    places = _places(files, table.parent)
    told: dict[int, SoundFile] = {}
    absent = []
    for line, row in _rows(table):
        wanted = row["file"].replace("\\", "/").removeprefix("./")
        at = places.get(wanted, [])
        if len(at) > 1:
            raise SourceError(
                f"{table}, line {line}: {wanted!r} means {len(at)} files", "give its path inside the folder"
            )
        if not at:
            absent.append(wanted)
        elif at[0] in told:
            raise SourceError(f"{table}, line {line}: {wanted!r} was named before", "name each file once")
        else:
            told[at[0]] = replace(files[at[0]], split=row["split"], artist=row.get("artist") or None)
    left = [*aside]
    if absent:
        what = absent[0] if len(absent) == 1 else f"{len(absent)} files ({absent[0]} …)"
        left.append(Skipped(what, f"named in {SPLITS_FILE}, but not here"))
    left += [Skipped(file.inside, f"is not in {SPLITS_FILE}") for i, file in enumerate(files) if i not in told]
    return [told[i] for i in sorted(told)], left


def _places(files: Iterable[SoundFile], folder: Path) -> dict[str, list[int]]:
    """Which files each spelling means: a path inside, a name, a name without its suffix."""
    exact: dict[str, list[int]] = {}
    loose: dict[str, list[int]] = {}
    for i, file in enumerate(files):
        for spelling in {file.inside, file.path.relative_to(folder).as_posix()}:
            exact.setdefault(spelling, []).append(i)
        for spelling in {file.path.name, file.path.stem, file.name}:
            loose.setdefault(spelling, []).append(i)
    return {**loose, **exact}


def _rows(table: Path) -> list[tuple[int, dict[str, str]]]:
    """Lines of ``splits.csv`` with their numbers.

    Raises:
        SourceError: it cannot be read, or a column or value is missing.
    """
    try:
        with table.open(encoding="utf-8-sig", newline="") as text:
            reader = csv.DictReader(text)
            columns = [name.strip().lower() for name in reader.fieldnames or ()]
            reader.fieldnames = columns
            rows = [(reader.line_num, {k: (v or "").strip() for k, v in row.items() if k}) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"{table} cannot be read: {error}", "it must be a UTF-8 CSV: file,split,artist") from error
    if not {"file", "split"} <= set(columns):
        raise SourceError(
            f"{table} has the columns {', '.join(columns) or 'none'}", "it needs file and split, and may have artist"
        )
    for line, row in rows:
        if not row["file"] or not row["split"]:
            raise SourceError(f"{table}, line {line}: file or split is missing", "fill both in or remove the line")
    return rows
