"""``rtgenre enroll``: labels of one's own, learned from a handful of files."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from rtgenre import app, logs
from rtgenre.errors import EX_OK, SourceError, UsageError, nearest, printable
from rtgenre.labels.background import Background
from rtgenre.labels.examples import Examples, checked_name
from rtgenre.labels.head import NONE, learn
from rtgenre.labels.hear import content_sha256, windows_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rtgenre.config import Settings
    from rtgenre.labels.head import Head, Judged
    from rtgenre.labels.store import Store
    from rtgenre.model.checkpoint import Checkpoint

LEAST_FILES = 2
_SUFFIXES = frozenset(
    (".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf", ".w64")
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asks for.

    Attributes:
        name: label to learn.
        paths: its files, or folders of them.
        noise: whether it is no music.
        list: say which labels there are.
        report: say how good they are.
        remove: label to forget.
        refit: learn again from what is kept.
    """

    name: str | None = None
    paths: tuple[Path, ...] = ()
    noise: bool = False
    list: bool = False
    report: bool = False
    remove: str | None = None
    refit: bool = False


def enroll(asked: Asked, settings: Settings, *, as_json: bool, quiet: bool) -> int:
    """Learn, list, judge or forget.

    Args:
        asked: one thing.
        settings: of model, policy and labels.
        as_json: one line of JSON instead of words and tables.
        quiet: no progress bar.

    Returns:
        0, or the exit code of the last file that had to be skipped.

    Raises:
        RtgenreError: it cannot be done.
    """
    wanted = [
        word
        for word, given in (
            ("NAME", asked.name is not None),
            ("--list", asked.list),
            ("--report", asked.report),
            ("--remove", asked.remove is not None),
            ("--refit", asked.refit),
        )
        if given
    ]
    if len(wanted) != 1:
        raise UsageError(
            f"{' and '.join(wanted)} were given at once" if wanted else "there is nothing to enrol",
            "give NAME and FILES, or one of --list, --report, --remove NAME and --refit",
        )
    logs.set_up(settings.log.level, settings.log.format == "json", keep=False)
    checkpoint = app.load_checkpoint(settings.model)
    store = app.label_store(settings.labels, checkpoint)
    folder = app.model_folder(settings.model)
    background = Background.load(folder, checkpoint.sha256, checkpoint.architecture.trunk)
    if asked.list:
        return _list(store, as_json=as_json)
    code = EX_OK
    labels = store.read_all()
    changed: Examples | None = None
    if asked.name is not None:
        changed, code = _enrolled(asked, labels, settings, checkpoint, quiet=quiet)
        labels = [examples for examples in labels if examples.name != changed.name] + [changed]
    elif asked.remove is not None:
        gone = store.known(asked.remove)
        if gone is None:
            raise UsageError(f"there is no label {asked.remove!r}", nearest(asked.remove, store.names()))
        labels = [examples for examples in labels if examples.name != gone]
        store.remove(gone)
    labels.sort(key=lambda examples: examples.name.casefold())
    if not labels:
        store.write_head(None)
        _say({"labels": [], "folder": str(store.folder)}, None, as_json=as_json)
        return code
    t_start = time.perf_counter()
    if background is None:
        print("rtgenre: this model tells nothing of its background: what is none of yours is guessed", file=sys.stderr)
    head, judged = learn(labels, background or _guessed(labels))
    if changed is not None:
        store.write(changed)
    if not asked.report:
        store.write_head(head)
    report = _report(labels, judged, head, background)
    report |= {"fit_s": round(time.perf_counter() - t_start, 3), "folder": str(store.folder)}
    _say(report, judged, as_json=as_json)
    return code


