"""Fill the README's tables from kept runs: `make tables`. Figures are never typed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from rtgenre.training.evaluation.report import number

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
BENCH = ROOT / "benchmarks" / "results" / "bench.jsonl"
ROBUSTNESS = ROOT / "benchmarks" / "results" / "robustness"
CHANNELS = ROOT / "benchmarks" / "results" / "channels"
METRICS = ROOT / "models" / "gtzan-lstm" / "metrics.json"

ROWS = {
    "frontend": "frontend: features of one hop",
    "model": "model: one LSTM step",
    "pipeline": "the whole pipeline, policy included",
    "message": "message composed and encoded",
    "end to end, 1 × real time": "**last sample in the ring → received by another process**",
    "warm start to first posterior": "warm start of the daemon to its first posterior",
}


def main() -> None:
    """Replace what stands between the markers."""
    text = README.read_text(encoding="utf-8")
    for name, table in (("latency", latency()), ("model", accuracy()), ("robustness", robustness())):
        pattern = re.compile(rf"(<!-- {name}: make tables -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        text, n = pattern.subn(lambda found, table=table: f"{found[1]}{table}\n{found[2]}", text)
        if n != 1:
            raise SystemExit(f"README.md has no place for {name!r}")
    README.write_text(text, encoding="utf-8")
    print("wrote README.md")


def latency() -> str:
    """The last `rtgenre bench --out` as a table."""
    lines = [json.loads(line) for line in BENCH.read_text(encoding="utf-8").splitlines()]
    last = {line["what"]: line for line in lines}
    rows = ["| per hop of 87 ms | p50 | p95 | p99 |", "|---|---:|---:|---:|"]
    for what, title in ROWS.items():
        rows.append(f"| {title} | " + " | ".join(_human(last[what][f"{q}_us"]) for q in ("p50", "p95", "p99")) + " |")
    use = last["daemon at real time"]
    footer = (
        f"\nIn real time the daemon takes {use['cpu_percent']:.1f} % of one core and {use['resident_mb']:.0f} MB. "
        f"Measured by `rtgenre bench` on {last['model']['machine']}; the device's own buffer comes on top."
    )
    return "\n".join([*rows, footer])


def accuracy() -> str:
    """The shipped model's figures as a table."""
    metrics = json.loads(METRICS.read_text(encoding="utf-8"))
    seeds, crossed = metrics.get("seeds"), metrics.get("cross_validated")
    seeds = seeds if seeds and seeds["n"] > 1 else None
    head = "| heard | accuracy, 10 genres | 95 % interval |"
    rule = "|---|---:|---:|"
    if seeds:
        head, rule = head + f" mean of {seeds['n']} seeds |", rule + "---:|"
    if crossed:
        head, rule = head + f" artist {metrics['folds']['n']}-fold, {crossed['clips']} clips |", rule + "---:|"
    rows = [head, rule]
    for seconds, value in metrics["accuracy"].items():
        low, high = metrics["interval_95"][seconds]
        row = f"| {seconds} s | {value:.2f} | {low:.2f} – {high:.2f} |"
        row += f" {seeds['live']['mean'][seconds]:.3f} |" if seeds else ""
        rows.append(row + (f" {crossed['accuracy'][seconds]:.3f} |" if crossed else ""))
    who = (
        f"\n{metrics['clips']} clips of {metrics['artists']} artists, none of them in the data that the measured "
        "weights learned from."
    )
    return "\n".join([*rows, who, *_crossed(crossed)])


def _crossed(found: dict[str, Any] | None) -> list[str]:
    """What cross-validation through the live pipeline says, in a sentence; nothing where there was none."""
    if found is None:
        return []
    delay, flips = found["track_changes"]["time_to_right"], found["flips_per_minute"]
    told = (
        f"\nAs it is used, {found['clips']} clips of {found['artists']} artists, each through the live pipeline by the "
        f"network of the fold that never met its artist: {found['accuracy']['30']:.2f} right after 30 s, calibration "
        f"error {found['ece']:.3f}; after a change of track right within {number(delay['p50_s'], 1)} s (median) and "
        f"{number(delay['p90_s'], 1)} s (nine of ten), {number(flips['fresh_settled'], 1)} flips a minute."
    )
    return [told]


def robustness() -> str:
    """What coders, bands, levels and noise cost: by the shipped weights, and where no artist was ever met."""
    folds = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(ROBUSTNESS.glob("fold*.json"))]
    shipped = json.loads((ROBUSTNESS / "shipped.json").read_text(encoding="utf-8"))
    rows = [
        "| music arrives … | same label | points lost | … artists never met: same label | points lost |",
        "|---|---:|---:|---:|---:|",
    ]
    for row in shipped["rows"][1:]:
        same, lost = (_pooled(folds, row["condition"], what) for what in ("same_label", "lost_points"))
        rows.append(
            f"| {row['condition']} | {row['same_label']:.2f} | {row['lost_points']:+.1f} | {same:.2f} | {lost:+.1f} |"
        )
    first = shipped["rows"][0]
    footer = (
        f"\n{shipped['clips']} clips of real sound, changed and heard again after 30 s (`benchmarks/robustness.py`; a "
        f"clip is {100 / shipped['clips']:.1f} points). First the shipped weights ({shipped['model']['sha256'][:8]}), "
        f"which learned from all of them ({first['accuracy']:.2f} are right as they are) and decide from sound as from "
        f"spectra in {_pooled([shipped], 'as spectra', 'same_decision'):.2f} of them; then each by the network of the "
        f"fold that never met its artist ({_pooled(folds, first['condition'], 'accuracy'):.2f} right)."
    )
    return "\n".join([*rows, footer, _on_all_clips()])


def _on_all_clips() -> str:
    """What noise and a band cost on every clip, each heard by the network of its fold."""
    folds = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(CHANNELS.glob("fold*.json"))]
    clips = sum(fold["clips"] for fold in folds)
    right = {name: sum(len(fold["right"][name]) for fold in folds) for name in folds[0]["right"]}
    plain, *others = right.items()
    costs = ", ".join(f"{name} {100 * (plain[1] - n) / clips:+.1f}" for name, n in others)
    return (
        f"\nOn all {clips} clips, as spectra, each by that network of its fold (`benchmarks/channels.py`): "
        f"{plain[1] / clips:.3f} right as they are; points lost: {costs}."
    )


def _pooled(folds: list[dict[str, Any]], condition: str, what: str) -> float:
    """A figure over the clips of all folds."""
    found = [next(row for row in fold["rows"] if row["condition"] == condition)[what] for fold in folds]
    clips = [fold["clips"] for fold in folds]
    return float(sum(value * n for value, n in zip(found, clips, strict=True)) / sum(clips))


def _human(us: float) -> str:
    return f"{us:.0f} µs" if us < 1e3 else f"{us / 1e3:.1f} ms" if us < 1e6 else f"{us / 1e6:.2f} s"


if __name__ == "__main__":
    main()
