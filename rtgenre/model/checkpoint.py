"""One checkpoint format: a folder with ``model.safetensors`` and ``model.json``, never pickle.

The weights file holds the tensors and the normalisation constants; the JSON says what they mean: the
``FrontendSpec`` they were trained on, the labels, the architecture, the temperature and where the training
came from. Each guards the other: the JSON carries the weights' SHA-256 and the spec's fingerprint.

Everything here runs at start-up, in any thread. No torch.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as decode_tensors
from safetensors.numpy import save as encode_tensors

from rtgenre.errors import CheckpointError, ConfigError, FrontendMismatchError
from rtgenre.frontend.spec import FrontendSpec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    FloatArray = NDArray[np.float32]

FORMAT = 1
WEIGHTS_FILE = "model.safetensors"
DESCRIPTION_FILE = "model.json"
_MEAN = "normalisation.mean"
_STD = "normalisation.std"
_RETRAIN = "restore the folder from where it came, or train again with `rtgenre train`"


class Architecture(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The shape of the network; every runtime builds itself from these numbers alone.

    ``u = tanh(P·clip(normalise(x)))`` feeds a stack of LSTM layers, and the head reads the top layer's
    ``h`` beside ``u``: the path around the LSTM answers in the first second, before the state has filled.

    Attributes:
        hidden: width of the projection ``u`` and of each LSTM layer; a multiple of 8 (SIMD lanes).
        layers: number of LSTM layers.
        input_clip: normalised inputs are clipped to ±this, so silence or a fault cannot drive the state
            anywhere that training has not seen.
    """

    hidden: int
    layers: int
    input_clip: float

    def tensor_shapes(self, n_features: int, n_labels: int) -> dict[str, tuple[int, ...]]:
        """Name and shape of every trained tensor (torch's naming and gate order i, f, g, o)."""
        h = self.hidden
        shapes: dict[str, tuple[int, ...]] = {"projection.weight": (h, n_features), "projection.bias": (h,)}
        for layer in range(self.layers):
            shapes[f"lstm.weight_ih_l{layer}"] = shapes[f"lstm.weight_hh_l{layer}"] = (4 * h, h)
            shapes[f"lstm.bias_ih_l{layer}"] = shapes[f"lstm.bias_hh_l{layer}"] = (4 * h,)
        return shapes | {"head.weight": (n_labels, 2 * h), "head.bias": (n_labels,)}


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """A trained model as it lies on disk: constants only.

    Attributes:
        spec: the frontend whose features it was trained on.
        labels: genre names, in the order of the logits.
        mean: (n_features,) float32, subtracted from each feature.
        std: (n_features,) float32, positive; divides each feature.
        tensors: the trained weights, float32, named as in ``Architecture.tensor_shapes``.
        architecture: shape of the network.
        temperature: logits are divided by it before the softmax (Guo et al. 2017, "On Calibration of Modern
            Neural Networks", section 4.2).
        id: short name of the model.
        sha256: of the weights file, hexadecimal.
        training: where the weights come from (corpus, split, seed, figures); free-form JSON.
    """

    spec: FrontendSpec
    labels: tuple[str, ...]
    mean: FloatArray
    std: FloatArray
    tensors: Mapping[str, FloatArray]
    architecture: Architecture
    temperature: float
    id: str
    sha256: str = ""
    training: Mapping[str, Any] = field(default_factory=dict)


class _Description(msgspec.Struct, forbid_unknown_fields=True):
    """``model.json`` as it is written; the field order is the order in the file."""

    format: int
    id: str
    labels: tuple[str, ...]
    architecture: Architecture
    temperature: float
    weights_sha256: str
    frontend_fingerprint: str
    frontend: dict[str, Any]
    training: dict[str, Any]


