"""A made-up set of clips with a teacher's embeddings, in the real layout: the embedding follows the sound plainly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path


def write_teacher(path: Path, clips: int = 420) -> Path:
    rng = np.random.default_rng(1)
    genre = np.arange(clips) % 2  # the genres below go with it
    mfcc = rng.normal(0.0, 20.0, (clips, 20, 130))
    mfcc[:, 1] += np.where(genre == 1, 60.0, -60.0)[:, None]
    low, high = np.full(20, -200.0, np.float32), np.full(20, 200.0, np.float32)
    np.savez(
        path,
        mfcc=np.clip((mfcc - low[None, :, None]) / 400.0 * 255.0, 0, 255).astype(np.uint8),
        mfcc_low=low,
        mfcc_high=high,
        genre=np.array([f"genre {k}" for k in range(8)])[np.arange(clips) % 8],
        vggish=np.clip(128 + 60 * (2 * genre[:, None] - 1) + rng.normal(0, 10, (clips, 128)), 0, 255).astype(np.uint8),
        has_vggish=(np.arange(clips) % 10 != 0),
    )
    return path
