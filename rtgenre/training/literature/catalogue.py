"""All recipes, and how they are found by name."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from rtgenre.errors import UsageError, nearest
from rtgenre.training.literature.recipes import ablation, crnn, deepbeats, pieces, report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rtgenre.training.literature.recipe import Recipe

_ALL = (*deepbeats.RECIPES, *crnn.RECIPES, *ablation.RECIPES, *report.RECIPES, *pieces.RECIPES)
RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in _ALL}
SYSTEMS = tuple(recipe for recipe in _ALL if not recipe.variant_of)
"""Those that stand for themselves; the others vary one of them."""


def find(patterns: Sequence[str]) -> tuple[Recipe, ...]:
    """Recipes by name, or by pattern with ``*``; all of them where there is no pattern.

    Raises:
        UsageError: a pattern fits none.
    """
    if not patterns:
        return _ALL
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in RECIPES):
            systems = [recipe.name for recipe in SYSTEMS]
            raise UsageError(
                f"there is no recipe {pattern!r}", nearest(pattern, systems) + " (`rtgenre literature --list`)"
            )
    return tuple(recipe for recipe in _ALL if any(fnmatchcase(recipe.name, pattern) for pattern in patterns))
