"""Wiring: settings → source, settings → pipeline. The only place that knows every room."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from rtgenre import resources
from rtgenre.errors import CheckpointError, ConfigError, LabelError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rtgenre.config import FeedSettings, LabelSettings, ModelSettings, RecordSettings, Settings
    from rtgenre.labels.head import Head
    from rtgenre.labels.store import Store
    from rtgenre.model.checkpoint import Checkpoint
    from rtgenre.outputs.interface import Output
    from rtgenre.outputs.recorder import Limits, Recorder
    from rtgenre.outputs.settings import MidiSettings, TextSettings
    from rtgenre.outputs.zmq_feed import Curve
    from rtgenre.pipeline import Pipeline

OneSource = TypeVar("OneSource", "MidiSettings", "TextSettings")

NOTE_AFTER_S = 1.0
READY_TIMEOUT_S = 10.0  # a cold sound server may take seconds to open a device


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


def feed_curve(settings: FeedSettings) -> Curve | None:
    """Keys of the feed, None where it needs none.

    Raises:
        ConfigError: an address cannot be bound, two are the same, or keys are needed and missing or broken.
    """
    from rtgenre import keys
    from rtgenre.outputs.zmq_feed import check_apart, open_curve

    folder = keys.folder(settings.keys)
    curve = open_curve(settings.publish, settings.control, folder, everywhere=settings.curve == "always")
    check_apart(("feed.publish", settings.publish), ("feed.control", settings.control))
    return curve


def open_web(settings: Settings) -> Output:
    """Overlays, dashboard and metrics over HTTP.

    Raises:
        ConfigError: its library is missing, or the settings would let strangers in.
    """
    with _library_of("web"):
        from rtgenre.outputs.web import WebOutput
    return WebOutput(settings.web)


def open_midi(settings: Settings) -> Output:
    """Notes and controls, in a process of their own.

    Raises:
        ConfigError: its library is missing, or there is no such source.
    """
    from rtgenre.outputs.midi import MidiOutput

    check_midi_library()
    return MidiOutput(_one_source("midi", settings.midi, settings))


def open_osc(settings: Settings) -> Output:
    """OSC over UDP.

    Raises:
        ConfigError: its library is missing, or a target is not one.
    """
    with _library_of("osc"):
        from rtgenre.outputs import osc
    return osc.open_osc(settings.osc)


def open_mqtt(settings: Settings) -> Output:
    """An MQTT broker.

    Raises:
        ConfigError: its library is missing, or the password cannot be read.
    """
    with _library_of("mqtt"):
        from rtgenre.outputs import mqtt
    return mqtt.open_mqtt(settings.mqtt)


def open_text(settings: Settings) -> Output:
    """A text file.

    Raises:
        ConfigError: its template cannot be filled in, or there is no such source.
    """
    from rtgenre.outputs import textfile

    return textfile.open_text(_one_source("text", settings.text, settings))


def _one_source(name: str, section: OneSource, settings: Settings) -> OneSource:
    """The section of an output that tells of one source only, with the first one's name where it names none."""
    known = [source.name for source in settings.all_sources]
    if section.source and "" not in known and section.source not in known:  # "": the source will name itself
        raise ConfigError(f"{name}.source = {section.source!r} is none of the sources", nearest(section.source, known))
    if section.source or not settings.sources:
        return section
    return msgspec.structs.replace(section, source=settings.sources[0].name)


OUTPUTS: dict[str, Callable[[Settings], Output]] = {
    "web": open_web,
    "midi": open_midi,
    "osc": open_osc,
    "mqtt": open_mqtt,
    "text": open_text,
}
"""Outputs that only read messages, by the name of their section: the daemon starts those that are enabled there,
``rtgenre bridge`` those that are named."""


def open_outputs(settings: Settings) -> dict[str, Output]:
    """The outputs that the settings enable, by name, not yet started.

    Raises:
        ConfigError: a library is missing, or a setting does not fit.
    """
    if settings.web.enabled and settings.feed.enabled:
        _check_web_beside_feed(settings)
    return {name: opener(settings) for name, opener in OUTPUTS.items() if getattr(settings, name).enabled}