def save(checkpoint: Checkpoint, folder: Path) -> Checkpoint:
    """Write a checkpoint folder (made if missing) and read it back.

    Args:
        checkpoint: what to write; its ``sha256`` is ignored and made anew.
        folder: where to; the two files in it are replaced, others are left alone.

    Returns:
        The checkpoint as ``load`` sees it.

    Raises:
        CheckpointError: it is inconsistent (shapes, non-finite weights); nothing is written then.
    """
    _check(checkpoint, folder)
    tensors = {name: np.ascontiguousarray(value, np.float32) for name, value in checkpoint.tensors.items()}
    tensors[_MEAN] = np.ascontiguousarray(checkpoint.mean, np.float32)
    tensors[_STD] = np.ascontiguousarray(checkpoint.std, np.float32)
    weights = encode_tensors(tensors)
    description = _Description(
        format=FORMAT,
        id=checkpoint.id,
        labels=checkpoint.labels,
        architecture=checkpoint.architecture,
        temperature=checkpoint.temperature,
        weights_sha256=hashlib.sha256(weights).hexdigest(),
        frontend_fingerprint=checkpoint.spec.fingerprint(),
        frontend=checkpoint.spec.to_dict(),
        training=dict(checkpoint.training),
    )
    text = msgspec.json.format(msgspec.json.encode(description), indent=2) + b"\n"
    folder.mkdir(parents=True, exist_ok=True)
    _replace(folder / WEIGHTS_FILE, weights)
    _replace(folder / DESCRIPTION_FILE, text)
    return load(folder)


def load(folder: Path) -> Checkpoint:
    """Read and check a checkpoint folder.

    Args:
        folder: holds ``model.safetensors`` and ``model.json``.

    Returns:
        A checkpoint whose tensors are complete, finite and of the shapes that its architecture asks for.

    Raises:
        CheckpointError: a file is missing, broken, altered, inconsistent or of a newer format.
        FrontendMismatchError: the features it was trained on are not those this frontend computes.
    """
    if not folder.exists():
        raise CheckpointError(f"model folder {folder} does not exist", "give the path of a trained model's folder")
    if not folder.is_dir():
        raise CheckpointError(
            f"model path {folder} is not a folder",
            f"give the folder that holds {DESCRIPTION_FILE} and {WEIGHTS_FILE}",
        )
    description = _parse(_read(folder / DESCRIPTION_FILE), folder / DESCRIPTION_FILE)
    weights = _read(folder / WEIGHTS_FILE)
    sha256 = hashlib.sha256(weights).hexdigest()
    if sha256 != description.weights_sha256:
        raise CheckpointError(
            f"{folder / WEIGHTS_FILE} was altered: its SHA-256 starts with {sha256[:12]}, "
            f"{DESCRIPTION_FILE} says {description.weights_sha256[:12]}",
            _RETRAIN,
        )
    try:
        tensors = decode_tensors(weights)
    except (SafetensorError, ValueError, KeyError) as error:
        raise CheckpointError(f"{folder / WEIGHTS_FILE} is not a safetensors file: {error}", _RETRAIN) from error
    missing = {_MEAN, _STD} - tensors.keys()
    if missing:
        raise CheckpointError(f"{folder / WEIGHTS_FILE} lacks {', '.join(sorted(missing))}", _RETRAIN)
    checkpoint = Checkpoint(
        spec=_spec(description, folder),
        labels=description.labels,
        mean=tensors.pop(_MEAN),
        std=tensors.pop(_STD),
        tensors=tensors,
        architecture=description.architecture,
        temperature=description.temperature,
        id=description.id,
        sha256=sha256,
        training=description.training,
    )
    _check(checkpoint, folder)
    return checkpoint


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(
            f"cannot read {path}: {error.strerror or error}",
            f"a model folder holds {DESCRIPTION_FILE} and {WEIGHTS_FILE}",
        ) from error


