from __future__ import annotations

import msgspec
import numpy as np
import pytest
import torch

from rtgenre.model import architecture, cell, network
from rtgenre.model.torch_runtime import advance_joined
from tests.model import reference
from tests.model.small import SMALL, checkpoint


def frames(n_hops: int, n_features: int, batch: int = 1) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(3).normal(size=(batch, n_hops, n_features)).astype(np.float32))


@pytest.mark.parametrize("layers", [1, 2])
def test_the_network_is_what_its_formulas_say(layers: int) -> None:
    model = checkpoint(layers=layers)
    x = frames(300, model.mean.size) * 2.0
    x[0, 7, 5] = torch.nan
    with torch.inference_mode():
        outputs, state = network.from_checkpoint(model)(x)
    expected, trunk = reference.outputs(model, x[0].numpy())
    np.testing.assert_allclose(outputs[0], expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose(state.trunk[0], trunk[-1], rtol=0, atol=1e-5)
    assert np.ptp(expected, axis=0).min() > 0.1, "the outputs hardly move: nothing was compared"


def test_a_stretch_equals_its_hops() -> None:
    model = checkpoint(layers=2)
    net, x = network.from_checkpoint(model), frames(40, model.mean.size, batch=3)
    with torch.inference_mode():
        together, end = net(x)
        state, singly = net.init_state(3), []
        for length in (1, 2, 7, 30):
            at = sum(y.shape[1] for y in singly)
            y, state = net(x[:, at : at + length], state)
            singly.append(y)
    torch.testing.assert_close(torch.cat(singly, dim=1), together, rtol=0, atol=1e-5)
    for one, other in zip(state, end, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


def test_a_count_at_its_limit_stays_there_and_changes_nothing() -> None:
    model = checkpoint()
    net, x = network.from_checkpoint(model), frames(5, model.mean.size)
    with torch.inference_mode():
        _, state = net(frames(500, model.mean.size))
        long = state._replace(heard=torch.full_like(state.heard, architecture.HEARD_LIMIT - 2))
        outputs, end = net(x, long)
        # 8 and 20 s are over after 500 hops (44 s): from there on the count is of no consequence.
        torch.testing.assert_close(outputs, net(x, state)[0], rtol=0, atol=0)
    assert end.heard.tolist() == [architecture.HEARD_LIMIT]
    assert end.heard.dtype == torch.int32


def test_every_weight_learns() -> None:
    model = checkpoint()
    net = network.from_checkpoint(model).train()
    outputs, _ = net(frames(6, model.mean.size, batch=2))
    outputs.square().sum().backward()
    still = [name for name, value in net.named_parameters() if value.grad is None or not value.grad.any()]
    assert not still


def test_each_adapter_is_added_as_far_as_its_gate_is_open() -> None:
    model = checkpoint()
    net, inputs = network.from_checkpoint(model), frames(1, model.mean.size + 2 * 24, batch=50)[:, 0] * 2.0
    adapter = net.adapter
    assert adapter is not None
    with torch.inference_mode():
        shares = adapter.share(inputs)
        assert shares.shape == (50, 2)
        assert 0.0 < float(shares.amin(0).max()) < 0.4
        assert 0.6 < float(shares.amax(0).min()) < 1.0, "a gate hardly moves: nothing was compared"
        values, plain = adapter.down(inputs), net.trunk(inputs)
        first, second = (
            values[:, k * 16 : (k + 1) * 16] @ adapter.up.weight[:, k * 16 : (k + 1) * 16].T for k in (0, 1)
        )
        expected = plain + shares[:, :1] * first + shares[:, 1:] * second
        torch.testing.assert_close(net.units(inputs), torch.relu(expected))
        adapter.gate.bias.fill_(-1e4)
        torch.testing.assert_close(net.units(inputs), torch.relu(plain), rtol=0, atol=0)


def test_an_adapter_is_silent_until_it_is_fitted_and_draws_nothing() -> None:
    torch.manual_seed(7)
    with_one = network.GenreNet(SMALL, torch.zeros(40), torch.ones(40), 10, 11.5)
    after = torch.rand(3)
    torch.manual_seed(7)
    without = network.GenreNet(msgspec.structs.replace(SMALL, adapter=0), torch.zeros(40), torch.ones(40), 10, 11.5)
    torch.testing.assert_close(torch.rand(3), after, rtol=0, atol=0)
    x = frames(20, 40)
    with torch.inference_mode():
        torch.testing.assert_close(with_one(x)[0], without(x)[0], rtol=0, atol=0)


def test_the_parts_work_by_themselves() -> None:
    model = checkpoint()
    net, x = network.from_checkpoint(model), frames(9, model.mean.size, batch=2)
    with torch.inference_mode():
        whole, _ = net(x)
        z, state = net.normalise(x), net.init_state(2)
        a, _ = net.encoder.frames(z[..., :20], state.history)
        pooled, _, _ = net.encoder.pooled(a, state.pooled_mean, state.pooled_variance, state.heard)
        e = net.encoder.embedding(torch.relu(net.encoder.head(pooled)))
        averaged = net.encoder.averaged(e, state.embedding_mean, state.heard)
        u = net.units(torch.cat((z, e, averaged), dim=-1))
        h, _ = net.lstm(u)
        by_hand = net.head(torch.cat((h, u), dim=-1))
    torch.testing.assert_close(by_hand, whole, rtol=0, atol=1e-6)


def test_names_and_shapes_are_those_of_the_architecture() -> None:
    model = checkpoint(layers=2, encoder_layers=1)
    expected = model.architecture.tensor_shapes(model.mean.size, len(model.labels))
    network_has = {name: tuple(value.shape) for name, value in network.from_checkpoint(model).state_dict().items()}
    assert network_has == expected


def test_the_compiled_step_has_the_same_constants() -> None:
    assert np.float32(architecture.VARIANCE_FLOOR) == cell._VARIANCE_FLOOR
    assert architecture.HEARD_LIMIT == cell._HEARD_LIMIT
    assert int(np.float32(architecture.HEARD_LIMIT)) == architecture.HEARD_LIMIT, "it travels to a GPU as float32"


def test_one_joined_vector_is_one_hop() -> None:
    """What the CUDA graph records, on the CPU."""
    model = checkpoint(layers=2)
    net, x = network.from_checkpoint(model), frames(4, model.mean.size, batch=3)
    with torch.inference_mode():
        _, before = net(x[:, :3])
        expected, after = net(x[:, 3:], before)
        parts = [x[:, 3].reshape(-1), *(part.reshape(-1).float() for part in before)]
        result = advance_joined(net, torch.cat(parts), [len(p) for p in parts], [tuple(p.shape) for p in before])
    joined = torch.cat([part.reshape(-1).float() for part in (expected, *after)])
    torch.testing.assert_close(result, joined, rtol=0, atol=1e-6)