def _check_web_beside_feed(settings: Settings) -> None:
    """The two know nothing of each other: the one that comes second would blame another program."""
    from rtgenre.outputs.zmq_feed import is_one_place, split

    web, feed = settings.web, settings.feed
    host = f"[{web.host.strip('[]')}]" if ":" in web.host else web.host
    port = web.port or "*"  # 0: any that is free
    for setting, addresses in (("feed.publish", feed.publish), ("feed.control", feed.control)):
        for address in split(addresses):
            if is_one_place(address, f"tcp://{host}:{port}"):
                raise ConfigError(
                    f"web.port = {web.port} (web.host = {web.host!r}) and {setting} = {address} are one place",
                    "give each a port of its own; web.port is 8898 unless you say otherwise",
                )


def open_recorder(settings: RecordSettings) -> Recorder | None:
    """What keeps a run in a folder, not yet started; None where nothing is to be kept.

    Raises:
        ConfigError: the sound is to be kept, but nobody says where.
        OutputError: the folder cannot be made.
    """
    folder = _where_to_record(settings)
    if folder is None:
        return None
    from rtgenre.outputs.recorder import Recorder

    return Recorder(folder, sound=settings.sound, limits=record_limits(settings))


def _where_to_record(settings: RecordSettings) -> Path | None:
    if not settings.folder and settings.sound:
        raise ConfigError("record.sound is on, but record.folder is empty", "say where: --record FOLDER")
    return Path(settings.folder).expanduser() if settings.folder else None


def check_outputs(settings: Settings) -> None:
    """See whether all outputs that are enabled can be opened; nothing is started or made.

    Raises:
        RtgenreError: see ``open_outputs`` and ``open_recorder``.
    """
    for output in open_outputs(settings).values():
        output.close()
    folder = _where_to_record(settings.record)
    if folder is not None:
        from rtgenre.outputs.recorder import check_folder

        check_folder(folder)


def record_limits(settings: RecordSettings) -> Limits:
    """When the next file of a recording begins."""
    from rtgenre.outputs.recorder import Limits

    return Limits(settings.rotate_mb, settings.rotate_h * 3600.0)


def check_midi_library() -> None:
    """Is it there? It is loaded in the process that plays, and nowhere else.

    Raises:
        ConfigError: no.
    """
    with _library_of("midi"):
        if importlib.util.find_spec("rtmidi") is None:
            raise ModuleNotFoundError(name="python-rtmidi")


@contextlib.contextmanager
def _library_of(extra: str) -> Iterator[None]:
    """Say how to install what an output needs, where that is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        what = f"[{extra}] needs {error.name}, which is not installed"
        raise ConfigError(what, f"pip install 'rtgenre[{extra}]'") from None


def label_store(settings: LabelSettings, checkpoint: Checkpoint) -> Store:
    """Where one's own labels for a model are kept."""
    import platformdirs

    from rtgenre.labels.store import Store

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
    settings: Settings,
    checkpoint: Checkpoint,
    own: Head | None = None,
    *,
    listens_for_own: bool = False,
    streams: int = 1,
) -> Pipeline:
    """A warm pipeline for a checkpoint on this machine; says so on stderr if that takes long.

    Args:
        settings: of model and policy.
        checkpoint: the model.
        own: what was learned of one's own labels.
        listens_for_own: make the stage of own labels without any too: for their examples.
        streams: how many sources it will serve, from as many threads as they like.

    Raises:
        RtgenreError: the model does not fit this frontend, or the device asked for is not there.
    """
    from rtgenre.frontend.compiling import spare_scipy
    from rtgenre.frontend.stream import Frontend
    from rtgenre.labels.stage import OwnLabels
    from rtgenre.model.runtime import is_compiled, open_runtime
    from rtgenre.model.same_track import SameTrack
    from rtgenre.model.together import SharedRuntime
    from rtgenre.pipeline import Pipeline
    from rtgenre.posterior.calibration import Calibration

    spare_scipy()
    frontend, policy = Frontend(checkpoint.spec), settings.posterior
    stage = None
    if own is not None or listens_for_own:
        times_s = policy.smoothing_s, policy.music_smoothing_s
        stage = OwnLabels(own, checkpoint.architecture.trunk, *times_s, checkpoint.hops_per_s)
    compiled = frontend.compiled() and is_compiled()
    with note_if_slow(
        "loading the model" if compiled else "compiling the signal kernels for this processor: once, then cached"
    ):
        runtime = open_runtime(checkpoint, settings.model.device, streams)
        if streams > 1:
            runtime = SharedRuntime(runtime)
        pipeline = Pipeline(
            frontend,
            runtime,
            Calibration.of(checkpoint),
            policy,
            stage,
            SameTrack.of(checkpoint),
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
