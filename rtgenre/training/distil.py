"""The encoder learns to hear as a teacher does: a causal net that predicts the embedding of a much larger one.

Knowledge distillation (Hinton et al. 2015) across representations: the teacher heard the whole clip in high
resolution, the encoder hears three seconds of MFCCs hop by hop. What it learns about sound from thousands of clips
without our labels is what hundreds of labelled clips cannot teach.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import platformdirs
import torch
from safetensors.numpy import load as decode_tensors
from safetensors.numpy import save as encode_tensors
from torch import Tensor, nn
from torch.nn import functional

from rtgenre.model.architecture import KERNEL, VARIANCE_FLOOR
from rtgenre.training import teacher
from rtgenre.training.kept import fingerprint, sha256_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from rtgenre.model.architecture import Architecture
    from rtgenre.training.teacher import TeacherSet

    FloatArray = NDArray[np.float32]

_READ_AT = (11, 19, 31)  # hops (0-based) at which the embedding is compared: after one, two and three seconds
_WIDTHS = ("encoder_inputs", "encoder_width", "encoder_layers", "encoder_head", "embedding")  # all that is taught
_BLOCK = 100  # neighbouring clips share albums, so whole blocks are held out
_HELD_OUT_BLOCKS = 7  # of so many blocks, one
_NORM_EPSILON = 1e-5  # torch's default
_GENRE_SHARE = 0.1  # of the loss on the teacher set's own genres


@dataclass(frozen=True, slots=True, kw_only=True)
class DistilSettings:
    """How the encoder is taught.

    Attributes:
        epochs: passes over the clips.
        batch: clips a step.
        learning_rate: AdamW's highest (one cycle: Smith & Topin 2018).
        weight_decay: AdamW's.
        dropout: share of pooled values zeroed; a third of it on inputs and channels.
        mixup: parameter of the beta distribution of the mixing weight (Zhang et al. 2018).
        hold_out: keep one block of seven aside and report on it; False teaches with everything.
        threads: torch threads.
        seed: of every draw.
    """

    epochs: int = 40
    batch: int = 128
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    dropout: float = 0.3
    mixup: float = 0.3
    hold_out: bool = False
    threads: int = 2
    seed: int = 0


class Student(nn.Module):
    """``model.network.Encoder`` with batch norms and dropout, for a few seconds from a fresh start.

    Args:
        architecture: widths and depth.
        n_genres: labels of the teacher set; they are learned beside the embedding.
        dropout: see ``DistilSettings``.
    """

    def __init__(self, architecture: Architecture, n_genres: int, dropout: float) -> None:
        super().__init__()
        width = architecture.encoder_width
        inputs = [architecture.encoder_inputs, *[width] * (architecture.encoder_layers - 1)]
        self.conv = nn.ModuleList(nn.Conv1d(n, width, KERNEL) for n in inputs)
        self.norm = nn.ModuleList(nn.BatchNorm1d(width) for _ in inputs)
        self.pool_norm = nn.BatchNorm1d(2 * width)
        self.head = nn.Linear(2 * width, architecture.encoder_head)
        self.embedding = nn.Linear(architecture.encoder_head, architecture.embedding)
        self.n_genres = n_genres
        self.dropout = nn.Dropout(dropout)
        self.input_dropout = nn.Dropout(dropout / 3)
        self.channel_dropout = nn.Dropout1d(dropout / 3)

    def forward(self, m: Tensor, read_at: tuple[int, ...]) -> Tensor:
        """Embeddings (batch, len(read_at), embedding) of normalised MFCCs (batch, n_hops, encoder_inputs)."""
        a = self.input_dropout(m).transpose(1, 2)
        for layer, (conv, norm) in enumerate(zip(self.conv, self.norm, strict=True)):
            given = torch.relu(norm(conv(functional.pad(a, (KERNEL - 1, 0)))))
            a = a + self.channel_dropout(given) if layer else given
        heard = torch.arange(1, a.shape[2] + 1)
        # Plain running means: three seconds are shorter than the pooling's time constant.
        mean = a.cumsum(2) / heard
        variance = ((a * a).cumsum(2) / heard - mean * mean).clamp_min(0.0)
        pooled = torch.cat((mean, (variance + VARIANCE_FLOOR).sqrt()), dim=1)[:, :, list(read_at)]
        hidden = torch.relu(self.head(self.dropout(self.pool_norm(pooled).transpose(1, 2))))
        embedded: Tensor = self.embedding(hidden)
        return embedded

    def folded(self) -> dict[str, FloatArray]:
        """Weights of ``model.network.Encoder`` that compute the same, the batch norms folded in."""
        tensors: dict[str, Tensor] = {}
        for layer, (conv, norm) in enumerate(zip(self.conv, self.norm, strict=True)):
            scale, shift = _affine(norm)
            values = dict(conv.named_parameters())
            tensors[f"encoder.conv.{layer}.weight"] = values["weight"] * scale[:, None, None]
            tensors[f"encoder.conv.{layer}.bias"] = values["bias"] * scale + shift
        scale, shift = _affine(self.pool_norm)
        tensors["encoder.head.weight"] = self.head.weight * scale
        tensors["encoder.head.bias"] = self.head.bias + self.head.weight @ shift
        tensors["encoder.embedding.weight"] = self.embedding.weight
        tensors["encoder.embedding.bias"] = self.embedding.bias
        return {name: value.detach().numpy().copy() for name, value in tensors.items()}


def _affine(norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Slope and offset of a batch norm in evaluation mode."""
    values = dict(norm.named_buffers()) | dict(norm.named_parameters())
    scale = values["weight"] / torch.sqrt(values["running_var"] + _NORM_EPSILON)
    return scale, values["bias"] - values["running_mean"] * scale


