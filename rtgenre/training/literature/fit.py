"""One fit: inputs and a split in, answers to the test part out. A fixed seed, data and machine give the same ones."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from rtgenre.training.literature import classical, networks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from rtgenre.training.literature.pieces import Pieces
    from rtgenre.training.literature.protocols import Split
    from rtgenre.training.literature.recipe import Recipe, Training

    IntArray = NDArray[np.int64]
    Weights = Mapping[str, torch.Tensor]

_ANSWER_BATCH = 256
_STEPS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a fit may use.

    Attributes:
        seed: of every draw.
        threads: of torch.
        size: 1 is as declared; below that epochs and trees are fewer, for a quick check.
        convolutions: weights that a recipe which ``transfers`` takes over; None for the others.
        tell: told the share of epochs done.
    """

    seed: int = 0
    threads: int = 1
    size: float = 1.0
    convolutions: Weights | None = None
    tell: Callable[[float], None] = lambda _share: None


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """What a fit gives.

    Attributes:
        said: (test pieces,) labels.
        scores: (test pieces, labels) log posteriors up to a constant.
        train_accuracy: on what was learned from.
        parameters: of the network; None for classical systems.
        epochs: how many were run; None for classical systems.
        train_s: processor seconds that fitting took: other work on the machine does not count.
        network: the network; None for classical systems.
        scale: (mean, spread) that inputs are scaled by.
        remarks: what a classical learner had to say, such as that it did not converge.
    """

    said: IntArray
    scores: NDArray[np.float64]
    train_accuracy: float
    parameters: int | None
    epochs: int | None
    train_s: float
    network: torch.nn.Module | None
    scale: tuple[NDArray[np.float32], NDArray[np.float32]]
    remarks: tuple[str, ...] = ()


def fit(recipe: Recipe, pieces: Pieces, split: Split, means: Means) -> Fitted:
    """Fit a recipe to one split and let it answer."""
    scale = _scale(recipe, pieces.x[split.train])
    begun = time.process_time()
    if recipe.estimator is not None:
        return _fit_estimator(recipe, pieces, split, means, scale, begun)
    return _fit_network(recipe, pieces, split, means, scale, begun)


