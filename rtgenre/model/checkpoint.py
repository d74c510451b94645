"""One checkpoint format: a folder with ``model.safetensors`` and ``model.json``, never pickle.

The weights file holds the tensors and the normalisation constants; the JSON says what they mean: the
``FrontendSpec`` they were trained on, the labels, the architecture, the calibration and where the training
came from. The JSON guards both: it carries the weights' SHA-256, the spec's fingerprint, and a hash of all
else that it says, so that an edited label list is noticed as surely as an edited weight.

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
from rtgenre.model.architecture import EXTRA_OUTPUTS, SAME_TRACK, Architecture, same_track_shapes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    FloatArray = NDArray[np.float32]

FORMAT = 2
WEIGHTS_FILE = "model.safetensors"
DESCRIPTION_FILE = "model.json"
_MEAN = "normalisation.mean"
_STD = "normalisation.std"
_RETRAIN = "restore the folder from where it came, or train again with `rtgenre train`"


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
        music_bias: with ``music_scale``, calibration of the logit after the genres':
            P(music) = sigmoid(scale · logit + bias) (Platt 1999).
        music_scale: see ``music_bias``; positive.
        change_bias: the same of the last logit: P(another track has begun).
        change_scale: see ``change_bias``; positive.
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
    music_bias: float = 0.0
    music_scale: float = 1.0
    change_bias: float = 0.0
    change_scale: float = 1.0
    sha256: str = ""
    training: Mapping[str, Any] = field(default_factory=dict)

    @property
    def hops_per_s(self) -> float:
        """Frames a second."""
        return self.spec.sample_rate / self.spec.hop

    @property
    def n_outputs(self) -> int:
        """Values that the network gives out a hop: one logit a label, then those of ``EXTRA_OUTPUTS``."""
        return len(self.labels) + len(EXTRA_OUTPUTS)


class _Description(msgspec.Struct, forbid_unknown_fields=True):
    """``model.json`` as it is written; the field order is the order in the file."""

    format: int
    id: str
    labels: tuple[str, ...]
    architecture: Architecture
    temperature: float
    music_bias: float
    music_scale: float
    change_bias: float
    change_scale: float
    weights_sha256: str
    description_sha256: str
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
    tensors = {name: _smallest(np.ascontiguousarray(value, np.float32)) for name, value in checkpoint.tensors.items()}
    tensors[_MEAN] = np.ascontiguousarray(checkpoint.mean, np.float32)
    tensors[_STD] = np.ascontiguousarray(checkpoint.std, np.float32)
    weights = encode_tensors(tensors)
    description = _Description(
        format=FORMAT,
        id=checkpoint.id,
        labels=checkpoint.labels,
        architecture=checkpoint.architecture,
        temperature=checkpoint.temperature,
        music_bias=checkpoint.music_bias,
        music_scale=checkpoint.music_scale,
        change_bias=checkpoint.change_bias,
        change_scale=checkpoint.change_scale,
        weights_sha256=hashlib.sha256(weights).hexdigest(),
        description_sha256="",
        frontend_fingerprint=checkpoint.spec.fingerprint(),
        frontend=checkpoint.spec.to_dict(),
        training=dict(checkpoint.training),
    )
    # Sealed as a reader will see it: what JSON makes of a value (a tuple, a NaN) is what counts.
    description.description_sha256 = description_sha256(msgspec.json.decode(msgspec.json.encode(description)))
    text = msgspec.json.format(msgspec.json.encode(description), indent=2) + b"\n"
    folder.mkdir(parents=True, exist_ok=True)
    _replace(folder / WEIGHTS_FILE, weights)
    _replace(folder / DESCRIPTION_FILE, text)
    return load(folder)


def in_half_precision(tensors: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Weights rounded to what half precision can hold, as float32: a checkpoint of them takes half the space.

    The rounding (one part in 2048) is far below what training noise does to a weight.
    """
    return {name: value.astype(np.float16).astype(np.float32) for name, value in tensors.items()}


def _smallest(value: FloatArray) -> FloatArray | NDArray[np.float16]:
    """In half precision where that loses nothing."""
    with np.errstate(over="ignore"):
        half = value.astype(np.float16)
    return half if np.array_equal(half.astype(np.float32), value) else value


def load(folder: Path) -> Checkpoint:
    """Read and check a checkpoint folder.

    Args:
        folder: holds ``model.safetensors`` and ``model.json``.

    Returns:
        A checkpoint whose tensors are complete, finite and of the shapes that its architecture asks for.

    Raises:
        CheckpointError: a file is missing, broken, altered, inconsistent or of another format.
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
    # Half precision is a way to store, not to compute.
    tensors = {
        name: value.astype(np.float32) if value.dtype == np.float16 else value for name, value in tensors.items()
    }
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
        music_bias=description.music_bias,
        music_scale=description.music_scale,
        change_bias=description.change_bias,
        change_scale=description.change_scale,
        id=description.id,
        sha256=sha256,
        training=description.training,
    )
    _check(checkpoint, folder)
    return checkpoint


def description_sha256(raw: Mapping[str, Any]) -> str:
    """SHA-256 (hex) over the canonical JSON (sorted keys, no spaces) of all of ``model.json`` but this hash itself.

    Args:
        raw: ``model.json``, decoded.
    """
    others = {name: value for name, value in raw.items() if name != "description_sha256"}
    return hashlib.sha256(msgspec.json.encode(others, order="sorted")).hexdigest()


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
    if isinstance(version, int) and version < FORMAT:
        raise CheckpointError(
            f"{path} has format {version}: made by an older rtgenre; this version reads format {FORMAT}",
            "use the model that came with this version, or train again with `rtgenre train`",
        )
    try:
        description = msgspec.convert(raw, _Description)
    except msgspec.ValidationError as error:
        raise CheckpointError(f"{path} does not describe a model: {error}", _RETRAIN) from error
    sha256 = description_sha256(raw)
    if sha256 != description.description_sha256:
        raise CheckpointError(
            f"{path} was altered: the SHA-256 of what it says starts with {sha256[:12]}, "
            f"it was written with {description.description_sha256[:12]}",
            _RETRAIN,
        )
    return description


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
    labels = checkpoint.labels
    yield from checkpoint.architecture.faults(checkpoint.spec.n_features)
    if len(labels) < 2 or len(set(labels)) != len(labels):
        yield f"labels are {list(labels)}; at least two are needed, each of them once"
    if not (math.isfinite(checkpoint.temperature) and checkpoint.temperature > 0):
        yield f"temperature is {checkpoint.temperature}; it must be positive"
    for name in EXTRA_OUTPUTS:
        bias, scale = getattr(checkpoint, f"{name}_bias"), getattr(checkpoint, f"{name}_scale")
        if not math.isfinite(bias):
            yield f"{name}_bias is {bias}; it must be finite"
        if not (math.isfinite(scale) and scale > 0):
            yield f"{name}_scale is {scale}; it must be positive"


def _wrong_tensors(checkpoint: Checkpoint) -> Iterator[str]:
    n_features = checkpoint.spec.n_features
    expected = checkpoint.architecture.tensor_shapes(n_features, len(checkpoint.labels))
    if any(name.startswith(SAME_TRACK) for name in checkpoint.tensors):
        expected |= {SAME_TRACK + name: shape for name, shape in same_track_shapes(n_features).items()}
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
