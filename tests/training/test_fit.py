from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from rtgenre.training.fit import Drawn, Hops, StageSettings, fit_on_hops


@pytest.mark.parametrize("n", [5, 200])
def test_few_hops_teach_as_many_do(n: int) -> None:
    """Fewer than a batch holds were none at all, and the network stayed what it was drawn as."""
    rng, layer = np.random.default_rng(0), nn.Linear(4, 4)
    x = torch.from_numpy(rng.normal(size=(n, 4)).astype(np.float16))
    hops = Hops(
        x=x,
        genre=(x[:, 0] > 0).long(),
        change=torch.full((n,), torch.nan),
        asked=torch.ones(n, dtype=torch.bool),
        importance=torch.ones(n, dtype=torch.float64),
    )
    before, said = layer.weight.detach().clone(), []
    stage = StageSettings(epochs=40, batch=64, learning_rate=0.05, noise=0.0, input_dropout=0.0)
    fit_on_hops(layer, list(layer.parameters()), Drawn(hops, torch.arange(n)), 2, stage, rng, said.append)
    assert not torch.allclose(layer.weight, before)
    assert said[-1]["loss"] < said[0]["loss"]
