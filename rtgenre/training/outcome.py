"""What a training run found out: figures of held-out clips, calibration, the run file, the folder that is written."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import torch

from rtgenre.frontend.stream import Frontend
from rtgenre.model import checkpoint as checkpoints
from rtgenre.model import network
from rtgenre.model.runtime import open_runtime
from rtgenre.model.same_track import SameTrack
from rtgenre.pipeline import Pipeline
from rtgenre.posterior import split
from rtgenre.posterior.calibration import Calibration
from rtgenre.posterior.decision import PolicySettings
from rtgenre.posterior.smoothing import Smoother
from rtgenre.training import (
    channels,
    colouring,
    curves,
    fit,
    fit_adapter,
    fit_same_track,
    pairs,
    report,
    scores,
    segments,
)
from rtgenre.training import material as materials
from rtgenre.training.background import write_background
from rtgenre.training.datasets import corpus
from rtgenre.training.evaluation import crossed
from rtgenre.training.evaluation.fresh import SECONDS
from rtgenre.training.evaluation.run import evaluate
from rtgenre.training.kept import FRONTEND_CODE, fingerprint, sha256_of
from rtgenre.training.pairs import sets_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from rtgenre.frontend.spec import FrontendSpec
    from rtgenre.model.checkpoint import Checkpoint
    from rtgenre.training.datasets.interface import DataSet
    from rtgenre.training.distil import Distilled
    from rtgenre.training.evaluation.run import Measure
    from rtgenre.training.material import Material
    from rtgenre.training.settings import TrainSettings

    FloatArray = NDArray[np.float32]
    DoubleArray = NDArray[np.float64]
    IntArray = NDArray[np.int64]

METRICS_FILE = "metrics.json"
CARD_FILE = "README.md"
RUNS_FILE = "runs.jsonl"
_SETTLED = 12  # hops into what is no music from which its gate is calibrated


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """Outputs for clips that did not teach, each from a fresh state.

    Attributes:
        said: (clips, hops, n_outputs) of whole clips of music.
        hops: (clips,) valid hops of each.
        label: (clips,).
        artist: (clips,).
        no_music: (files, hops, n_outputs) of what is no music.
        no_music_hops: (files,).
        joined: (pairs, hops, n_outputs) of two clips without a pause.
        change: (pairs, hops) 1 where the second has begun, 0 before, NaN where it is not asked.
    """

    said: FloatArray
    hops: IntArray
    label: IntArray
    artist: IntArray
    no_music: FloatArray
    no_music_hops: IntArray
    joined: FloatArray
    change: FloatArray


def smoothed(held: HeldOut, spec: FrontendSpec) -> DoubleArray:
    """(clips, seconds, n_labels) log posteriors after each of ``SECONDS``, as the live path smooths them."""
    n_labels = held.said.shape[2] - 2
    policy = PolicySettings()
    smoother = Smoother(n_labels, policy.smoothing_s, spec.hops_per_s, policy.smoothing_onset_s)
    whole = [max(1, scores.hops_within(s, spec.sample_rate, spec.n_fft, spec.hop)) for s in SECONDS]
    rows = []
    for said, hops in zip(held.said, held.hops, strict=True):
        after = scores.smooth(scores.log_softmax(said[:hops, :n_labels]), smoother)
        rows.append(after[np.minimum(whole, hops) - 1])
    stacked: DoubleArray = np.stack(rows)
    return stacked


def figures(held: HeldOut, spec: FrontendSpec) -> dict[str, Any]:
    """Accuracy over time with its interval, log loss and calibration across artists; JSON-ready."""
    after = smoothed(held, spec)
    hits = after.argmax(axis=2) == held.label[:, None]
    crossed = across_artists(held, spec)
    found: dict[str, Any] = {
        "clips": len(held.label),
        "right": {str(s): int(hits[:, i].sum()) for i, s in enumerate(SECONDS)},
        "accuracy": {str(s): float(hits[:, i].mean()) for i, s in enumerate(SECONDS)},
        "interval_95": {str(s): scores.bootstrap_interval(hits[:, i], held.artist) for i, s in enumerate(SECONDS)},
        "ece_other_artists": scores.calibration_error(np.exp(crossed), held.label),
        "log_loss_other_artists": scores.log_loss(crossed, held.label),
    }
    if len(held.no_music):
        music, other = _gate_logits(held)
        found["music_auroc"] = scores.auroc(music, other)
    return found


def across_artists(held: HeldOut, spec: FrontendSpec, seed: int = 0) -> DoubleArray:
    """Calibrated log posteriors (clips, n_labels) after the whole clip, each by a temperature from other artists."""
    last = smoothed(held, spec)[:, -1]
    artists = np.random.default_rng(seed).permutation(np.unique(held.artist))
    first = np.isin(held.artist, artists[: len(artists) // 2])
    calibrated = np.empty_like(last)
    for half in (first, ~first):
        temperature = scores.fit_temperature(last[~half], held.label[~half])
        calibrated[half] = scores.log_softmax(last[half] / temperature)
    return calibrated


def calibrate(held: HeldOut, spec: FrontendSpec) -> Calibration:
    """Temperature, and Platt's slope and offset of the two other logits, from held-out clips."""
    temperature = scores.fit_temperature(smoothed(held, spec)[:, -1], held.label)
    music_scale, music_bias = 1.0, 0.0
    if len(held.no_music):
        yes, no = _gate_logits(held)
        music_scale, music_bias = platt(
            np.concatenate((yes, no)), np.concatenate((np.ones(len(yes)), np.zeros(len(no))))
        )
    asked = ~np.isnan(held.change)
    change_scale, change_bias = platt(held.joined[..., -1][asked], held.change[asked], balanced=False)
    return Calibration(
        temperature=temperature,
        music_scale=music_scale,
        music_bias=music_bias,
        change_scale=change_scale,
        change_bias=change_bias,
    )


