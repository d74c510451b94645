from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from rtgenre.errors import SourceError, UsageError
from rtgenre.training.literature import catalogue, fit, networks
from rtgenre.training.literature.catalogue import RECIPES
from rtgenre.training.literature.fit import Means
from rtgenre.training.literature.pieces import Pieces
from rtgenre.training.literature.protocols import split
from rtgenre.training.literature.recipe import Recipe, Training
from rtgenre.training.literature.recipes import report
from rtgenre.training.literature.transfer import open_convolutions

if TYPE_CHECKING:
    from pathlib import Path


def pieces(shape: tuple[int, ...] = (12, 13), n: int = 240) -> Pieces:
    """Three genres that differ plainly; a clip has ten pieces, an artist two clips."""
    rng = np.random.default_rng(0)
    clip = np.arange(n) // 10
    label = clip % 3
    x = rng.normal(size=(n, *shape)).astype(np.float32) + label.reshape(-1, *(1,) * len(shape)) * 3 + 50
    return Pieces(x, clip, label, clip // 2, np.where(clip < n // 15, "train", "valid"), 0, 3)


def short(recipe: Recipe, **changes: object) -> Recipe:
    return dataclasses.replace(recipe, training=dataclasses.replace(recipe.training, rate=1e-2, **changes))


@pytest.mark.parametrize("name", ["deepbeats-gru", "mlp-reg", "ablation-cnn", "ablation-lstm"])
def test_a_network_learns_what_is_plain(name: str) -> None:
    p = pieces()
    recipe = short(RECIPES[name], epochs=6)
    parted = split("published", "run0", recipe.shares, p, 0)
    fitted = fit.fit(recipe, p, parted, Means())
    assert (fitted.said == p.label[parted.test]).mean() > 0.6  # chance is a third
    assert fitted.train_accuracy > 0.6
    assert fitted.parameters is not None
    assert np.allclose(np.exp(fitted.scores).sum(axis=1), 1.0, atol=1e-5)


@pytest.mark.parametrize("name", [r.name for r in catalogue.SYSTEMS if r.estimator and not r.name.endswith("-clip")])
def test_a_classical_learner_does_too(name: str) -> None:
    p = pieces((20,))
    recipe = RECIPES[name]
    parted = split("clips", "run0", recipe.shares, p, 0)
    fitted = fit.fit(recipe, p, parted, Means(size=0.02))
    assert (fitted.said == p.label[parted.test]).mean() > 0.8
    assert fitted.scores.shape == (len(parted.test), 3)
    assert np.isfinite(fitted.scores).all()


@pytest.mark.parametrize("name", ["classical-xgb", "classical-svm", "classical-knn"])
def test_a_label_that_the_training_part_lacks_is_never_said(name: str) -> None:
    p = pieces((20,))
    parted = split("clips", "run0", RECIPES[name].shares, p, 0)
    learn = parted.train[p.label[parted.train] != 1]
    fitted = fit.fit(RECIPES[name], p, dataclasses.replace(parted, train=learn), Means(size=0.02))
    assert set(fitted.said) <= {0, 2}
    assert (fitted.scores.argmax(axis=1) != 1).all()


def test_the_same_seed_gives_the_same_answers() -> None:
    p = pieces(n=120)
    recipe = short(RECIPES["deepbeats-lstm"], epochs=2)
    parted = split("published", "run0", recipe.shares, p, 0)
    first, second, other = (fit.fit(recipe, p, parted, Means(seed=seed)).scores for seed in (0, 0, 1))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_fitting_stops_when_nothing_gets_better_and_takes_the_best() -> None:
    p = pieces(n=120)
    confused = dataclasses.replace(p, label=np.random.default_rng(0).integers(3, size=120))
    recipe = short(RECIPES["mlp"], epochs=60, patience=2)
    parted = split("published", "run0", recipe.shares, confused, 0)
    fitted = fit.fit(recipe, confused, parted, Means())
    assert fitted.epochs is not None
    assert fitted.epochs < 30
    never = dataclasses.replace(recipe, training=Training(epochs=4, patience=4))
    assert fit.fit(never, confused, parted, Means()).epochs == 4


def test_a_step_of_a_stream_is_timed_on_the_cpu() -> None:
    network = RECIPES["deepbeats-rnn"].network((12, 13), 10)  # type: ignore[misc]
    assert isinstance(network, networks.RecurrentNet)
    assert fit.step_us(network, 13) > 0.0


def test_transferred_convolutions_are_held(fma: Path, tmp_path: Path) -> None:
    source = open_convolutions(None, fma, size=0.02, threads=1)
    assert source is not None
    source.folder = tmp_path
    weights = source.weights(lambda _what, _share: None)
    again = open_convolutions(None, fma, size=0.02, threads=1)
    assert again is not None
    again.folder = tmp_path
    assert all(torch.equal(weights[name], kept) for name, kept in again.weights(lambda _what, _share: None).items())
    rng = np.random.default_rng(0)
    p = pieces((3,), n=24)
    colour = (40 + 70 * p.label[:, None, None, None] + rng.integers(30, size=(24, 3, 32, 32))).astype(np.uint8)
    p = dataclasses.replace(p, x=colour, clip=np.arange(24), artist=np.arange(24))
    recipe = short(RECIPES["report-transfer"], epochs=3)
    parted = split("clips", "run0", recipe.shares, p, 0)
    fitted = fit.fit(recipe, p, parted, Means(convolutions=weights))
    assert fitted.said.shape == (len(parted.test),)
    assert fitted.parameters == networks.count_parameters(recipe.network((3, 32, 32), 3))  # type: ignore[misc]


def test_weights_of_ones_own_must_have_the_shapes(tmp_path: Path) -> None:
    right = {f"{3 * k}.{n}": v for k in range(3) for n, v in report.picture_convolutions()[3 * k].named_parameters()}
    renamed = {f"{int(name[0]) // 3}{name[1:]}": value.detach().clone() for name, value in right.items()}
    save_file(renamed, tmp_path / "right.safetensors")
    source = open_convolutions(tmp_path / "right.safetensors", None, size=1.0, threads=1)
    assert source is not None
    assert torch.equal(source.weights(lambda _what, _share: None)["2.bias"], renamed["2.bias"])
    save_file({**renamed, "1.weight": torch.zeros(1)}, tmp_path / "wrong.safetensors")
    source = open_convolutions(tmp_path / "wrong.safetensors", None, size=1.0, threads=1)
    assert source is not None
    with pytest.raises(SourceError, match=r"1\.weight is \(1,\)"):
        source.weights(lambda _what, _share: None)
    with pytest.raises(SourceError, match="cannot read"):
        open_convolutions(tmp_path / "nowhere", None, size=1.0, threads=1)


def test_recipes_are_found_by_name_and_pattern() -> None:
    assert [recipe.name for recipe in catalogue.find(["crnn-*"])] == ["crnn-gru", "crnn-lstm"]
    assert len(catalogue.find([])) == len(RECIPES)
    with pytest.raises(UsageError, match="did you mean deepbeats-lstm"):
        catalogue.find(["deepbeat-lstm"])
    with pytest.raises(ValueError, match="either a network or an estimator"):
        dataclasses.replace(RECIPES["mlp"], estimator=RECIPES["classical-nb"].estimator)
