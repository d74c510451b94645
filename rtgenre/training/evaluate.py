"""What a model says of whole clips, heard hop by hop from a fresh state: the live path, smoothing included."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.progress import track

from rtgenre.frontend.stream import Frontend
from rtgenre.model import checkpoint as checkpoints
from rtgenre.model.runtime import open_runtime
from rtgenre.posterior.decision import PolicySettings
from rtgenre.posterior.smoothing import Smoother
from rtgenre.training import scores
from rtgenre.training.spectra import read_corpus

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from rtgenre.model.checkpoint import Checkpoint
    from rtgenre.model.interface import Runtime
    from rtgenre.training.spectra import Corpus

    FloatArray = NDArray[np.float64]
    IntArray = NDArray[np.int64]

SECONDS = (1, 3, 5, 10, 30)
SMOOTHING_S = PolicySettings().smoothing_s  # what is measured is what runs


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalSettings:
    """What to evaluate.

    Attributes:
        data: a corpus of spectra (.npz).
        model: checkpoint folder.
        split: which part of the corpus.
        json: file to write the figures to; None writes none.
        device: see ``open_runtime``.
        quiet: no progress bar.
    """

    data: Path
    model: Path
    split: str = "valid"
    json: Path | None = None
    device: str = "cpu"
    quiet: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """What was heard of a set of clips.

    Attributes:
        smoothed: {seconds: (clips, n_labels)} smoothed log posteriors after so many seconds, before temperature.
        label: (clips,) what each clip is.
        artist: (clips,) whose it is.
    """

    smoothed: dict[int, FloatArray]
    label: IntArray
    artist: IntArray


def hear(corpus: Corpus, split: str, model: Checkpoint, device: str = "cpu", *, quiet: bool = True) -> Heard:
    """Stream every clip of a split through frontend, model and smoothing, each from fresh states.

    Args:
        corpus: the clips.
        split: which of them.
        model: what listens.
        device: see ``open_runtime``.
        quiet: no progress bar.
    """
    clips = corpus.part(split)
    frontend, runtime = Frontend(model.spec), open_runtime(model, device)
    smoothed: dict[int, list[FloatArray]] = {seconds: [] for seconds in SECONDS}
    for clip in track(clips, f"hearing {split}", console=Console(stderr=True), disable=quiet):
        logits = _stream(corpus, clip, frontend, runtime)
        after = smooth_logits(logits, model)
        for seconds in SECONDS:
            hops = scores.hops_within(seconds, model.spec.sample_rate, model.spec.n_fft, model.spec.hop)
            smoothed[seconds].append(after[min(hops, len(after)) - 1])
    return Heard({s: np.stack(v) for s, v in smoothed.items()}, corpus.label[clips], corpus.artist[clips])


def smooth_logits(logits: NDArray[np.float32], model: Checkpoint) -> FloatArray:
    """Smoothed log posteriors (n_hops, n_labels) of a stream's logits, temperature left out."""
    smoother = Smoother(len(model.labels), SMOOTHING_S, model.spec.hops_per_s)
    return scores.smooth(scores.log_softmax(logits), smoother)


def _stream(corpus: Corpus, clip: int, frontend: Frontend, runtime: Runtime) -> NDArray[np.float32]:
    power = corpus.power(clip, frontend.spec)
    logits = np.empty((len(power), 1, len(runtime.labels)), np.float32)
    heard, state = frontend.init_state(), runtime.init_state()
    for hop, spectrum in enumerate(power):
        frame, heard = frontend.step_power(spectrum, heard)
        _, state = runtime.step(frame[None], state, logits[hop])
    return logits[:, 0]


def figures(heard: Heard, model: Checkpoint) -> dict[str, Any]:
    """Accuracy over time with its interval, calibration and confusion; JSON-ready."""
    hits = {s: after.argmax(axis=1) == heard.label for s, after in heard.smoothed.items()}
    last = scores.log_softmax(heard.smoothed[SECONDS[-1]] / model.temperature)
    confusion = np.zeros((len(model.labels),) * 2, np.int64)
    np.add.at(confusion, (heard.label, last.argmax(axis=1)), 1)
    counts = confusion.sum(axis=1)
    return {
        "clips": len(heard.label),
        "artists": len(np.unique(heard.artist)),
        "accuracy": {str(s): float(h.mean()) for s, h in hits.items()},
        "interval_95": {str(s): scores.bootstrap_interval(h, heard.artist) for s, h in hits.items()},
        "ece": scores.calibration_error(np.exp(last), heard.label),
        "log_loss": scores.log_loss(last, heard.label),
        "temperature": model.temperature,
        "recall": {name: float(confusion[k, k] / counts[k]) for k, name in enumerate(model.labels) if counts[k]},
        "confusion": confusion.tolist(),
        "labels": list(model.labels),
        "smoothing_s": SMOOTHING_S,
    }


def across_artists(heard: Heard, fit: Callable[[FloatArray, IntArray], float], seed: int = 0) -> FloatArray:
    """Calibrated log posteriors (clips, n_labels) after the whole clip, each by a temperature from other artists.

    The artists are dealt into two halves; each half is calibrated with what the other one taught.
    """
    last = heard.smoothed[SECONDS[-1]]
    artists = np.random.default_rng(seed).permutation(np.unique(heard.artist))
    first = np.isin(heard.artist, artists[: len(artists) // 2])
    calibrated = np.empty_like(last)
    for half in (first, ~first):
        calibrated[half] = scores.log_softmax(last[half] / fit(last[~half], heard.label[~half]))
    return calibrated


def run(settings: EvalSettings) -> dict[str, Any]:
    """Evaluate a checkpoint on one split of a corpus.

    Returns:
        The figures, which are also written to ``settings.json`` where given.

    Raises:
        CheckpointError: the model cannot be loaded.
        SourceError: the corpus cannot be read.
        UsageError: there is no such split, or the labels differ.
    """
    model = checkpoints.load(settings.model)
    corpus = read_corpus(settings.data)
    corpus.require_labels(model.labels)
    heard = hear(corpus, settings.split, model, settings.device, quiet=settings.quiet)
    result = {
        "model": {"id": model.id, "sha256": model.sha256},
        "data": {"file": settings.data.name, "sha256": corpus.sha256, "split": settings.split},
        **figures(heard, model),
    }
    if settings.json is not None:
        settings.json.parent.mkdir(parents=True, exist_ok=True)
        settings.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return result