def recalibrated(
    calibration: Calibration, model: Checkpoint, music: DataSet, clips: IntArray, measure: Measure
) -> Calibration:
    """With the temperature that fits what the live path says at the end of clips.

    The policy picks its answers from two states, mostly the surer one: they need a higher temperature than the plain
    outputs that ``calibrate`` sees.

    Args:
        calibration: of ``calibrate``.
        model: with that calibration.
        music: labelled clips that the model did not learn from.
        clips: (n,) which of them.
        measure: how they are heard.
    """
    heard = crossed.hear([_fold(model, clips)], music, dataclasses.replace(measure, with_streams=False))
    _, further = crossed.temperatures(heard)
    return dataclasses.replace(calibration, temperature=calibration.temperature * further)


def cross_calibrated(
    calibration: Calibration, models: Sequence[tuple[Checkpoint, IntArray]], music: DataSet, measure: Measure
) -> tuple[Calibration, dict[str, Any]]:
    """With the temperature that fits what the folds' networks say through the live path, and what that is worth.

    As ``recalibrated``, but of all clips, each heard by the network that never met its artist. The figures are of
    networks whose temperature was fitted on the clips of the other folds.

    Args:
        calibration: of ``calibrate``.
        models: of each fold, with that calibration, and the clips that it did not learn from.
        music: labelled clips.
        measure: how they are heard.
    """
    alone = dataclasses.replace(measure, with_streams=False)
    each, all_clips = crossed.temperatures(crossed.hear([_fold(*one) for one in models], music, alone))
    folds = [
        _fold(dataclasses.replace(model, temperature=model.temperature * further), clips)
        for (model, clips), further in zip(models, each.tolist(), strict=True)
    ]
    figures = crossed.figures(crossed.hear(folds, music, measure))
    figures["temperatures"] = [calibration.temperature * further for further in each.tolist()]
    return dataclasses.replace(calibration, temperature=calibration.temperature * all_clips), figures


