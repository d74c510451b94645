"""The fitting of the adapters: what a channel has done to the trunk's values is undone where there is such a channel.

All else is held fast, so nothing is lost of what was learned from sound as it is. The adapters do not learn genres, of
which a few hundred clips tell little, but what the trunk would have read of the same hop without the channel, as
features are mapped in noisy speech ("stereo data": Deng et al. 2000, SPLICE). That is a linear regression with a
thousand answers a hop, and has one solution (docs/experiments.md tells what was gained).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from rtgenre.training.channels import KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from rtgenre.model.network import Adapters, GenreNet
    from rtgenre.training.fit import Report

    BoolArray = NDArray[np.bool_]
    IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterSettings:
    """How the adapters are fitted.

    Attributes:
        ridge: variance that is added to every input of the regression; inputs have about one themselves.
        gate_hops: hops of either kind that a gate is fitted on, at most.
        gate_c: inverse strength of the gate's regularisation.
    """

    ridge: float = 0.1
    gate_hops: int = 20_000
    gate_c: float = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Paired:
    """Single hops as they are and through channels: all of them the same music, row for row.

    Attributes:
        plain: (n, n_inputs) float16, the trunk's inputs.
        through: of each of ``KINDS`` its copies, each (n, n_inputs) float16.
        clip: (n,) int64.
    """

    plain: Tensor
    through: Sequence[Sequence[Tensor]]
    clip: IntArray

    def of_clips(self, chosen: BoolArray) -> Paired:
        """Those of some clips.

        Args:
            chosen: (all clips,).
        """
        rows = torch.from_numpy(np.flatnonzero(chosen[self.clip]))
        through = [[copy[rows] for copy in copies] for copies in self.through]
        return Paired(self.plain[rows], through, self.clip[rows.numpy()])


def fit_adapters(
    network: GenreNet, paired: Paired, settings: AdapterSettings, rng: np.random.Generator, report: Report
) -> None:
    """Fit gates and adapters of a network whose trunk, LSTM and head are fitted; nothing else of it changes.

    Args:
        network: with an adapter for each of ``KINDS``.
        paired: what is learned from.
        settings: how.
        rng: draws the hops of the gates.
        report: called with the figures of each gate and each adapter.

    Raises:
        ValueError: the network has no adapters, or not one for each kind.
    """
    adapters = network.adapter
    if adapters is None or network.architecture.adapters != len(KINDS):
        raise ValueError(f"the network needs {len(KINDS)} adapters, one for each kind of channel")
    rank = network.architecture.adapter
    for k, kind in enumerate(KINDS):
        report({"stage": "gate", "channel": kind, "right": _fit_gate(adapters, k, paired, settings, rng)})
        rows = slice(k * rank, (k + 1) * rank)
        with torch.no_grad():
            down, up, explained = _regress(network, adapters, k, paired, settings.ridge)
            adapters.down.weight[rows], adapters.down.bias[rows] = down[:, :-1], down[:, -1]
            adapters.up.weight[:, rows] = up
        report({"stage": "adapter", "channel": kind, "explained": explained})


def _fit_gate(adapters: Adapters, k: int, paired: Paired, settings: AdapterSettings, rng: np.random.Generator) -> float:
    """A logistic regression on single frames, those of the k-th kind against all others, as many of either side.

    Returns:
        The share of frames that are told apart.
    """
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - an extra

    others = [paired.plain, *(copy for i, copies in enumerate(paired.through) if i != k for copy in copies)]
    sides = [torch.cat([copy[:, : adapters.gate.in_features] for copy in side]) for side in (others, paired.through[k])]
    n = min(settings.gate_hops, *map(len, sides))
    drawn = [side[torch.from_numpy(np.sort(rng.choice(len(side), n, replace=False)))] for side in sides]
    stacked, is_kind = torch.cat(drawn).float().numpy(), np.repeat([0, 1], n)
    told = LogisticRegression(C=settings.gate_c, max_iter=500).fit(stacked, is_kind)
    with torch.no_grad():
        adapters.gate.weight[k] = torch.from_numpy(told.coef_[0])
        adapters.gate.bias[k] = float(told.intercept_[0])
    return float(told.score(stacked, is_kind))


def _regress(
    network: GenreNet, adapters: Adapters, k: int, paired: Paired, ridge: float
) -> tuple[Tensor, Tensor, float]:
    """The k-th adapter, a regression of reduced rank (Izenman 1975) of what its channel took from the trunk's values.

    Hops as they are take part, too, with nothing to undo: where the gate is open to them, little may be added.

    Returns:
        ``down`` (rank, n_inputs + 1) with its bias in the last column, ``up`` (trunk, rank), and the share of what
        the channels did that is undone.
    """
    inputs, taken = [], []
    for copy in (paired.plain, *paired.through[k]):
        x = copy.float()
        share = adapters.share(x)[:, k : k + 1]
        inputs.append(share * torch.cat((x, torch.ones(len(x), 1)), dim=1))
        taken.append((paired.plain.float() - x) @ network.trunk.weight.T)
    x, y = torch.cat(inputs), torch.cat(taken)
    penalty = torch.full((x.shape[1],), ridge, dtype=torch.float64)
    penalty[-1] = 0.0  # the mean of what a channel does is there in full
    squares = (x.T @ x).double() / len(x)
    solution = torch.linalg.solve(squares + torch.diag(penalty + 1e-6), (x.T @ y).double() / len(x))
    _, directions = torch.linalg.eigh(solution.T @ squares @ solution)
    up = directions[:, -network.architecture.adapter :]
    down = (solution @ up).T
    left = y - x @ (down.T @ up.T).float()
    return down.float(), up.float(), float(1.0 - left.square().sum() / y.square().sum())
