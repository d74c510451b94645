"""How figures are written in the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rtgenre.training.literature.summary import Cell

QUICK = "**This is a quick run: it shows that everything works, not what systems are worth.**"


def with_interval(cell: Cell | None) -> str:
    """Accuracy in percent and its interval; nothing where there is none."""
    return "" if cell is None else f"{100 * cell.accuracy:.1f} ({between(cell.interval)})"


def between(interval: Sequence[float]) -> str:
    """An interval in whole percent."""
    return f"{100 * interval[0]:.0f}–{100 * interval[1]:.0f}"


def percent(value: float | None) -> str:
    """In percent, to a tenth; nothing where there is none."""
    return "" if value is None else f"{100 * value:.1f}"


def count(value: int | None) -> str:
    """With commas; nothing where there is none."""
    return "" if value is None else f"{value:,}"


def names(names: Sequence[str]) -> str:
    """In code, with commas."""
    return ", ".join(f"`{name}`" for name in names)


def picture(drawn: Mapping[str, str], what: str, words: str) -> str:
    """A picture, if it was drawn."""
    return f"![{words}]({drawn[what]})" if what in drawn else ""


def table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Of Markdown."""
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    return "\n".join([*lines, *(f"| {' | '.join(map(str, row))} |" for row in rows)])
