"""Wiring: settings → source, settings → pipeline. The only place that knows every room."""

from __future__ import annotations

import contextlib
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from rtgenre import resources
from rtgenre.config import source_kind
from rtgenre.errors import CheckpointError, UsageError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rtgenre.audio.source import Source
    from rtgenre.config import ModelSettings, Settings, SourceSettings
    from rtgenre.model.checkpoint import Checkpoint
    from rtgenre.pipeline import Pipeline

NOTE_AFTER_S = 1.0
READY_TIMEOUT_S = 10.0  # a cold sound server may take seconds to open a device


def make_source(settings: SourceSettings) -> Source:
    """A source as the settings say, not yet started.

    Args:
        settings: ``auto`` means the default input device; ``daemon`` falls back to the demo where there is none.

    Raises:
        UsageError: ``use`` names no kind of source, or lacks what that kind needs.
    """
    kind, rest = source_kind(settings.use)
    if kind in {"device", "auto"}:
        from rtgenre.audio.capture import DeviceSource

        return DeviceSource(
            settings.name or "mic",
            rest or None,
            sample_rate=settings.sample_rate,
            channels=settings.channels,
            block_samples=settings.block_samples,
            latency_s=settings.latency_s,
            zeros_restart_s=settings.zeros_restart_s,
        )
    if kind == "file":
        from rtgenre.audio.file import FileSource

        return FileSource(
            settings.name or "file", Path(rest), realtime=settings.realtime, block_samples=settings.block_samples
        )
    if kind == "stdin":
        from rtgenre.audio.stdin import StdinSource

        if not settings.sample_rate or not settings.channels:
            raise UsageError(
                "raw PCM on stdin does not say what it is",
                "give --rate and --channels (and --format), for example: "
                "ffmpeg -i URL -f s16le -ac 2 -ar 44100 - | rtgenre run --source stdin --rate 44100 --channels 2",
            )
        if sys.stdin is None:
            raise UsageError("stdin is closed, no sound can come from it", "pipe raw PCM in")
        return StdinSource(
            settings.name or "stdin", settings.sample_rate, settings.channels, settings.format, sys.stdin.buffer
        )
    from rtgenre.audio.synth import DemoSource

    return DemoSource(settings.name or "demo", seed=settings.seed, realtime=settings.realtime)


def model_folder(settings: ModelSettings) -> Path:
    """Folder of the model that the settings name: a shipped one, or a path.

    Raises:
        CheckpointError: there is none.
    """
    shipped = resources.shipped_models()
    folder = shipped.get(settings.path, Path(settings.path).expanduser())
    if not folder.exists():
        raise CheckpointError(
            f"model.path = {settings.path!r} is neither a shipped model nor a folder",
            f"shipped models: {nearest(settings.path, shipped)}",
        )
    return folder


def load_checkpoint(settings: ModelSettings) -> Checkpoint:
    """The checkpoint that the settings name.

    Raises:
        CheckpointError: there is none of that name, or it is broken.
    """
    from rtgenre.model.checkpoint import load

    return load(model_folder(settings))


def open_pipeline(settings: Settings, checkpoint: Checkpoint) -> Pipeline:
    """A warm pipeline for a checkpoint on this machine; says so on stderr if that takes long.

    Raises:
        RtgenreError: the model does not fit this frontend, or the device asked for is not there.
    """
    from rtgenre.frontend.stream import Frontend
    from rtgenre.model.runtime import is_compiled, open_runtime
    from rtgenre.pipeline import Pipeline
    from rtgenre.posterior.calibration import Calibration

    frontend = Frontend(checkpoint.spec)
    compiled = frontend.compiled() and is_compiled()
    with note_if_slow(
        "loading the model" if compiled else "compiling the signal kernels for this processor: once, then cached"
    ):
        pipeline = Pipeline(
            frontend,
            open_runtime(checkpoint, settings.model.device),
            Calibration.of(checkpoint),
            settings.posterior,
        )
        pipeline.warm()
    return pipeline


@contextlib.contextmanager
def note_if_slow(what: str) -> Iterator[None]:
    """Tell a waiting person what is going on, every ten seconds, but only where it takes noticeably long."""
    done = threading.Event()

    def tell() -> None:
        wait_s = NOTE_AFTER_S
        waited_s = 0.0
        while not done.wait(wait_s):
            waited_s += wait_s
            print(f"rtgenre: {what} ({waited_s:.0f} s) …", file=sys.stderr, flush=True)
            wait_s = 10.0

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        done.set()
        teller.join()
