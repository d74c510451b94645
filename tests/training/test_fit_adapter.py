from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest
import torch

from rtgenre.model.network import GenreNet
from rtgenre.training.fit import Hops, StageSettings
from rtgenre.training.fit_adapter import AdapterSettings, fit_adapter
from tests.model.small import SMALL

N_FEATURES, N_LABELS, N = 24, 2, 4000
SHAPE = msgspec.structs.replace(SMALL, embedding=8, trunk=16, hidden=8, adapter=8)
SETTINGS = AdapterSettings(
    stage=StageSettings(epochs=12, batch=64, learning_rate=2e-2, input_dropout=0.0, dropout=0.0, noise=0.0, share=1.0),
    gate_hops=1000,
    gate_c=1.0,
)


def hops(narrow: bool, seed: int) -> Hops:
    """Frames whose genre is the first feature's sign; a narrow channel turns that around, and the last one tells."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(N, N_FEATURES + 2 * SHAPE.embedding)).astype(np.float32)
    genre = (x[:, 0] > 0).astype(np.int64)
    if narrow:
        x[:, 0] *= -1.0
    x[:, N_FEATURES - 1] = 2.0 if narrow else -2.0
    return Hops(
        x=torch.from_numpy(x.astype(np.float16)),
        genre=torch.from_numpy(genre),
        change=torch.full((N,), torch.nan),
        asked=torch.ones(N, dtype=torch.bool),
        importance=torch.ones(N, dtype=torch.float64),
        clip=torch.arange(N) % 10,
    )


def network() -> GenreNet:
    """Its trunk knows the usual channel: two units, of the first feature and of its opposite."""
    torch.manual_seed(0)
    net = GenreNet(SHAPE, torch.zeros(N_FEATURES), torch.ones(N_FEATURES), N_LABELS, 10.0)
    with torch.no_grad():
        for parameter in (*net.trunk.parameters(), *net.head.parameters()):
            parameter.zero_()
        net.trunk.weight[0, 0], net.trunk.weight[1, 0] = -1.0, 1.0
        net.head.weight[0, SHAPE.hidden], net.head.weight[1, SHAPE.hidden + 1] = 3.0, 3.0
    return net


def right(net: GenreNet, some: Hops) -> float:
    with torch.inference_mode():
        outputs = net.units(some.x.float()) @ net.head.weight[:, SHAPE.hidden :].T + net.head.bias
    return float((outputs[:, :N_LABELS].argmax(1) == some.genre).float().mean())


def test_narrow_channels_are_learned_and_nothing_else_is_lost() -> None:
    net, said = network(), []
    before = {name: value.clone() for name, value in net.state_dict().items()}
    assert right(net, hops(narrow=False, seed=9)) > 0.99
    assert right(net, hops(narrow=True, seed=9)) < 0.01
    rng = np.random.default_rng(0)
    fit_adapter(net, hops(narrow=False, seed=1), hops(narrow=True, seed=2), SETTINGS, rng, said.append)
    assert right(net, hops(narrow=False, seed=9)) > 0.97
    assert right(net, hops(narrow=True, seed=9)) > 0.9
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name]) != name.startswith("adapter."), name
    assert said[0] == {"stage": "gate", "right": pytest.approx(1.0)}
    assert [line["stage"] for line in said[1:]] == ["adapter"] * 12
    assert said[-1]["loss"] < said[1]["loss"]


def test_one_seed_gives_one_adapter() -> None:
    fitted = []
    for seed in (3, 3, 4):
        net = network()
        torch.manual_seed(seed)
        few = replace(SETTINGS, stage=replace(SETTINGS.stage, epochs=1))
        usual, narrow = hops(narrow=False, seed=1), hops(narrow=True, seed=2)
        fit_adapter(net, usual, narrow, few, np.random.default_rng(seed), lambda _: None)
        fitted.append(net.state_dict()["adapter.up.weight"])
    assert torch.equal(fitted[0], fitted[1])
    assert not torch.equal(fitted[0], fitted[2])


def test_a_network_without_an_adapter_is_refused() -> None:
    net = network()
    net.adapter = None
    with pytest.raises(ValueError, match="no adapter"):
        fit_adapter(
            net, hops(narrow=False, seed=1), hops(narrow=True, seed=2), SETTINGS, np.random.default_rng(0), print
        )


def test_hops_of_clips_that_count_for_nothing_are_left_out() -> None:
    some = hops(narrow=False, seed=1)
    weight = np.zeros(10)
    weight[[2, 5]] = 1.0, 3.0
    chosen = some.of_clips(weight)
    assert set(chosen.clip.tolist()) == {2, 5}
    assert len(chosen.x) == N // 5
    torch.testing.assert_close(chosen.importance, torch.from_numpy(weight)[chosen.clip])
    at = torch.isin(some.clip, torch.tensor([2, 5]))
    assert torch.equal(chosen.x, some.x[at])
    assert len(Hops.joined((some, chosen)).genre) == N + N // 5
