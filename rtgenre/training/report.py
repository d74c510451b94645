"""The model card, written from a run's metrics; no figure in it is typed by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rtgenre.model.architecture import SAME_TRACK
from rtgenre.training.evaluation.report import number, within

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rtgenre.model.checkpoint import Checkpoint

_CARD = """\
# {id}

A causal genre tagger for live audio: {hops:.2f} answers a second, each from what was heard so far.
This page was generated from `metrics.json` by `rtgenre train`; do not edit it.

## What it is

- **Network**: {parameters} parameters. MFCCs go through {encoder_layers} causal convolutions of {encoder_width}
  channels and running statistics (the encoder); its embedding, beside {n_features} features of the frontend, goes
  through a committee of dense layers ({trunk}) and an LSTM of {hidden} beside it. All state is carried from hop to
  hop.{adapter}
- **Features**: {features}; window {n_fft}, hop {hop} samples at {sample_rate} Hz; running means, spreads and deltas
  ({running} s), correlations ({correlation} s), modulation energies ({modulation} s) and what the chroma is like in
  whatever key ({tonal} s). `model.json` has the exact definition; its fingerprint is checked at every start.
- **Labels**: {labels}. Another output tells music from what is none.
- **Tracks**: a Siamese network on the same features ({compared} of the parameters) compares what was heard before and
  after some moment: one recording, or two? It never saw a label.
- **Weights**: `model.safetensors`, SHA-256 `{sha256}`.

## What it learned from

{train_clips} clips of {train_artists} artists: *{splits}* of the artist-filtered split of GTZAN (Tzanetakis &
Cook 2002; faults and split after Sturm 2013 and Kereliuk, Sturm & Larsen 2015), as quantised power spectra
(`{corpus}`), seed {seed}; {not_music} recordings of speech and noise; and, for the encoder, a teacher's embeddings
(VGGish, Hershey et al. 2017) of the clips in `{teacher}`. No clip of the test part was touched.

## How well it does

**Measured with weights that learned from *train* alone** on {clips} clips of {artists} other artists (*valid*),
through the live pipeline from a fresh state; 95 % intervals by bootstrap over artists. *valid* also chose settings, so
these figures lean to the bright side by an unknown amount. *Network alone*: its outputs, smoothed as the live pipeline
does, but a change of track is never suspected.

| heard | accuracy | 95 % interval |{more_head}
|---|---|---|{more_rule}
{accuracy}

Calibration after the whole clip: expected calibration error {ece:.3f}, log loss {log_loss:.3f} nats, with the
temperature of {temperature:.2f} fitted on {fitted_on}{ece_other}. Were every probability right, so few clips would
give {ece_perfect:.3f} on average, and less than {ece_upper:.3f} in 95 % of cases.
{cross_validated}
| genre | recall | precision |
|---|---|---|
{genres}

## What it is for, and what not

For a rough, lively label of music that is playing: overlays, lights, logs. It knows {n_labels} genres as they
sounded before 2002 and calls all music one of them. Genres overlap and people disagree about them; do not judge a
recording, an artist or a listener by it.

## Limits

- Few clips of mostly Western popular music; neighbouring genres are often confused (see `metrics.json`).
- Trained on spectra read back from images (1.5 dB steps, half of the bins interpolated), not on sound; lossy
  coders, microphones and rooms were imitated only by random level, equaliser, low-pass, coding and noise.
- The first seconds after a reset are less reliable, as the table shows.

## Licence

The weights come under the project's licence. **Doubt**: the recordings of GTZAN were collected without
recorded permission of their owners and carry no licence. None of them is contained here, only weights,
normalisation constants and figures learned from them; whether that needs a licence is not settled everywhere.
Judge for yourself before commercial use.
"""


_ADAPTER = """
- **Channels**: where a frame sounds as if through a telephone or a small loudspeaker, or in a noisy room, a gate adds
  what an adapter of rank {rank} makes of it: what that channel took from the committee's values."""

_CROSSED = """
**All {clips} clips of {artists} artists**, each through the live pipeline by the network of the fold that never met its
artist, its temperature from the other folds:

| | |
|---|---|
| right after 30 s | {accuracy:.3f} (95 %: {low:.3f} – {high:.3f}) |
| expected calibration error | {ece:.3f} |
| … were every probability right: on average, and in 95 % less than | {ece_perfect:.3f}, {ece_upper:.3f} |
{in_a_row}| flips a minute, single clips and in a row | {flips}, {flips_row} |
| false changes of track a minute | {false} |
| hops of music called not music | {not_music:.2%} |
"""

_IN_A_ROW = """\
| right decision after a change of track, median, s (95 %) | {p50} |
| … nine of ten | {p90} |
| right at the end of a track in a row, against alone | {row:+.3f} (95 %: {row_low:+.3f} … {row_high:+.3f}, paired) |
"""


