"""The fitting of the network, in the order in which it hears: encoder (see ``distil``), trunk, LSTM.

The trunk is fitted first, on single hops of every age, with the head's path around the LSTM: that is where a few
hundred clips are not over-fitted. The LSTM then learns, on whole sequences with the trunk held fast, what the trunk
cannot know: how what it hears changes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from rtgenre.model.architecture import EXTRA_OUTPUTS
from rtgenre.model.network import GenreNet
from rtgenre.training.segments import NOTHING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from rtgenre.model.architecture import Architecture
    from rtgenre.training.segments import Segments

    FloatArray = NDArray[np.float32]
    BoolArray = NDArray[np.bool_]
    IntArray = NDArray[np.int64]
    Report = Callable[[dict[str, Any]], None]

# Ages, in hops, at which the trunk is fitted: about evenly spaced in their logarithm.
_AGES = (9, 12, 18, 26, 34, 45, 57, 80, 100, 115, 140, 172, 220, 270, 320, 344)
# After a cut the change should be told between these hops (0.8 s to 3 s); before and after nothing is asked.
_CHANGE_FROM, _CHANGE_TO = 9, 35
_SETTLED = 24  # hops after a cut from which the new clip's genre is asked of the trunk


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSettings:
    """How one stage is fitted.

    Attributes:
        epochs: passes.
        batch: hops (trunk) or sequences (LSTM) a step.
        learning_rate: AdamW's highest (one cycle).
        weight_decay: AdamW's.
        input_dropout: share of the inputs zeroed.
        dropout: share of ``u`` (and ``h``) zeroed before the head.
        noise: standard deviation of the noise added to normalised inputs.
        mixup: parameter of the beta distribution of the mixing weight (Zhang et al. 2018).
        label_smoothing: share of the target spread over all labels.
        averaging: decay a step of the exponential average of the weights that is kept as the result.
        share: of the hops (trunk: each member its own) or sequences (LSTM) that are used.
    """

    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float = 0.05
    input_dropout: float = 0.4
    dropout: float = 0.5
    noise: float = 0.2
    mixup: float = 0.4
    label_smoothing: float = 0.1
    averaging: float = 0.99
    share: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class FitSettings:
    """How the network is fitted.

    Attributes:
        members: networks that make up the trunk; its width is a multiple of their number.
        trunk: first stage, one member of it.
        lstm: second stage.
        artist_balance: see ``Material.importance``; what is learned of an artist with many clips is mostly that artist.
        threads: torch threads; another number sums in another order, so the weights depend on it.
    """

    members: int = 4
    trunk: StageSettings = field(default=StageSettings(epochs=4, batch=1024, learning_rate=3e-3))
    lstm: StageSettings = field(
        default=StageSettings(
            epochs=1, batch=32, learning_rate=1e-3, input_dropout=0.3, noise=0.3, averaging=0.98, share=0.25
        )
    )
    artist_balance: float = 1.0
    threads: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """Segments with the encoder's part computed once.

    Attributes:
        z: (n, hops, n_features) float16, normalised and clipped.
        e: (n, hops, 2 * embedding) float16: embedding beside its running mean.
        genre: (n, hops) int64; ``NOTHING`` where it is no music.
        change: (n, hops) float32: 1 where another track has begun, 0 where not, NaN where it is not asked.
        settled: (n, hops) bool: the genre can be asked of a single hop.
        clip: (n,) int64.
    """

    z: NDArray[np.float16]
    e: NDArray[np.float16]
    genre: NDArray[np.int64]
    change: FloatArray
    settled: BoolArray
    clip: NDArray[np.int64]


class Chosen(NamedTuple):
    """Some of the segments of one length: those that a fit may learn from. Nothing is copied, there is much of it.

    Attributes:
        part: all of them.
        rows: (k,) indices into it.
        importance: (k,) how often each should be used, relative to the others.
    """

    part: Encoded
    rows: IntArray
    importance: NDArray[np.float64]


def normalisation(parts: Sequence[Segments], chosen: Sequence[BoolArray]) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviation of every feature over sampled hops of the chosen segments."""
    frames = []
    for part, rows in zip(parts, chosen, strict=True):
        at = np.flatnonzero(rows)
        for hop in range(8, part.frames.shape[1], 24):
            whole = at[part.hops[at] > hop]
            frames.append(np.asarray(part.frames[:, hop])[whole].astype(np.float32))
    stacked = np.concatenate(frames)
    return stacked.mean(axis=0), np.maximum(stacked.std(axis=0), 1e-4)


