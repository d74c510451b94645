"""``rtgenre doctor``: looks at everything that the daemon needs and says what to do about what is missing."""

from __future__ import annotations

import importlib.util
import os
import platform
import socket
import sys
import tempfile
from dataclasses import dataclass
from enum import StrEnum
from multiprocessing import shared_memory
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console

from rtgenre import __version__, app, config, resources
from rtgenre.errors import EX_CONFIG, EX_OK, EX_UNAVAILABLE, ConfigError, RtgenreError

if TYPE_CHECKING:
    from collections.abc import Callable

NUMBA_CACHE_VARIABLE = "NUMBA_CACHE_DIR"
RING_BYTES = 4 << 20


class Verdict(StrEnum):
    """How a check ended; ``warning`` keeps nothing from running."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        check: what was looked at.
        verdict: how it is.
        detail: what was seen.
        remedy: what to do; empty where all is well.
        exit_code: of the command if this is the first failure.
    """

    check: str
    verdict: Verdict
    detail: str
    remedy: str = ""
    exit_code: int = EX_OK


def examine(config_path: Path | None, *, as_json: bool) -> int:
    """Run every check and print the findings.

    Returns:
        0 where nothing failed (warnings allowed), otherwise the exit code of the first failure.
    """
    settings, finding = _load(config_path)
    findings = [finding, *(_look(name, check, settings) for name, check in CHECKS.items())]
    if as_json:
        for finding in findings:
            print(msgspec.json.encode(finding).decode())
    else:
        _print(findings)
    return next((f.exit_code for f in findings if f.verdict is Verdict.FAILURE), EX_OK)


def _look(name: str, check: Callable[[config.Settings], Finding], settings: config.Settings) -> Finding:
    try:
        return check(settings)
    except RtgenreError as error:
        return Finding(name, Verdict.FAILURE, error.message, error.remedy, error.exit_code)


def _load(config_path: Path | None) -> tuple[config.Settings, Finding]:
    """The settings, and how they are; the other checks use the defaults where they are broken."""
    try:
        loaded = config.load(config_path)
    except ConfigError as error:
        broken = Finding("settings", Verdict.FAILURE, error.message, error.remedy, error.exit_code)
        return config.Settings(), broken
    detail = f"{loaded.path} is valid" if loaded.path else "defaults: no file of your own"
    return loaded.settings, Finding("settings", Verdict.OK, detail)


def _print(findings: list[Finding]) -> None:
    console = Console(highlight=False)
    signs = {Verdict.OK: "[green]✓[/]", Verdict.WARNING: "[yellow]![/]", Verdict.FAILURE: "[red]✗[/]"}
    for finding in findings:
        console.print(f"{signs[finding.verdict]} [bold]{finding.check}[/]  ", end="")
        console.print(finding.detail, markup=False)
        if finding.remedy:
            console.print(f"    → {finding.remedy}", markup=False, style="yellow")
    failures = sum(f.verdict is Verdict.FAILURE for f in findings)
    console.print("\n[green]ready: rtgenre run[/]" if not failures else f"\n[red]{failures} to mend[/]")


def _program(_settings: config.Settings) -> Finding:
    detail = f"rtgenre {__version__}, Python {platform.python_version()}, {platform.platform(terse=True)}"
    return Finding("program", Verdict.OK, f"{detail}, {os.cpu_count()} cores")


def _sound(settings: config.Settings) -> Finding:
    from rtgenre.audio.capture import list_devices
    from rtgenre.audio.inputs import choose_input

    uses = dict.fromkeys(source.use for source in settings.all_sources)
    names, (kind, _) = [], config.source_kind(settings.all_sources[0].use)
    try:
        found = list_devices()
        for use in uses:
            kind, wanted = config.source_kind(use)
            if kind in {"auto", "device"}:
                names.append(choose_input(found, wanted or None).full_name)
        if names:
            return Finding("sound input", Verdict.OK, f"{', '.join(names)} ({len(found)} in all)")
    except RtgenreError as error:
        verdict = Verdict.FAILURE if kind == "device" else Verdict.WARNING
        demo = "" if kind == "device" else "; `rtgenre run` will play its demo"
        code = error.exit_code if verdict is Verdict.FAILURE else EX_OK
        return Finding("sound input", verdict, error.message + demo, error.remedy, code)
    return Finding("sound input", Verdict.OK, f"{len(found)} devices; settings choose {', '.join(uses)}")


