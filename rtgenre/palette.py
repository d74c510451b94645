"""One colour a genre, the same in the terminal and in pictures.

The twelve base colours were searched so that any two stay apart for people with full colour vision,
protanopia, deuteranopia and tritanopia (Machado, Oliveira and Fernandes, "A physiologically-based model for
simulation of color vision deficiency", IEEE TVCG 15(6), 2009), and against light and dark backgrounds.
``tests/test_palette.py`` holds them to it. No colour is ever the only sign: labels stand beside them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

FAMILIAR = {
    "blues": "#0d79ff",
    "classical": "#af81ca",
    "country": "#a8746e",
    "disco": "#ed9cef",
    "hiphop": "#ff9412",
    "jazz": "#eaee30",
    "metal": "#b5202c",
    "pop": "#14ffff",
    "reggae": "#16c189",
    "rock": "#fa3a13",
}
"""Genres that keep their colour whatever else there is."""

SPARE = ("#96e29e", "#476594")
"""For the first genres that are not familiar."""

GREY = "#8a929c"
"""Everything that is no genre: silence, unknown, not music."""


def genre_colours(labels: Sequence[str]) -> dict[str, str]:
    """A colour for each label, ``#rrggbb``.

    Familiar genres have their own, other labels take what is free in their order. Beyond twelve, colours come
    again lighter and then darker.

    Args:
        labels: genres in the order of the model.
    """
    chosen = {label: FAMILIAR[_folded(label)] for label in labels if _folded(label) in FAMILIAR}
    base = [*SPARE, *FAMILIAR.values()]
    free = [colour for colour in base if colour not in chosen.values()]
    free += [_mixed(colour, "#ffffff", 0.5) for colour in base]
    free += [_mixed(colour, "#000000", 0.35) for colour in base]
    others = [label for label in labels if label not in chosen]
    chosen |= {label: free[i % len(free)] for i, label in enumerate(others)}
    return {label: chosen[label] for label in labels}


def ink(colour: str) -> str:
    """Black or white, whichever reads better on ``colour`` (WCAG 2 relative luminance)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in _rgb(colour))]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#000000" if (luminance + 0.05) ** 2 > 1.05 * 0.05 else "#ffffff"


def _folded(label: str) -> str:
    return "".join(c for c in label.casefold() if c.isalnum())


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _mixed(colour: str, other: str, share: float) -> str:
    mixed = (round(a + (b - a) * share) for a, b in zip(_rgb(colour), _rgb(other), strict=True))
    return "#{:02x}{:02x}{:02x}".format(*mixed)
