"""What a noisy room and a narrow band cost on every clip of a file of spectra, of which there are more than of sound.

    python benchmarks/channels.py FILE --model FOLDER [--only NAMES] --out FILE.json

The spectra are changed (pink noise; a band), and heard by the live pipeline as sound's are; the label that leads at a
clip's end is compared with the clip's own. Give ``--only`` the names of clips whose artists the model has not met.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.progress import track

from rtgenre import app
from rtgenre.config import ModelSettings
from rtgenre.model import checkpoint as checkpoints
from rtgenre.training.datasets.corpus import read_corpus
from rtgenre.training.outcome import pipeline_of

if TYPE_CHECKING:
    from collections.abc import Callable

Power = np.ndarray[Any, np.dtype[np.float32]]


def noisy(snr_db: float) -> Callable[[Power, int, int], Power]:
    """Pink noise below the clip's mean power; a periodogram is exponentially distributed around its density."""

    def change(power: Power, rate: int, clip: int) -> Power:
        hz = np.linspace(0.0, rate / 2, power.shape[1])
        shape = 1.0 / np.maximum(hz, 40.0)
        level = power.sum(axis=1).mean() / shape.sum() * 10 ** (-snr_db / 10)
        drawn = np.random.default_rng((clip, round(snr_db))).exponential(size=power.shape)
        return (power + level * shape * drawn).astype(np.float32)

    return change


def band(low_hz: float, high_hz: float, db_per_octave: float) -> Callable[[Power, int, int], Power]:
    """Leave a band, and what a slope leaves of the rest."""

    def change(power: Power, rate: int, _: int) -> Power:
        hz = np.maximum(np.linspace(0.0, rate / 2, power.shape[1]), 1.0)
        octaves = np.maximum(np.log2(low_hz / hz), 0.0) + np.maximum(np.log2(hz / high_hz), 0.0)
        return (power * 10 ** (-db_per_octave * octaves / 10)).astype(np.float32)

    return change


CHANNELS: dict[str, Callable[[Power, int, int], Power]] = {
    "as it is": lambda power, _rate, _clip: power,
    "room noise at 20 dB": noisy(20.0),
    "300 Hz to 6 kHz": band(300.0, 6000.0, 24.0),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spectra", type=Path)
    parser.add_argument("--model", default=ModelSettings().path)
    parser.add_argument("--only", help="names of the clips to use, one a line", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    model = checkpoints.load(app.model_folder(ModelSettings(path=given.model)))
    pipeline, corpus = pipeline_of(model), read_corpus(given.spectra)
    wanted = set(given.only.read_text().split()) if given.only else set(corpus.names)
    clips = [i for i, name in enumerate(corpus.names) if name in wanted]
    right: dict[str, list[str]] = {name: [] for name in CHANNELS}
    for i in track(clips, "clips", console=Console(stderr=True)):
        power = corpus.power(i, model.spec)
        for name, change in CHANNELS.items():
            state = pipeline.init_state()
            last = [pipeline.hop_of_power(one, state) for one in change(power, model.spec.sample_rate, i)][-1]
            if int(last.probs.argmax()) == corpus.label[i]:
                right[name].append(str(corpus.names[i]))
    model_ = {"id": model.id, "sha256": model.sha256, "splits": model.training.get("splits")}
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps({"model": model_, "clips": len(clips), "right": right}, indent=1) + "\n")
    print({name: len(names) for name, names in right.items()}, "of", len(clips))


if __name__ == "__main__":
    main()
