"""What the way in which music arrives does to the decision: coders, narrow bands, level, noise, channels, rates.

    python benchmarks/robustness.py AUDIO_FOLDER [--spectra FILE] [--model NAME] [--noise FILE] [--out FILE]

Every clip of a folder of sound (see ``rtgenre eval --audio``) is changed, written as a file and heard by the live
pipeline as ``rtgenre tag`` hears it; the label that leads at its end is compared with the clip's own and with what is
said of the unchanged clip. With ``--spectra``, so is what is said of the same clips as the spectra that training reads.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile
import soxr
from rich.console import Console
from rich.progress import track

from rtgenre import app
from rtgenre.config import ModelSettings
from rtgenre.model import checkpoint as checkpoints
from rtgenre.tagging import FileTagger
from rtgenre.training.datasets.corpus import read_corpus
from rtgenre.training.datasets.open import open_dataset
from rtgenre.training.outcome import pipeline_of
from rtgenre.training.scores import bootstrap_interval

if TYPE_CHECKING:
    from collections.abc import Callable

    from rtgenre.records import Posterior

RATE = 44100
_SPECTRA = "as spectra"
Sound = np.ndarray[Any, np.dtype[np.float32]]


def coded(format_: str, subtype: str, kbit_s: float) -> Callable[[Sound, Path], Path]:
    """Write with a lossy coder at about a bit rate, found by bisection on the first clip."""
    level: list[float] = []

    def size(sound: Sound, path: Path, at: float) -> float:
        rate = 48000 if subtype == "OPUS" else RATE
        out = sound if rate == RATE else soxr.resample(sound, RATE, rate)
        mode = {"bitrate_mode": "CONSTANT"} if format_ == "MP3" else {}
        soundfile.write(path, out, rate, format=format_, subtype=subtype, compression_level=at, **mode)
        return path.stat().st_size * 8 / (len(sound) / RATE) / 1000

    def write(sound: Sound, folder: Path) -> Path:
        path = folder / f"clip.{format_.lower()}"
        if not level:
            low, high = 0.0, 1.0  # more compression is fewer bits
            for _ in range(7):
                middle = (low + high) / 2
                low, high = (middle, high) if size(sound, path, middle) > kbit_s else (low, middle)
            level.append(high)
        size(sound, path, level[0])
        return path

    return write


def plain(change: Callable[[Sound], Sound], rate: int = RATE) -> Callable[[Sound, Path], Path]:
    """Write the changed sound without loss."""

    def write(sound: Sound, folder: Path) -> Path:
        path = folder / "clip.wav"
        out = change(sound)
        out = out if rate == RATE else soxr.resample(out, RATE, rate)
        soundfile.write(path, out, rate, subtype="FLOAT")
        return path

    return write


def narrow(low_hz: float, high_hz: float, db_per_octave: float) -> Callable[[Sound], Sound]:
    """Leave a band only, and what a slope leaves of the rest (by FFT)."""

    def change(sound: Sound) -> Sound:
        spectrum = np.fft.rfft(sound)
        hz = np.maximum(np.fft.rfftfreq(len(sound), 1 / RATE), 1.0)
        octaves = np.maximum(np.log2(low_hz / hz), 0.0) + np.maximum(np.log2(hz / high_hz), 0.0)
        left: Sound = np.fft.irfft(spectrum * 10 ** (-db_per_octave * octaves / 20), len(sound)).astype(np.float32)
        return left

    return change


def noisy(noise: Sound, snr_db: float) -> Callable[[Sound], Sound]:
    """Add a room's noise at a signal-to-noise ratio over the whole clip."""

    def change(sound: Sound) -> Sound:
        room = np.resize(noise, len(sound))
        gain = np.sqrt((sound**2).mean() / (room**2).mean()) * 10 ** (-snr_db / 20)
        added: Sound = (sound + gain * room).astype(np.float32)
        return added

    return change


