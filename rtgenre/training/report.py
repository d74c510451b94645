"""The model card, written from a run's metrics; no figure in it is typed by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rtgenre.model.checkpoint import Checkpoint

_CARD = """\
# {id}

A causal genre tagger for live audio: {hops:.2f} answers a second, each from what was heard so far.
This page was generated from `metrics.json` by `rtgenre train`; do not edit it.

## What it is

- **Network**: {n_features} features → projection ({hidden}, tanh) → {layers} LSTM layer(s) of {hidden} → logits over
  [LSTM output, projection]; {parameters} parameters. Stateful: (h, c) are carried from hop to hop.
- **Features**: {features}; window {n_fft}, hop {hop} samples at {sample_rate} Hz, with running means and
  spreads ({running} s). `model.json` has the exact definition; its fingerprint is checked at every start.
- **Labels**: {labels}.
- **Weights**: `model.safetensors`, SHA-256 `{sha256}`.

## What it learned from

{train_clips} clips of {train_artists} artists: the *train* part of the artist-filtered split of GTZAN (Tzanetakis &
Cook 2002; faults and split after Sturm 2013 and Kereliuk, Sturm & Larsen 2015), as quantised power spectra
(`{corpus}`), seed {seed}. **Only *train* taught the weights**; *valid* chose the epoch, the
temperature and the recipe. No clip of the test part was touched.

## How well it does

{clips} clips of {artists} other artists (*valid*), streamed hop by hop from a fresh state, log posteriors averaged
over {smoothing:.0f} s; 95 % intervals by bootstrap over artists. Because *valid* also made the choices named above,
these figures lean to the bright side by an unknown amount.

| heard | accuracy | 95 % interval |
|---|---|---|
{accuracy}

Calibration after the whole clip: expected calibration error {ece:.3f}, log loss {log_loss:.3f} nats, with the
temperature of {temperature:.2f} fitted on the same clips; {ece_other:.3f} and {log_loss_other:.3f} with a temperature
fitted on the other half of the artists.

| genre | recall after the whole clip |
|---|---|
{recall}

## What it is for, and what not

For a rough, lively label of music that is playing: overlays, lights, logs. It knows {n_labels} genres as they
sounded before 2002 and calls everything one of them: speech, noise and other styles too, unless a gate before
it keeps them out. Genres overlap and people disagree about them; do not judge a recording, an artist or a
listener by it.

## Limits

- Few clips of mostly Western popular music; neighbouring genres are often confused (see `metrics.json`).
- Trained on spectra read back from images (1.5 dB steps, half of the bins interpolated), not on sound; lossy
  coders, microphones and rooms were imitated only by random level, equaliser, low-pass and noise.
- The first seconds after a reset are less reliable, as the table shows.

## Licence

The weights come under the project's licence. **Doubt**: the recordings of GTZAN were collected without
recorded permission of their owners and carry no licence. None of them is contained here, only weights,
normalisation constants and figures learned from them; whether that needs a licence is not settled everywhere.
Judge for yourself before commercial use.
"""


def model_card(metrics: Mapping[str, Any], model: Checkpoint) -> str:
    """Markdown for the folder's ``README.md``.

    Args:
        metrics: what ``train.run`` returns.
        model: the checkpoint it belongs to.
    """
    training, spec = metrics["training"], model.spec
    intervals = metrics["interval_95"]
    accuracy = [
        f"| {seconds} s | {value:.3f} | {intervals[seconds][0]:.3f} – {intervals[seconds][1]:.3f} |"
        for seconds, value in metrics["accuracy"].items()
    ]
    return _CARD.format(
        id=model.id,
        hops=spec.hops_per_s,
        n_features=spec.n_features,
        hidden=model.architecture.hidden,
        layers=model.architecture.layers,
        parameters=metrics["parameters"],
        features=", ".join(spec.features),
        n_fft=spec.n_fft,
        hop=spec.hop,
        sample_rate=spec.sample_rate,
        running=", ".join(f"{seconds:g}" for seconds in spec.running_s) or "none",
        labels=", ".join(model.labels),
        n_labels=len(model.labels),
        sha256=model.sha256,
        train_clips=training["clips"],
        train_artists=training["artists"],
        corpus=training["corpus"],
        seed=training["seed"],
        clips=metrics["clips"],
        artists=metrics["artists"],
        smoothing=metrics["smoothing_s"],
        accuracy="\n".join(accuracy),
        ece=metrics["ece"],
        log_loss=metrics["log_loss"],
        temperature=metrics["temperature"],
        ece_other=metrics["ece_other_artists"],
        log_loss_other=metrics["log_loss_other_artists"],
        recall="\n".join(f"| {name} | {value:.2f} |" for name, value in metrics["recall"].items()),
    )
