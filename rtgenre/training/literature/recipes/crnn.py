"""Convolutions over 23 MFCC, then GRU or LSTM cells over what is left of the frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from rtgenre.training.literature import networks
from rtgenre.training.literature.recipe import Inputs, Printed, Recipe, Shares, Training

if TYPE_CHECKING:
    from collections.abc import Callable

    from rtgenre.training.literature.networks import Cell

_CHANNELS = (32, 64, 64)
_POOLS = (2, 3, 4)
_NOTES = (
    (
        "Length of the pieces, number of filters, batch and learning rate are not printed where we know the paper "
        "from: 3 s, 32, 64, 64, 32, 1e-3."
    ),
    (
        "The three poolings leave a 24th of the frames: 6 of 130, but only 2 of the 34 that spectra at 87 ms give, so "
        "the cells have next to nothing to remember there."
    ),
)


def _network(cell: Cell, units: int) -> Callable[[tuple[int, ...], int], nn.Module]:
    def build(shape: tuple[int, ...], n_labels: int) -> nn.Module:
        layers: list[nn.Module] = []
        n_in = 1
        for n_out, size in zip(_CHANNELS, _POOLS, strict=True):
            layers += [networks.convolution(n_in, n_out), nn.BatchNorm2d(n_out), nn.ReLU()]
            layers += [networks.pool(size), nn.Dropout(0.1)]
            n_in = n_out
        convolutions = nn.Sequential(*layers)
        channels, _, bands = networks.size_after(convolutions, (1, *shape))
        cells = (networks.Recurrent(cell, channels * bands, units), networks.Recurrent(cell, units, units))
        return networks.ConvolutionsThenRecurrent(convolutions, cells, networks.dense(units, (), n_labels))

    return build


RECIPES = tuple(
    Recipe(
        name=f"crnn-{cell}",
        paper="crnn",
        what=f"23 MFCC → three 3×3 convolutions, batch norm, pooling 2, 3, 4, dropout → two {cell.upper()} of {units}",
        inputs=Inputs(n_mfcc=23),
        network=network,
        training=Training(epochs=60, patience=8),
        shares=Shares(test=0.2),
        printed=Printed(accuracy=accuracy),
        notes=_NOTES,
        effort=120,
    )
    for cell, units, network, accuracy in (
        ("gru", 20, _network("gru", 20), 0.857),
        ("lstm", 30, _network("lstm", 30), 0.875),
    )
)