def build(
    architecture: Architecture,
    encoder: Mapping[str, FloatArray],
    mean: FloatArray,
    std: FloatArray,
    n_labels: int,
    hops_per_s: float,
    seed: int,
) -> GenreNet:
    """A fresh network around a taught encoder; the LSTM's part of the head starts at zero."""
    torch.manual_seed(seed)
    network = GenreNet(architecture, torch.from_numpy(mean), torch.from_numpy(std), n_labels, hops_per_s)
    network.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in encoder.items()}, strict=False)
    with torch.no_grad():
        network.head.weight[:, : architecture.hidden] = 0.0
    return network.eval()


def encode(network: GenreNet, part: Segments) -> Encoded:
    """Run the encoder over segments."""
    n, n_inputs, hops = len(part.clip), network.architecture.encoder_inputs, part.frames.shape[1]
    z = np.empty((n, hops, part.frames.shape[2]), np.float16)
    e = np.empty((n, hops, 2 * network.architecture.embedding), np.float16)
    with torch.inference_mode():
        for start in range(0, n, 64):
            some = slice(start, start + 64)
            normal = network.normalise(torch.from_numpy(np.asarray(part.frames[some], np.float32)))
            z[some] = normal.numpy()
            now, averaged, _ = network.encoder(normal[..., :n_inputs], network.init_state(len(normal)))
            e[some] = torch.cat((now, averaged), dim=-1).numpy()
    hop = np.arange(hops)
    cut, valid = part.cut[:, None], hop < part.hops[:, None]
    since = hop - cut
    joined = cut > 0
    change = np.where(joined & (since >= 0), np.nan, 0.0)
    change[joined & (since >= _CHANGE_FROM) & (since < _CHANGE_TO)] = 1.0
    change[~valid] = np.nan
    genre = np.where(valid, part.label, NOTHING - 1).astype(np.int64)
    settled = valid & (~joined | (since < 0) | (since >= _SETTLED))
    return Encoded(z, e, genre, change.astype(np.float32), settled, part.clip)


def _targets(genre: Tensor, n_labels: int, smoothing: float) -> tuple[Tensor, Tensor]:
    """Rows of genre targets (zeros where it is no music), and whether it is music."""
    music = (genre >= 0).float()
    one_hot = functional.one_hot(genre.clamp_min(0), n_labels).float()
    return (one_hot * (1.0 - smoothing) + smoothing / n_labels) * music[..., None], music


def _loss(outputs: Tensor, target: Tensor, music: Tensor, change: Tensor, asked: Tensor) -> Tensor:
    """Cross-entropies of genre, music and change, each where it is asked."""
    n_labels = target.shape[-1]
    genre = -(target * functional.log_softmax(outputs[..., :n_labels], -1)).sum(-1)
    is_music = functional.binary_cross_entropy_with_logits(outputs[..., n_labels], music, reduction="none")
    told = ~torch.isnan(change)
    begun = functional.binary_cross_entropy_with_logits(
        outputs[..., n_labels + 1], torch.nan_to_num(change), reduction="none"
    )
    weight = asked.float()
    return (
        (genre * weight).sum() / weight.sum().clamp_min(1.0)
        + 0.5 * (is_music * weight).sum() / weight.sum().clamp_min(1.0)
        + 0.5 * (begun * told.float()).sum() / told.float().sum().clamp_min(1.0)
    )


