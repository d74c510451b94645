"""A made-up GTZAN in both forms, clips of 30 s: genres differ in pitch and beat, artists in colour."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import soundfile

from rtgenre.frontend.spec import FrontendSpec
from rtgenre.frontend.stream import Frontend

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

GENRES = ("blues", "disco", "metal")
RATE = 22050
ARTISTS, CLIPS = 4, 2
_BINS = np.unique(np.concatenate((np.arange(0, 1025, 2), [1, 3])))


def clip(genre: int, artist: int, number: int) -> NDArray[np.float32]:
    """30 s: a tone that swells and falls in the genre's time, over noise."""
    rng = np.random.default_rng([genre, artist, number])
    t = np.arange(30 * RATE) / RATE
    swell = 0.55 + 0.45 * np.sin(2 * np.pi * (0.5 + genre) * t)
    x = 0.3 * swell * np.sin(2 * np.pi * 220 * 3**genre * (1 + 0.05 * artist) * t)
    return (x + 0.02 * rng.standard_normal(len(t))).astype(np.float32)


def write_gtzan(folder: Path) -> tuple[Path, Path, Path]:
    """Paths of the spectra, of a folder with a clip of each artist as sound, and of the table of statistics."""
    spec = FrontendSpec()
    sound = folder / "genres"
    sound.mkdir(parents=True)
    rng = np.random.default_rng(0)
    frontend, rows = Frontend(spec), []
    lines = ["filename,length,chroma_stft_mean,tempo,label"]
    for genre, label in enumerate(GENRES):
        for artist in range(ARTISTS):
            for number in range(CLIPS):
                name = f"{label}.{artist * CLIPS + number:05d}"
                x = clip(genre, artist, number)
                if number == 0:
                    soundfile.write(sound / f"{name}.wav", x, RATE)
                db = 10 * np.log10(np.maximum(frontend.spectra(x), 1e-16))
                power = np.clip(np.rint((db[:344, _BINS].T + 160) / 1.5), 1, 255).astype(np.uint8)
                rows.append((power, name, label, "train" if artist < ARTISTS // 2 else "valid", genre * 100 + artist))
                lines.append(f"{name}.wav,661500,{genre + rng.normal(0, 0.2):.4f},{rng.normal(120, 9):.2f},{label}")
    power, names, labels, splits, artists = zip(*rows, strict=True)
    file = folder / "gtzan_power.npz"
    np.savez(
        file,
        power_db=np.stack(power),
        fft_bins=_BINS.astype(np.int32),
        n_frames=np.full(len(names), 344, np.int32),
        names=np.array(names),
        genre=np.array(labels),
        split=np.array(splits),
        artist_id=np.array(artists, np.int32),
        genres=np.array(GENRES),
    )
    table = folder / "features_30_sec.csv"
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file, sound, table
