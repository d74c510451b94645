from __future__ import annotations

import numpy as np
import pytest
import torch

from rtgenre.training.literature import networks
from rtgenre.training.literature.catalogue import RECIPES, SYSTEMS
from rtgenre.training.literature.networks import Recurrent, RecurrentNet, count_parameters

PRINTED = {
    "deepbeats-lstm": 57_802,
    "report-cnn": 8_418_666,
    "ablation-cnn": 52_298,  # printed as 52.29 k
    "ablation-lstm": 107_466,  # printed as 107.46 k
}


@pytest.mark.parametrize(("name", "parameters"), PRINTED.items())
def test_networks_have_the_printed_number_of_parameters(name: str, parameters: int) -> None:
    recipe = RECIPES[name]
    assert recipe.network is not None
    assert recipe.printed.shape is not None
    assert recipe.printed.parameters == parameters
    assert count_parameters(recipe.network(recipe.printed.shape, 10)) == parameters


@pytest.mark.parametrize(
    "recipe", [r for r in SYSTEMS if r.network and r.inputs.kind == "frames"], ids=lambda r: r.name
)
@pytest.mark.parametrize("shape", [(130, 13), (34, 39)])
def test_every_network_takes_every_input(recipe: object, shape: tuple[int, int]) -> None:
    network = recipe.network(shape, 3)  # type: ignore[attr-defined]
    said = network(torch.randn(2, *shape))
    assert said.shape == (2, 3)
    said.sum().backward()
    assert all(p.grad is not None for p in network.parameters() if p.requires_grad)


@pytest.mark.parametrize("name", ["deepbeats-lstm", "deepbeats-gru", "deepbeats-rnn", "ablation-lstm"])
def test_a_stream_says_what_the_whole_says(name: str) -> None:
    network = RECIPES[name].network((20, 13), 5).eval()  # type: ignore[misc]
    assert isinstance(network, RecurrentNet)
    x = torch.randn(1, 20, 13)
    states = None
    with torch.inference_mode():
        for k in range(20):
            said, states = network.step(x[:, k], states)
        assert torch.allclose(said, network(x), atol=1e-6)


def test_recurrent_dropout_drops_in_training_only() -> None:
    torch.manual_seed(0)
    layer = Recurrent("lstm", 4, 8, recurrent_dropout=0.5)
    x = torch.randn(3, 10, 4)
    assert not torch.allclose(layer(x)[0], layer(x)[0])
    assert torch.allclose(layer(x)[0][:, 0], layer(x)[0][:, 0])  # nothing is carried into the first step
    layer.eval()
    assert torch.equal(layer(x)[0], layer(x)[0])
    with pytest.raises(ValueError, match="LSTM only"):
        Recurrent("gru", 4, 8, recurrent_dropout=0.5)


def test_the_second_bias_stays_zero_when_it_is_not_counted() -> None:
    net = RecurrentNet((Recurrent("lstm", 3, 5),), networks.dense(5, (), 2))
    optimiser = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], 0.1)
    net(torch.randn(4, 6, 3)).sum().backward()
    optimiser.step()
    assert not net.layers[0].cell.bias_hh_l0.any()  # type: ignore[union-attr]
    assert count_parameters(net) == 4 * 5 * (3 + 5 + 1) + 5 * 2 + 2


def test_convolutional_networks_on_pictures() -> None:
    network = RECIPES["report-cnn"].network((3, 64, 64), 4)  # type: ignore[misc]
    assert network(torch.from_numpy(np.zeros((2, 3, 64, 64), np.float32))).shape == (2, 4)