class Average:
    """Exponential average of some parameters, bias-corrected at the start.

    Args:
        parameters: which.
        decay: a step.
    """

    def __init__(self, parameters: list[nn.Parameter], decay: float) -> None:
        self._parameters, self._decay, self._steps = parameters, decay, 0
        self._mean = [p.detach().clone() for p in parameters]

    def update(self) -> None:
        """Take a step of the optimiser in."""
        self._steps += 1
        weight = max(1.0 - self._decay, 1.0 / self._steps)
        with torch.no_grad():
            for mean, parameter in zip(self._mean, self._parameters, strict=True):
                mean.lerp_(parameter, weight)

    def put(self) -> None:
        """Let the parameters be what they were on average."""
        with torch.no_grad():
            for mean, parameter in zip(self._mean, self._parameters, strict=True):
                parameter.copy_(mean)


def fit_trunk(
    network: GenreNet, parts: Sequence[Chosen], settings: FitSettings, rng: np.random.Generator, report: Report
) -> None:
    """Fit trunk and the head's path around the LSTM on single hops; changes the network.

    The trunk is a committee (Hansen & Salamon 1990): its members are fitted each by itself, on its own share of the
    hops, and lie side by side in one matrix; the head averages what they say. One network, one step, and steadier
    than any of them.
    """
    taught = Hops.of(parts)
    hidden, n_labels = network.architecture.hidden, network.head.out_features - len(EXTRA_OUTPUTS)
    with torch.no_grad():
        network.head.weight.zero_()
        network.head.bias.zero_()
    width = network.architecture.trunk // settings.members
    for member in range(settings.members):
        inner = nn.Linear(taught.x.shape[1], width)
        outer = nn.Linear(width, network.head.out_features)
        drawn = taught.drawn(settings.trunk.share, rng)

        def said(inputs: Tensor, inner: nn.Linear = inner, outer: nn.Linear = outer) -> Tensor:
            outputs: Tensor = outer(functional.dropout(torch.relu(inner(inputs)), settings.trunk.dropout))
            return outputs

        def told(figures: dict[str, Any], member: int = member) -> None:
            report({"stage": "trunk", "member": member, **figures})

        parameters = [*inner.parameters(), *outer.parameters()]
        fit_on_hops(said, parameters, drawn, n_labels, settings.trunk, rng, told)
        columns = slice(member * width, (member + 1) * width)
        with torch.no_grad():
            network.trunk.weight[columns] = inner.weight
            network.trunk.bias[columns] = inner.bias
            network.head.weight[:, hidden:][:, columns] = outer.weight / settings.members
            network.head.bias.add_(outer.bias, alpha=1.0 / settings.members)


@dataclass(frozen=True, slots=True, eq=False)
class Hops:
    """Single hops, as a trunk is fitted on them.

    Attributes:
        x: (n, n_features + 2 * embedding) float16, the trunk's inputs.
        genre: (n,) int64; ``NOTHING`` where it is no music.
        change: (n,) float32, as in ``Encoded``.
        asked: (n,) bool: the genre can be asked.
        importance: (n,) float64, how often each should be used, relative to the others.
    """

    x: Tensor
    genre: Tensor
    change: Tensor
    asked: Tensor
    importance: Tensor

    @classmethod
    def of(cls, parts: Sequence[Chosen]) -> Hops:
        """Hops of several ages of every chosen segment."""
        rows = [_sampled(part) for part in parts]
        return cls(*(torch.from_numpy(np.concatenate(columns)) for columns in zip(*rows, strict=True)))

    def drawn(self, share: float, rng: np.random.Generator) -> Drawn:
        """A share of them, none twice, those of more importance rather than others."""
        return Drawn(self, torch.from_numpy(_drawn(self.importance.numpy(), share, rng)))


class Drawn(NamedTuple):
    """Some hops: nothing is copied."""

    hops: Hops
    rows: Tensor


