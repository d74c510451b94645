"""The command line. Commands parse and print; the only place that turns errors into exit codes."""

from __future__ import annotations

import functools
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn, ParamSpec

import typer

from rtgenre import __version__
from rtgenre.errors import EX_OK, EX_UNAVAILABLE, RtgenreError, printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from rtgenre.config import Loaded
    from rtgenre.training.settings import TrainSettings

Parameters = ParamSpec("Parameters")

app = typer.Typer(
    name="rtgenre",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Real-time music genre tagger: a microphone, a line-in or a file becomes a feed of genre posteriors.\n\n"
    "Start with `rtgenre run`. If there is no sound, `rtgenre doctor` says why.\n\n"
    "Exit codes: 0 ok, 2 usage, 69 device, source or port unavailable, 78 configuration or model, 130 interrupted.",
)
config_app = typer.Typer(no_args_is_help=True, help="Show, check or describe the settings.")
app.add_typer(config_app, name="config")
midi_app = typer.Typer(no_args_is_help=True, help="MIDI: list the ports, send one control at a time for mapping.")
app.add_typer(midi_app, name="midi")
keys_app = typer.Typer(no_args_is_help=True, help="Keys for a feed that other machines may reach: make, list, allow.")
app.add_typer(keys_app, name="keys")

ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", metavar="FILE", help="Settings file instead of the user's own.")
]
SOURCE_HELP = "device, device:NAME, pulse:NAME, file:PATH, url:ADDRESS, stdin, demo or auto."
SourceOption = Annotated[
    str | None,
    typer.Option("--source", "-s", metavar="SOURCE", help=SOURCE_HELP),
]
SourcesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--source",
        "-s",
        metavar="[NAME[@3,4]=]SOURCE",
        help=f"{SOURCE_HELP} Several, each with a name: --source a@1,2=device:DJM --source b@3,4=device:DJM.",
    ),
]
RateOption = Annotated[int | None, typer.Option("--rate", metavar="HZ", help="Sample rate of stdin or the device.")]
ChannelsOption = Annotated[int | None, typer.Option("--channels", metavar="N", help="Channels of stdin or the device.")]
FormatOption = Annotated[
    str | None, typer.Option("--format", metavar="FORMAT", help="Of stdin: s16le, s24le, s32le or f32le.")
]
ModelOption = Annotated[str | None, typer.Option("--model", "-m", help="Name of a shipped model, or a folder.")]
DeviceOption = Annotated[
    str | None, typer.Option("--device", metavar="KIND", help="Compute on: auto, cpu, torch or cuda.")
]
OwnOption = Annotated[
    bool | None, typer.Option("--own/--no-own", help="Also your own labels; see `rtgenre enroll`. On unless set off.")
]
UiSourceOption = Annotated[str, typer.Option("--ui-source", metavar="NAME", help="Which source the UI shows first.")]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON lines, as in a pipe.")]
PublishOption = Annotated[str | None, typer.Option("--publish", metavar="ADDRESS", help="Of the feed.")]
FeedOption = Annotated[str, typer.Option("--feed", metavar="ADDRESS", help="Of the feed.")]
ControlOption = Annotated[str | None, typer.Option("--control", metavar="ADDRESS", help="Of the control port.")]
ServerKeyOption = Annotated[
    str | None, typer.Option("--server-key", metavar="KEY", help="Public key of a daemon that wants keys.")
]
KeyOption = Annotated[
    Path | None, typer.Option("--key", metavar="FILE", help="Your own, unless made by `rtgenre keys make client`.")
]
SecondsOption = Annotated[float | None, typer.Option("--seconds", min=0.1, help="Stop after this long.")]
OnlySourceOption = Annotated[str | None, typer.Option("--source", metavar="NAME", help="Only this one.")]
RecordingArgument = Annotated[Path, typer.Argument(help="Folder of a recording, or a file of it.", metavar="FOLDER")]


def main() -> None:
    """Run a command and leave with its exit code; an error is printed on stderr, never as a traceback."""
    # A service may be started with its standard streams closed; Python then has None for them.
    nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - may become a standard stream
    sys.stdout, sys.stderr = sys.stdout or nowhere, sys.stderr or nowhere
    try:
        app(prog_name="rtgenre")
    except RtgenreError as error:
        _fail(str(error), error.exit_code)
    except OSError as error:
        _discard_stdout()
        _fail(f"{error.strerror or error}: {error.filename or 'standard output'}", EX_UNAVAILABLE)