def ways(room: Path | None) -> dict[str, Callable[[Sound, Path], Path]]:
    """Every way in which a clip may arrive, by name; the first is as it is. ``room`` is sound of a room's noise."""
    if room:
        raw, rate = soundfile.read(room, dtype="float32", always_2d=True)
        noise = soxr.resample(raw.mean(axis=1), rate, RATE)
    else:
        white = np.fft.rfft(np.random.default_rng(0).normal(size=RATE * 30))
        noise = np.fft.irfft(white / np.sqrt(np.arange(1, len(white) + 1))).astype(np.float32)
    return {
        "as it is": plain(lambda s: s),
        "MP3, 128 kbit/s": coded("MP3", "MPEG_LAYER_III", 128),
        "Vorbis, 64 kbit/s": coded("OGG", "VORBIS", 64),
        "Opus, 64 kbit/s": coded("OGG", "OPUS", 64),
        "300 Hz to 6 kHz": plain(narrow(300.0, 6000.0, 24.0)),
        "300 Hz to 3.4 kHz, steep, as a telephone": plain(narrow(300.0, 3400.0, 60.0)),
        "12 dB louder": plain(lambda s: s * np.float32(10 ** (12 / 20))),
        "12 dB quieter": plain(lambda s: s * np.float32(10 ** (-12 / 20))),
        "room noise at 20 dB": plain(noisy(noise, 20.0)),
        "room noise at 12 dB": plain(noisy(noise, 12.0)),
        "stereo, one channel 6 dB down": plain(lambda s: np.stack((s, 0.5 * s), axis=1)),
        "48 kHz": plain(lambda s: s, 48000),
        "22.05 kHz": plain(lambda s: s, 22050),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("audio", type=Path)
    parser.add_argument("--model", default=ModelSettings().path)
    parser.add_argument("--spectra", type=Path, help="data set of spectra (.npz) that has these clips, too")
    parser.add_argument("--noise", type=Path, help="a room's noise; pink noise if not given")
    parser.add_argument("--only", help="names of the clips to use, one a line", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "robustness" / "shipped.json")
    given = parser.parse_args()
    model = checkpoints.load(app.model_folder(ModelSettings(path=given.model)))
    pipeline = pipeline_of(model)
    clips = open_dataset(given.audio, model.spec, labels=model.labels)
    chosen = list(range(len(clips.names)))
    if given.only:
        wanted = set(given.only.read_text().split())
        chosen = [i for i in chosen if str(clips.names[i]) in wanted]
    conditions = ways(given.noise)
    spectra = read_corpus(given.spectra) if given.spectra else None
    where = {} if spectra is None else {str(name): k for k, name in enumerate(spectra.names)}
    if missing := [str(clips.names[i]) for i in chosen if spectra is not None and str(clips.names[i]) not in where]:
        parser.error(f"{given.spectra} lacks {len(missing)} of the clips, such as {missing[0]}")
    names = [*conditions, *([_SPECTRA] if spectra is not None else [])]
    right: dict[str, list[bool]] = {name: [] for name in names}
    said: dict[str, list[int]] = {name: [] for name in names}
    decided: dict[str, list[str]] = {name: [] for name in names}

    def heard(name: str, i: int, hop: Posterior) -> None:
        best = int(hop.probs.argmax())
        said[name].append(best)
        decided[name].append(str(hop.decision.label or hop.decision.state))
        right[name].append(best == int(clips.label[i]))

    with tempfile.TemporaryDirectory() as folder:
        for i in track(chosen, "clips", console=Console(stderr=True)):
            sound = soxr.resample(clips.samples(i), model.spec.sample_rate, RATE)  # type: ignore[attr-defined]
            for name, write in conditions.items():
                heard(name, i, list(FileTagger(write(sound.astype(np.float32), Path(folder)), pipeline).hops())[-1])
            if spectra is not None:
                state = pipeline.init_state()
                power = spectra.power(where[str(clips.names[i])], model.spec)
                heard(_SPECTRA, i, [pipeline.hop_of_power(one, state) for one in power][-1])
    first = next(iter(conditions))
    rows = []
    for name in names:
        hits, lost = np.array(right[name]), np.array(right[first], float) - np.array(right[name], float)
        rows.append(
            {
                "condition": name,
                "accuracy": float(hits.mean()),
                "lost_points": float(100 * lost.mean()),
                "lost_95": [100 * v for v in bootstrap_interval(lost, np.arange(len(lost)))],
                "same_label": float(np.mean(np.array(said[name]) == np.array(said[first]))),
                "same_decision": float(np.mean(np.array(decided[name]) == np.array(decided[first]))),
            }
        )
    result = {
        "model": {"id": model.id, "sha256": model.sha256, "splits": model.training.get("splits")},
        "clips": len(chosen),
        "rows": rows,
    }
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    for row in rows:
        print(f"{row['condition']:40s} {row['accuracy']:.3f}  lost {row['lost_points']:+5.1f}", end="")
        print(f"  same label {row['same_label']:.2f}")


if __name__ == "__main__":
    main()
