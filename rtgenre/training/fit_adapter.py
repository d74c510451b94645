"""The fitting of the adapter: what the trunk does otherwise where music comes through a narrow channel.

Everything else is held fast, so nothing is lost of what was learned from sound as it is. A network that is to learn
both at once, within the same number of weights, hears neither as well (docs/experiments.md).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from rtgenre.model.architecture import EXTRA_OUTPUTS
from rtgenre.training.fit import Hops, StageSettings, fit_on_hops

if TYPE_CHECKING:
    from torch import Tensor

    from rtgenre.model.network import Adapter, GenreNet
    from rtgenre.training.fit import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterSettings:
    """How the adapter is fitted.

    Attributes:
        stage: its two matrices.
        usual_copies: from so many copies of the usual segments come hops of the one kind.
        gate_hops: hops of either kind that the gate is fitted on.
        gate_c: inverse strength of the gate's regularisation.
    """

    stage: StageSettings = field(default=StageSettings(epochs=4, batch=1024, learning_rate=1e-3))
    usual_copies: int = 2
    gate_hops: int = 40_000
    gate_c: float = 1e-3


def fit_adapter(
    network: GenreNet, usual: Hops, narrow: Hops, settings: AdapterSettings, rng: np.random.Generator, report: Report
) -> None:
    """Fit gate and adapter of a network whose trunk, LSTM and head are fitted; nothing else of it changes.

    Args:
        network: with an adapter.
        usual: hops as the trunk was fitted on.
        narrow: hops that came through narrow channels.
        settings: how.
        rng: of all draws but torch's.
        report: called with the figures of the gate, and of each epoch.

    Raises:
        ValueError: the network has no adapter.
    """
    adapter = network.adapter
    if adapter is None:
        raise ValueError("the network has no adapter")
    _fit_gate(adapter, usual, narrow, settings, rng, report)
    stage = settings.stage
    around = network.head.weight[:, network.architecture.hidden :]
    fitted = [*adapter.down.parameters(), *adapter.up.parameters()]
    network.requires_grad_(requires_grad=False)
    for parameter in fitted:
        parameter.requires_grad_()
    nn.init.kaiming_uniform_(adapter.down.weight, a=5.0**0.5)  # as torch does; what it gives goes up by zeros

    def said(inputs: Tensor) -> Tensor:
        units = functional.dropout(network.units(inputs), stage.dropout)
        return functional.linear(units, around, network.head.bias)

    fit_on_hops(
        said,
        fitted,
        Hops.joined((usual, narrow)).drawn(stage.share, rng),
        network.head.out_features - len(EXTRA_OUTPUTS),
        stage,
        rng,
        lambda figures: report({"stage": "adapter", **figures}),
    )


def _fit_gate(
    adapter: Adapter, usual: Hops, narrow: Hops, settings: AdapterSettings, rng: np.random.Generator, report: Report
) -> None:
    """A logistic regression on single frames; as many of either kind."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - an extra

    n, n_features = min(settings.gate_hops, len(usual.x), len(narrow.x)), adapter.gate.in_features
    drawn = [hops.x[rng.choice(len(hops.x), n, replace=False), :n_features].numpy() for hops in (usual, narrow)]
    frames, is_narrow = np.concatenate(drawn).astype(np.float32), np.repeat([0, 1], n)
    told = LogisticRegression(C=settings.gate_c, max_iter=500).fit(frames, is_narrow)
    with torch.no_grad():
        adapter.gate.weight.copy_(torch.from_numpy(told.coef_))
        adapter.gate.bias.copy_(torch.from_numpy(told.intercept_))
    report({"stage": "gate", "right": float(told.score(frames, is_narrow))})
