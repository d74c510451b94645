from __future__ import annotations

import msgspec
import numpy as np
import pytest

from rtgenre.model.architecture import Architecture
from rtgenre.training.recipe import ARCHITECTURE, SPEC
from tests.model.small import SMALL


def test_the_shapes_follow_from_the_numbers() -> None:
    shape = msgspec.structs.replace(SMALL, encoder_layers=2, layers=2)
    assert shape.tensor_shapes(n_features=100, n_labels=10) == {
        "encoder.conv.0.weight": (32, 20, 3),
        "encoder.conv.0.bias": (32,),
        "encoder.conv.1.weight": (32, 32, 3),
        "encoder.conv.1.bias": (32,),
        "encoder.head.weight": (48, 64),
        "encoder.head.bias": (48,),
        "encoder.embedding.weight": (24, 48),
        "encoder.embedding.bias": (24,),
        "trunk.weight": (64, 148),
        "trunk.bias": (64,),
        "head.weight": (12, 88),
        "head.bias": (12,),
        "adapter.gate.weight": (2, 100),
        "adapter.gate.bias": (2,),
        "adapter.down.weight": (32, 148),
        "adapter.down.bias": (32,),
        "adapter.up.weight": (64, 32),
        "lstm.weight_ih_l0": (96, 64),
        "lstm.weight_hh_l0": (96, 24),
        "lstm.bias_ih_l0": (96,),
        "lstm.bias_hh_l0": (96,),
        "lstm.weight_ih_l1": (96, 24),
        "lstm.weight_hh_l1": (96, 24),
        "lstm.bias_ih_l1": (96,),
        "lstm.bias_hh_l1": (96,),
    }
    assert shape.history_width == 20 + 32
    without = msgspec.structs.replace(shape, adapter=0).tensor_shapes(n_features=100, n_labels=10)
    assert not [name for name in without if name.startswith("adapter")]


def test_the_least_weights_are_those_of_the_time_constants() -> None:
    pooling, embedding = SMALL.least_weights(hops_per_s=10.0)
    assert (1.0 - pooling) ** (8.0 * 10.0) == pytest.approx(np.exp(-1.0))
    assert (1.0 - embedding) ** (20.0 * 10.0) == pytest.approx(np.exp(-1.0))


def test_what_ships_has_no_faults_and_keeps_to_its_budget() -> None:
    assert list(ARCHITECTURE.faults(SPEC.n_features)) == []
    shapes = ARCHITECTURE.tensor_shapes(SPEC.n_features, 10)
    assert sum(int(np.prod(shape)) for shape in shapes.values()) < 2_000_000  # float32: the folder stays below 10 MB


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"trunk": 63}, "trunk is 63; it must be a positive multiple of 8"),
        ({"adapter": 12}, "adapter is 12; it must be 0 or a positive multiple of 8"),
        ({"adapters": 0}, "adapters is 0; it must be from 1 to 16"),
        ({"adapter": -8}, "adapter is -8; it must be 0 or a positive multiple of 8"),
        ({"hidden": 0}, "hidden is 0; it must be a positive multiple of 8"),
        ({"layers": 17}, "layers is 17; it must be from 1 to 16"),
        ({"encoder_layers": 0}, "encoder_layers is 0; it must be from 1 to 16"),
        ({"pooling_s": 0.0}, "pooling_s is 0.0; it must be more than 0 and at most 3600 s"),
        ({"embedding_s": float("nan")}, "embedding_s is nan; it must be more than 0 and at most 3600 s"),
        ({"encoder_inputs": 101}, "encoder_inputs is 101; it must be from 1 to the number of features, 100"),
        ({"input_clip": float("inf")}, "input_clip is inf; it must be positive"),
    ],
)
def test_every_fault_is_said_in_words(changes: dict[str, float], said: str) -> None:
    assert list(msgspec.structs.replace(SMALL, **changes).faults(100)) == [said]


def test_an_unknown_number_is_refused() -> None:
    numbers = msgspec.to_builtins(SMALL)
    assert msgspec.convert(numbers, Architecture) == SMALL
    with pytest.raises(msgspec.ValidationError, match="wings"):
        msgspec.convert({**numbers, "wings": 2}, Architecture)
