"""The compiled comparison of two states is that which torch was taught, and a checkpoint carries it or does not."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from rtgenre.errors import CheckpointError
from rtgenre.frontend.spec import AGE_NAMES, FrontendSpec
from rtgenre.model import checkpoint as checkpoints
from rtgenre.model.architecture import IMPRINT, SAME_TRACK, same_track_shapes
from rtgenre.model.checkpoint import DESCRIPTION_FILE, WEIGHTS_FILE
from rtgenre.model.same_track import SQUASH, SameTrack
from rtgenre.training.fit_same_track import SameTrackNet
from rtgenre.training.recipe import SPEC
from tests.model.small import checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rtgenre.model.checkpoint import Checkpoint

SPECS = [FrontendSpec(), FrontendSpec(age=True), SPEC]


def compiled(model: Checkpoint) -> SameTrack:
    same = SameTrack.of(model)
    assert same is not None
    return same


SAME_MODEL = checkpoint(same_track=True)
SAME = compiled(SAME_MODEL)


def frames_of(model: Checkpoint, n: int, seed: int = 5) -> np.ndarray:
    """Ordinary ones, and some far out."""
    frames = np.random.default_rng(seed).normal(size=(n, model.mean.size)) * 1.5
    frames[::7] *= 100.0
    return (frames * model.std + model.mean).astype(np.float32)


def net_of(model: Checkpoint) -> SameTrackNet:
    net = SameTrackNet(model.spec.n_features)
    net.load_state_dict(
        {k.removeprefix(SAME_TRACK): torch.from_numpy(v) for k, v in model.tensors.items() if k.startswith(SAME_TRACK)}
    )
    return net


def normalised(model: Checkpoint, frames: np.ndarray) -> torch.Tensor:
    """As pairs are drawn for the fit."""
    clip = model.architecture.input_clip
    z = np.clip((frames - model.mean) / model.std, -clip, clip)
    if model.spec.age:
        z[:, -len(AGE_NAMES) :] = 0.0
    return torch.from_numpy(z.astype(np.float32))


def traits(same: SameTrack, frame: np.ndarray) -> np.ndarray:
    out = np.full(same.n_traits, np.nan, np.float32)
    same.traits(frame, out)
    return out


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("seed", [0, 1])
def test_the_compiled_comparison_equals_torch(spec: FrontendSpec, seed: int) -> None:
    model = checkpoint(spec=spec, seed=seed, gain=4.0, same_track=True)
    same, net = compiled(model), net_of(model)
    before, now = frames_of(model, 60, 5), frames_of(model, 60, 6)
    hops = np.random.default_rng(seed).integers(1, 400, 60)
    age = torch.from_numpy(np.log(hops / model.hops_per_s).astype(np.float32))
    with torch.inference_mode():
        expected = net(normalised(model, before), normalised(model, now), age).numpy()
        imprints = torch.tanh(net.imprint(normalised(model, before)) / SQUASH).numpy()
    ours = [
        same.another(traits(same, one), traits(same, other), int(heard))
        for one, other, heard in zip(before, now, hops, strict=True)
    ]
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-4)
    np.testing.assert_allclose([traits(same, x)[:IMPRINT] for x in before], imprints, rtol=0, atol=1e-4)
    assert np.std(expected) > 0.1, "the answer hardly moves: nothing was compared"


@pytest.mark.parametrize("spec", SPECS)
def test_beside_the_imprint_are_the_frames_own_features_normalised(spec: FrontendSpec) -> None:
    model = checkpoint(spec=spec, same_track=True)
    same = compiled(model)
    assert same.n_traits == IMPRINT + spec.n_frame_features
    frames = frames_of(model, 20)
    expected = normalised(model, frames).numpy()[:, : spec.n_frame_features]
    kept = np.stack([traits(same, frame)[IMPRINT:] for frame in frames])
    np.testing.assert_allclose(kept, expected, rtol=0, atol=1e-5)
    assert np.abs(kept).max() == np.float32(model.architecture.input_clip)


def test_how_long_was_heard_is_no_part_of_an_imprint() -> None:
    model = checkpoint(spec=FrontendSpec(age=True), same_track=True)
    same, frame = compiled(model), frames_of(model, 1)[0]
    older = frame.copy()
    older[-len(AGE_NAMES) :] += 3.0
    np.testing.assert_array_equal(traits(same, frame), traits(same, older))
    # Without ages the last features are as good as any others.
    model = checkpoint(same_track=True)
    same, frame = compiled(model), frames_of(model, 2)[1]
    other = frame.copy()
    other[-1] += 1.0
    assert not np.array_equal(traits(same, frame), traits(same, other))


def test_what_is_not_a_number_counts_as_the_mean() -> None:
    model = checkpoint(same_track=True)
    same, frame = compiled(model), frames_of(model, 2)[1]
    unknown = frame.copy()
    gone = [0, 3, model.spec.n_frame_features, model.spec.n_features - 1]
    frame[gone], unknown[gone] = model.mean[gone], np.nan
    np.testing.assert_array_equal(traits(same, unknown), traits(same, frame))
    assert np.isfinite(traits(same, np.full_like(frame, np.nan))).all()


@given(st.integers(0, 2**32 - 1), st.sampled_from([1.0, 1e3, 1e10, math.inf]), st.integers(1, 10**9))
def test_whatever_is_heard_the_odds_are_finite(seed: int, scale: float, heard: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = (rng.normal(size=(2, SAME_MODEL.mean.size)) * scale).astype(np.float32)
    said = traits(SAME, one), traits(SAME, other)
    assert all((np.abs(x[:IMPRINT]) <= 1.0).all() for x in said)
    assert math.isfinite(SAME.another(*said, heard))


def test_a_checkpoint_without_it_has_none() -> None:
    assert SameTrack.of(checkpoint()) is None


def test_the_odds_depend_on_what_the_checkpoint_holds_only() -> None:
    model = checkpoint(same_track=True)
    frames = frames_of(model, 2)
    again = [compiled(m).another(*(traits(compiled(m), x) for x in frames), 20) for m in (model, SAME_MODEL)]
    assert again[0] == again[1]
    tensors = {name: value.copy() for name, value in model.tensors.items()}
    compiled(model)
    for name, value in tensors.items():
        np.testing.assert_array_equal(model.tensors[name], value)  # none was written to


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    checkpoints.save(checkpoint(spec=FrontendSpec(age=True), same_track=True), tmp_path / "model")
    return tmp_path / "model"


def reweigh(folder: Path, change: Callable[[dict[str, np.ndarray]], object]) -> None:
    """Change tensors and make the hashes agree."""
    tensors = load_file(folder / WEIGHTS_FILE)
    change(tensors)
    save_file(tensors, folder / WEIGHTS_FILE)
    raw = json.loads((folder / DESCRIPTION_FILE).read_text())
    raw["weights_sha256"] = checkpoints.hashlib.sha256((folder / WEIGHTS_FILE).read_bytes()).hexdigest()
    raw["description_sha256"] = checkpoints.description_sha256(raw)
    (folder / DESCRIPTION_FILE).write_text(json.dumps(raw))


def test_what_was_saved_is_loaded_and_compares_alike(folder: Path) -> None:
    made, loaded = checkpoint(spec=FrontendSpec(age=True), same_track=True), checkpoints.load(folder)
    assert loaded.tensors.keys() == made.tensors.keys()
    for name in same_track_shapes(made.spec.n_features):
        np.testing.assert_array_equal(loaded.tensors[SAME_TRACK + name], made.tensors[SAME_TRACK + name])
    frames = frames_of(made, 2)
    ours, theirs = (compiled(m).another(*(traits(compiled(m), x) for x in frames), 20) for m in (made, loaded))
    assert ours == theirs
    assert loaded.sha256 != checkpoints.save(checkpoint(), folder.parent / "without").sha256


def test_without_any_of_its_tensors_a_checkpoint_is_whole(folder: Path) -> None:
    def strip(tensors: dict[str, np.ndarray]) -> None:
        for name in [name for name in tensors if name.startswith(SAME_TRACK)]:
            del tensors[name]

    reweigh(folder, strip)
    assert SameTrack.of(checkpoints.load(folder)) is None


@pytest.mark.parametrize("name", sorted(same_track_shapes(1)))
def test_one_that_is_missing_is_refused(folder: Path, name: str) -> None:
    reweigh(folder, lambda tensors: tensors.pop(SAME_TRACK + name))
    with pytest.raises(CheckpointError, match="missing") as caught:
        checkpoints.load(folder)
    assert SAME_TRACK + name in caught.value.message


@pytest.mark.parametrize("name", sorted(same_track_shapes(1)))
def test_one_of_another_shape_is_refused(folder: Path, name: str) -> None:
    reweigh(folder, lambda tensors: tensors.update({SAME_TRACK + name: np.zeros((3, 2), np.float32)}))
    with pytest.raises(CheckpointError) as caught:
        checkpoints.load(folder)
    assert SAME_TRACK + name in caught.value.message
    assert "(3, 2)" in caught.value.message


def test_one_that_nobody_knows_and_one_that_is_not_finite_are_refused(folder: Path) -> None:
    reweigh(folder, lambda tensors: tensors.update({SAME_TRACK + "surprise": np.zeros(3, np.float32)}))
    with pytest.raises(CheckpointError, match="unknown"):
        checkpoints.load(folder)
    whole = checkpoint(same_track=True)
    broken = {**whole.tensors, SAME_TRACK + "tell.bias": np.array([np.nan], np.float32)}
    with pytest.raises(CheckpointError, match="not finite"):
        checkpoints.save(dataclasses.replace(whole, tensors=broken), folder.parent / "broken")
