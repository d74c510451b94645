"""How pictures of figures look: one ink, one style."""

from __future__ import annotations

from typing import Any

from rtgenre.plot import INK, RULE

__all__ = ["BLUE", "FAINT", "INK", "ORANGE", "RULE", "STYLE"]

FAINT = "#8a929c"
BLUE, ORANGE = "#1f5fa8", "#d9700a"

STYLE: dict[Any, Any] = {
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": RULE,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