def _ring(_settings: config.Settings) -> Finding:
    try:
        ring = shared_memory.SharedMemory(create=True, size=RING_BYTES)
    except OSError as error:
        detail = f"{RING_BYTES >> 20} MiB are refused: {error}"
        return Finding(
            "shared memory", Verdict.FAILURE, detail, "in a container: give it --shm-size=64m", EX_UNAVAILABLE
        )
    ring.close()
    ring.unlink()
    return Finding("shared memory", Verdict.OK, "available")


def _model(settings: config.Settings) -> Finding:
    checkpoint = app.load_checkpoint(settings.model)
    weights = sum(tensor.size for tensor in checkpoint.tensors.values())
    detail = f"{checkpoint.id}: {len(checkpoint.labels)} labels, {weights:,} weights, sha256 {checkpoint.sha256[:12]}"
    return Finding("model", Verdict.OK, detail)


def _gpu(settings: config.Settings) -> Finding:
    from rtgenre.model.runtime import cuda_device_count

    count = cuda_device_count()
    torch = importlib.util.find_spec("torch") is not None
    if count and torch:
        return Finding("GPU", Verdict.OK, f"{count} found; used where it is quicker than the CPU")
    if count:
        return Finding("GPU", Verdict.WARNING, f"{count} found, but torch is missing", "pip install torch")
    verdict = Verdict.FAILURE if settings.model.device == "cuda" else Verdict.OK
    remedy = 'set model.device = "auto"' if verdict is Verdict.FAILURE else ""
    return Finding(
        "GPU", verdict, "none: the model runs on one CPU core, which is plenty", remedy, EX_CONFIG if remedy else EX_OK
    )


def _kernels(_settings: config.Settings) -> Finding:
    chosen = os.environ.get(NUMBA_CACHE_VARIABLE)
    folder = Path(chosen) if chosen else Path(__file__).parents[1] / "frontend" / "__pycache__"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError:
        detail = f"{folder} cannot be written: numba falls back to your own cache folder"
        remedy = f"if every start compiles again, set {NUMBA_CACHE_VARIABLE} to a folder that stays"
        return Finding("kernel cache", Verdict.WARNING, detail, remedy)
    return Finding("kernel cache", Verdict.OK, "writable")


def _ports(settings: config.Settings) -> Finding:
    from rtgenre.outputs.zmq_feed import split

    app.feed_curve(settings.feed)
    busy = []
    wanted = [("feed.publish", a) for a in split(settings.feed.publish)]
    wanted += [("feed.control", a) for a in split(settings.feed.control)]
    for setting, address in wanted:
        host, _, port = address.removeprefix("tcp://").rpartition(":")
        if address.startswith("tcp://") and port.isdecimal():
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            with socket.socket(family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((host.strip("[]"), int(port)))
                except OSError as error:
                    busy.append(f"{setting} {address}: {error.strerror}")
    if busy:
        remedy = "perhaps rtgenre runs already (`rtgenre watch` shows it); otherwise --publish and --control"
        return Finding("ports", Verdict.WARNING, "; ".join(busy), remedy)
    return Finding("ports", Verdict.OK, f"{settings.feed.publish} and {settings.feed.control} are free")


def _installation(_settings: config.Settings) -> Finding:
    found = resources.find("feed.schema.json") or resources.find("docs/feed.schema.json")
    if found is None:
        return Finding(
            "installation", Verdict.FAILURE, "feed.schema.json is missing", "install rtgenre again", EX_CONFIG
        )
    return Finding("installation", Verdict.OK, f"complete, in {Path(sys.prefix)}")


CHECKS: dict[str, Callable[[config.Settings], Finding]] = {
    "program": _program,
    "installation": _installation,
    "sound input": _sound,
    "shared memory": _ring,
    "model": _model,
    "GPU": _gpu,
    "kernel cache": _kernels,
    "ports": _ports,
}
