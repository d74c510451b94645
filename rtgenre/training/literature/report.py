"""``docs/literature.md``, written from kept runs; no figure in it is typed by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtgenre.training.literature import findings
from rtgenre.training.literature.wording import QUICK, between, count, percent, picture, table, with_interval

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rtgenre.training.literature.contents import Contents
    from rtgenre.training.literature.summary import Cell, Row

_HEADINGS = {
    "published": "as published",
    "clips": "clip-wise",
    "valid": "artists: train → valid",
    "folds": "artists: folds",
}


def markdown(contents: Contents, drawn: Mapping[str, str]) -> str:
    """The page.

    Args:
        contents: what was run.
        drawn: paths of pictures, relative to the page, by what they show.
    """
    parts = [
        "# The systems of the literature, reproduced",
        _verdict(contents),
        _opening(contents),
        picture(drawn, "fall", "Published, reproduced with the leak, and without it"),
        _fall(contents),
        _details(contents),
        _machines(contents),
        findings.genres(drawn),
        findings.ablation(contents, drawn),
        findings.amounts(drawn),
        findings.trace(contents, drawn),
        findings.differences(contents),
        findings.provenance(contents),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _verdict(contents: Contents) -> str:
    """The first line: whether the shipped model beats them all where no artist is on both sides."""
    shipped, rows = contents.shipped, [row for row in contents.rows if "valid" in row.clips]
    if not rows:
        why = contents.data["notes"][-1:] or ["it was not asked for"]
        return f"No system was run on the artist-filtered protocol: {why[0]}."
    best = max(rows, key=lambda row: row.clips["valid"].accuracy)
    theirs = best.clips["valid"]
    text = (
        f"the best of {len(rows)} systems there is `{best.recipe.name}` with {percent(theirs.accuracy)} % "
        f"({between(theirs.interval)}) on whole clips"
    )
    if shipped is None or contents.quick:
        why = "there are no figures of the shipped model on these clips" if shipped is None else "this is a quick run"
        return f"On the artist-filtered protocol {text}; it is not compared with the shipped model: {why}."
    ours = shipped["accuracy"]["30"]
    beats = [row.recipe.name for row in rows if row.clips["valid"].accuracy >= ours]
    mine = f"{percent(ours)} % ({between(shipped['interval_95']['30'])})"
    if not beats:
        them = "every one of them" if contents.complete else "every one that was run so far"
        return f"**The shipped streaming model beats {them} without the leak**: {mine} on *valid*; {text}."
    names = ", ".join(f"`{name}`" for name in beats)
    return (
        f"**{len(beats)} of them are at least as good as the shipped streaming model without the leak** ({mine} on "
        f"*valid*): {names}; {text}."
    )


def _opening(contents: Contents) -> str:
    data = contents.data
    text = (
        "Five papers on GTZAN, each of their systems run again on three protocols:\n\n- **as published**: pieces "
        "of the same clips lie on both sides, as the papers drew them. A system may know a test piece by the "
        "recording it was cut from.\n- **clip-wise**: no clip lies on both sides, but its artist, its album and "
        "even its copies may.\n- **artist-filtered**: no artist lies on both sides, *train* → *valid* of the "
        f"fault-filtered split, and five artist-wise folds over all clips.\n\n{data['clips']} clips of "
        f"`{data['file']}` as {data['heard_as']}, a frame every {1000 * data['hop'] / 22050:.1f} ms. Intervals are "
        "95 %, by bootstrap over artists where these are parted, over clips elsewhere. Networks run the "
        "printed number of epochs; where early stopping or no number is printed, they end when the loss on a fifth of "
        "what they may learn from (parted like the test) has not fallen for some epochs, and keep their best weights."
    )
    if contents.quick:
        text += f"\n\n{QUICK}"
    elif not contents.complete:
        text += "\n\n**Not every system was run yet:** see `rtgenre literature --list`."
    return text


def _fall(contents: Contents) -> str:
    rows = []
    for row in contents.rows:
        p = row.pieces
        fall = p["published"].less(p["valid"]) if {"published", "valid"} <= p.keys() else None
        rows.append(
            [
                f"`{row.recipe.name}`",
                percent(row.recipe.printed.accuracy),
                *(with_interval(p.get(name)) for name in _HEADINGS),
                "" if fall is None else f"{100 * fall[0]:+.1f} ({100 * fall[1]:+.1f} … {100 * fall[2]:+.1f})",
                *(percent(cell.accuracy if (cell := row.clips.get(name)) else None) for name in ("valid", "folds")),
            ]
        )
    heads = [
        "system",
        "printed",
        *_HEADINGS.values(),
        "leak: published − valid",
        "whole clips, valid",
        "whole clips, folds",
    ]
    text = (
        "## The fall\n\nAccuracy in percent, piece by piece as the papers count, with intervals; then what the leak is "
        "worth; then whole clips, log posteriors added over their pieces.\n\n" + table(heads, rows)
    )
    if contents.shipped is not None:
        after = contents.shipped["accuracy"]
        text += (
            "\n\nThe shipped streaming model on the same *valid*, causal, from a fresh state: "
            f"{percent(after['3'])} after 3 s, {percent(after['30'])} after 30 s."
        )
        folds = contents.shipped.get("cross_validated")
        if folds:
            text += f" Artist-wise folds: {percent(folds['accuracy']['3'])} and {percent(folds['accuracy']['30'])}."
    return text


def _details(contents: Contents) -> str:
    rows = []
    for row in contents.rows:
        printed = row.recipe.printed
        if printed.f1 is not None:
            told = [printed.precision, printed.recall, printed.f1, printed.specificity]
            rows.append([f"`{row.recipe.name}`", "printed", *map(percent, [printed.accuracy, *told])])
        rows += [
            [f"`{row.recipe.name}`", heading, percent(cell.accuracy), *_macro(cell)]
            for name, heading in _HEADINGS.items()
            if (cell := row.pieces.get(name))
        ]
    heads = ["system", "protocol", "accuracy", "precision", "recall", "F1", "specificity"]
    return (
        f"## Precision, recall, F1, specificity\n\nMacro averages, piece by piece, in percent.\n\n{table(heads, rows)}"
    )


def _machines(contents: Contents) -> str:
    rows = []
    for row in contents.rows:
        run, printed = row.runs[0], row.recipe.printed
        steps = [r["step_us"] for r in row.runs if r["step_us"] is not None]
        rows.append(
            [
                f"`{row.recipe.name}`",
                count(printed.parameters),
                count(contents.parameters.get(row.recipe.name)),
                count(run["parameters"]),
                "×".join(map(str, run["shape"])),
                "" if run["epochs"] is None else f"{sum(r['epochs'] for r in row.runs) / len(row.runs):.0f}",
                f"{sum(r['train_s'] for r in row.runs) / len(row.runs):.1f}",
                f"{sorted(steps)[len(steps) // 2]:.0f}" if steps else "",
                percent(printed.train_accuracy),
                percent(_first(row, "published")),
                percent(_first(row, "valid")),
            ]
        )
    heads = [
        *("system", "parameters, printed", "built for the printed input", "for this input", "this input", "epochs"),
        *("training, CPU s", "step, µs", "training accuracy, printed", "as published", "artists"),
    ]
    return (
        "## Size, time, and how much is learned by heart\n\nThe step is the median time of one frame when the "
        "system runs "
        "as a stream, on one thread of the CPU; systems without one are not causal.\n\n" + table(heads, rows)
    )


def _macro(cell: Cell) -> list[str]:
    return [percent(cell.figures[name]) for name in ("precision", "recall", "f1", "specificity")]


def _first(row: Row, column: str) -> float | None:
    """Training accuracy of the first fit of a column."""
    wanted = [
        r for r in row.runs if (r["split"] == "valid") == (column == "valid") and r["protocol"] in (column, "artists")
    ]
    return float(wanted[0]["train_accuracy"]) if wanted else None
