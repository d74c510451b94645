"""States, times and numbers as people write them."""

from __future__ import annotations

WORDS = {"not_music": "not music"}


def word(state: str) -> str:
    """A state as people write it."""
    return WORDS.get(state, state)


def clock(seconds: float) -> str:
    """``m:ss`` or ``h:mm:ss``."""
    minutes, s = divmod(max(0, int(seconds)), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}:{m:02}:{s:02}" if hours else f"{m}:{s:02}"


def number(value: int) -> str:
    """A count, short where it is long."""
    for limit, divisor, unit in ((10_000, 1, ""), (10_000_000, 1000, "k"), (10_000_000_000, 1_000_000, "M")):
        if value < limit:
            return f"{value // divisor}{unit}"
    return f"{value // 1_000_000_000}G"


def milliseconds(value: float) -> str:
    """Three digits or so."""
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 999.5 else f"{value:.0f}"
