"""FMA (M. Defferrard et al., "FMA: a dataset for music analysis", 2017): its folders, its table, its official split.

The sound lies in ``fma_small/000/000002.mp3`` (or ``fma_medium``), what is known of it in
``fma_metadata/tracks.csv``, whose first three rows are headings: groups, columns, and the name of the index.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from rtgenre.errors import SourceError
from rtgenre.frontend.spec import FrontendSpec
from rtgenre.training.datasets import interface
from rtgenre.training.datasets.cache import SpectraCache, default_folder
from rtgenre.training.datasets.clips import Skipped, SoundFile, SoundFolder, read_clips

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TABLE = "tracks.csv"

_METADATA = "fma_metadata"
# What each folder contains of the table's subsets; a folder of another name is looked through for all of them.
_SUBSETS = {"fma_small": ("small",), "fma_medium": ("small", "medium")}
_SPLITS = {"training": "train", "validation": "valid", "test": "test"}
_COLUMNS = {
    "split": ("set", "split"),
    "subset": ("set", "subset"),
    "genre": ("track", "genre_top"),
    "artist": ("artist", "id"),
}
_LONGEST_FIELD = 1 << 24  # biographies are longer than the csv module allows by itself


def find_table(path: Path) -> Path | None:
    """Where the table of an FMA folder is: in it, in its ``fma_metadata``, or in the one beside; None if nowhere."""
    places = [path / TABLE, path / _METADATA / TABLE]
    if path.absolute().name.startswith("fma_"):
        places.append(path.absolute().parent / _METADATA / TABLE)
    return next((place for place in places if place.is_file()), None)


def open_fma(
    path: Path,
    spec: FrontendSpec | None = None,
    *,
    quiet: bool = False,
    limit_s: float | None = None,
    labels: tuple[str, ...] | None = None,
    cache: Path | None = None,
) -> SoundFolder:
    """Open FMA small or medium.

    Labels are the top genres, artists the table's, the official split's parts are called ``train``, ``valid`` and
    ``test``. Broken files (there are some) are skipped; see ``folder.open_folder``.

    Args:
        path: the folder that holds ``fma_small`` or ``fma_medium``, or one of these.
        spec: the frontend that the clips are for; only its framing matters; the default one if None.
        quiet: no progress bar.
        limit_s: of each file, keep at most so much out of its middle.
        labels: the labels to know, in their order; those found, sorted, if None.
        cache: where spectra are kept; the user's cache folder if None.

    Raises:
        SourceError: there is no table or no sound, or the table is another one.
        UsageError: a label is not among ``labels``.
    """
    table = find_table(path)
    if table is None:
        raise SourceError(f"{path}: there is no {TABLE} in it or in {_METADATA}", interface.LAYOUTS)
    files, aside = _files(_sound_root(path), table)
    kept = SpectraCache(cache or default_folder(), spec or FrontendSpec(), limit_s)
    return read_clips(path, files, aside, kept, quiet=quiet, labels=labels)


def _sound_root(path: Path) -> Path:
    inside = [path / name for name in _SUBSETS if (path / name).is_dir()]
    if len(inside) > 1:
        raise SourceError(f"{path} holds {' and '.join(p.name for p in inside)}", f"name one of them: {inside[0]}")
    return inside[0] if inside else path


def _files(root: Path, table: Path) -> tuple[list[SoundFile], list[Skipped]]:
    """Files that the table tells of and that are there, in the table's order, and what was left aside.

    Raises:
        SourceError: none is there, or the table is another one.
    """
    subsets = _SUBSETS.get(root.absolute().name, _SUBSETS["fma_medium"])
    files, absent, untold = [], [], []
    for track, row in _rows(table):
        if row["subset"] not in subsets:
            continue
        inside = f"{track[:3]}/{track}.mp3"
        if not (root / inside).is_file():
            absent.append(inside)
        elif not row["genre"] or row["split"] not in _SPLITS:
            untold.append(inside)
        else:
            files.append(
                SoundFile(root / inside, inside, track, row["genre"], _SPLITS[row["split"]], row["artist"] or None)
            )
    if not files:
        raise SourceError(
            f"{root}: none of the {len(absent) + len(untold)} tracks of {table} is here",
            "they lie in folders by number: 000/000002.mp3",
        )
    aside = [
        Skipped(_in_words(some), why)
        for some, why in ((absent, f"in {TABLE}, but not here"), (untold, f"without genre or split in {TABLE}"))
        if some
    ]
    return files, aside


def _in_words(some: list[str]) -> str:
    return some[0] if len(some) == 1 else f"{len(some)} tracks ({some[0]} …)"


def _rows(table: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Each track's number in six digits, and what of ``_COLUMNS`` the table says of it."""
    before = csv.field_size_limit(_LONGEST_FIELD)
    try:
        with table.open(encoding="utf-8", newline="") as text:
            lines = csv.reader(text)
            at = _places(next(lines, []), next(lines, []), table)
            for row in lines:
                if row and row[0].isdecimal() and len(row) > max(at.values()):
                    yield f"{int(row[0]):06d}", {name: row[column].strip() for name, column in at.items()}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"{table} cannot be read: {error}", "get fma_metadata.zip again") from error
    finally:
        csv.field_size_limit(before)


def _places(groups: list[str], columns: list[str], table: Path) -> dict[str, int]:
    """In which column each of ``_COLUMNS`` is."""
    headings = list(zip(groups, columns, strict=False))
    missing = [" ".join(heading) for heading in _COLUMNS.values() if heading not in headings]
    if missing:
        raise SourceError(
            f"{table} is not FMA's: it has no column {', '.join(missing)}",
            f"its first two rows must name groups and columns; {interface.LAYOUTS}",
        )
    return {name: headings.index(heading) for name, heading in _COLUMNS.items()}