def _fail(message: str, code: int) -> NoReturn:
    print(f"rtgenre: error: {printable(message)}", file=sys.stderr)
    sys.exit(code)


def _discard_stdout() -> None:
    """What is left in the buffer can't be written; keep Python from trying, and complaining, at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def leaves(command: Callable[Parameters, int]) -> Callable[Parameters, None]:
    """Make a command that returns its exit code one that leaves with it."""

    @functools.wraps(command)
    def wrapped(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        try:
            code = command(*args, **kwargs)
            sys.stdout.flush()
        except BrokenPipeError:
            _discard_stdout()  # its reader has left, which is its right
            code = EX_OK
        raise typer.Exit(code)

    return wrapped


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    if version:
        print(f"rtgenre {__version__}")
        raise typer.Exit


@app.command()
@leaves
def run(
    *,
    source: SourcesOption = None,
    config: ConfigOption = None,
    name: Annotated[str | None, typer.Option("--name", help="Name of the source in the feed's topics.")] = None,
    rate: RateOption = None,
    channels: ChannelsOption = None,
    pcm: FormatOption = None,
    fast: Annotated[bool, typer.Option("--fast", help="File and demo: as fast as possible.")] = False,
    model: ModelOption = None,
    device: DeviceOption = None,
    own: OwnOption = None,
    publish: PublishOption = None,
    control: ControlOption = None,
    no_feed: Annotated[bool, typer.Option("--no-feed", help="Do not open the ZeroMQ feed.")] = False,
    no_ui: Annotated[bool, typer.Option("--no-ui", help="JSON lines, also on a terminal.")] = False,
    ui_source: UiSourceOption = "",
    web: Annotated[
        bool | None, typer.Option("--web/--no-web", help="Overlays and dashboard at http://127.0.0.1:8898.")
    ] = None,
    record: Annotated[
        Path | None, typer.Option("--record", metavar="FOLDER", help="Keep every message here; see `rtgenre replay`.")
    ] = None,
    record_sound: Annotated[
        bool | None, typer.Option("--record-sound/--no-record-sound", help="And the sound, as FLAC.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Nothing on stdout: only the feed.")] = False,
) -> int:
    """Listen and publish: the daemon.

    On a terminal it shows the UI, in a pipe it prints the feed's messages as JSON lines.
    Without --source it takes the default input device, and a built-in demo where there is none.

    Examples: rtgenre run · rtgenre run --source device:USB · rtgenre run --source file:set.flac ·
    arecord -f S16_LE -r 48000 -c 2 | rtgenre run --source stdin --rate 48000 --channels 2
    """
    from rtgenre.sources import asked_for

    overrides: dict[str, Any] = {
        "source.name": name,
        "source.sample_rate": rate,
        "source.channels": channels,
        "source.format": pcm,
        "source.realtime": False if fast else None,
        "model.path": model,
        "model.device": device,
        "labels.own": own,
        "feed.publish": publish,
        "feed.control": control,
        "feed.enabled": False if no_feed else None,
        "web.enabled": web,
        "record.folder": str(record) if record else None,
        "record.sound": record_sound,
    }
    loaded = _load(config, overrides | asked_for(source or [], overrides))
    from rtgenre import logs
    from rtgenre.daemon import Daemon, Presentation
    from rtgenre.outputs.tui.restore import terminal_as_it_is

    settings = loaded.settings
    screen = sys.stdout.isatty() and settings.feed.enabled and not (no_ui or quiet)
    kept = logs.set_up(settings.log.level, settings.log.format == "json", keep=screen)
    restore_terminal = terminal_as_it_is() if screen else lambda: None

    def screen_lost() -> None:
        restore_terminal()
        kept.show()

    try:
        lines = not (screen or quiet)
        shown = Presentation(screen=screen, lines=lines, screen_lost=screen_lost, source=ui_source)
        return Daemon(settings, shown).run()
    finally:
        kept.show()


@app.command()
@leaves
def watch(
    endpoint: Annotated[str, typer.Argument(help="Address of the feed.")] = "tcp://127.0.0.1:5560",
    control: ControlOption = None,
    server_key: ServerKeyOption = None,
    key: KeyOption = None,
    ui_source: UiSourceOption = "",
    json: JsonOption = False,
    parent: Annotated[int | None, typer.Option("--child-of", hidden=True)] = None,
) -> int:
    """Show a running daemon's feed: the terminal UI, or JSON lines in a pipe.

    Examples: rtgenre watch · rtgenre watch ipc:///run/rtgenre/feed --control ipc:///run/rtgenre/control ·
    rtgenre watch tcp://studio:5560 --server-key 'KEY', KEY being what `rtgenre keys list` shows there
    """
    from rtgenre.commands.watch import Where, watch_lines, watch_screen

    where = Where(endpoint, control, server_key, key)
    if _as_json(json):
        watch_lines(where)
    return watch_screen(where, parent, ui_source)


@app.command()
@leaves
def bridge(
    outputs: Annotated[list[str], typer.Argument(help="Which outputs to run, for example web.", metavar="OUTPUT…")],
    feed: FeedOption = "tcp://127.0.0.1:5560",
    control: ControlOption = None,
    server_key: ServerKeyOption = None,
    key: KeyOption = None,
    config: ConfigOption = None,
) -> int:
    """Run outputs on another machine, or apart from the daemon, against its feed. Settings are the daemon's own.

    Examples: rtgenre bridge web · rtgenre bridge midi osc --feed tcp://studio:5560 ·
    rtgenre bridge web --feed tcp://studio:5560 --server-key 'KEY'
    """
    from rtgenre.commands.bridge import run_outputs
    from rtgenre.commands.watch import Where

    return run_outputs(outputs, Where(feed, control, server_key, key), _load(config, {}).settings)


@app.command()
@leaves
def tag(
    files: Annotated[list[Path], typer.Argument(help="Sound files.", metavar="FILE…")],
    json: JsonOption = False,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", metavar="PICTURE", help="Draw the posterior over time (.png, .svg or .pdf)."),
    ] = None,
    config: ConfigOption = None,
    model: ModelOption = None,
    device: DeviceOption = None,
    own: OwnOption = None,
) -> int:
    """Say what the live path says of files: a summary each, or every hop as JSON lines (--json, or in a pipe)."""
    loaded = _load(config, {"model.path": model, "model.device": device, "labels.own": own})
    from rtgenre.commands.tag import tag_files

    return tag_files(files, loaded.settings, as_json=_as_json(json), plot=plot)


@app.command()
@leaves
def devices(json: JsonOption = False) -> int:
    """List the input devices; the one marked is what `rtgenre run` takes."""
    from rtgenre.commands import devices as command

    return command.show(as_json=_as_json(json))


@app.command()
@leaves
def monitor(
    source: SourceOption = None,
    config: ConfigOption = None,
    rate: RateOption = None,
    channels: ChannelsOption = None,
    pcm: FormatOption = None,
    json: JsonOption = False,
    seconds: SecondsOption = None,
) -> int:
    """Show the level of a source, channel by channel, without any model: is this the right input?"""
    overrides = {
        "source.use": source,
        "source.sample_rate": rate,
        "source.channels": channels,
        "source.format": pcm,
    }
    loaded = _load(config, overrides)
    from rtgenre.commands import monitor as command

    return command.show(loaded.settings.all_sources[0], as_json=_as_json(json), seconds=seconds)


@app.command()
@leaves
def doctor(config: ConfigOption = None, json: JsonOption = False) -> int:
    """Check sound system, devices, GPU, ports, model and caches, and say what to do."""
    from rtgenre.commands.doctor import examine

    return examine(config, as_json=_as_json(json))


@app.command()
@leaves
def bench(
    seconds: Annotated[float, typer.Option("--seconds", min=1.0, help="Length of the end-to-end run.")] = 20.0,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Append the JSON lines here.")] = None,
    json: JsonOption = False,
    config: ConfigOption = None,
    model: ModelOption = None,
    device: DeviceOption = None,
) -> int:
    """Measure this machine: each stage, start-up, and the way from the ring to a subscriber."""
    loaded = _load(config, {"model.path": model, "model.device": device})
    from rtgenre.commands.bench import bench as measure

    return measure(loaded.settings, seconds, out, as_json=_as_json(json))


@app.command()
@leaves
def train(
    data: Annotated[
        Path,
        typer.Option("--data", metavar="PATH", help="Spectra (.npz), or sound: a folder for each label."),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Checkpoint folder to write.")],
    teacher: Annotated[
        Path | None,
        typer.Option("--teacher", metavar="FILE", help="Clips with a teacher's embeddings: teaches the encoder anew."),
    ] = None,
    encoder: Annotated[
        Path | None, typer.Option("--encoder", metavar="FOLDER", help="Or take this model's; the shipped one's.")
    ] = None,
    not_music: Annotated[
        Path | None, typer.Option("--not-music", metavar="FOLDER", help="Sound that is no music: speech/, noise/ …")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of every random draw.")] = 0,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Fit so many networks, and report their mean.")] = 1,
    folds: Annotated[
        bool, typer.Option("--folds/--no-folds", help="Also five-fold cross-validation over artists.")
    ] = False,
    final: Annotated[
        bool, typer.Option("--final/--no-final", help="Write weights that also learned from valid (measured without).")
    ] = False,
    streams: Annotated[
        bool, typer.Option("--streams/--no-streams", help="Also measure tracks in a row, and an hour without a reset.")
    ] = True,
    copies: Annotated[int, typer.Option("--copies", min=2, help="How often each clip comes, coloured anew.")] = 6,
    jobs: Annotated[int | None, typer.Option("--jobs", metavar="N", min=1, help="Processes; one a core.")] = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Name of the model; its folder's unless told.")
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option("--recipe", metavar="NAME", help="Train a system of the papers: see `rtgenre literature --list`."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing on the way.")] = False,
) -> int:
    """Train a model: weights, figures on held-out artists, curves and a model card.

    What takes long is kept in the cache (features, encoder, finished fits): a run that was broken off goes on where it
    was. The same seed, data, machine and libraries give the same weights.

    Examples: rtgenre train --data my_music --out my_model · rtgenre train --data gtzan_power.npz --teacher
    fma_small_mfcc.npz --not-music not_music --seeds 5 --folds --final --out models/gtzan-lstm ·
    rtgenre train --recipe deepbeats-lstm --data gtzan_power.npz --out deepbeats
    """
    if recipe is not None:
        from rtgenre.commands import literature as papers

        spectra, sound = (None, data) if data.is_dir() else (data, None)
        asked = papers.Asked(data=spectra, audio=sound, seed=seed, quiet=quiet)
        return papers.train_recipe(recipe, asked, out)
    from rtgenre.commands.train import train as run_training

    def settings() -> TrainSettings:
        from rtgenre.training.segments import SegmentSettings
        from rtgenre.training.settings import TrainSettings

        return TrainSettings(
            data=data,
            out=out,
            teacher=teacher,
            encoder_from=encoder,
            not_music=not_music,
            seed=seed,
            seeds=seeds,
            folds=folds,
            final=final,
            streams=streams,
            segments=SegmentSettings(copies=copies),
            id=name or out.resolve().name,
            quiet=quiet,
            jobs=jobs or os.cpu_count() or 1,
        )

    return run_training(settings)


@app.command("eval")
@leaves
def evaluate(
    data: Annotated[Path | None, typer.Option("--data", metavar="FILE", help="Corpus of spectra (.npz).")] = None,
    audio: Annotated[
        Path | None, typer.Option("--audio", metavar="FOLDER", help="Or sound: a folder for each label.")
    ] = None,
    split: Annotated[
        str | None, typer.Option("--split", metavar="NAME", help="Part of the data: valid, or the only one there is.")
    ] = None,
    not_music: Annotated[
        Path | None,
        typer.Option("--not-music", metavar="FOLDER", help="Also sound that is no music: speech/, noise/ …"),
    ] = None,
    json: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the figures here.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FOLDER", help="Write a report with pictures here.")
    ] = None,
    streams: Annotated[
        bool, typer.Option("--streams/--no-streams", help="Also tracks in a row, and an hour without a reset.")
    ] = True,
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="At most N clips.")] = None,
    orders: Annotated[
        int, typer.Option("--orders", metavar="N", min=1, help="In so many orders tracks are heard in a row.")
    ] = 3,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the orders.")] = 0,
    jobs: Annotated[
        int | None, typer.Option("--jobs", metavar="N", min=1, help="Processes; one a core unless told.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars.")] = False,
    model: ModelOption = None,
    device: DeviceOption = None,
    config: ConfigOption = None,
) -> int:
    """Measure a model as it is used: the live pipeline, hop by hop.

    Accuracy after 1, 3, 5, 10 and 30 s, calibration, genres; how soon the decision follows a change of track, how
    steady it is, and whether an hour without a reset costs anything. Of longer sound, 30 s out of the middle.

    Examples: rtgenre eval --data gtzan_power.npz --out report · rtgenre eval --audio my_music --no-streams ·
    rtgenre eval --data gtzan_power.npz --not-music not_music --json figures.json
    """
    loaded = _load(config, {"model.path": model, "model.device": device})
    from rtgenre.commands import eval as command
    from rtgenre.training.evaluation.run import Measure

    measure = Measure(
        split=split,
        limit=limit,
        with_streams=streams,
        orders=orders,
        seed=seed,
        jobs=jobs or command.default_jobs(),
        quiet=quiet,
    )
    path = command.data_path(data, audio)
    return command.evaluate(loaded.settings, measure, path, not_music=not_music, json_file=json, folder=out)


@app.command()
@leaves
def literature(
    data: Annotated[Path | None, typer.Option("--data", metavar="FILE", help="GTZAN as spectra (.npz).")] = None,
    audio: Annotated[
        Path | None,
        typer.Option("--audio", metavar="FOLDER", help="GTZAN as sound: as printed. With --data, artists are known."),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="NAME", help="Only these recipes; * stands for anything.")
    ] = None,
    protocol: Annotated[
        str | None, typer.Option("--protocol", metavar="NAME", help="Only published, clips or artists.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Few clips, an epoch: does everything work?")] = False,
    list_: Annotated[bool, typer.Option("--list", help="Print the recipes with their published figures.")] = False,
    table: Annotated[
        Path | None, typer.Option("--table", metavar="FILE", help="CSV of clip statistics; the one beside --data.")
    ] = None,
    fma: Annotated[
        Path | None, typer.Option("--fma", metavar="FILE", help="Clips that transferred convolutions learn from.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option("--weights", metavar="FILE", help="Or your own convolutions (safetensors).")
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where literature.md goes.")] = Path("docs"),
    runs: Annotated[
        Path | None, typer.Option("--runs", metavar="FILE", help="Keep every fit here; a broken-off run goes on.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of every random draw.")] = 0,
    jobs: Annotated[int | None, typer.Option("--jobs", metavar="N", min=1, help="Processes; one a core.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
    json: JsonOption = False,
) -> int:
    """Run the systems of five papers on GTZAN, as published and without the leak, and write them up.

    Every fit is kept at once in a run file; what is there is not run again. All of it takes hours, --quick minutes.

    Examples: rtgenre literature --list · rtgenre literature --data gtzan_power.npz ·
    rtgenre literature --data gtzan_power.npz --only 'classical-*' --protocol artists --out page ·
    rtgenre literature --audio genres_original --data gtzan_power.npz --out page
    """
    from rtgenre.commands import literature as command

    if list_:
        return command.show_list(tuple(only or ()), as_json=_as_json(json))
    asked = command.Asked(
        data=data,
        audio=audio,
        table=table,
        fma=fma,
        weights=weights,
        only=tuple(only or ()),
        protocol=protocol,
        quick=quick,
        out=out,
        runs=runs,
        seed=seed,
        jobs=jobs or command.default_jobs(),
        quiet=quiet,
    )
    return command.literature(asked)


@app.command()
@leaves
def enroll(
    name: Annotated[str | None, typer.Argument(help="Of the label.", metavar="NAME", show_default=False)] = None,
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Sound files, or folders of them: two at least, six are better.", show_default=False),
    ] = None,
    noise: Annotated[
        bool, typer.Option("--noise", help="The label is no music: where it is heard the state is not_music.")
    ] = False,
    list_: Annotated[bool, typer.Option("--list", help="Say which labels there are.")] = False,
    report: Annotated[
        bool, typer.Option("--report", help="Say how good they are, each file judged by a head that did not hear it.")
    ] = False,
    remove: Annotated[str | None, typer.Option("--remove", metavar="NAME", help="Forget a label.")] = None,
    refit: Annotated[bool, typer.Option("--refit", help="Learn again from what is kept.")] = False,
    labels: Annotated[
        Path | None, typer.Option("--labels", metavar="FOLDER", help="Where they are kept, as labels.folder.")
    ] = None,
    json: JsonOption = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
    config: ConfigOption = None,
    model: ModelOption = None,
    device: DeviceOption = None,
) -> int:
    """Teach a label of your own from a handful of files; it is told beside the model's own labels from then on.

    What is kept is what the model makes of the files, not their sound. More files for a label that is there already
    are added to it; noise stays noise, and music music.

    Examples: rtgenre enroll "dub techno" ~/music/dub/*.flac · rtgenre enroll --noise fridge kitchen.wav night.wav ·
    rtgenre enroll --report · rtgenre enroll --remove fridge
    """
    overrides = {"model.path": model, "model.device": device, "labels.folder": str(labels) if labels else None}
    loaded = _load(config, overrides)
    from rtgenre.commands import enroll as command

    asked = command.Asked(name, tuple(files or ()), noise, list_, report, remove, refit)
    return command.enroll(asked, loaded.settings, as_json=_as_json(json), quiet=quiet)


@app.command("record")
@leaves
def record_feed(
    folder: Annotated[Path, typer.Argument(help="Where to; made where there is none.", metavar="FOLDER")],
    feed: FeedOption = "tcp://127.0.0.1:5560",
    control: ControlOption = None,
    server_key: ServerKeyOption = None,
    key: KeyOption = None,
    seconds: SecondsOption = None,
    config: ConfigOption = None,
) -> int:
    """Keep a running daemon's feed, from anywhere, as gzipped JSON lines; each file can be read after a kill.

    The feed carries no sound: to keep that too, let the daemon do it, with `rtgenre run --record FOLDER
    --record-sound`.

    Examples: rtgenre record friday · rtgenre record friday --feed tcp://studio:5560 --server-key 'KEY'
    """
    from rtgenre.app import record_limits
    from rtgenre.commands import record as command
    from rtgenre.commands.watch import Where

    limits = record_limits(_load(config, {}).settings.record)
    return command.record_feed(Where(feed, control, server_key, key), folder, limits, seconds)


@app.command()
@leaves
def replay(
    folder: RecordingArgument,
    speed: Annotated[float, typer.Option("--speed", min=0.01, max=1000.0, help="So many times as fast.")] = 1.0,
    loop: Annotated[bool, typer.Option("--loop", help="Begin again when it is over.")] = False,
    wait_for: Annotated[int, typer.Option("--wait-for", metavar="N", min=0, help="Wait for N subscribers.")] = 0,
    publish: PublishOption = None,
    control: ControlOption = None,
    config: ConfigOption = None,
) -> int:
    """Publish a recording on the feed again: overlays and programs can be made and tried without music.

    What reads the feed cannot tell the difference; session, numbers and clocks are the replay's own.

    Examples: rtgenre replay friday · rtgenre replay friday --speed 10 --loop
    """
    from rtgenre.commands import replay as command

    loaded = _load(config, {"feed.publish": publish, "feed.control": control})
    return command.replay_feed(folder, command.Asked(speed, loop, wait_for), loaded.settings.feed)


@app.command()
@leaves
def setlist(
    folder: RecordingArgument,
    form: Annotated[Literal["markdown", "csv"], typer.Option("--format", help="What to print.")] = "markdown",
    min_s: Annotated[float, typer.Option("--min", metavar="S", min=0.0, help="Shorter runs are merged, s.")] = 20.0,
    source: OnlySourceOption = None,
) -> int:
    """Print what was played when, by genre, from a recording.

    Examples: rtgenre setlist friday > friday.md · rtgenre setlist friday --format csv --min 60
    """
    from rtgenre.commands import setlist as command

    return command.print_setlist(folder, form, min_s, source)


@app.command()
@leaves
def night(
    folder: RecordingArgument,
    out: Annotated[Path, typer.Option("--out", metavar="PICTURE", help=".png, .svg or .pdf.")] = Path("night.png"),
    source: OnlySourceOption = None,
    title: Annotated[str | None, typer.Option("--title", help="Above the picture, instead of the date.")] = None,
) -> int:
    """Draw a recording: posterior over hours, decisions, tracks, silence.

    Examples: rtgenre night friday · rtgenre night friday --out friday.svg --title "Friday at the Anchor"
    """
    from rtgenre.commands import night as command

    return command.draw_night(folder, out, source, title)


@config_app.command("show")
@leaves
def config_show(
    config: ConfigOption = None,
    origin: Annotated[bool, typer.Option("--origin", help="Say where each value comes from.")] = False,
) -> int:
    """Print the settings in force as TOML."""
    from rtgenre.commands import settings as command

    return command.show(_load(config, {}), with_origin=origin)


@config_app.command("check")
@leaves
def config_check(config: ConfigOption = None) -> int:
    """Check the settings file and the environment; exit code 78 if something is wrong."""
    from rtgenre.commands import settings as command

    return command.check(_load(config, {}))


@config_app.command("path")
@leaves
def config_path() -> int:
    """Print where your own settings file is looked for."""
    from rtgenre.config import user_path

    print(user_path())
    return EX_OK


@config_app.command("schema")
@leaves
def config_schema() -> int:
    """Print the settings as JSON Schema, for editors."""
    import msgspec

    from rtgenre.config import schema

    print(msgspec.json.format(msgspec.json.encode(schema())).decode())
    return EX_OK


@midi_app.command("ports")
@leaves
def midi_ports(json: JsonOption = False, config: ConfigOption = None) -> int:
    """List the MIDI ports of other programs."""
    from rtgenre.commands import midi as command

    return command.ports(_load(config, {}).settings, as_json=_as_json(json))


@midi_app.command("learn")
@leaves
def midi_learn(
    genre: Annotated[str, typer.Argument(help="Whose control to send.", metavar="GENRE")],
    note: Annotated[bool, typer.Option("--note", help="The note of its decision instead.")] = False,
    seconds: SecondsOption = None,
    config: ConfigOption = None,
    model: ModelOption = None,
) -> int:
    """Send one genre's control over and over, so that Resolume, QLC+ or Ableton can learn it. Stop the daemon first.

    Examples: rtgenre midi learn disco · rtgenre midi learn disco --note
    """
    from rtgenre.commands import midi as command

    return command.learn(_load(config, {"model.path": model}).settings, genre, note=note, seconds=seconds)


@keys_app.command("make")
@leaves
def keys_make(
    which: Annotated[Literal["server", "client"], typer.Argument(help="server: this machine's daemon; client: you.")],
    replace: Annotated[bool, typer.Option("--replace", help="Make the old pair worthless.")] = False,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Make a key pair; only you can read the file."""
    from rtgenre.commands import keys as command

    return command.make(which, _keys_folder(config), replace=replace, as_json=_as_json(json))


@keys_app.command("list")
@leaves
def keys_list(json: JsonOption = False, config: ConfigOption = None) -> int:
    """Show this machine's public keys and the clients that may connect."""
    from rtgenre.commands import keys as command

    return command.show(_keys_folder(config), as_json=_as_json(json))


# A key that was made elsewhere may begin with a dash; options that are unknown are therefore taken as they stand.
@keys_app.command("allow", context_settings={"ignore_unknown_options": True})
@leaves
def keys_allow(
    name: Annotated[str, typer.Argument(help="What you call the client.")],
    key: Annotated[str, typer.Argument(help="Its public key, in 'single quotes'.")],
    json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Let a client connect; a running daemon heeds it at once."""
    from rtgenre.commands import keys as command

    return command.allow(name, key, _keys_folder(config), as_json=_as_json(json))


@keys_app.command("revoke")
@leaves
def keys_revoke(
    name: Annotated[str, typer.Argument(help="As it was allowed.")],
    json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Keep a client out; a running daemon hangs up on it within a second."""
    from rtgenre.commands import keys as command

    return command.revoke(name, _keys_folder(config), as_json=_as_json(json))


def _as_json(asked: bool) -> bool:
    """Lines for a program: asked for, or in a pipe."""
    return asked or not sys.stdout.isatty()


def _keys_folder(path: Path | None) -> Path:
    from rtgenre import keys

    return keys.folder(_load(path, {}).settings.feed.keys)


def _load(path: Path | None, overrides: dict[str, Any]) -> Loaded:
    from rtgenre import config

    return config.load(path, overrides)
