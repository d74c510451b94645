"""The page's later sections: genres, ablation, learning curves, the state of an LSTM, and what is not as printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtgenre.training.literature.recipe import PAPERS
from rtgenre.training.literature.wording import names, percent, picture, table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rtgenre.training.literature.contents import Contents
    from rtgenre.training.literature.summary import Row

_FAR = 0.05


def genres(drawn: Mapping[str, str]) -> str:
    """Which genres each system knows, and what it takes them for."""
    words = f"Precision, recall and F1 of every genre and system: [genre by genre]({drawn['by genre']})."
    known, taken = picture(drawn, "genres", "Recall by genre"), picture(drawn, "confusions", "Confusion matrices")
    if known:
        words = f"Recall of each genre without the leak (train → valid, whole clips). {words}\n\n{known}"
    if taken:
        words += f"\n\nWhat each genre's clips are taken for, on the same clips.\n\n{taken}"
    return f"## Genres\n\n{words}"


def ablation(contents: Contents, drawn: Mapping[str, str]) -> str:
    """What each feature is worth."""
    if not contents.ablation:
        return ""
    rows = [
        [f"`{one.system}`", one.words, *(percent(value) for value in (one.only, one.without, one.whole))]
        + [percent(value) for value in (one.only_honest, one.without_honest, one.whole_honest)]
        for one in contents.ablation
    ]
    heads = ["system", "feature", "alone", "left out", "all", "alone, artists", "left out, artists", "all, artists"]
    return (
        "## What each feature is worth\n\nAccuracy in percent with one feature alone, without it, and with all; as "
        "published (random clips), and train → valid. One fit each (all, as published: the mean of five), so "
        "differences of a few points are chance.\n\n"
        + "\n\n".join(part for part in (picture(drawn, "ablation", "Ablation"), table(heads, rows)) if part)
    )


def amounts(drawn: Mapping[str, str]) -> str:
    """Learning curves."""
    drawing = picture(drawn, "amounts", "Learning curves")
    return drawing and (
        "## How much more data would help\n\nAccuracy over the share of what is learned from: whole clips where clips "
        f"leak, whole artists where they do not.\n\n{drawing}"
    )


def trace(contents: Contents, drawn: Mapping[str, str]) -> str:
    """One track as a stream."""
    trace = contents.trace
    if trace is None:
        return ""
    rows = [[name, *(f"{value:.2f}" for value in values)] for name, values in trace["read_off"].items()]
    label = contents.data["labels"][trace["label"]]
    return (
        f"## What the state of an LSTM carries\n\n`{trace['recipe']}`, fitted on *train*, hears `{trace['clip']}` "
        f"({label}) of *valid* as one stream, its state carried from hop to hop and never reset. It learned from "
        "pieces of 3 s; what comes after is beyond what it was "
        f"taught.\n\n{picture(drawn, 'trace', 'Posterior and state over a track')}\n\nWhat a linear map reads off "
        "the second layer's state, and off the inputs of the same moment (R², taught on half of the artists of "
        f"*valid*, judged on the others):\n\n{table(['quantity', 'state', 'inputs'], rows)}"
    )


def differences(contents: Contents) -> str:
    """What is not as printed, paper by paper, and which systems land far from their figures."""
    parts = ["## What is not as printed"]
    if contents.data["heard_as"] == "spectra":
        parts.append(
            f"- These are {contents.data['clips']} of the 1000 clips, those of the fault-filtered split's open "
            "parts: fewer to learn from, and without most copies.\n- Spectra have a frame every 87 ms instead of "
            f"23: a piece of 3 s is {contents.frames} frames, not 130.\n- No zero-crossing rate. Levels are "
            "estimated, in steps of 1.5 dB.\n- Chroma takes no account of an instrument's tuning. `rtgenre "
            "literature --audio DIR` with one's own GTZAN runs every system with the printed framing."
        )
    parts += _notes(contents)
    # A quick fit has hardly begun to learn: nothing is to be explained there.
    far = [line for row in contents.rows if row.runs[0]["size"] == 1.0 and (line := _far(row))]
    if far:
        parts.append(
            "**Far from the printed figure** (more than five points on its own protocol):\n\n" + "\n".join(far)
        )
    parts += _said(contents)
    if contents.left:
        parts.append("**Left out**\n\n" + "\n".join(f"- `{one.name}`: {one.why}." for one in contents.left))
    return "\n\n".join(parts)


def _notes(contents: Contents) -> list[str]:
    """What the declarations say, paper by paper; a note of several systems stands once."""
    parts = []
    for paper, words in PAPERS.items():
        notes: dict[str, list[str]] = {}
        for row in contents.rows:
            if row.recipe.paper == paper:
                for note in row.recipe.notes:
                    notes.setdefault(note, []).append(row.recipe.name)
        if notes:
            told = "\n".join(f"- {note} ({names(of)})" for note, of in notes.items())
            parts.append(f"**{words}**\n\n{told}")
    return parts


def _said(contents: Contents) -> list[str]:
    """What classical learners warned of."""
    remarks: dict[str, list[str]] = {}
    for row in contents.rows:
        for remark in sorted({remark for run in row.runs for remark in run["remarks"]}):
            remarks.setdefault(remark, []).append(row.recipe.name)
    if not remarks:
        return []
    return ["**Said by learners**\n\n" + "\n".join(f"- {remark} ({names(of)})" for remark, of in remarks.items())]


def _far(row: Row) -> str:
    """What is seen of a system that lands elsewhere than printed; its notes say what differs."""
    printed, mine = row.recipe.printed.accuracy, row.pieces.get("published")
    if printed is None or mine is None or abs(mine.accuracy - printed) <= _FAR:
        return ""
    train = next(run["train_accuracy"] for run in row.runs if run["protocol"] == "published")
    if mine.accuracy > printed:
        seen = "better than printed"
    elif train < printed:
        seen = "it under-fits: not even its own training part reaches the printed figure"
    else:
        seen = "it over-fits"
    text = f"- `{row.recipe.name}`: {percent(mine.accuracy)} instead of {percent(printed)}, {percent(train)} on its"
    return f"{text} training part: {seen}."


def provenance(contents: Contents) -> str:
    """Data, seed, versions."""
    data, by = contents.data, contents.by
    told = ", ".join(f"{name} {value}" for name, value in by.items())
    notes = "".join(f"\n- {note}" for note in data["notes"])
    missing = contents.missing
    if missing:
        notes += f"\n- {missing} pieces are missing, as clips were too short for them."
    return (
        f"## Where this comes from\n\n- {contents.n_runs} fits in `{contents.runs_file}`; data SHA-256 "
        f"`{data['sha256']}`, seed {contents.seed}; {told}.\n- Generated by `rtgenre literature`; do not "
        f"edit.{notes}"
    )
