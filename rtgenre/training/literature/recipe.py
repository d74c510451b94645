"""What a recipe is: one system of a paper, declared. Everything that follows from it is done by shared parts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from rtgenre.training.literature.classical import Estimator

Kind = Literal["frames", "moments", "statistics", "table", "picture"]
Scaling = Literal["none", "standard", "range"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What a system hears of a clip.

    Attributes:
        kind: ``frames`` are sequences of feature vectors; ``moments`` their means and variances over a piece;
            ``statistics`` those of the widely used CSV that comes with GTZAN, made here; ``table`` that CSV itself
            (``statistics`` where there is none); ``picture`` a mel spectrogram as an RGB image.
        pieces: how many pieces a clip of 30 s is cut into; 1 takes it whole.
        features: names of feature groups (``features.GROUPS``), for ``frames`` and ``moments``.
        n_mfcc: cepstral coefficients, the zeroth included.
        scaling: by the training part: to mean 0 and variance 1, to the range 0 to 1, or not at all.
    """

    kind: Kind = "frames"
    pieces: int = 10
    features: tuple[str, ...] = ("mfcc",)
    n_mfcc: int = 13
    scaling: Scaling = "standard"


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """How a network is fitted; Adam and cross-entropy in every paper.

    Attributes:
        epochs: at most so many.
        patience: epochs without a better validation loss after which fitting ends; the best weights are taken.
        batch: pieces a step.
        rate: learning rate.
        l1: weight of the sum of absolute weights (kernels only) in the loss.
        l2: weight of the sum of squared weights (kernels only) in the loss.
    """

    epochs: int = 100
    patience: int = 10
    batch: int = 32
    rate: float = 1e-3
    l1: float = 0.0
    l2: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """How a paper divides its data.

    Attributes:
        test: share of the test part.
        valid: share of the training part that early stopping looks at; 0 where nothing is stopped.
        runs: how often it is drawn anew, results averaged.
        folds: if above 1, cross-validation with so many folds instead.
    """

    test: float = 0.3
    valid: float = 0.2
    runs: int = 1
    folds: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Printed:
    """Figures as printed, shares of 1; None where none is printed.

    Attributes:
        accuracy: on the paper's test part.
        train_accuracy: on its training part.
        f1, precision, recall, specificity: macro averages.
        parameters: of the network.
        shape: of the input that the number of parameters belongs to, (frames, features) or (channels, height, width).
    """

    accuracy: float | None = None
    train_accuracy: float | None = None
    f1: float | None = None
    precision: float | None = None
    recall: float | None = None
    specificity: float | None = None
    parameters: int | None = None
    shape: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One system.

    Attributes:
        name: ``family-system``.
        paper: key of ``PAPERS``.
        what: the system in a line.
        inputs: what it hears.
        network: makes a network for an input of some shape and a number of labels; None for classical systems.
        estimator: makes a classifier for a seed and a size (1 is the paper's, less a quick check); None for networks.
        training: of the network.
        shares: of the paper's protocol.
        printed: figures.
        transfers: whether the network's convolutions are taught on other clips first, and then held.
        notes: what is not printed and was chosen here, and what the data forced to be different.
        variant_of: the recipe that this one varies (one feature alone, or left out); empty for systems by themselves.
        effort: rough seconds of one fit on two slow cores, for the estimate before anything is measured.
    """

    name: str
    paper: str
    what: str
    inputs: Inputs
    network: Callable[[tuple[int, ...], int], torch.nn.Module] | None = None
    estimator: Callable[[int, float], Estimator] | None = None
    training: Training = field(default_factory=Training)
    shares: Shares = field(default_factory=Shares)
    printed: Printed = field(default_factory=Printed)
    transfers: bool = False
    notes: tuple[str, ...] = ()
    variant_of: str = ""
    effort: float = 60.0

    def __post_init__(self) -> None:
        if (self.network is None) == (self.estimator is None):
            raise ValueError(f"{self.name}: a recipe has either a network or an estimator")

    def declaration(self) -> dict[str, Any]:
        """Everything that a fit depends on, as JSON knows it."""
        return {
            "name": self.name,
            "inputs": _plain(self.inputs),
            "training": _plain(self.training),
            "shares": _plain(self.shares),
            "transfers": self.transfers,
        }


PAPERS = {
    "deepbeats": "A recurrent network on MFCC, chroma, centroid and contrast, on GTZAN and FMA small",
    "crnn": "A convolutional recurrent network on 23 MFCC, with GRU or LSTM cells",
    "ablation": "What each feature is worth to a CNN and an LSTM: alone, and left out",
    "report": "A report that compares dense, convolutional, transferred and recurrent networks",
    "pieces": "MLP, CNN and LSTM on ten 3 s pieces a clip, beside classical learners on clip statistics",
}
"""The five papers, by what they do; the first part of a note in the page."""


def _plain(declared: Any) -> dict[str, Any]:
    return {name: getattr(declared, name) for name in declared.__slots__}
