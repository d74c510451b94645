from __future__ import annotations

import dataclasses
from types import ModuleType
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

from rtgenre.frontend import kernels
from rtgenre.model import network
from rtgenre.training import channels, colouring, fit, fit_adapter, material, outcome, segments
from rtgenre.training.datasets import corpus
from rtgenre.training.distil import Distilled
from rtgenre.training.kept import FRONTEND_CODE, fingerprint
from rtgenre.training.material import open_material
from rtgenre.training.recipe import SPEC
from tests.training.test_train import SMALL, small

if TYPE_CHECKING:
    from pathlib import Path


def test_a_fingerprint_follows_values_and_code(tmp_path: Path) -> None:
    code = tmp_path / "code.py"
    code.write_text("a = 1")
    one = fingerprint(["x", {"y": 0.5}], code)
    assert len(one) == 24
    assert fingerprint(["x", {"y": 0.5}], str(code)) == one
    module = ModuleType("code")
    module.__file__ = str(code)
    assert fingerprint(["x", {"y": 0.5}], module) == one
    assert fingerprint(["x", {"y": 0.25}], code) != one
    assert fingerprint(["x", {"y": 0.5}]) != one
    code.write_text("a = 2")
    assert fingerprint(["x", {"y": 0.5}], code) != one


def test_the_frontends_code_is_all_of_it() -> None:
    assert kernels.__file__ in map(str, FRONTEND_CODE)
    assert {path.stem for path in FRONTEND_CODE} > {"fft", "kernels", "plan", "spec", "stream", "tables"}


def test_a_fit_is_kept_under_the_encoders_weights_not_where_they_came_from(corpus_file: Path, tmp_path: Path) -> None:
    opened = open_material(corpus_file, None, SPEC, quiet=True)
    shapes = SMALL.tensor_shapes(SPEC.n_features, 3)
    zeros = {name: np.zeros(shape, np.float32) for name, shape in shapes.items() if name.startswith("encoder.")}
    name = "encoder.conv.0.bias"
    other = Distilled({**zeros, name: zeros[name] + 1.0}, [])
    taught = small(corpus_file, tmp_path / "teacher.npz", tmp_path)
    taken = small(corpus_file, None, tmp_path, encoder_from=tmp_path / "model")
    key = outcome.base_key(opened, Distilled(zeros, []), taught)
    assert outcome.base_key(opened, Distilled(dict(reversed(zeros.items())), [{"epoch": 0}]), taken) == key
    assert outcome.base_key(opened, other, taught) != key
    assert outcome.base_key(opened, Distilled(zeros, []), small(corpus_file, None, tmp_path, seed=2)) != key


@pytest.mark.parametrize(
    "module", [colouring, corpus, fit, material, network, segments], ids=lambda module: module.__name__
)
def test_a_fit_is_kept_under_its_code(
    module: ModuleType, corpus_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = open_material(corpus_file, None, SPEC, quiet=True)
    settings, encoder = small(corpus_file, None, tmp_path), Distilled({}, [])
    key = outcome.base_key(opened, encoder, settings)
    edited = tmp_path / "edited.py"
    edited.write_text("edited")
    monkeypatch.setattr(module, "__file__", str(edited))
    assert outcome.base_key(opened, encoder, settings) != key


def test_a_whole_fit_is_kept_under_its_adapter_too(
    corpus_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, encoder = open_material(corpus_file, None, SPEC, quiet=True), Distilled({}, [])
    settings = small(corpus_file, None, tmp_path)
    base = outcome.base_key(opened, encoder, settings)
    without = dataclasses.replace(settings, architecture=msgspec.structs.replace(SMALL, adapter=0))
    assert outcome.base_key(opened, encoder, without) == base, "the trunk is fitted before there is an adapter"
    assert outcome.fit_key(base, without) == base
    wider = dataclasses.replace(settings, architecture=msgspec.structs.replace(SMALL, adapter=16))
    fewer = dataclasses.replace(settings, channels=dataclasses.replace(settings.channels, copies=3))
    other = dataclasses.replace(settings, adapter=dataclasses.replace(settings.adapter, gate_c=0.5))
    keys = {outcome.fit_key(base, one) for one in (settings, without, wider, fewer, other)}
    assert len(keys) == 5
    edited = tmp_path / "edited.py"
    edited.write_text("edited")
    key = outcome.fit_key(base, settings)
    for module in (fit_adapter, channels):
        with monkeypatch.context() as patch:
            patch.setattr(module, "__file__", str(edited))
            assert outcome.fit_key(base, settings) != key