@dataclass(frozen=True, slots=True, eq=False)
class Distilled:
    """A taught encoder.

    Attributes:
        tensors: as in ``Architecture.tensor_shapes``, those of the encoder. It reads MFCCs of mean 0 and variance 1.
        log: figures of each epoch.
    """

    tensors: Mapping[str, FloatArray]
    log: list[dict[str, Any]]

    @property
    def sha256(self) -> str:
        """Of the tensors, hexadecimal."""
        return hashlib.sha256(encode_tensors(dict(self.tensors))).hexdigest()


def cached_distil(
    taught: TeacherSet,
    architecture: Architecture,
    settings: DistilSettings,
    report: Callable[[dict[str, Any]], None],
    folder: Path | None = None,
) -> Distilled:
    """``distil``, kept on disk under everything it depends on, this code included."""
    folder = folder or platformdirs.user_cache_path("rtgenre") / "encoders"
    heard = sha256_of(taught.mfcc)  # one file is another set to another frontend
    widths = [getattr(architecture, name) for name in _WIDTHS]
    depends_on = [taught.sha256, heard, widths, dataclasses.asdict(settings)]
    stem = fingerprint(depends_on, __file__, teacher.__file__)
    weights, log = folder / f"{stem}.safetensors", folder / f"{stem}.json"
    if weights.exists() and log.exists():
        return Distilled(decode_tensors(weights.read_bytes()), json.loads(log.read_text(encoding="utf-8")))
    made = distil(taught, architecture, settings, report)
    folder.mkdir(parents=True, exist_ok=True)
    for path, content in ((log, json.dumps(made.log).encode()), (weights, encode_tensors(dict(made.tensors)))):
        part = path.with_suffix(".part")
        part.write_bytes(content)
        part.replace(path)
    return made


def distil(
    taught: TeacherSet,
    architecture: Architecture,
    settings: DistilSettings,
    report: Callable[[dict[str, Any]], None],
) -> Distilled:
    """Teach an encoder.

    Args:
        taught: clips and embeddings.
        architecture: of the network; ``embedding`` is the teacher's width plus its number of genres.
        settings: how.
        report: called with the figures of each epoch.
    """
    torch.manual_seed(settings.seed)
    torch.set_num_threads(settings.threads)
    rng = np.random.default_rng(settings.seed)
    width = taught.embedding.shape[1]
    mean, std = taught.mfcc.mean(axis=(0, 1)), taught.mfcc.std(axis=(0, 1))
    mfcc = torch.from_numpy((taught.mfcc - mean) / std)
    wanted = torch.from_numpy(taught.embedding)
    known = torch.from_numpy(taught.has_embedding.astype(np.float32))
    genre = functional.one_hot(torch.from_numpy(taught.genre), len(taught.genres)).float()
    held_out = (np.arange(len(mfcc)) // _BLOCK) % _HELD_OUT_BLOCKS == _HELD_OUT_BLOCKS // 2
    held_out &= settings.hold_out
    clips, others = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    student = Student(architecture, len(taught.genres), settings.dropout)
    steps = len(clips) // settings.batch
    optimiser = torch.optim.AdamW(student.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.learning_rate, steps * settings.epochs)
    # Other levels and equalisers: constants added to the first coefficients.
    colour = torch.zeros(mfcc.shape[2])
    colour[:6] = torch.tensor([16.0, 2.5, 2.0, 1.5, 1.0, 1.0])
    colour = colour / torch.from_numpy(std)
    log = []
    for epoch in range(settings.epochs):
        student.train()
        order, total = rng.permutation(clips), 0.0
        for i in range(steps):
            batch = order[i * settings.batch : (i + 1) * settings.batch]
            phase = int(rng.integers(taught.phases))
            m = mfcc[batch][:, phase :: taught.phases] + torch.randn(len(batch), 1, mfcc.shape[2]) * colour
            mix = float(rng.beta(settings.mixup, settings.mixup))
            other = torch.from_numpy(rng.permutation(len(batch)))
            m, target, labels = (mix * value + (1.0 - mix) * value[other] for value in (m, wanted[batch], genre[batch]))
            read_at = tuple(min(hop, m.shape[1] - 1) for hop in _READ_AT)
            got = student(m, read_at)
            error = 0.5 * ((got[..., :width] - target[:, None]) ** 2).mean(dim=(1, 2))
            doubt = -(labels[:, None] * functional.log_softmax(got[..., width:], -1)).sum(-1).mean()
            loss = (error * known[batch]).mean() + _GENRE_SHARE * doubt
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += float(loss.detach())
        figures: dict[str, Any] = {"epoch": epoch, "loss": total / max(1, steps)}
        if len(others):
            figures |= _heard(student.eval(), mfcc[others], wanted[others], taught.genre[others], taught.phases)
        log.append(figures)
        report(figures)
    return Distilled(student.eval().folded(), log)


def _heard(student: Student, mfcc: Tensor, wanted: Tensor, genre: NDArray[np.int64], phases: int) -> dict[str, float]:
    """Explained variance of the embedding and accuracy on the genres, on clips that did not teach."""
    with torch.no_grad():
        got = torch.stack(
            [student(mfcc[:, p::phases], (mfcc[:, p::phases].shape[1] - 1,))[:, 0] for p in range(phases)]
        )
    got = got.mean(dim=0)
    width = wanted.shape[1]
    left = ((got[:, :width] - wanted) ** 2).mean(dim=0) / wanted.var(dim=0)
    right = got[:, width:].argmax(dim=1).numpy() == genre
    return {"explained_variance": float(1.0 - left.mean()), "genre_accuracy": float(right.mean())}
