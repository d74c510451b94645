"""The figures of an evaluation as JSON and as Markdown; no figure is typed by hand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

NOTHING = "–"
LEARNED = "the model learned from these very clips: this is what it remembers, not how good it is; measure on others"


def as_json(figures: Mapping[str, Any]) -> str:
    """Indented JSON; what is not finite would be an error."""
    return json.dumps(figures, indent=2, allow_nan=False) + "\n"


def markdown(figures: Mapping[str, Any], pictures: Mapping[str, str]) -> str:
    """The report.

    Args:
        figures: as ``rtgenre eval --json`` writes them.
        pictures: file names by what they show, see ``pictures.draw``; those that are absent are left out.
    """
    parts = [_heading(figures), _accuracy(figures), _picture(pictures, "over_time", "Accuracy over time")]
    parts += [_calibration(figures), _picture(pictures, "reliability", "Reliability")]
    parts += [_genres(figures), _picture(pictures, "genres", "Precision and recall of each genre")]
    parts += [_confusion(figures), _picture(pictures, "confusion", "Confusion matrix")]
    parts += [_states(figures)]
    if "track_changes" in figures:
        parts += [_changes(figures), _picture(pictures, "time_to_right", "Time to the right decision"), _hour(figures)]
    if "not_music" in figures:
        parts += [_not_music(figures)]
    return "\n\n".join(part for part in (*parts, _provenance(figures)) if part) + "\n"


def number(value: float | None, digits: int = 3) -> str:
    """A figure, or a dash where there is none."""
    return NOTHING if value is None else f"{value:.{digits}f}"


def within(delays: Mapping[str, Any], name: str, digits: int = 1) -> str:
    """A quantile of delays, seconds, with its 95 % interval where that is known.

    Args:
        delays: of ``fresh.delay_figures`` and ``fresh.delay_intervals``.
        name: ``p50`` or ``p90``.
        digits: after the point.
    """
    value, interval = number(delays[f"{name}_s"], digits), delays.get(f"{name}_interval_95_s")
    if interval is None:
        return value
    return f"{value} ({number(interval[0], digits)} – {number(interval[1], digits)})"


def percent(value: float | None) -> str:
    """A share in per cent, or a dash where there is none."""
    return NOTHING if value is None else f"{100 * value:.1f} %"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _between(interval: Sequence[float]) -> str:
    return f"{interval[0]:.3f} – {interval[1]:.3f}"


def _picture(pictures: Mapping[str, str], what: str, title: str) -> str:
    return f"![{title}]({pictures[what]})" if what in pictures else ""


def _heading(figures: Mapping[str, Any]) -> str:
    model, data = figures["model"], figures["data"]
    learned = f"\n\n**{LEARNED[0].upper()}{LEARNED[1:]}.**" if figures.get("model_learned_from_this") else ""
    skipped = f" {len(data['skipped'])} could not be used, see the end." if data["skipped"] else ""
    return (
        f"# {model['id']} on {data['file']}, {data['split']}\n\n"
        f"{figures['clips']} clips of {figures['artists']} artists, heard as {data['heard_as']} by the live pipeline, "
        f"hop by hop, each from a fresh state unless said otherwise.{skipped} "
        f"Intervals are of 95 %, by bootstrap over artists.{learned}"
    )


def _accuracy(figures: Mapping[str, Any]) -> str:
    decision = figures["decision"]
    rows = [
        [
            f"{s} s",
            number(value),
            _between(figures["interval_95"][s]),
            number(figures["macro_f1"][s]),
            number(figures["log_loss"][s]),
            number(figures["ece_after"][s]),
            number(decision["accuracy"][s]),
            _between(decision["interval_95"][s]),
        ]
        for s, value in figures["accuracy"].items()
    ]
    heads = ["heard", "accuracy", "95 %", "macro-F1", "log loss", "ECE", "decision right", "95 %"]
    return (
        "## Accuracy\n\n"
        "*Accuracy* is of the most probable genre; *decision right* means that the policy said music, and the right "
        f"genre.\n\n{_table(heads, rows)}"
    )


def _calibration(figures: Mapping[str, Any]) -> str:
    rows = [
        [f"{r['low']:.1f} – {r['high']:.1f}", str(r["clips"]), number(r["confidence"]), number(r["accuracy"])]
        for r in figures["reliability"]
        if r["clips"]
    ]
    last = list(figures["accuracy"])[-1]
    perfect = figures["ece_if_calibrated"]
    return (
        f"## Calibration\n\nExpected calibration error {number(figures['ece'])} after {last} s, over ten bins of the "
        f"highest probability. Were every probability right, so few clips would give {number(perfect['mean'])} on "
        f"average, and less than {number(perfect['upper_95'])} in 95 % of cases.\n\n"
        f"{_table(['highest probability', 'clips', 'mean', 'right'], rows)}"
    )


def _genres(figures: Mapping[str, Any]) -> str:
    rows = [
        [name, number(g["precision"]), number(g["recall"]), number(g["f1"]), str(g["clips"]), str(g["said"])]
        for name, g in figures["genres"].items()
    ]
    last = list(figures["accuracy"])[-1]
    return f"## Genres, after {last} s\n\n{_table(['genre', 'precision', 'recall', 'F1', 'clips', 'said'], rows)}"


def _confusion(figures: Mapping[str, Any]) -> str:
    rows = [[label, *map(str, row)] for label, row in zip(figures["labels"], figures["confusion"], strict=True)]
    return (
        "## Confusion\n\nWhat clips are (rows) and what is said of them (columns).\n\n"
        f"{_table(['', *figures['labels']], rows)}"
    )


def _states(figures: Mapping[str, Any]) -> str:
    shares = figures["decision"]["states"]
    names = list(next(iter(shares.values())))
    rows = [[f"{s} s", *(percent(states[name]) for name in names)] for s, states in shares.items()]
    text = f"## States\n\n{_table(['after', *(name.replace('_', ' ') for name in names)], rows)}\n\n"
    text += f"{percent(figures['music_called_not_music'])} of the hops of music are called not-music."
    silence = figures["silence"]
    if silence is not None:
        text += (
            f" When a clip is followed by digital silence, the state says so after {number(silence['p50_s'], 2)} s "
            f"(p50) and {number(silence['p90_s'], 2)} s (p90); never in {percent(silence['never'])} of the clips."
        )
    return text


def _changes(figures: Mapping[str, Any]) -> str:
    changes, flips = figures["track_changes"], figures["flips_per_minute"]
    rows = [
        [what, str(d["count"]), within(d, "p50", 2), within(d, "p90", 2), percent(d["never"])]
        for what, d in (
            ("decision", changes["time_to_right"]),
            ("most probable genre", changes["posterior"]),
            *([("change reported", changes["detection"])] if changes["detection"] else []),
        )
    ]
    text = (
        f"## Tracks one after another\n\n{changes['changes']} changes of track without any pause. Time from the cut "
        f"until the right genre is said and stays for {changes['hold_s']:g} s, among those clips of another genre than "
        "the one before whose decision is right at the end when they are heard alone; "
        "a clip that never gets there counts as infinitely late, and a dash is infinity. In brackets, 95 % intervals "
        "by bootstrap over artists.\n\n"
        f"{_table(['', 'changes', 'p50, s', 'p90, s', 'never'], rows)}\n\n"
    )
    if changes["detection"]:
        text += (
            f"Changes reported where there are none: {number(changes['detection']['false_alarms_per_minute'], 2)} a "
            f"minute in these streams, {number(figures['false_changes_per_minute'], 2)} in clips heard alone.\n\n"
        )
    text += "Changes of the decided genre a minute, inside a track:\n\n"
    settled = f"{flips['settled_s']:g} s"
    return text + _table(
        ["heard", "flips a minute"],
        [
            ["from a fresh state", number(flips["fresh"], 2)],
            [f"from a fresh state, from {settled} on", number(flips["fresh_settled"], 2)],
            [f"in a row, from {settled} after the cut on", number(flips["streams_settled"], 2)],
        ],
    )


def _hour(figures: Mapping[str, Any]) -> str:
    hour, row = figures["after_an_hour"], figures["in_a_row"]
    alike = hour["without_the_hour"]
    return (
        f"## After {hour['hours_before']:.2f} h without a reset\n\n"
        f"{hour['clips']} clips, heard after {hour['hours_before']:.2f} h of others in the same state: "
        f"accuracy at their ends {number(hour['accuracy'])}, from fresh states {number(hour['accuracy_fresh'])}; "
        f"difference {_difference(hour)}. The same tracks in the same order without the hour before them: "
        f"{number(alike['accuracy'])}; the hour itself makes {_difference(alike)}.\n\n"
        f"Every track after others, wherever in a row: {number(row['accuracy'])} at its end, "
        f"{number(row['accuracy_alone'])} from a fresh state; difference {_difference(row)}."
    )


def _difference(found: Mapping[str, Any]) -> str:
    low, high = found["difference_interval_95"]
    return f"{found['difference']:+.3f} (95 %: {low:+.3f} to {high:+.3f}, paired)"


def _not_music(figures: Mapping[str, Any]) -> str:
    other = figures["not_music"]
    names = list(other["states"])

    def row(what: str, files: int, states: Mapping[str, float], auroc: float | None) -> list[str]:
        return [what, str(files), *(percent(states[name]) for name in names), number(auroc)]

    rows = [row(kind, k["files"], k["states"], k["auroc"]) for kind, k in other["kinds"].items()]
    rows.append(row("all", other["files"], other["states"], other["auroc"]))
    settled = f"all, from {other['settled_s']:g} s on"
    rows.append(row(settled, other["files"], other["states_settled"], other["auroc_settled"]))
    heads = ["kind", "files", *(name.replace("_", " ") for name in names), "AUROC"]
    return (
        "## Sound that is no music\n\nShare of hops in each state, and the area under the ROC curve of *not music* "
        f"against the clips above, hop by hop, silence left out.\n\n{_table(heads, rows)}"
    )


def _provenance(figures: Mapping[str, Any]) -> str:
    model, data, versions, settings = (figures[key] for key in ("model", "data", "versions", "settings"))
    lines = [
        f"- Model `{model['id']}`, weights SHA-256 `{model['sha256']}`, temperature {model['temperature']:.3f}.",
        f"- Data `{data['file']}`, SHA-256 `{data['sha256']}`, part *{data['split']}*"
        + (f", {settings['limit']} clips of it" if settings["limit"] is not None else "")
        + f"; at most {settings['cut_s']:g} s of each clip; seed {settings['seed']}.",
        *([f"- Sound that is no music: SHA-256 `{figures['not_music']['sha256']}`."] if "not_music" in figures else []),
        "- Policy: " + ", ".join(f"{key} {value}" for key, value in settings["policy"].items()) + ".",
        "- " + ", ".join(f"{name} {version}" for name, version in versions.items()) + ".",
        "- Generated by `rtgenre eval` from `eval.json`; do not edit.",
    ]
    skipped = [*data["skipped"], *figures.get("not_music", {}).get("skipped", [])]
    lines += [f"- Skipped: `{one['name']}`: {one['why']}" for one in skipped]
    return "## Where this comes from\n\n" + "\n".join(lines)