def _drawn(importance: NDArray[np.float64], share: float, rng: np.random.Generator) -> IntArray:
    """A share of all indices, none twice, those of more importance rather than others."""
    drawn: IntArray = rng.choice(
        len(importance), round(share * len(importance)), replace=False, p=importance / importance.sum()
    )
    return drawn


def fit_on_hops(
    said: Callable[[Tensor], Tensor],
    parameters: list[nn.Parameter],
    drawn: Drawn,
    n_labels: int,
    settings: StageSettings,
    rng: np.random.Generator,
    report: Report,
) -> None:
    """Fit some parameters on single hops, mixed and noisy.

    Args:
        said: outputs (batch, n_outputs) for inputs (batch, n_inputs).
        parameters: on which they depend.
        drawn: what is learned from.
        n_labels: of the outputs, those that are genres.
        settings: how.
        rng: of all draws but torch's.
        report: called with the figures of each epoch.
    """
    taught, some = drawn
    steps = max(1, len(some) // settings.batch)  # few hops are one batch, not none
    optimiser = torch.optim.AdamW(parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.learning_rate, steps * settings.epochs)
    average = Average(parameters, settings.averaging)
    for epoch in range(settings.epochs):
        order, total = some[torch.from_numpy(rng.permutation(len(some)))], 0.0
        for i in range(steps):
            at = order[i * settings.batch : (i + 1) * settings.batch]
            change, asked = taught.change[at], taught.asked[at]
            target, music = _targets(taught.genre[at], n_labels, settings.label_smoothing)
            share = torch.from_numpy(rng.beta(settings.mixup, settings.mixup, (len(at), 1)).astype(np.float32))
            other = torch.from_numpy(rng.permutation(len(at)))
            inputs = taught.x[at].float()
            inputs = share * inputs + (1.0 - share) * inputs[other]
            target = share * target + (1.0 - share) * target[other]
            music = share[:, 0] * music + (1.0 - share[:, 0]) * music[other]
            begun = share[:, 0] * change + (1.0 - share[:, 0]) * change[other]
            inputs = functional.dropout(inputs, settings.input_dropout)
            inputs = inputs + settings.noise * torch.randn_like(inputs)
            loss = _loss(said(inputs), target, music, begun, asked & asked[other])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch gives it no types
            optimiser.step()
            schedule.step()
            average.update()
            total += float(loss.detach())
        report({"epoch": epoch, "loss": total / steps})
    average.put()


def _ages_within(part: Encoded) -> list[int]:
    return [age - 1 for age in _AGES if age <= part.z.shape[1]]


def _sampled(chosen: Chosen) -> tuple[NDArray[Any], ...]:
    """Hops of several ages, the columns of ``Hops``."""
    part, rows, importance = chosen
    hops = _ages_within(part)
    if part.z.shape[1] > _CHANGE_TO * 2 and not part.settled[rows].all():
        hops = sorted({*hops, *range(29, part.z.shape[1], 16)})  # cuts lie anywhere: look more often
    at = np.ix_(rows, np.array(hops))
    genre, change, settled = part.genre[at], part.change[at], part.settled[at]
    use = (genre >= NOTHING) & (settled | ~np.isnan(change))
    x = np.concatenate((part.z[at][use], part.e[at][use]), axis=-1)
    weight = np.broadcast_to(importance[:, None], use.shape)[use]
    return x, genre[use], change[use], settled[use], weight


def single_hops(part: Encoded) -> tuple[Tensor, IntArray]:
    """Hops of several ages of every clip: the trunk's inputs (n, n_inputs) float16, and the clip of each."""
    at = np.ix_(np.arange(len(part.clip)), np.array(_ages_within(part)))
    heard = part.genre[at] >= NOTHING
    x = np.concatenate((part.z[at][heard], part.e[at][heard]), axis=-1)
    return torch.from_numpy(x), np.broadcast_to(part.clip[:, None], heard.shape)[heard]


def fit_lstm(
    network: GenreNet, parts: Sequence[Chosen], settings: StageSettings, rng: np.random.Generator, report: Report
) -> None:
    """Fit the LSTM and what the head reads of it, on whole sequences; changes the network.

    What the trunk says of the genres is held fast and the LSTM learns to add to it, on mixed and noisy sequences: left
    to itself it learns the clips by heart (docs/experiments.md). Whether a track has changed is what it knows best.
    """
    n_labels, hidden = network.head.out_features - len(EXTRA_OUTPUTS), network.architecture.hidden
    around, bias = network.head.weight[:, hidden:].detach().clone(), network.head.bias.detach().clone()
    through = nn.Linear(hidden, network.head.out_features, bias=False)
    nn.init.zeros_(through.weight)
    change_around, change_bias = nn.Parameter(around[-1].clone()), nn.Parameter(bias[-1].clone())
    parameters = [*network.lstm.parameters(), *through.parameters(), change_around, change_bias]
    shortest = min(part.z.shape[1] for part, _, _ in parts)
    batches = []
    for part, rows, importance in parts:
        if part.z.shape[1] > shortest and len(rows):
            some = rows[_drawn(importance, settings.share, rng)]
            batches += [(part, batch) for batch in np.array_split(some, max(1, len(some) // settings.batch))]
    optimiser = torch.optim.AdamW(parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.learning_rate, max(1, len(batches) * settings.epochs)
    )
    average = Average(parameters, settings.averaging)
    for epoch in range(settings.epochs):
        total = 0.0
        for i in rng.permutation(len(batches)):
            part, rows = batches[i]
            x = torch.from_numpy(np.concatenate((part.z[rows], part.e[rows]), axis=-1).astype(np.float32))
            genre, change = torch.from_numpy(part.genre[rows]), torch.from_numpy(part.change[rows])
            target, music = _targets(genre.clamp_min(NOTHING), n_labels, settings.label_smoothing)
            share = float(rng.beta(settings.mixup, settings.mixup))
            share = max(share, 1.0 - share)
            other = torch.from_numpy(rng.permutation(len(rows)))
            x, target, music, change = (
                share * value + (1.0 - share) * value[other] for value in (x, target, music, change)
            )
            asked = (genre >= NOTHING) & (genre[other] >= NOTHING)
            with torch.no_grad():
                x = functional.dropout(x, settings.input_dropout)
                u = torch.relu(network.trunk(x + settings.noise * torch.randn_like(x)))
                said = functional.dropout(u, settings.dropout)
                base = functional.linear(said, around, bias)
            hs, _ = network.lstm(functional.dropout(u, settings.dropout))
            added = through(functional.dropout(hs, settings.dropout))
            begun = said @ change_around + change_bias + added[..., -1]
            outputs = torch.cat((base[..., :-1] + added[..., :-1], begun[..., None]), dim=-1)
            loss = _loss(outputs, target, music, change, asked)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch gives it no types
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimiser.step()
            schedule.step()
            average.update()
            total += float(loss.detach())
        report({"stage": "lstm", "epoch": epoch, "loss": total / max(1, len(batches))})
    average.put()
    with torch.no_grad():
        network.head.weight[:, :hidden] = through.weight
        network.head.weight[-1, hidden:] = change_around
        network.head.bias[-1] = change_bias


def answers(network: GenreNet, part: Encoded, rows: IntArray) -> FloatArray:
    """Outputs (len(rows), hops, n_outputs) of the network for some encoded segments, from fresh states."""
    given = []
    with torch.inference_mode():
        for start in range(0, len(rows), 64):
            some = rows[start : start + 64]
            x = torch.from_numpy(np.concatenate((part.z[some], part.e[some]), axis=-1).astype(np.float32))
            u = network.units(x)
            hs, _ = network.lstm(u)
            given.append(network.head(torch.cat((hs, u), dim=-1)).numpy())
    return np.concatenate(given)
