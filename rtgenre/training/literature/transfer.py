"""Convolutions that were taught elsewhere: from the user's own file of weights, or on the clips of FMA small."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional

from rtgenre.errors import SourceError
from rtgenre.frontend import tables
from rtgenre.training import kept
from rtgenre.training.arrays import read_arrays
from rtgenre.training.literature import features, networks, summaries
from rtgenre.training.literature.pieces import default_folder
from rtgenre.training.literature.recipes import report

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Weights = dict[str, torch.Tensor]

_ARRAYS = ("mfcc", "mfcc_low", "mfcc_high", "genre")
_SIDE = 96  # small pictures: convolutions are of no size, and whole ones would take hours here
_CLIPS = 4000
_EPOCHS = 6
_BATCH = 32
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Convolutions:
    """Where transferred convolutions come from.

    Attributes:
        sha256: of the source.
        weights_file: a safetensors file with ``0.weight``, ``0.bias``, … in the order of the convolutions; or None.
        fma: a file of MFCC with genres to learn them from; or None.
        size: below 1, learn from less (a quick check).
        threads: of torch.
        folder: of the cache.
    """

    sha256: str
    weights_file: Path | None = None
    fma: Path | None = None
    size: float = 1.0
    threads: int = 1
    folder: Path = field(default_factory=default_folder)
    _made: Weights | None = None

    def weights(self, say: Callable[[str, float], None]) -> Weights:
        """The weights, taught if need be.

        Raises:
            SourceError: a file is broken, or its shapes are others.
        """
        if self._made is None:
            self._made = self._read(self.weights_file) if self.weights_file is not None else self._taught(say)
        return self._made

    def _read(self, path: Path) -> Weights:
        wanted = _state(report.picture_convolutions())
        shapes = ", ".join(f"{name} {tuple(value.shape)}" for name, value in wanted.items())
        try:
            found = load_file(path)
        except (OSError, SafetensorError) as error:
            raise SourceError(f"{path} cannot be read as weights: {error}", f"safetensors with {shapes}") from error
        for name, value in wanted.items():
            if name not in found or found[name].shape != value.shape:
                is_ = tuple(found[name].shape) if name in found else "missing"
                raise SourceError(f"{path}: {name} is {is_}", f"safetensors with {shapes}")
        return {name: found[name].float() for name in wanted}

    def _taught(self, say: Callable[[str, float], None]) -> Weights:
        assert self.fma is not None  # noqa: S101 - one of the two is given
        code = [Path(module.__file__ or "") for module in (summaries, features, networks, report)]
        entry = self.folder / f"convolutions-{kept.fingerprint([self.sha256, self.size], *code, __file__)}.safetensors"
        if entry.exists():
            return dict(load_file(entry))
        weights, accuracy = _teach(self.fma, self.size, self.threads, say)
        _log.info("convolutions taught on %s name %.0f %% of its held-out clips", self.fma.name, 100 * accuracy)
        entry.parent.mkdir(parents=True, exist_ok=True)
        part = entry.with_suffix(".part")
        save_file(weights, part)
        part.replace(entry)
        return weights


def open_convolutions(weights: Path | None, fma: Path | None, *, size: float, threads: int) -> Convolutions | None:
    """A source of convolutions; the file of weights wins; None where nothing is given.

    Raises:
        SourceError: the file is not there.
    """
    source = weights or fma
    if source is None:
        return None
    try:
        with source.open("rb") as raw:
            sha256 = hashlib.file_digest(raw, "sha256").hexdigest()
    except OSError as error:
        raise SourceError(f"cannot read {source}: {error.strerror or error}", "look at its path") from error
    return Convolutions(sha256, weights, None if weights else fma, size, threads)


def _teach(fma: Path, size: float, threads: int, say: Callable[[str, float], None]) -> tuple[Weights, float]:
    """Weights, and the accuracy on the last tenth of the clips (neighbours share albums)."""
    x, y = _pictures(fma, size)
    torch.manual_seed(0)
    torch.set_num_threads(threads)
    rng = np.random.default_rng(0)
    convolutions = report.picture_convolutions()
    head = networks.dense(64, (), int(y.max()) + 1)
    network = nn.Sequential(convolutions, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)
    optimiser = torch.optim.Adam(network.parameters(), 1e-3)
    n_learn = round(0.9 * len(x))
    label = torch.from_numpy(y)
    epochs = max(1, round(_EPOCHS * size))
    for epoch in range(epochs):
        order = rng.permutation(n_learn)
        for at in range(0, n_learn, _BATCH):
            batch = torch.from_numpy(order[at : at + _BATCH])
            loss = functional.cross_entropy(network(torch.from_numpy(x[batch.numpy()]).float() / 255.0), label[batch])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]  # torch has no type for it
            optimiser.step()
            say("teaching the convolutions that are transferred", (epoch + at / n_learn) / epochs)
    with torch.inference_mode():
        said = network(torch.from_numpy(x[n_learn:]).float() / 255.0).argmax(dim=1)
    return _state(convolutions), float((said == label[n_learn:]).double().mean())


def _pictures(fma: Path, size: float) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Small pictures drawn from MFCC: the inverse DCT gives a smooth mel spectrogram."""
    arrays, _ = read_arrays(fma, _ARRAYS, "set of MFCC with genres")
    n = len(arrays["mfcc"])
    chosen = np.linspace(0, n - 1, min(n, max(40, round(_CLIPS * size)))).astype(np.int64)
    low, high = arrays["mfcc_low"].astype(np.float32), arrays["mfcc_high"].astype(np.float32)
    n_mfcc = arrays["mfcc"].shape[1]
    back = tables.dct_rows(n_mfcc, summaries.PICTURE_MELS).astype(np.float32)
    # The DCT of 128 bands read at 96: the same cosines, in that transform's own scale.
    back *= np.float32(np.sqrt(summaries.PICTURE_MELS / features.N_MELS))
    pictures = []
    for clip in chosen:
        mfcc = low[:, None] + arrays["mfcc"][clip].astype(np.float32) / 255.0 * (high - low)[:, None]
        pictures.append(summaries.coloured(mfcc.T @ back, _SIDE))
    _, label = np.unique(arrays["genre"][chosen], return_inverse=True)
    return np.stack(pictures), label.astype(np.int64)


def _state(convolutions: nn.Module) -> Weights:
    mine = [module for module in convolutions.modules() if isinstance(module, nn.Conv2d)]
    return {
        f"{k}.{name}": value.detach().clone()
        for k, module in enumerate(mine)
        for name, value in module.named_parameters()
    }