def model_card(metrics: Mapping[str, Any], model: Checkpoint) -> str:
    """Markdown for the folder's ``README.md``.

    Args:
        metrics: what ``train.run`` returns.
        model: the checkpoint it belongs to.
    """
    training, spec, shape = metrics["training"], model.spec, model.architecture
    intervals = metrics["interval_95"]
    seeds, crossed = metrics.get("seeds"), metrics.get("cross_validated")
    more = _more_columns(metrics)
    accuracy = []
    for seconds, value in metrics["accuracy"].items():
        low, high = intervals[seconds]
        row = f"| {seconds} s | {value:.3f} | {low:.3f} – {high:.3f} |"
        row += "".join(f" {cells[seconds]} |" for _, cells in more)
        accuracy.append(row)
    log_loss = metrics["log_loss"]
    return _CARD.format(
        id=model.id,
        hops=spec.hops_per_s,
        n_features=spec.n_features,
        encoder_layers=shape.encoder_layers,
        encoder_width=shape.encoder_width,
        trunk=shape.trunk,
        hidden=shape.hidden,
        adapter=_ADAPTER.format(rank=shape.adapter) if shape.adapter else "",
        parameters=f"{metrics['parameters']:,}",
        compared=f"{sum(v.size for name, v in model.tensors.items() if name.startswith(SAME_TRACK)):,}",
        features=", ".join(spec.features),
        n_fft=spec.n_fft,
        hop=spec.hop,
        sample_rate=spec.sample_rate,
        running=_times(spec.running_s),
        correlation=_times(spec.correlation_s),
        modulation=_times(spec.modulation_s),
        tonal=_times(spec.tonal_s),
        labels=", ".join(model.labels),
        n_labels=len(model.labels),
        sha256=model.sha256,
        train_clips=training["clips"],
        train_artists=training["artists"],
        splits=" and ".join(training["splits"]),
        not_music=training["not_music_clips"],
        teacher=training["teacher"] or "another model's training",
        corpus=training["corpus"],
        seed=training["seed"],
        clips=metrics["clips"],
        artists=metrics["artists"],
        accuracy="\n".join(accuracy),
        more_head="".join(f" {head} |" for head, _ in more),
        more_rule="---|" * len(more),
        ece=metrics["ece"],
        ece_perfect=metrics["ece_if_calibrated"]["mean"],
        ece_upper=metrics["ece_if_calibrated"]["upper_95"],
        log_loss=log_loss["30"] if isinstance(log_loss, dict) else log_loss,
        temperature=metrics["temperature"],
        fitted_on="all clips, as the folds' networks hear them" if crossed else "the same clips",
        cross_validated=_cross_validated(crossed) if crossed else "",
        ece_other=(
            f"; {seeds['ece_other_artists']:.3f} with a temperature fitted on the other half of the artists"
            if seeds
            else ""
        ),
        genres="\n".join(
            f"| {name} | {row['recall']:.2f} | {row['precision']:.2f} |" for name, row in metrics["genres"].items()
        ),
    )


def _more_columns(metrics: Mapping[str, Any]) -> list[tuple[str, dict[str, str]]]:
    """Heads of the table's further columns, and their cells by seconds: seeds and folds, as far as there are."""
    columns = []
    if seeds := metrics.get("seeds"):
        for head, found in ((f"mean of {seeds['n']} seeds", seeds["live"]), ("… network alone", seeds)):
            spread = found["spread"]
            columns.append((head, {s: f"{mean:.3f} ± {spread[s]:.3f}" for s, mean in found["mean"].items()}))
    if folds := metrics.get("folds"):
        live = metrics["cross_validated"]
        for head, found in ((f"artist {folds['n']}-fold, {folds['clips']} clips", live), ("… network alone", folds)):
            columns.append((head, {s: f"{right:.3f}" for s, right in found["accuracy"].items()}))
    return columns


def _cross_validated(found: Mapping[str, Any]) -> str:
    low, high = found["interval_95"]["30"]
    flips = found["flips_per_minute"]
    return _CROSSED.format(
        clips=found["clips"],
        artists=found["artists"],
        accuracy=found["accuracy"]["30"],
        low=low,
        high=high,
        ece=found["ece"],
        ece_perfect=found["ece_if_calibrated"]["mean"],
        ece_upper=found["ece_if_calibrated"]["upper_95"],
        in_a_row=_in_a_row(found) if "in_a_row" in found else "",
        flips=number(flips["fresh_settled"], 1),
        flips_row=number(flips.get("streams_settled"), 1),
        false=number(found["false_changes_per_minute"], 2),
        not_music=found["music_called_not_music"],
    )


def _in_a_row(found: Mapping[str, Any]) -> str:
    delay, row = found["track_changes"]["time_to_right"], found["in_a_row"]
    low, high = row["difference_interval_95"]
    return _IN_A_ROW.format(
        p50=within(delay, "p50"),
        p90=within(delay, "p90"),
        row=row["difference"],
        row_low=low,
        row_high=high,
    )


def _times(seconds: tuple[float, ...]) -> str:
    return ", ".join(f"{s:g}" for s in seconds) or "none"