def _fold(model: Checkpoint, clips: IntArray) -> crossed.Fold:
    return crossed.Fold(partial(pipeline_of, model), clips)


def _gate_logits(held: HeldOut) -> tuple[FloatArray, FloatArray]:
    """Music logits of the hops of music, and of what is no music, once a second has been heard."""
    hop = np.arange(held.said.shape[1])
    music = held.said[..., -2][(hop >= _SETTLED) & (hop < held.hops[:, None])]
    other = held.no_music[..., -2][(hop >= _SETTLED) & (hop < held.no_music_hops[:, None])]
    return music, other


def platt(logit: FloatArray, truth: NDArray[np.floating], *, balanced: bool = True) -> tuple[float, float]:
    """Slope and offset of P = sigmoid(slope · logit + offset) (Platt 1999), by Newton's method.

    Args:
        logit: (n,).
        truth: (n,) 0 or 1.
        balanced: both classes weigh the same, however many there are of each.
    """
    x = np.stack((logit.astype(np.float64), np.ones(len(logit))), axis=1)
    share = float(np.clip(truth.mean(), 1e-6, 1 - 1e-6))
    weight = np.where(truth > 0, 0.5 / share, 0.5 / (1 - share)) if balanced else np.ones(len(truth))
    at = np.array([1.0, 0.0])
    for _ in range(50):
        p = 1.0 / (1.0 + np.exp(-np.clip(x @ at, -30.0, 30.0)))
        gradient = x.T @ (weight * (p - truth)) / len(truth) + 1e-3 * (at - np.array([1.0, 0.0]))
        curvature = (x * (weight * p * (1 - p))[:, None]).T @ x / len(truth) + 1e-3 * np.eye(2)
        at = at - np.linalg.solve(curvature, gradient)
    return max(float(at[0]), 1e-2), float(at[1])


def base_key(material: Material, encoder: Distilled, settings: TrainSettings) -> str:
    """Fingerprint of everything that a fit without adapter depends on besides which clips and which seed.

    Args:
        material: what may be learned from.
        encoder: whose weights are held fast.
        settings: the run.
    """
    depends_on = [
        material.music.sha256,
        material.other.sha256 if material.other is not None else "",
        encoder.sha256,
        settings.spec.fingerprint(),
        repr(msgspec.structs.replace(settings.architecture, adapter=0, adapters=1)),
        dataclasses.asdict(settings.segments),
        dataclasses.asdict(settings.fit),
        settings.seed,
        str(torch.__version__),
    ]
    return fingerprint(depends_on, materials, corpus, colouring, segments, network, fit, *FRONTEND_CODE)


def fit_key(base: str, settings: TrainSettings) -> str:
    """Fingerprint of everything that a whole fit depends on besides which clips and which seed.

    Args:
        base: ``base_key``.
        settings: the run.
    """
    if not settings.architecture.adapter:
        return base
    shape = [settings.architecture.adapter, settings.architecture.adapters]
    learned = [dataclasses.asdict(settings.channels), dataclasses.asdict(settings.adapter)]
    return fingerprint([base, *shape, *learned], fit_adapter, channels)


def same_track_key(material: Material, settings: TrainSettings, normal: FloatArray) -> str:
    """Fingerprint of everything that the comparison of two states depends on besides which clips and which seed.

    Args:
        material: what may be learned from.
        settings: the run.
        normal: (2, n_features) mean and standard deviation of the features.
    """
    depends_on = [
        [one.sha256 for one in sets_of(material)],
        settings.spec.fingerprint(),
        settings.architecture.input_clip,
        dataclasses.asdict(settings.pairs),
        dataclasses.asdict(settings.same_track),
        settings.seed,
        sha256_of(normal),
        str(torch.__version__),
    ]
    code = (pairs, fit_same_track, segments, corpus, colouring, materials, split)
    return fingerprint(depends_on, *code, *FRONTEND_CODE)


