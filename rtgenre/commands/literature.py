"""``rtgenre literature`` and ``rtgenre train --recipe``: the systems of the papers, run and written up."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from rich.console import Console
from rich.table import Table

from rtgenre import logs, resources
from rtgenre.commands.files import make_folder, try_folder, write_text
from rtgenre.commands.train import need
from rtgenre.errors import EX_OK, UsageError, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rtgenre.training.literature.pieces import Maker
    from rtgenre.training.literature.plan import Job
    from rtgenre.training.literature.protocols import Protocol
    from rtgenre.training.literature.recipe import Recipe
    from rtgenre.training.literature.run import Setting
    from rtgenre.training.literature.runs import Runs

QUICK = 0.02
"""Size of a quick fit: an epoch, twenty trees."""

_QUICK_CLIPS = 6
_PAGE = "literature.md"
_BY_GENRE = "genres.md"
_PICTURES = "literature"
_SHIPPED = "models/gtzan-lstm/metrics.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the command line asks for.

    Attributes:
        data: a file of spectra.
        audio: GTZAN as sound.
        table: the CSV of clip statistics; the one beside ``data`` if None.
        fma: clips that transferred convolutions learn from; the one in the usual place beside ``data`` if None.
        weights: convolutions to transfer instead.
        only: names or patterns of recipes.
        protocol: only this one; all if None.
        quick: few clips, an epoch, one split a protocol.
        out: folder of the page; its pictures lie in a folder beside it.
        runs: the kept run file; None for the usual place: a quick run never touches the full one's.
        seed: of every draw.
        jobs: processes, one a core.
        quiet: no bar.
    """

    data: Path | None = None
    audio: Path | None = None
    table: Path | None = None
    fma: Path | None = None
    weights: Path | None = None
    only: tuple[str, ...] = ()
    protocol: str | None = None
    quick: bool = False
    out: Path = Path("docs")
    runs: Path | None = None
    seed: int = 0
    jobs: int = 1
    quiet: bool = False


