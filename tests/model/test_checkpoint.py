from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from rtgenre.errors import CheckpointError, FrontendMismatchError
from rtgenre.frontend.spec import FrontendSpec
from rtgenre.model import checkpoint as checkpoints
from rtgenre.model.checkpoint import DESCRIPTION_FILE, WEIGHTS_FILE
from tests.model.small import checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    checkpoints.save(checkpoint(layers=2), tmp_path / "model")
    return tmp_path / "model"


def describe(folder: Path, *, sealed: bool = True, **changes: Any) -> None:
    """Change fields of the description; sealed, its hash agrees, as if it had been written so."""
    path = folder / DESCRIPTION_FILE
    raw = json.loads(path.read_text()) | changes
    if sealed:
        raw["description_sha256"] = checkpoints.description_sha256(raw)
    path.write_text(json.dumps(raw))


def reweigh(folder: Path, change: Callable[[dict[str, np.ndarray]], None]) -> None:
    """Change tensors and make the hash agree, as a careless tool would."""
    tensors = load_file(folder / WEIGHTS_FILE)
    change(tensors)
    save_file(tensors, folder / WEIGHTS_FILE)
    describe(folder, weights_sha256=checkpoints.hashlib.sha256((folder / WEIGHTS_FILE).read_bytes()).hexdigest())


def test_what_was_saved_is_loaded(folder: Path) -> None:
    made, loaded = checkpoint(layers=2), checkpoints.load(folder)
    assert loaded.spec == made.spec
    assert loaded.labels == made.labels
    assert loaded.architecture == made.architecture
    assert (loaded.temperature, loaded.id, loaded.training) == (made.temperature, made.id, made.training)
    assert (loaded.music_bias, loaded.music_scale) == (made.music_bias, made.music_scale) == (0.5, 2.0)
    assert (loaded.change_bias, loaded.change_scale) == (made.change_bias, made.change_scale) == (-1.0, 0.75)
    np.testing.assert_array_equal(loaded.mean, made.mean)
    np.testing.assert_array_equal(loaded.std, made.std)
    assert loaded.tensors.keys() == made.tensors.keys()
    for name, value in made.tensors.items():
        np.testing.assert_array_equal(loaded.tensors[name], value)


def test_what_half_precision_holds_takes_half_the_space_and_loses_nothing(folder: Path, tmp_path: Path) -> None:
    whole = checkpoints.load(folder)
    rounded = dataclasses.replace(whole, tensors=checkpoints.in_half_precision(whole.tensors))
    loaded = checkpoints.save(rounded, tmp_path / "half")
    for name, value in rounded.tensors.items():
        np.testing.assert_array_equal(loaded.tensors[name], value)
        assert loaded.tensors[name].dtype == np.float32
        np.testing.assert_allclose(value, whole.tensors[name], rtol=2**-11, atol=1e-7)
    size = [(at / WEIGHTS_FILE).stat().st_size for at in (tmp_path / "half", folder)]
    assert size[0] < 0.65 * size[1]


def test_saving_twice_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    checkpoints.save(checkpoints.load(folder), tmp_path / "again")
    for name in (WEIGHTS_FILE, DESCRIPTION_FILE):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


def test_the_folder_holds_nothing_else(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == [DESCRIPTION_FILE, WEIGHTS_FILE]


def refused(folder: Path, *words: str, error: type[CheckpointError] = CheckpointError) -> None:
    with pytest.raises(error) as caught:
        checkpoints.load(folder)
    for word in words:
        assert word in caught.value.message
    assert caught.value.remedy


def test_missing_folder(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere", "nowhere", "does not exist")


def test_not_a_folder(folder: Path) -> None:
    refused(folder / WEIGHTS_FILE, "not a folder")


@pytest.mark.parametrize("name", [WEIGHTS_FILE, DESCRIPTION_FILE])
def test_missing_file(folder: Path, name: str) -> None:
    (folder / name).unlink()
    refused(folder, name, "cannot read")


def test_broken_json(folder: Path) -> None:
    (folder / DESCRIPTION_FILE).write_text('{"format": 2,')
    refused(folder, DESCRIPTION_FILE, "not JSON")


@pytest.mark.parametrize("content", ["[]", "{}", '{"format": "2"}'])
def test_json_that_is_no_description(folder: Path, content: str) -> None:
    (folder / DESCRIPTION_FILE).write_text(content)
    refused(folder, "does not describe a model")


def test_unknown_key(folder: Path) -> None:
    describe(folder, temprature=1.0)
    refused(folder, "temprature")


def test_newer_format(folder: Path) -> None:
    describe(folder, format=checkpoints.FORMAT + 1, invented_later=True)
    refused(folder, f"format {checkpoints.FORMAT + 1}")


def test_older_format(folder: Path) -> None:
    (folder / DESCRIPTION_FILE).write_text(json.dumps({"format": 1, "id": "old", "architecture": {"hidden": 64}}))
    refused(folder, "format 1", "older rtgenre")


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": ["jazz", "classical", "country", "disco", "hiphop", "blues", "metal", "pop", "reggae", "rock"]},
        {"temperature": 1.0},
        {"music_bias": 0.0},
        {"id": "another"},
        {"training": {}},
        {"description_sha256": "0" * 64},
    ],
)
def test_an_edited_description(folder: Path, changes: dict[str, Any]) -> None:
    describe(folder, sealed=False, **changes)
    refused(folder, "altered", DESCRIPTION_FILE)


def test_an_edited_architecture_of_the_same_shapes(folder: Path) -> None:
    architecture = json.loads((folder / DESCRIPTION_FILE).read_text())["architecture"]
    describe(folder, sealed=False, architecture=architecture | {"pooling_s": architecture["pooling_s"] + 1.0})
    refused(folder, "altered")


