"""Runs brought together: what a system is worth on a protocol, over its folds or draws, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rtgenre.training.literature import score
from rtgenre.training.literature.protocols import VALID

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from rtgenre.training.literature.recipe import Recipe

    Run = Mapping[str, Any]

COLUMNS = ("published", "clips", "valid", "folds")
"""The three protocols, the last of which comes as *train* → *valid* and as folds."""


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """One system on one protocol and unit.

    Attributes:
        accuracy: of pooled folds, or the mean of runs.
        draws: bootstrap accuracies.
        figures: macro averages, from the confusion of all fits together.
        confusion: (is, said) counts of all fits together.
        fits: how many.
    """

    accuracy: float
    draws: NDArray[np.float64]
    figures: Mapping[str, float]
    confusion: NDArray[np.int64]
    fits: int

    @property
    def interval(self) -> tuple[float, float]:
        """95 % of the draws."""
        return score.interval(self.draws)

    def less(self, other: Cell) -> tuple[float, float, float]:
        """This accuracy less another's, with the 95 % interval of two independent bootstraps."""
        low, high = score.interval(self.draws - other.draws)
        return self.accuracy - other.accuracy, low, high


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One system.

    Attributes:
        recipe: its declaration.
        pieces: by column, on the papers' unit.
        clips: by column, log posteriors added over a clip's pieces.
        runs: its fits on everything.
    """

    recipe: Recipe
    pieces: Mapping[str, Cell]
    clips: Mapping[str, Cell]
    runs: Sequence[Run]


def row(recipe: Recipe, runs: Sequence[Run]) -> Row | None:
    """A system's row, None where nothing of it was run.

    Args:
        recipe: the system.
        runs: all runs.
    """
    mine = [run for run in runs if run["recipe"] == recipe.name and run["amount"] == 1.0]
    if not mine:
        return None
    columns = {name: [run for run in mine if _column(run) == name] for name in COLUMNS}
    by_unit = {
        unit: {name: _cell(found, unit, seed) for seed, (name, found) in enumerate(columns.items()) if found}
        for unit in ("pieces", "clips")
    }
    return Row(recipe, by_unit["pieces"], by_unit["clips"], mine)


def _column(run: Run) -> str:
    if run["protocol"] != "artists":
        return str(run["protocol"])
    return VALID if run["split"] == VALID else "folds"


def _cell(runs: Sequence[Run], unit: str, seed: int) -> Cell:
    """Folds are pooled; runs are draws of the same clips, so one of them tells how wide the interval is."""
    counted = np.sum([run[unit]["confusion"] for run in runs], axis=0)
    figures = score.of_confusion(counted)
    counted = np.array(figures.pop("confusion"), np.int64)
    if runs[0]["split"].startswith("fold"):
        groups = [group for run in runs for group in run["groups"]]
        return Cell(figures["accuracy"], score.draws(groups, unit, seed), figures, counted, len(runs))
    accuracy = float(np.mean([run[unit]["accuracy"] for run in runs]))
    drawn = score.draws(runs[0]["groups"], unit, seed) - runs[0][unit]["accuracy"] + accuracy
    return Cell(accuracy, drawn, figures, counted, len(runs))