def device() -> torch.device:
    """A GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def step_us(network: networks.RecurrentNet, n_features: int) -> float:
    """Median microseconds of one step of a stream on one thread of the CPU."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    network = network.cpu().eval()
    times, states, frame = [], None, torch.zeros(1, n_features)
    with torch.inference_mode():
        for _ in range(_STEPS):
            begun = time.perf_counter_ns()
            _, states = network.step(frame, states)
            times.append(time.perf_counter_ns() - begun)
    torch.set_num_threads(threads)
    return float(np.median(times[_STEPS // 4 :])) / 1e3


def scaled(x: NDArray[Any], scale: tuple[NDArray[np.float32], NDArray[np.float32]]) -> NDArray[np.float32]:
    """Inputs as the fit saw them."""
    return ((x.astype(np.float32) - scale[0]) / scale[1]).astype(np.float32)


def _scale(recipe: Recipe, x: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    if recipe.inputs.kind == "picture":
        return np.zeros(1, np.float32), np.full(1, 255.0, np.float32)
    axes = tuple(range(x.ndim - 1))
    n = x.shape[-1]
    if recipe.inputs.scaling == "standard":
        shift, by = x.mean(axis=axes, dtype=np.float64), x.std(axis=axes, dtype=np.float64)
    elif recipe.inputs.scaling == "range":
        shift, by = x.min(axis=axes), x.max(axis=axes) - x.min(axis=axes)
    else:
        shift, by = np.zeros(n), np.ones(n)
    by = np.where(by > 1e-8 * np.maximum(np.abs(shift), 1e-12), by, 1.0)
    return shift.astype(np.float32), by.astype(np.float32)


def _fit_estimator(
    recipe: Recipe, pieces: Pieces, split: Split, means: Means, scale: tuple[Any, Any], begun: float
) -> Fitted:
    assert recipe.estimator is not None  # noqa: S101 - asked by fit
    estimator = recipe.estimator(means.seed, means.size)
    learn, test = (scaled(pieces.x[part], scale) for part in (split.train, split.test))
    # A small part may lack a label; learners want them counted without holes.
    known, y = np.unique(pieces.label[split.train], return_inverse=True)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        estimator.fit(learn, y)
    remarks = tuple(sorted({str(one.message).splitlines()[0] for one in told}))
    train_s = time.process_time() - begun
    said, scores = classical.answers(estimator, test)
    full = np.full((len(test), pieces.n_labels), scores.min(initial=0.0) - 1.0)
    full[:, known] = scores
    train_accuracy = float((estimator.predict(learn) == y).mean())
    return Fitted(known[said], full, train_accuracy, None, None, train_s, None, scale, remarks)


def _fit_network(
    recipe: Recipe, pieces: Pieces, split: Split, means: Means, scale: tuple[Any, Any], begun: float
) -> Fitted:
    assert recipe.network is not None  # noqa: S101 - asked by fit
    torch.manual_seed(means.seed)
    torch.use_deterministic_algorithms(mode=True, warn_only=torch.cuda.is_available())
    torch.set_num_threads(means.threads)
    where = device()
    network = recipe.network(tuple(pieces.x.shape[1:]), pieces.n_labels)
    parameters = networks.count_parameters(network)
    network = network.to(where)
    shift, by = (torch.from_numpy(part).to(where) for part in scale)
    held = torch.from_numpy(np.ascontiguousarray(pieces.x))
    label = torch.from_numpy(pieces.label)
    if recipe.transfers:
        assert isinstance(network, torch.nn.Sequential)  # noqa: S101 - so it is declared
        assert means.convolutions is not None  # noqa: S101 - given to each recipe that transfers
        held = _through(network[0], means.convolutions, held, shift, by)
        shift, by, network = torch.zeros(1, device=where), torch.ones(1, device=where), network[1:]

    def inputs(which: IntArray) -> torch.Tensor:
        return (held[torch.from_numpy(which)].to(where, torch.float32) - shift) / by

    def answers(which: IntArray) -> torch.Tensor:
        network.eval()
        with torch.inference_mode():
            found = [
                functional.log_softmax(network(inputs(which[at : at + _ANSWER_BATCH])), dim=1).cpu()
                for at in range(0, len(which), _ANSWER_BATCH)
            ]
        return torch.cat(found)

    epochs = _descend(network, inputs, answers, label, split, recipe.training, means)
    train_s = time.process_time() - begun
    scores = answers(split.test).double().numpy()
    right = answers(split.train).argmax(dim=1) == label[torch.from_numpy(split.train)]
    train_accuracy = float(right.double().mean())
    return Fitted(scores.argmax(axis=1), scores, train_accuracy, parameters, epochs, train_s, network, scale)


def _descend(
    network: torch.nn.Module,
    inputs: Callable[[IntArray], torch.Tensor],
    answers: Callable[[IntArray], torch.Tensor],
    label: torch.Tensor,
    split: Split,
    training: Training,
    means: Means,
) -> int:
    """Fit in place, the best weights by validation loss in the end; returns the number of epochs run."""
    rng = np.random.default_rng(means.seed)
    weights = networks.kernels(network)
    optimiser = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], training.rate)
    most = max(1, round(training.epochs * means.size))
    best, best_state, since = np.inf, None, 0
    for epoch in range(most):
        network.train()
        order = rng.permutation(split.train)
        for at in range(0, len(order), training.batch):
            batch = order[at : at + training.batch]
            if len(batch) < 2:  # batch normalisation cannot learn from one
                continue
            said = network(inputs(batch))
            loss = functional.cross_entropy(said, label[torch.from_numpy(batch)].to(said.device))
            if training.l1:
                loss = loss + training.l1 * sum(w.abs().sum() for w in weights)
            if training.l2:
                loss = loss + training.l2 * sum((w**2).sum() for w in weights)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]  # torch has no type for it
            optimiser.step()
        means.tell((epoch + 1) / most)
        if not len(split.valid):
            continue
        watched = float(functional.nll_loss(answers(split.valid), label[torch.from_numpy(split.valid)]))
        since += 1
        if watched < best:
            best, since = watched, 0
            best_state = {name: value.detach().clone() for name, value in network.state_dict().items()}
        if since >= training.patience:
            break
    if best_state is not None and training.patience < training.epochs:
        network.load_state_dict(best_state)
    return epoch + 1


def _through(
    convolutions: torch.nn.Module, weights: Weights, x: torch.Tensor, shift: torch.Tensor, by: torch.Tensor
) -> torch.Tensor:
    """What held convolutions make of every input: they never learn, so they need to hear it only once."""
    mine = [module for module in convolutions.modules() if isinstance(module, torch.nn.Conv2d)]
    with torch.inference_mode():
        for k, module in enumerate(mine):
            module.weight.copy_(weights[f"{k}.weight"])
            if module.bias is not None:
                module.bias.copy_(weights[f"{k}.bias"])
        found = [
            convolutions((x[at : at + 16].to(shift.device, torch.float32) - shift) / by).cpu()
            for at in range(0, len(x), 16)
        ]
    made = torch.cat(found)
    return made.clone()  # an ordinary tensor again, that may be learned from
