"""``rtgenre tag``: files to a summary, JSON lines, or a picture."""

from __future__ import annotations

import sys
import time
import uuid
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from rtgenre import app
from rtgenre.errors import EX_OK, RtgenreError, SourceError, UsageError, printable
from rtgenre.outputs import wire
from rtgenre.tagging import FileTagger, summarise

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rtgenre.config import Settings
    from rtgenre.model.checkpoint import Checkpoint
    from rtgenre.pipeline import Pipeline
    from rtgenre.records import Posterior
    from rtgenre.tagging import Summary


def tag_files(files: Sequence[Path], settings: Settings, *, as_json: bool, plot: Path | None) -> int:
    """Tag each file; one that cannot be read is reported and does not stop the others.

    Args:
        files: sound files.
        settings: of model and policy.
        as_json: every hop as a JSON line, the feed's own message.
        plot: where to draw the posterior; only for a single file.

    Returns:
        0, or the exit code of the last file that failed.

    Raises:
        RtgenreError: the model cannot be used, or the picture cannot be drawn.
    """
    if plot is not None and len(files) > 1:
        raise UsageError(f"--plot draws one file, and {len(files)} were given", "call it once a file")
    if plot is not None:
        from rtgenre.plot import check_drawable

        check_drawable(plot)
    checkpoint = app.load_checkpoint(settings.model)
    own = app.own_head(settings.labels, checkpoint, lambda line: print(f"rtgenre: {line}", file=sys.stderr))
    pipeline = app.open_pipeline(settings, checkpoint, own)
    code = EX_OK
    for path in files:
        try:
            _tag(path, settings, checkpoint, pipeline, as_json=as_json, plot=plot)
        except SourceError as error:
            print(f"rtgenre: error: {printable(str(error))}", file=sys.stderr)
            code = error.exit_code
    return code


def _tag(
    path: Path, settings: Settings, checkpoint: Checkpoint, pipeline: Pipeline, *, as_json: bool, plot: Path | None
) -> None:
    t_start = time.perf_counter()
    tagger = FileTagger(path, pipeline, tuple(settings.source.pick))
    own_labels = () if pipeline.own is None else pipeline.own.names
    writer = _LineWriter(checkpoint, printable(str(path)), own_labels) if as_json else None
    hops: list[Posterior] = []
    broken: RtgenreError | None = None
    try:
        for hop in tagger.hops():
            hops.append(hop)
            if writer is not None:
                writer.write(hop)
    except SourceError as error:
        broken = error  # what there was is still worth its summary
    rate = checkpoint.spec.sample_rate
    if hops:
        summary = summarise(hops, checkpoint.labels, rate, t_start)
        if not as_json:
            _print_summary(path, tagger, summary, checkpoint.labels)
            _print_own(hops, own_labels)
        if plot is not None:
            _draw(path, hops, checkpoint, plot, summary)
    elif broken is None:
        needed = checkpoint.spec.n_fft / rate
        raise SourceError(f"{path} is too short: one answer needs {needed:.3f} s of sound", "give a longer file")
    if broken is not None:
        raise broken


class _LineWriter:
    """Writes hops as the feed's messages; clocks count from the start of the file."""

    def __init__(self, checkpoint: Checkpoint, source: str, own_labels: tuple[str, ...]) -> None:
        model = wire.ModelId(checkpoint.id, checkpoint.sha256)
        self._rate = checkpoint.spec.sample_rate
        self._composer = wire.Composer(str(uuid.uuid4()), source, model, checkpoint.labels, self._rate, own_labels)

    def write(self, hop: Posterior) -> None:
        """One hop's posterior message as a line on stdout."""
        t_audio_ns = round(hop.end_sample / self._rate * 1e9)
        # There is no clock to be late against: capture and publish count as zero.
        posterior, *_ = self._composer.compose(hop, t_audio_ns, t_audio_ns, time.monotonic_ns())
        sys.stdout.buffer.write(wire.publish(posterior) + b"\n")


def _print_summary(path: Path, tagger: FileTagger, summary: Summary, labels: tuple[str, ...]) -> None:
    console = Console(highlight=False)
    info = tagger.info
    length = "" if info.duration_s is None else f"{info.duration_s:.1f} s, "
    speed = f", {1 / summary.real_time_factor:.0f} × real time" if summary.real_time_factor else ""
    console.print(
        f"[bold]{escape(printable(path.name))}[/]  [dim]{length}{info.sample_rate} Hz, {info.channels} ch{speed}[/]"
    )
    if summary.label is None:
        console.print("  no genre decided: silence, no music, or too short")
    else:
        console.print(f"  [bold green]{summary.label}[/]  for {summary.share:.0%} of the time")
        ranked = sorted(zip(summary.mean, labels, strict=True), reverse=True)[:3]
        console.print("  mean posterior: " + ", ".join(f"{label} {p:.2f}" for p, label in ranked))
    track = 1
    for span in summary.spans:
        if span.track > track:
            track = span.track
            console.print(f"  [dim]track {track}, from {_clock(span.track_start_s)}[/]")
        said = span.label or f"({span.state.replace('_', ' ')})"
        console.print(f"  {_clock(span.start_s)} – {_clock(span.end_s)}  {said}")
    for count, what in (
        (tagger.clipped_samples, "clipped"),
        (tagger.non_finite_samples, "not finite, taken as zero"),
    ):
        if count:
            console.print(f"  [yellow]{count} samples {what}[/]")


def _print_own(hops: list[Posterior], own_labels: tuple[str, ...]) -> None:
    """The label of one's own that was more probable than not for the longest time, if any was."""
    said = [hop.own for hop in hops if hop.own is not None and hop.own.any()]
    if not said:
        return
    sure = [int(own.argmax()) for own in said if own.max() > 0.5]
    if not sure:
        print("  none of your own labels")
        return
    best = max(set(sure), key=sure.count)
    mean = sum(float(own[best]) for own in said) / len(said)
    console = Console(highlight=False)
    console.print(
        f"  your own: [bold cyan]{own_labels[best]}[/]  for {sure.count(best) / len(hops):.0%} of the time, "
        f"mean {mean:.2f}"
    )


def _draw(path: Path, hops: list[Posterior], checkpoint: Checkpoint, out: Path, summary: Summary) -> None:
    import numpy as np

    from rtgenre.plot import posterior_picture

    times_s = np.array([hop.end_sample for hop in hops]) / checkpoint.spec.sample_rate
    probs = np.stack([hop.probs for hop in hops])
    spans = [(span.start_s, span.end_s, span.state, span.label) for span in summary.spans]
    posterior_picture(times_s, probs, checkpoint.labels, spans, out, printable(path.name))
    print(f"wrote {out}", file=sys.stderr)


def _clock(seconds: float) -> str:
    return f"{int(seconds // 60)}:{seconds % 60:04.1f}"