def _enrolled(
    asked: Asked, labels: Sequence[Examples], settings: Settings, checkpoint: Checkpoint, *, quiet: bool
) -> tuple[Examples, int]:
    """The label asked for, what was known of it included, and the exit code of the last file that was skipped."""
    name = checked_name(asked.name or "", checkpoint.labels)
    before = next((examples for examples in labels if examples.name.casefold() == name.casefold()), None)
    name = name if before is None else before.name
    if before is not None and asked.noise and not before.noise:
        raise UsageError(
            f"{name!r} is a label of music, and stays it",
            f"leave --noise out, or choose another name for the noise, or forget it first: --remove {name!r}",
        )
    files = _found(asked.paths)
    if not files:
        raise UsageError(f"there is no sound file for {name!r}", "give files, or folders of them")
    if before is not None and before.noise and not asked.noise:
        print(f"rtgenre: {name!r} is noise, and stays it: what is added is noise, too", file=sys.stderr)
    taken = {sha256: examples.name for examples in labels for sha256 in examples.sha256}
    pipeline = app.open_pipeline(settings, checkpoint, listens_for_own=True)
    heard: list[tuple[str, str, np.ndarray[Any, np.dtype[np.float32]]]] = []
    code = EX_OK
    with Progress(console=Console(stderr=True), disable=quiet or not sys.stderr.isatty(), transient=True) as progress:
        for path in progress.track(files, description=f"hearing {printable(name)}"):
            shown = printable(path.name)
            try:
                sha256 = content_sha256(path)
                if sha256 in taken:
                    print(f"rtgenre: {shown} is an example of {taken[sha256]!r} already: skipped", file=sys.stderr)
                    continue
                windows, remark = windows_of(path, pipeline)
            except SourceError as error:
                print(f"rtgenre: skipped: {printable(error.message)}", file=sys.stderr)
                code = error.exit_code
                continue
            if remark:
                print(f"rtgenre: {shown} {printable(remark)}", file=sys.stderr)
            taken[sha256] = name
            heard.append((path.name, sha256, windows))
    known = 0 if before is None else len(before.files)
    if not heard:
        raise SourceError(
            f"none of {len(files)} file(s) can be an example of {name!r}", "give others; each is told about above"
        )
    if known + len(heard) < LEAST_FILES:
        raise UsageError(
            f"{name!r} would have a single file, {heard[0][0]!r}: "
            "whether a label is recognised can be judged only on a file that it was not learned from",
            f"give at least {LEAST_FILES} files; six are better",
        )
    new = Examples(
        name,
        asked.noise or (before is not None and before.noise),
        tuple(printable(shown) for shown, _, _ in heard),
        tuple(sha256 for _, sha256, _ in heard),
        np.concatenate([windows for _, _, windows in heard]),
        np.concatenate([np.full(len(windows), k, np.int64) for k, (_, _, windows) in enumerate(heard)]),
    )
    return (new if before is None else before.with_more(new)), code


def _found(paths: Sequence[Path]) -> list[Path]:
    """Files as given, and the sound files in folders as given, in order; each once."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            below = sorted(file for file in path.rglob("*") if file.suffix.lower() in _SUFFIXES and file.is_file())
            inside = [file for file in below if not file.name.startswith(".")]
            if not inside:
                print(f"rtgenre: no sound files in {printable(str(path))}", file=sys.stderr)
            found += inside
        else:
            found.append(path)
    return list(dict.fromkeys(found))


def _guessed(labels: Sequence[Examples]) -> Background:
    group = np.concatenate([np.full(len(examples.windows), k) for k, examples in enumerate(labels)])
    return Background.guessed(np.concatenate([examples.windows for examples in labels]), group)


def _list(store: Store, *, as_json: bool) -> int:
    labels = store.read_all()
    if as_json:
        found = [{"name": e.name, "noise": e.noise, "files": list(e.files)} for e in labels]
        print(msgspec.json.encode({"labels": found, "folder": str(store.folder)}).decode())
        return EX_OK
    for examples in labels:
        kind = "noise, " if examples.noise else ""
        print(f"{examples.name}  ({kind}{len(examples.files)} files): {', '.join(examples.files)}")
    if not labels:
        print(f"no labels of your own in {store.folder}")
    return EX_OK


def _report(labels: Sequence[Examples], judged: Judged, head: Head, background: Background | None) -> dict[str, Any]:
    """Figures of files that the judging head had not heard, and what each label takes over of the model's own."""
    known = background.names if background is not None else ()
    confusion = judged.confusion
    said = [*judged.names, NONE]
    rows = []
    for k, examples in enumerate(labels):
        files, right = int(confusion[k].sum()), int(confusion[k, k])
        rows.append(
            {
                "name": examples.name,
                "noise": examples.noise,
                "files": files,
                "windows": len(examples.windows),
                "right": right,
                "accuracy": round(right / files, 4),
                "taken_for": {name: int(n) for name, n in zip(said, confusion[k], strict=True) if n},
                "takes_over": [
                    known[group] if known else f"group {group}" for group in np.flatnonzero(head.taken_by == k)
                ],
            }
        )
    right, files = int(np.trace(confusion)), int(confusion.sum())
    return {
        "labels": rows,
        "accuracy": round(right / files, 4),
        "files": files,
        "temperature": round(head.temperature, 3),
    }


def _say(report: dict[str, Any], judged: Judged | None, *, as_json: bool) -> None:
    if as_json:
        print(msgspec.json.encode(report).decode())
        return
    if judged is None:
        print("no labels of your own are left")
        return
    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False)
    table.add_column("label")
    for heading in ("files", "right", "accuracy", *judged.names, NONE):
        table.add_column(heading, justify="right")
    for row, counts in zip(report["labels"], judged.confusion, strict=True):
        name = f"{row['name']} (noise)" if row["noise"] else row["name"]
        figures = (str(row["files"]), str(row["right"]), f"{row['accuracy']:.2f}")
        table.add_row(name, *figures, *(str(n) if n else "·" for n in counts))
    console.print(table)
    console.print("each file was judged by a head learned without it; the last columns say what it was taken for")
    for row in report["labels"]:
        if row["takes_over"]:
            console.print(
                f"{row['name']} takes over {', '.join(row['takes_over'])}: "
                "some of its files sound more like what the model knows by that name than like each other; "
                "more files would tell them apart",
                soft_wrap=True,
            )
    console.print(f"kept in {report['folder']}", soft_wrap=True)
