"""What the page says, gathered from runs: no text, no drawing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rtgenre.training.literature import networks, summary
from rtgenre.training.literature.catalogue import RECIPES, SYSTEMS
from rtgenre.training.literature.recipes import ablation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rtgenre.training.literature.run import Left
    from rtgenre.training.literature.summary import Row

    Run = Mapping[str, Any]

N_LABELS = 10  # of GTZAN, which printed numbers of parameters belong to


@dataclass(frozen=True, slots=True, kw_only=True)
class Ablated:
    """One feature in one system; accuracies as published and, ``_honest``, with artists parted; None where not run."""

    system: str
    words: str
    only: float | None
    without: float | None
    whole: float | None
    only_honest: float | None
    without_honest: float | None
    whole_honest: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """Everything the page needs.

    Attributes:
        rows: one a system that was run.
        ablation: one a feature and system.
        amounts: runs on shares of the data, and on all of it, by recipe.
        trace: see ``trace.figures``; None where it was not made.
        shipped: ``metrics.json`` of the shipped model; None where there is none, or where it heard other clips.
        parameters: of each network that has a printed input shape, built for that.
        left: recipes that could not be run.
        data: what the runs learned from.
        by: what they were made with.
        frames: of a 3 s piece.
        missing: pieces that clips were too short for.
        seed: of all draws.
        n_runs: how many fits.
        runs_file: where they are kept.
        complete: whether it is a full run of every system.
        quick: whether fits were shortened, so that figures mean nothing.
    """

    rows: Sequence[Row]
    ablation: Sequence[Ablated]
    amounts: Mapping[str, Sequence[Run]]
    trace: Mapping[str, Any] | None
    shipped: Mapping[str, Any] | None
    parameters: Mapping[str, int]
    left: Sequence[Left]
    data: Mapping[str, Any]
    by: Mapping[str, Any]
    frames: int
    missing: int
    seed: int
    n_runs: int
    runs_file: str
    complete: bool
    quick: bool


def gather(
    runs: Sequence[Run],
    *,
    trace: Mapping[str, Any] | None,
    shipped: Mapping[str, Any] | None,
    left: Sequence[Left],
    frames: int,
    runs_file: str,
    complete: bool,
) -> Contents:
    """Bring runs together; at least one is needed."""
    rows = [row for recipe in SYSTEMS if (row := summary.row(recipe, runs)) is not None]
    with_amount = {run["recipe"] for run in runs if run["amount"] < 1.0}
    return Contents(
        rows=rows,
        ablation=_ablation(runs),
        amounts={name: [run for run in runs if run["recipe"] == name] for name in RECIPES if name in with_amount},
        trace=trace,
        shipped=shipped if shipped is not None and shipped["data"]["sha256"] == runs[-1]["data"]["sha256"] else None,
        parameters=_parameters(rows),
        left=left,
        data=runs[-1]["data"],
        by=runs[-1]["by"],
        frames=frames,
        missing=max(run["missing_pieces"] for run in runs),
        seed=runs[0]["seed"],
        n_runs=len(runs),
        runs_file=runs_file,
        complete=complete,
        quick=any(run["size"] < 1.0 for run in runs),
    )


def _parameters(rows: Sequence[Row]) -> dict[str, int]:
    found = {}
    for row in rows:
        shape = row.recipe.printed.shape
        if shape is not None and row.recipe.network is not None:
            found[row.recipe.name] = networks.count_parameters(row.recipe.network(shape, N_LABELS))
    return found


def _ablation(runs: Sequence[Run]) -> list[Ablated]:
    rows = {name: summary.row(recipe, runs) for name, recipe in RECIPES.items() if recipe.paper == "ablation"}

    def accuracy(name: str, column: str) -> float | None:
        row = rows.get(name)
        cell = None if row is None else row.pieces.get(column)
        return None if cell is None else cell.accuracy

    found = []
    for system in ("ablation-cnn", "ablation-lstm"):
        for feature, words in ablation.WORDS.items():
            names = {"only": f"{system}-only-{feature}", "without": f"{system}-without-{feature}", "whole": system}
            told = {what: accuracy(name, "published") for what, name in names.items()}
            told |= {f"{what}_honest": accuracy(name, "valid") for what, name in names.items()}
            if told["only"] is not None or told["without"] is not None:
                found.append(Ablated(system=system, words=words, **told))
    return found
