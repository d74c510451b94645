"""Each feature alone ("positive") and each left out ("negative"), for a CNN and an LSTM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from rtgenre.training.literature import networks
from rtgenre.training.literature.recipe import Inputs, Printed, Recipe, Shares, Training

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FEATURES = ("mfcc", "centroid", "chroma", "contrast", "zcr", "rms", "amplitude")
WORDS = {
    "mfcc": "MFCC",
    "centroid": "spectral centroid",
    "chroma": "chroma",
    "contrast": "spectral contrast",
    "zcr": "zero-crossing rate",
    "rms": "RMS",
    "amplitude": "amplitude statistics",
}
_NOTES = (
    (
        "Whole clips, 20 % test, batches of 32 and a rate of 1e-3 are our reading: none is printed where we know "
        "the paper from, but the figures are multiples of 0.1 %, as five runs over 200 clips would give."
    ),
    "A zero-crossing rate cannot be had from spectra; there the systems do without it, and 39 features are left of 40.",
    (
        "Filters and units are not printed, only thousands of parameters. They were searched: 128 and 32 units on 40 "
        "features give 107,466, and 48, 48, 32 filters over nine frames 52,298; printed are 107.46 and 52.29, which is "
        "that cut off, not rounded. Other shapes would give the same."
    ),
    "The statistics of the amplitude spectrum are our choice: mean, spread, skewness, kurtosis and flatness.",
    (
        "Recurrent dropout draws a mask for each batch instead of each sequence: a mask a sequence would take "
        "eight times as long."
    ),
)


def _cnn(shape: tuple[int, ...], n_labels: int) -> nn.Module:
    layers: list[nn.Module] = [networks.FramesLast()]
    n_in = shape[1]
    for n_out in (48, 48, 32):
        layers += [networks.convolution_1d(n_in, n_out, 9), nn.ReLU(), nn.MaxPool1d(2, ceil_mode=True)]
        n_in = n_out
    return nn.Sequential(*layers, networks.MeanOverFrames(), networks.dense(n_in, (), n_labels))


def _lstm(shape: tuple[int, ...], n_labels: int) -> nn.Module:
    layers = (networks.Recurrent("lstm", shape[1], 128, 0.2), networks.Recurrent("lstm", 128, 32, 0.2))
    return networks.RecurrentNet(layers, networks.dense(32, (), n_labels), between=0.2)


def _recipe(
    system: str, what: str, network: Callable[[tuple[int, ...], int], nn.Module], training: Training, printed: Printed
) -> Iterator[Recipe]:
    """A system on all features, then on each alone and without each."""
    whole = f"ablation-{system}"
    choices: dict[str, tuple[str, ...]] = {"": FEATURES}
    choices |= {f"-only-{name}": (name,) for name in FEATURES}
    choices |= {f"-without-{name}": tuple(f for f in FEATURES if f != name) for name in FEATURES}
    for suffix, features in choices.items():
        yield Recipe(
            name=whole + suffix,
            paper="ablation",
            what=what if not suffix else f"{what}: {suffix[1:].replace('-', ' ')}",
            inputs=Inputs(pieces=1, features=features),
            network=network,
            training=training,
            shares=Shares(test=0.2, runs=1 if suffix else 5),
            printed=Printed() if suffix else printed,
            notes=() if suffix else _NOTES,
            variant_of=whole if suffix else "",
            effort=25 if system == "cnn" else 120,
        )


RECIPES = (
    *_recipe(
        "cnn",
        "convolutions over frames, with a penalty on absolute weights",
        _cnn,
        Training(epochs=60, patience=8, l1=1e-5),
        Printed(accuracy=0.4660, parameters=52_298, shape=(1292, 40)),
    ),
    *_recipe(
        "lstm",
        "two LSTM layers with dropout, recurrent dropout and a penalty on squared weights",
        _lstm,
        Training(epochs=40, patience=6, l2=1e-5),
        Printed(accuracy=0.5440, parameters=107_466, shape=(1292, 40)),
    ),
)
