"""Wiring: settings → source, settings → pipeline. The only place that knows every room."""

from __future__ import annotations

import contextlib
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from rtgenre import resources
from rtgenre.config import source_kind
from rtgenre.errors import CheckpointError, LabelError, UsageError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rtgenre.audio.source import Source
    from rtgenre.config import LabelSettings, ModelSettings, Settings, SourceSettings
    from rtgenre.labels.examples import Store
    from rtgenre.labels.head import Head
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


def label_store(settings: LabelSettings, checkpoint: Checkpoint) -> Store:
    """Where one's own labels for a model are kept."""
    import platformdirs

    from rtgenre.labels.examples import Store

    default = platformdirs.user_data_path("rtgenre", appauthor=False) / "labels"
    root = Path(settings.folder).expanduser() if settings.folder else default
    return Store(root, checkpoint.id, checkpoint.sha256, checkpoint.architecture.trunk)


def own_head(settings: LabelSettings, checkpoint: Checkpoint, tell: Callable[[str], object]) -> Head | None:
    """What was learned of one's own labels for this model; None where there are none, or they are not wanted.

    They are an extra: what is wrong with them is told, and stops nothing.

    Args:
        settings: whether they are wanted, and where they are.
        checkpoint: the model.
        tell: called with a line where there are labels that cannot be used.
    """
    if not settings.own:
        return None
    store = label_store(settings, checkpoint)
    try:
        head = store.read_head()
    except LabelError as error:
        tell(f"your own labels are not used: {error.message}; {error.remedy}")
        return None
    if head is None and (others := store.others()):
        tell(
            f"your own labels were learned with other weights ({', '.join(others)}) than this model's "
            f"({store.folder.name}) and are not used: enrol them again"
        )
    return head


def open_pipeline(
    settings: Settings, checkpoint: Checkpoint, own: Head | None = None, *, listens_for_own: bool = False
) -> Pipeline:
    """A warm pipeline for a checkpoint on this machine; says so on stderr if that takes long.

    Args:
        settings: of model and policy.
        checkpoint: the model.
        own: what was learned of one's own labels.
        listens_for_own: make the stage of own labels without any too: for their examples.

    Raises:
        RtgenreError: the model does not fit this frontend, or the device asked for is not there.
    """
    from rtgenre.frontend.stream import Frontend
    from rtgenre.labels.stage import OwnLabels
    from rtgenre.model.runtime import is_compiled, open_runtime
    from rtgenre.pipeline import Pipeline
    from rtgenre.posterior.calibration import Calibration

    frontend, policy = Frontend(checkpoint.spec), settings.posterior
    stage = None
    if own is not None or listens_for_own:
        times_s = policy.smoothing_s, policy.music_smoothing_s
        stage = OwnLabels(own, checkpoint.architecture.trunk, *times_s, checkpoint.hops_per_s)
    compiled = frontend.compiled() and is_compiled()
    with note_if_slow(
        "loading the model" if compiled else "compiling the signal kernels for this processor: once, then cached"
    ):
        pipeline = Pipeline(
            frontend,
            open_runtime(checkpoint, settings.model.device),
            Calibration.of(checkpoint),
            policy,
            stage,
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
