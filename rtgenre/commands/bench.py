"""``rtgenre bench``: measure this machine and print a table, or JSON lines."""

from __future__ import annotations

import os
import platform
import sys
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table

from rtgenre import __version__, app
from rtgenre.bench import end_to_end, stages, startup
from rtgenre.errors import EX_OK

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from rtgenre.config import Settings

FAST = 20.0  # times real time: how the path behaves when it is hardly ever idle
QUANTILES = {"p50": 50.0, "p95": 95.0, "p99": 99.0, "p99.9": 99.9, "max": 100.0}


def bench(settings: Settings, seconds: float, out: Path | None, *, as_json: bool) -> int:
    """Measure and print.

    Args:
        settings: of model and policy.
        seconds: length of each end-to-end run.
        out: append JSON lines to this file too.
        as_json: JSON lines on stdout instead of a table.
    """
    machine = {"machine": _machine(), "version": __version__}
    lines = []
    for measured in _measure(settings, seconds):
        line = {**measured, **machine}
        lines.append(line)
        if as_json:
            print(msgspec.json.encode(line).decode(), flush=True)
        else:
            print(f"measured {line['what']}", file=sys.stderr, flush=True)
    if out is not None:
        with out.open("ab") as stream:
            stream.writelines(msgspec.json.encode(line) + b"\n" for line in lines)
    if not as_json:
        _print(lines)
    return EX_OK


def _measure(settings: Settings, seconds: float) -> Iterator[dict[str, object]]:
    checkpoint = app.load_checkpoint(settings.model)
    pipeline = app.open_pipeline(settings, checkpoint)
    hop_us = 1e6 / pipeline.hops_per_s
    for name, taken in stages.measure(pipeline).items():
        yield {"what": name, **_spread(taken), "real_time_factor": round(float(taken.mean()) / hop_us, 7)}
    for pace in (1.0, FAST):
        latency_us, counts = end_to_end.measure(pipeline, seconds / (1.0 if pace == 1.0 else 4.0), pace)
        yield {"what": f"end to end, {pace:g} × real time", **_spread(latency_us), **counts}
    startup.first_posterior_s()
    starts = np.array([startup.first_posterior_s() for _ in range(5)]) * 1e6
    yield {"what": "warm start to first posterior", **_spread(starts)}
    use = startup.steady_use(seconds)
    if use is not None:
        yield {"what": "daemon at real time", **{k: round(v, 2) for k, v in use.items()}}


def _spread(taken_us: NDArray[np.float64]) -> dict[str, object]:
    quantiles = {f"{name}_us": round(float(np.percentile(taken_us, q)), 2) for name, q in QUANTILES.items()}
    return {"n": len(taken_us), **quantiles}


def _print(lines: list[dict[str, object]]) -> None:
    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for name in ("n", *QUANTILES):
        table.add_column(name, justify="right")
    for line in lines:
        if "p50_us" in line:
            table.add_row(str(line["what"]), str(line["n"]), *(_human(line[f"{name}_us"]) for name in QUANTILES))
    console.print(table)
    for line in lines:
        rest = {k: v for k, v in line.items() if not k.endswith("_us") and k not in {"what", "n", "machine", "version"}}
        if rest:
            console.print(f"{line['what']}: " + ", ".join(f"{k} {v}" for k, v in rest.items()))
    console.print(f"[dim]{_machine()}[/]")


def _human(us: object) -> str:
    value = float(us)  # type: ignore[arg-type]
    return f"{value:.1f} µs" if value < 1e3 else f"{value / 1e3:.2f} ms" if value < 1e6 else f"{value / 1e6:.2f} s"


def _machine() -> str:
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:  # noqa: PTH123 - a virtual file
            model = next(line.partition(":")[2].strip() for line in info if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{model}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
