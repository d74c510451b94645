"""Genre colours are stable and can be told apart, by colour-blind people too."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgenre.palette import FAMILIAR, GREY, SPARE, genre_colours, ink

# Full severity, Machado, Oliveira and Fernandes (2009), for linear RGB.
VISION = {
    "full": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
# Oklab (B. Ottosson, 2020): equal distances look about equally far; 0.02 is just visible.
TO_CONES = [
    [0.41222147, 0.53633254, 0.05144599],
    [0.2119035, 0.68069955, 0.10739696],
    [0.08830246, 0.28171884, 0.629978],
]
TO_LAB = [
    [0.21045426, 0.79361778, -0.00407205],
    [1.9779985, -2.42859221, 0.45059371],
    [0.0259040, 0.7827718, -0.8086758],
]


def linear(colours: list[str]) -> np.ndarray:
    rgb = np.array([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in colours])
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def oklab(colours: list[str], vision: str) -> np.ndarray:
    seen = np.clip(linear(colours) @ np.array(VISION[vision]).T, 0, 1)
    return np.cbrt(seen @ np.array(TO_CONES).T) @ np.array(TO_LAB).T


@pytest.mark.parametrize(
    ("vision", "apart"), [("full", 0.12), ("protanopia", 0.09), ("deuteranopia", 0.09), ("tritanopia", 0.07)]
)
def test_any_two_base_colours_stay_apart(vision: str, apart: float) -> None:
    lab = oklab([*FAMILIAR.values(), *SPARE], vision)
    distance = np.linalg.norm(lab[:, None] - lab[None], axis=-1)
    assert distance[np.triu_indices(len(lab), 1)].min() > apart


def test_no_genre_looks_like_silence() -> None:
    lab = oklab([GREY, *FAMILIAR.values(), *SPARE], "full")
    assert np.linalg.norm(lab[1:] - lab[0], axis=1).min() > 0.07


def test_familiar_genres_keep_their_colour_among_others() -> None:
    few, many = genre_colours(["jazz", "rock"]), genre_colours(["folk", "Jazz", "hip-hop", "electronic", "rock"])
    assert few["jazz"] == many["Jazz"] == FAMILIAR["jazz"]
    assert many["hip-hop"] == FAMILIAR["hiphop"]
    assert many["folk"] == SPARE[0]
    assert many["electronic"] == SPARE[1]


@given(st.lists(st.text(max_size=8), unique=True, max_size=36))
def test_every_label_gets_a_colour_of_its_own_as_long_as_there_are_any(labels: list[str]) -> None:
    colours = genre_colours(labels)
    assert list(colours) == labels
    assert all(re.fullmatch("#[0-9a-f]{6}", c) for c in colours.values())
    others = [c for label, c in colours.items() if c not in FAMILIAR.values()]
    assert len(set(others)) == len(others)


@given(st.integers(0, 0xFFFFFF))
def test_ink_is_readable_on_any_colour(value: int) -> None:
    colour = f"#{value:06x}"
    light, dark = sorted(0.05 + linear([c])[0] @ [0.2126, 0.7152, 0.0722] for c in (colour, ink(colour)))[::-1]
    assert light / dark >= 4.5  # WCAG 2, level AA
