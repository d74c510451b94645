"""Small trees of made-up sound, as people have them on their disks."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import soundfile

from tests import signals

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

RATE = 22050


def write(path: Path, x: NDArray[np.float32], rate: int = RATE) -> Path:
    """A sound file, in the format that its suffix says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    opus = {"format": "OGG", "subtype": "OPUS"} if path.suffix == ".opus" else {}
    soundfile.write(path, x, rate, **opus)
    return path


def song(path: Path, seed: int = 0, seconds: float = 1.5, rate: int = RATE) -> Path:
    """Something like music."""
    return write(path, signals.music(round(seconds * rate), seed, rate), rate)


_HEADINGS = (
    ("", "album", "artist", "artist", "set", "set", "track", "track"),
    ("", "comments", "id", "bio", "split", "subset", "genre_top", "title"),
    ("track_id", "", "", "", "", "", "", ""),
)
# id, artist, split, subset, genre
TRACKS = (
    (2, 1, "training", "small", "Hip-Hop"),
    (5, 1, "training", "small", "Hip-Hop"),
    (10, 6, "validation", "small", "Pop"),
    (140, 54, "test", "small", "Rock"),
    (1041, 7, "training", "medium", "Rock"),
    (2000, 8, "training", "large", ""),
)


def fma(root: Path, subset: str = "fma_small") -> Path:
    """FMA with five tracks that exist, one of them in medium only, and one row of large."""
    table = root / "fma_metadata" / "tracks.csv"
    table.parent.mkdir(parents=True)
    with table.open("w", encoding="utf-8", newline="") as text:
        rows = csv.writer(text)
        rows.writerows(_HEADINGS)
        for track, artist, split, part, genre in TRACKS:
            # Biographies have line ends and commas, and are longer than the csv module takes by itself.
            rows.writerow((track, 0, artist, "Born, they say,\n" * 10_000, split, part, genre, "Song, a"))
    for track, _, _, part, _ in TRACKS:
        if part == "small" or f"fma_{part}" == subset:
            song(root / subset / f"{track:06d}"[:3] / f"{track:06d}.mp3", track, rate=44100)
    return root
