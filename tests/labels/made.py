"""Made-up own labels for the made-up model of ``tests/model/small.py``."""

from __future__ import annotations

import numpy as np

from rtgenre.labels.background import Background
from rtgenre.labels.examples import Examples
from rtgenre.labels.head import NOT_TAKEN, Head
from tests.model.small import SMALL

NAMES = ("dub", "fridge")


def head(noise: tuple[bool, bool] = (False, False), width: int = SMALL.trunk, seed: int = 0) -> Head:
    """Two labels along three random directions; the second is everywhere the likeliest."""
    rng = np.random.default_rng(seed)
    return Head(
        NAMES,
        noise,
        np.zeros(width, np.float32),
        (rng.standard_normal((3, width)) / np.sqrt(width)).astype(np.float32),
        np.array([[4.0, 0.0, 0.0], [0.0, 0.0, 0.0]]),
        np.array([1.2, 1.3]),
        np.array([[0.0, 9.0, 9.0], [0.0, -9.0, 9.0]]),
        np.ones(2),
        np.full(2, NOT_TAKEN),
        2.0,
    )


def examples(
    name: str, centre: np.ndarray, *, files: int = 6, windows: int = 8, noise: bool = False, seed: int = 0
) -> Examples:
    """Windows around files' means, which lie around the label's centre."""
    rng = np.random.default_rng(seed)
    means = centre + rng.standard_normal((files, centre.size))
    file = np.repeat(np.arange(files), windows)
    x = means[file] + 0.3 * rng.standard_normal((len(file), centre.size))
    names = tuple(f"{name}{k}.wav" for k in range(files))
    return Examples(name, noise, names, tuple(f"{seed:032x}{k:032x}" for k in range(files)), x.astype(np.float32), file)


def background(width: int = 24, groups: int = 5, seed: int = 99) -> Background:
    """Of windows that scatter with variance 1 around centres 3 apart, and 1 more from clip to clip."""
    rng = np.random.default_rng(seed)
    centres = 3.0 * rng.standard_normal((groups, width))
    group = np.repeat(np.arange(groups), 300)
    return Background.fitted((centres[group] + rng.standard_normal((len(group), width))).astype(np.float32), group)
