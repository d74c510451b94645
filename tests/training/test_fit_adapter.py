from __future__ import annotations

import msgspec
import numpy as np
import pytest
import torch

from rtgenre.model.network import GenreNet
from rtgenre.training.fit_adapter import AdapterSettings, Paired, fit_adapters
from tests.model.small import SMALL

N_FEATURES, N_LABELS, N = 24, 2, 3000
SHAPE = msgspec.structs.replace(SMALL, embedding=8, trunk=16, hidden=8, adapter=8, adapters=2)
SETTINGS = AdapterSettings(ridge=1e-3, gate_hops=1000, gate_c=1.0)


def pairs(seed: int) -> Paired:
    """Two kinds of channel: one turns the first feature around, one adds to the second; the last two tell of them."""
    rng = np.random.default_rng(seed)
    plain = rng.normal(size=(N, N_FEATURES + 2 * SHAPE.embedding)).astype(np.float32)
    plain[:, N_FEATURES - 2 : N_FEATURES] = -3.0
    turned, lifted = plain.copy(), plain.copy()
    turned[:, 0] *= -1.0
    turned[:, N_FEATURES - 1] = 3.0
    lifted[:, 1] += 2.0
    lifted[:, N_FEATURES - 2] = 3.0
    plain_, turned_, lifted_ = (torch.from_numpy(x.astype(np.float16)) for x in (plain, turned, lifted))
    return Paired(plain_, [[turned_, turned_], [lifted_, lifted_]], np.arange(N) % 10)


def network() -> GenreNet:
    """Its trunk reads the two features that channels change, and a third."""
    torch.manual_seed(0)
    net = GenreNet(SHAPE, torch.zeros(N_FEATURES), torch.ones(N_FEATURES), N_LABELS, 10.0)
    with torch.no_grad():
        for parameter in net.trunk.parameters():
            parameter.zero_()
        for unit, feature in enumerate((0, 1, 2)):
            net.trunk.weight[2 * unit, feature], net.trunk.weight[2 * unit + 1, feature] = 1.0, -1.0
    return net


def off(net: GenreNet, heard: torch.Tensor, plain: torch.Tensor) -> float:
    """Root mean square of what the trunk reads otherwise than without a channel."""
    with torch.inference_mode():
        without = torch.relu(net.trunk(plain.float()))
        return float((net.units(heard.float()) - without).square().mean().sqrt())


def test_what_channels_do_is_undone_and_nothing_else_is_lost() -> None:
    net, unseen = network(), pairs(9)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    was = [off(net, copies[0], unseen.plain) for copies in unseen.through]
    said: list[dict[str, object]] = []
    fit_adapters(net, pairs(1), SETTINGS, np.random.default_rng(0), said.append)
    now = [off(net, copies[0], unseen.plain) for copies in unseen.through]
    assert min(was) > 0.3
    assert max(now) < 0.1
    assert off(net, unseen.plain, unseen.plain) < 0.1, "where there is no channel, nothing is undone"
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name]) != name.startswith("adapter."), name
    assert [(line["stage"], line["channel"]) for line in said] == [
        (stage, channel) for channel in ("narrow", "noisy") for stage in ("gate", "adapter")
    ]
    for line in said:
        assert float(str(line["right" if line["stage"] == "gate" else "explained"])) > 0.95


def test_one_seed_gives_the_same_adapters() -> None:
    fitted = []
    for _ in range(2):
        net = network()
        fit_adapters(net, pairs(1), SETTINGS, np.random.default_rng(3), lambda _: None)
        fitted.append({name: value for name, value in net.state_dict().items() if name.startswith("adapter.")})
    assert len(fitted[0]) == 5
    for name, value in fitted[0].items():
        assert torch.equal(value, fitted[1][name]), name


def test_a_network_with_other_adapters_is_refused() -> None:
    net = network()
    net.adapter = None
    with pytest.raises(ValueError, match="needs 2 adapters"):
        fit_adapters(net, pairs(1), SETTINGS, np.random.default_rng(0), print)
    one = GenreNet(msgspec.structs.replace(SHAPE, adapters=1), torch.zeros(24), torch.ones(24), N_LABELS, 10.0)
    with pytest.raises(ValueError, match="one for each kind of channel"):
        fit_adapters(one, pairs(1), SETTINGS, np.random.default_rng(0), print)


def test_hops_of_some_clips() -> None:
    paired, chosen = pairs(1), np.zeros(10, bool)
    chosen[[2, 5]] = True
    some = paired.of_clips(chosen)
    at = torch.from_numpy(np.flatnonzero(np.isin(paired.clip, (2, 5))))
    assert set(some.clip) == {2, 5}
    assert torch.equal(some.plain, paired.plain[at])
    assert torch.equal(some.through[1][0], paired.through[1][0][at])