def default_jobs() -> int:
    """One for each core that is ours."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def literature(asked: Asked) -> int:
    """Run what was not run before, then write the page.

    Raises:
        RtgenreError: the data cannot be used, or a file cannot be written.
    """
    need("torch", "sklearn", "xgboost", "matplotlib")
    from rtgenre.training.literature import contents, genres, pictures, report, run
    from rtgenre.training.literature.catalogue import SYSTEMS, find
    from rtgenre.training.literature.execute import execute
    from rtgenre.training.literature.plan import jobs
    from rtgenre.training.literature.runs import Runs

    logs.set_up("info", as_json=False, keep=False)
    recipes, wanted = find(asked.only), _protocols(asked.protocol)
    folder = asked.out / _PICTURES
    make_folder(folder)  # fails before hours of work, not after them
    maker, setting = _prepare(asked)
    size = QUICK if asked.quick else 1.0
    runs = Runs(asked.runs or _runs_file(asked))
    able, left = run.left_out(jobs(recipes, wanted, maker.clips, size=size, seed=asked.seed), maker, setting)
    if not able:
        raise UsageError(
            "nothing of what was asked for can be run", "; ".join(f"{one.name}: {one.why}" for one in left)
        )
    keys = execute(able, maker, runs, setting)
    everything = len(wanted) > 1 and {recipe.name for recipe in SYSTEMS} <= {recipe.name for recipe in recipes}
    gathered = contents.gather(
        [found for key in keys if (found := runs.get(key)) is not None],
        trace=_trace(able, maker, runs, setting),
        shipped=_shipped(),
        left=left,
        frames=maker.clips.frames_of(10),
        runs_file=runs.path.name,
        complete=everything and not asked.quick,
    )
    drawn = {what: f"{_PICTURES}/{name}" for what, name in pictures.draw(gathered, folder).items()}
    page, by_genre = asked.out / _PAGE, f"{_PICTURES}/{_BY_GENRE}"
    write_text(asked.out / by_genre, genres.markdown(gathered))
    write_text(page, report.markdown(gathered, drawn | {"by genre": by_genre}))
    print(f"wrote {page}, from {len(keys)} fits in {runs.path}", file=sys.stderr)
    _print([found for key in keys if (found := runs.get(key)) is not None and found["amount"] == 1.0])
    return EX_OK


def train_recipe(name: str, asked: Asked, out: Path) -> int:
    """Train one recipe on each protocol's first split: figures, and the weights of the artist-filtered fit.

    Raises:
        RtgenreError: there is no such recipe, or the data cannot be used.
    """
    need("torch", "sklearn", "xgboost", "matplotlib")
    from safetensors.torch import save_file

    from rtgenre.training.literature.catalogue import RECIPES
    from rtgenre.training.literature.plan import jobs
    from rtgenre.training.literature.run import left_out, means_of, outcome

    if name not in RECIPES:
        raise UsageError(f"there is no recipe {name!r}", nearest(name, RECIPES) + " (`rtgenre literature --list`)")
    logs.set_up("info", as_json=False, keep=False)
    try_folder(out)
    maker, setting = _prepare(asked)
    size = QUICK if asked.quick else 1.0
    every = jobs((RECIPES[name],), _protocols(None), maker.clips, size=size, seed=asked.seed)
    able, left = left_out(every, maker, setting)
    if not able:
        raise UsageError(
            f"{name} cannot be trained: {left[0].why}", "choose another recipe (`rtgenre literature --list`)"
        )
    # The first split of each protocol; the last of them, artist-filtered where artists are known, gives the weights.
    first = {job.protocol: job for job in reversed(able) if job.amount == 1.0}
    found: list[dict[str, Any]] = []
    for job in sorted(first.values(), key=lambda job: _protocols(None).index(job.protocol)):
        figures, fitted = outcome(job, maker, means_of(job, setting))
        found.append(figures)
    make_folder(out)
    if fitted.network is not None:
        tensors = {key: value.detach().cpu().contiguous() for key, value in fitted.network.state_dict().items()}
        # LSTM weights share memory in torch; a file must not.
        save_file({key: value.clone() for key, value in tensors.items()}, out / "model.safetensors")
    write_text(out / "metrics.json", json.dumps({"recipe": name, "runs": found}, indent=1) + "\n")
    _print(found)
    return EX_OK


def show_list(patterns: Sequence[str], *, as_json: bool) -> int:
    """Print the recipes with their published figures."""
    need("torch", "sklearn", "xgboost", "matplotlib")
    from rtgenre.training.literature.catalogue import SYSTEMS, find

    recipes = find(patterns) if patterns else SYSTEMS
    if as_json:
        for recipe in recipes:
            print(msgspec.json.encode(_described(recipe)).decode())
        return EX_OK
    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False)
    for heading, justify in (("recipe", "left"), ("published", "right"), ("parameters", "right"), ("system", "left")):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]  # a literal by another way
    for recipe in recipes:
        printed = recipe.printed
        table.add_row(
            recipe.name,
            "–" if printed.accuracy is None else f"{100 * printed.accuracy:.2f} %",
            "" if printed.parameters is None else f"{printed.parameters:,}",
            recipe.what,
        )
    console.print(table)
    if not patterns:
        console.print("and each ablation with one feature alone or left out: --only 'ablation-*'", style="dim")
    return EX_OK


def _described(recipe: Recipe) -> dict[str, Any]:
    printed = recipe.printed
    return {
        "recipe": recipe.name,
        "paper": recipe.paper,
        "what": recipe.what,
        "published": printed.accuracy,
        "parameters": printed.parameters,
        "notes": recipe.notes,
    }


def _prepare(asked: Asked) -> tuple[Maker, Setting]:
    """Open the data, and what lies beside it."""
    from rtgenre.training.literature.clips import open_clips
    from rtgenre.training.literature.pieces import TABLE_FILE, Maker
    from rtgenre.training.literature.run import Setting
    from rtgenre.training.literature.transfer import open_convolutions

    clips = open_clips(asked.data, asked.audio, quiet=asked.quiet)
    for note in clips.notes:
        print(f"note: {note}", file=sys.stderr)
    if asked.quick:
        clips = clips.few(_QUICK_CLIPS)
    beside = asked.data.parent if asked.data is not None else None
    table, fma = asked.table, asked.fma
    if table is None and beside is not None and (beside / TABLE_FILE).is_file():
        table = beside / TABLE_FILE
    if fma is None and beside is not None and (usual := beside.parent / "fma_small" / "fma_small_mfcc.npz").is_file():
        fma = usual
    size = QUICK if asked.quick else 1.0
    convolutions = open_convolutions(asked.weights, fma, size=size, threads=asked.jobs)
    # With sound everything is made from it, as printed; a table must then be asked for.
    table = asked.table if asked.audio is not None else table
    return Maker(clips, table), Setting(jobs=asked.jobs, convolutions=convolutions, quiet=asked.quiet)


def _trace(able: Sequence[Job], maker: Maker, runs: Runs, setting: Setting) -> dict[str, Any] | None:
    """The stream that the page shows; kept like a fit. None where its recipe is not among those asked for."""
    from rtgenre.training.literature import run, trace

    wanted = [j for j in able if j.recipe.name == trace.RECIPE and j.name == "valid" and j.amount == 1.0]
    if not wanted:
        return None
    job = wanted[0]
    key = "trace-" + run.key_of(job, maker, setting)
    kept = runs.get(key)
    if kept is None:
        _, fitted = run.outcome(job, maker, run.means_of(job, setting))
        kept = {"key": key, "recipe": trace.RECIPE, **trace.figures(fitted, maker, job.recipe.inputs)}
        runs.add(kept)
    return kept


def _protocols(name: str | None) -> tuple[Protocol, ...]:
    from rtgenre.training.literature.protocols import PROTOCOLS

    if name is None:
        return PROTOCOLS
    if name not in PROTOCOLS:
        raise UsageError(f"there is no protocol {name!r}", nearest(name, PROTOCOLS))
    return tuple(known for known in PROTOCOLS if known == name)


def _runs_file(asked: Asked) -> Path:
    if not asked.quick and asked.audio is None:
        return Path("benchmarks/results/literature.jsonl")
    return asked.out / _PICTURES / "runs.jsonl"


def _shipped() -> dict[str, Any] | None:
    found = resources.find(_SHIPPED)
    if found is None:
        return None
    figures: dict[str, Any] = json.loads(found.read_text(encoding="utf-8"))
    return figures


def _print(found: Sequence[dict[str, Any]]) -> None:
    if not sys.stdout.isatty():
        for run in found:
            told = {key: run[key] for key in ("recipe", "protocol", "split", "parameters", "train_s", "train_accuracy")}
            print(json.dumps({**told, "pieces": run["pieces"]["accuracy"], "clips": run["clips"]["accuracy"]}))
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("recipe", "protocol", "split", "pieces", "clips", "training"):
        table.add_column(heading)
    for run in found:
        shares = (run["pieces"]["accuracy"], run["clips"]["accuracy"], run["train_accuracy"])
        table.add_row(run["recipe"], run["protocol"], run["split"], *(f"{share:.3f}" for share in shares))
    Console(highlight=False).print(table)