def test_layout_and_order_of_keys_are_no_alteration(folder: Path) -> None:
    path = folder / DESCRIPTION_FILE
    path.write_text(json.dumps(json.loads(path.read_text()), sort_keys=True, separators=(",", ":")))
    assert checkpoints.load(folder).id == "small"


def test_the_seal_holds_for_whatever_the_training_notes(tmp_path: Path) -> None:
    notes = {"lost": float("nan"), "pair": (1, 2.5), "label": "électro", "tiny": 1e-300, "none": None}
    saved = checkpoints.save(dataclasses.replace(checkpoint(), training=notes), tmp_path / "model")
    assert saved.training["pair"] == [1, 2.5]


def test_altered_weights(folder: Path) -> None:
    content = bytearray((folder / WEIGHTS_FILE).read_bytes())
    content[-1] ^= 1
    (folder / WEIGHTS_FILE).write_bytes(bytes(content))
    refused(folder, "altered", "SHA-256")


def test_truncated_weights_with_their_own_hash(folder: Path) -> None:
    content = (folder / WEIGHTS_FILE).read_bytes()[:-100]
    (folder / WEIGHTS_FILE).write_bytes(content)
    describe(folder, weights_sha256=checkpoints.hashlib.sha256(content).hexdigest())
    refused(folder, "not a safetensors file")


def test_missing_tensor(folder: Path) -> None:
    reweigh(folder, lambda tensors: tensors.pop("lstm.weight_hh_l1"))
    refused(folder, "missing", "lstm.weight_hh_l1")


def test_missing_normalisation(folder: Path) -> None:
    reweigh(folder, lambda tensors: tensors.pop("normalisation.std"))
    refused(folder, "normalisation.std")


def test_extra_tensor(folder: Path) -> None:
    reweigh(folder, lambda tensors: tensors.update(surprise=np.zeros(3, np.float32)))
    refused(folder, "unknown", "surprise")


def test_wrong_shape(folder: Path) -> None:
    reweigh(folder, lambda tensors: tensors.update({"head.bias": np.zeros(3, np.float32)}))
    refused(folder, "head.bias", "(3,)", "(12,)")


def test_wrong_dtype(folder: Path) -> None:
    reweigh(folder, lambda tensors: tensors.update({"head.bias": np.zeros(12)}))
    refused(folder, "head.bias", "float64")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite(folder: Path, value: float) -> None:
    reweigh(folder, lambda tensors: tensors["head.weight"].__setitem__((0, 0), value))
    refused(folder, "head.weight", "not finite")


def test_std_of_zero(folder: Path) -> None:
    reweigh(folder, lambda tensors: tensors["normalisation.std"].__setitem__(0, 0.0))
    refused(folder, "std", "positive")


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"temperature": 0.0}, "temperature"),
        ({"labels": ["a"] * 10}, "labels"),
        ({"labels": ["a"]}, "labels"),
        ({"music_scale": 0.0}, "music_scale"),
        ({"change_scale": -1.0}, "change_scale"),
    ],
)
def test_values_out_of_range(folder: Path, changes: dict[str, Any], word: str) -> None:
    describe(folder, **changes)
    refused(folder, word)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hidden", 63),
        ("layers", 0),
        ("layers", 10**9),
        ("encoder_width", 0),
        ("encoder_layers", 0),
        ("encoder_inputs", 0),
        ("encoder_inputs", 10_000),
        ("encoder_head", 12),
        ("embedding", -8),
        ("trunk", 1),
        ("pooling_s", 0.0),
        ("embedding_s", 1e9),
        ("input_clip", 0.0),
    ],
)
def test_architecture_out_of_range(folder: Path, name: str, value: float) -> None:
    architecture = json.loads((folder / DESCRIPTION_FILE).read_text())["architecture"]
    describe(folder, architecture=architecture | {name: value})
    refused(folder, name)


@pytest.mark.parametrize("name", ["music_bias", "music_scale", "change_bias", "change_scale"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_calibration_that_is_not_finite_is_not_written(tmp_path: Path, name: str, value: float) -> None:
    with pytest.raises(CheckpointError, match=name):
        checkpoints.save(dataclasses.replace(checkpoint(), **{name: value}), tmp_path / "model")


def test_another_frontend_by_its_spec(folder: Path) -> None:
    frontend = json.loads((folder / DESCRIPTION_FILE).read_text())["frontend"]
    describe(folder, frontend=frontend | {"hop": frontend["hop"] + 1})
    refused(folder, "another frontend", error=FrontendMismatchError)


def test_another_frontend_by_its_fingerprint(folder: Path) -> None:
    describe(folder, frontend_fingerprint="0" * 64)
    refused(folder, "another frontend", "000000", error=FrontendMismatchError)


def test_features_unknown_here(folder: Path) -> None:
    frontend = json.loads((folder / DESCRIPTION_FILE).read_text())["frontend"]
    describe(folder, frontend=frontend | {"wavelets": 3})
    refused(folder, "wavelets", error=FrontendMismatchError)


def test_normalisation_of_other_features(folder: Path) -> None:
    spec = FrontendSpec(n_mfcc=13)
    describe(folder, frontend=spec.to_dict(), frontend_fingerprint=spec.fingerprint())
    refused(folder, str(spec.n_features), error=FrontendMismatchError)


def test_an_inconsistent_checkpoint_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="temperature"):
        checkpoints.save(dataclasses.replace(checkpoint(), temperature=-1.0), tmp_path / "model")
    assert not (tmp_path / "model").exists()