def _replace(path: Path, content: bytes) -> None:
    """Write beside the file and rename, so a reader never sees half of it."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    part.replace(path)


def _parse(content: bytes, path: Path) -> _Description:
    try:
        raw = msgspec.json.decode(content)
    except msgspec.DecodeError as error:
        raise CheckpointError(f"{path} is not JSON: {error}", _RETRAIN) from error
    # The version is looked at first: a newer file may have fields that this version cannot know.
    version = raw.get("format") if isinstance(raw, dict) else None
    if isinstance(version, int) and version > FORMAT:
        raise CheckpointError(
            f"{path} has format {version}, this version of rtgenre reads up to {FORMAT}", "install a newer rtgenre"
        )
    try:
        return msgspec.convert(raw, _Description)
    except msgspec.ValidationError as error:
        raise CheckpointError(f"{path} does not describe a model: {error}", _RETRAIN) from error


def _spec(description: _Description, folder: Path) -> FrontendSpec:
    try:
        spec = FrontendSpec.from_dict(description.frontend)
    except ConfigError as error:
        raise FrontendMismatchError(
            f"model {folder} was trained on features that this frontend cannot compute: {error.message}", _RETRAIN
        ) from error
    if spec.fingerprint() != description.frontend_fingerprint:
        raise FrontendMismatchError(
            f"model {folder} was trained on another frontend: fingerprint {description.frontend_fingerprint[:12]}, "
            f"this frontend's is {spec.fingerprint()[:12]}",
            _RETRAIN,
        )
    return spec


def _check(checkpoint: Checkpoint, folder: Path) -> None:
    """Refuse whatever a runtime could not trust; the first fault is told, so later checks build on earlier ones."""
    n_features = checkpoint.spec.n_features
    if checkpoint.mean.shape != (n_features,):
        raise FrontendMismatchError(
            f"model {folder} was trained on {checkpoint.mean.size} features, its frontend makes {n_features}",
            _RETRAIN,
        )
    fault = next(itertools.chain(_wrong_numbers(checkpoint), _wrong_tensors(checkpoint)), None)
    if fault is not None:
        raise CheckpointError(f"model {folder}: {fault}", _RETRAIN)


def _wrong_numbers(checkpoint: Checkpoint) -> Iterator[str]:
    shape, labels = checkpoint.architecture, checkpoint.labels
    if shape.hidden < 8 or shape.hidden % 8:
        yield f"hidden is {shape.hidden}; it must be a positive multiple of 8"
    if shape.layers < 1:
        yield f"layers is {shape.layers}; it must be at least 1"
    if not (math.isfinite(shape.input_clip) and shape.input_clip > 0):
        yield f"input_clip is {shape.input_clip}; it must be positive"
    if len(labels) < 2 or len(set(labels)) != len(labels):
        yield f"labels are {list(labels)}; at least two are needed, each of them once"
    if not (math.isfinite(checkpoint.temperature) and checkpoint.temperature > 0):
        yield f"temperature is {checkpoint.temperature}; it must be positive"


def _wrong_tensors(checkpoint: Checkpoint) -> Iterator[str]:
    n_features = checkpoint.spec.n_features
    expected = checkpoint.architecture.tensor_shapes(n_features, len(checkpoint.labels))
    lacking = sorted(expected.keys() - checkpoint.tensors.keys())
    surplus = sorted(checkpoint.tensors.keys() - expected.keys())
    if lacking or surplus:
        yield f"tensors missing: {', '.join(lacking) or 'none'}; unknown: {', '.join(surplus) or 'none'}"
    wanted = expected | {"mean": (n_features,), "std": (n_features,)}
    for name, value in {**checkpoint.tensors, "mean": checkpoint.mean, "std": checkpoint.std}.items():
        if value.shape != wanted[name]:
            yield f"tensor {name} has shape {value.shape}, expected {wanted[name]}"
        if value.dtype != np.float32:
            yield f"tensor {name} is {value.dtype}, expected float32"
        if not np.isfinite(value).all():
            yield f"tensor {name} has values that are not finite"
    if not (checkpoint.std > 0).all():
        yield "normalisation std must be positive"
