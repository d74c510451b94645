"""A made-up corpus of spectra in the real layout: genres that differ plainly, artists that differ a little."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rtgenre.training.colouring import Colouring

if TYPE_CHECKING:
    from pathlib import Path

GENRES = ("low", "middle", "high")
BINS = np.unique(np.concatenate((np.arange(0, 1025, 2), [1, 3])))
HOPS = 40
STILL = Colouring(
    shift_octaves=0.0,
    gain_db=(0.0, 0.0),
    tilt_db_per_octave=0.0,
    ripple_db=0.0,
    low_pass_hz=(20000.0, 20000.0),
    high_pass_hz=(0.001, 0.001),
    noise_db=(-300.0, -300.0),
    coder_db=(300.0, 300.0),
)
"""Changes nothing but the tempo."""


def write_corpus(path: Path, artists: int = 4, clips: int = 3) -> Path:
    """Noise around a peak whose place tells the genre; half of the artists are ``train``, half ``valid``."""
    rng = np.random.default_rng(0)
    power_db, names, genre, split, artist_id = [], [], [], [], []
    for which, name in enumerate(GENRES):
        for artist in range(artists):
            for clip in range(clips):
                centre = 60 + 250 * which + rng.normal(0, 8)
                db = -40.0 - 50.0 * np.minimum(1.0, np.abs(BINS - centre) / 200.0)
                db = db[:, None] + 10 * np.log10(rng.exponential(size=(len(BINS), HOPS)) + 1e-3)
                power_db.append(np.clip(np.rint((db + 160) / 1.5), 1, 255).astype(np.uint8))
                names.append(f"{name}.{artist}.{clip}")
                genre.append(name)
                split.append("train" if artist < artists // 2 else "valid")
                artist_id.append(which * artists + artist)
    n_frames = np.full(len(names), HOPS, np.int32)
    n_frames[-1] = HOPS - 1
    np.savez_compressed(
        path,
        power_db=np.stack(power_db),
        fft_bins=BINS.astype(np.int32),
        n_frames=n_frames,
        names=np.array(names),
        genre=np.array(genre),
        split=np.array(split),
        artist_id=np.array(artist_id, np.int32),
        genres=np.array(GENRES),
    )
    return path