def summary(runs: dict[str, Any]) -> dict[str, Any]:
    """Mean over seeds, of the networks alone and through the live path, and the pooled accuracy over folds."""
    seeds = [r for name, r in runs.items() if name.startswith("train-seed")]
    folds = [r for name, r in runs.items() if name.startswith("fold")]
    found: dict[str, Any] = {}
    if seeds:
        found["seeds"] = {
            "n": len(seeds),
            **_mean_and_spread(seeds),
            "ece_other_artists": float(np.mean([r["ece_other_artists"] for r in seeds])),
            "live": {
                **_mean_and_spread([r["live"] for r in seeds]),
                "ece": float(np.mean([r["live"]["ece"] for r in seeds])),
            },
        }
    if folds:
        clips = sum(r["clips"] for r in folds)
        found["folds"] = {
            "n": len(folds),
            "clips": clips,
            "accuracy": {str(s): sum(r["right"][str(s)] for r in folds) / clips for s in SECONDS},
        }
    return found


def _mean_and_spread(runs: Sequence[dict[str, Any]]) -> dict[str, dict[str, float]]:
    by_second = {str(s): [r["accuracy"][str(s)] for r in runs] for s in SECONDS}
    return {
        "mean": {s: float(np.mean(values)) for s, values in by_second.items()},
        "spread": {s: float(np.std(values)) for s, values in by_second.items()},
    }


def pipeline_of(model: Checkpoint, settings: PolicySettings | None = None) -> Pipeline:
    """The live pipeline of a checkpoint that may not be on disk."""
    pipeline = Pipeline(
        Frontend(model.spec),
        open_runtime(model, "cpu"),
        Calibration.of(model),
        settings or PolicySettings(),
        same_track=SameTrack.of(model),
    )
    pipeline.warm()
    return pipeline


def write(
    measured: Mapping[str, Checkpoint],
    shipped: Checkpoint,
    material: Material,
    encoder: list[dict[str, Any]],
    runs: dict[str, Any],
    out: Path,
    measure: Measure,
    cross_validated: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Save the model, hear some clips with those measured through the live pipeline, write figures and model card.

    Args:
        measured: fitted on ``train`` only, by the name of its run, a seed each; of all but the first, clips by
            themselves are heard and no more.
        shipped: what is saved; the first of them unless its weights also learned from ``valid``.
        material: the data.
        encoder: figures of the encoder's epochs.
        runs: figures of each fit.
        out: checkpoint folder.
        measure: what is heard: *valid*.
        cross_validated: figures of ``cross_calibrated``, where there are folds.
    """
    shipped = checkpoints.save(shipped, out)
    learned = np.flatnonzero(np.isin(material.split, list(shipped.training["splits"])))
    heard = [(material.music, learned)]
    if material.other is not None:
        heard.append((material.other, np.flatnonzero(material.other_teaches)))
    write_background(pipeline_of(shipped), shipped, heard, out)
    first, *others = measured
    live = evaluate(partial(pipeline_of, measured[first]), material.music, measure)
    alone = dataclasses.replace(measure, with_streams=False)
    heard_by = {name: evaluate(partial(pipeline_of, measured[name]), material.music, alone) for name in others}
    for name, found in {first: live, **heard_by}.items():
        runs[name]["live"] = {figure: found[figure] for figure in ("accuracy", "interval_95", "log_loss", "ece")}
    metrics = {
        "model": {"id": shipped.id, "sha256": shipped.sha256},
        "measured_on": "valid, by weights fitted on train only",
        **live,
        **summary(runs),
        **({} if cross_validated is None else {"cross_validated": cross_validated}),
        "temperature": shipped.temperature,
        "parameters": int(sum(value.size for value in shipped.tensors.values())),
        "training": dict(shipped.training),
    }
    (out / METRICS_FILE).write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    lines = [json.dumps({"name": name, **figures}) for name, figures in runs.items()]
    (out / RUNS_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")
    curves.draw(encoder, runs, out)
    (out / CARD_FILE).write_text(report.model_card(metrics, shipped), encoding="utf-8")
    return metrics
