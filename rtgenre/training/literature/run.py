"""One fit of the plan: whether it can be run, what it is kept under, and everything that is kept of it."""

from __future__ import annotations

import datetime as dt
import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from rtgenre import __version__
from rtgenre.training.literature import fit, score
from rtgenre.training.literature.catalogue import RECIPES
from rtgenre.training.literature.fit import Fitted, Means
from rtgenre.training.literature.networks import RecurrentNet
from rtgenre.training.literature.protocols import split

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rtgenre.training.literature.pieces import Maker
    from rtgenre.training.literature.plan import Job
    from rtgenre.training.literature.transfer import Convolutions


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What fits are run with.

    Attributes:
        jobs: processes, each with one thread: figures do not depend on how many there are.
        convolutions: gives what is transferred; None where there is nothing: such recipes are left out.
        quiet: no bar.
    """

    jobs: int = 1
    convolutions: Convolutions | None = None
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Left:
    """A recipe that could not be run, and why."""

    name: str
    why: str


def left_out(jobs: Sequence[Job], maker: Maker, setting: Setting) -> tuple[list[Job], list[Left]]:
    """Jobs that can be run, and the recipes of the others, each with its reason."""
    able: list[Job] = []
    left: dict[str, str] = {}
    for job in jobs:
        if _without_crossings(job, maker):
            left[job.recipe.name] = "a zero-crossing rate cannot be had from spectra"
        elif job.recipe.transfers and setting.convolutions is None:
            left[job.recipe.name] = "there are no convolutions to transfer: give --fma or --weights"
        else:
            able.append(job)
    return able, [Left(name, why) for name, why in left.items()]


def _without_crossings(job: Job, maker: Maker) -> bool:
    """Whether a variant stands and falls with zero crossings, and there are none: nothing, or the whole, is left."""
    if not job.recipe.variant_of:
        return False
    whole = maker.columns(RECIPES[job.recipe.variant_of].inputs)
    return maker.columns(job.recipe.inputs) in ([], whole)


def key_of(job: Job, maker: Maker, setting: Setting) -> str:
    """What a job's outcome is kept under."""
    clips = maker.clips
    heard = clips.sha256 if len(clips.chosen) == len(clips.data.label) else f"{clips.sha256}:{clips.chosen.tolist()}"
    transferred = setting.convolutions.sha256 if job.recipe.transfers and setting.convolutions else ""
    return job.key(heard, transferred)


def means_of(job: Job, setting: Setting, tell: Callable[[float], None] = lambda _share: None) -> Means:
    """What a job's fit may use; convolutions that it takes over are taught first if need be."""
    source = setting.convolutions if job.recipe.transfers else None
    weights = None if source is None else source.weights(lambda _what, _share: None)
    return Means(seed=job.seed, size=job.size, convolutions=weights, tell=tell)


def outcome(job: Job, maker: Maker, means: Means) -> tuple[dict[str, Any], Fitted]:
    """Fit once; everything that is kept of it, and the fit itself."""
    pieces = maker.pieces(job.recipe.inputs)
    begun = dt.datetime.now(dt.UTC)
    parted = split(job.protocol, job.name, job.recipe.shares, pieces, job.seed, job.amount)
    fitted = fit.fit(job.recipe, pieces, parted, means)
    network = fitted.network
    step = fit.step_us(network, pieces.x.shape[-1]) if isinstance(network, RecurrentNet) else None
    run = {
        "recipe": job.recipe.name,
        "protocol": job.protocol,
        "split": job.name,
        "amount": job.amount,
        "size": job.size,
        "seed": job.seed,
        "parameters": fitted.parameters,
        "epochs": fitted.epochs,
        "train_s": round(fitted.train_s, 2),
        "step_us": None if step is None else round(step, 1),
        "train_accuracy": round(fitted.train_accuracy, 5),
        "parts": [len(parted.train), len(parted.valid), len(parted.test)],
        "missing_pieces": pieces.missing,
        "remarks": list(fitted.remarks),
        "shape": list(pieces.x.shape[1:]),
        **score.figures(fitted.said, fitted.scores, pieces, parted),
        "total_s": round((dt.datetime.now(dt.UTC) - begun).total_seconds(), 2),
        "begun": begun.isoformat(timespec="seconds"),
    }
    return run, fitted


def where(maker: Maker) -> dict[str, Any]:
    """What runs learned from, and what they were made with."""
    clips = maker.clips
    return {
        "data": {
            "file": clips.file,
            "sha256": clips.sha256,
            "clips": len(clips.label),
            "labels": list(clips.labels),
            "heard_as": "sound" if clips.as_sound else "spectra",
            "hop": clips.hop,
            "notes": list(clips.notes),
        },
        "by": {
            "rtgenre": __version__,
            "python": platform.python_version(),
            "torch": str(torch.__version__),
            "device": fit.device().type,
        },
    }
