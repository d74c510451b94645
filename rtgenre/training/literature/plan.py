"""Which fits there are to run, and what each is called."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rtgenre.training import kept
from rtgenre.training.literature import classical, fit, networks, protocols
from rtgenre.training.literature.pieces import CODE
from rtgenre.training.literature.protocols import PROTOCOLS, VALID, Protocol, rounds
from rtgenre.training.literature.recipes import ablation, crnn, deepbeats, pieces, report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rtgenre.training.literature.clips import Clips
    from rtgenre.training.literature.recipe import Recipe

AMOUNTS = (0.125, 0.25, 0.5)
"""Shares of what is learned from, for the learning curves; the whole is the main fit."""

CURVES = ("deepbeats-lstm", "mlp", "cnn", "deepbeats-svm", "classical-rf")
"""Recipes whose learning curves are drawn."""

VERSION = 1  # of what a run holds; raise it whenever a figure would come out otherwise
_DECLARED = {"deepbeats": deepbeats, "crnn": crnn, "ablation": ablation, "report": report, "pieces": pieces}


@dataclass(frozen=True, slots=True)
class Job:
    """One fit.

    Attributes:
        recipe: what is fitted.
        protocol: how data are parted.
        name: of the split.
        amount: share of what is learned from.
        size: 1 is as declared, less is a quick check.
        seed: of every draw.
    """

    recipe: Recipe
    protocol: Protocol
    name: str
    amount: float = 1.0
    size: float = 1.0
    seed: int = 0

    @property
    def title(self) -> str:
        """For people."""
        return f"{self.recipe.name}, {self.protocol}, {self.name}" + (f", {self.amount:g}" if self.amount < 1 else "")

    def key(self, clips_sha256: str, extra: str = "") -> str:
        """Fingerprint of everything that the outcome depends on; ``extra`` says what was transferred."""
        learner = networks if self.recipe.network is not None else classical
        code = [Path(m.__file__ or "") for m in (fit, protocols, learner, _DECLARED[self.recipe.paper])]
        which = [self.protocol, self.name, self.amount, self.size, self.seed]
        return kept.fingerprint([VERSION, self.recipe.declaration(), which, clips_sha256, extra], *CODE, *code)


def jobs(
    recipes: Sequence[Recipe], wanted: Sequence[Protocol], clips: Clips, *, size: float = 1.0, seed: int = 0
) -> list[Job]:
    """All fits of some recipes, those whose features are the same next to one another.

    A quick run (``size`` below 1) takes one split of each protocol, and of variants the first protocol only.
    Where artists are not known, the artist-filtered protocol is left out.
    """
    made = []
    quick = size < 1.0
    for recipe in recipes:
        for protocol in PROTOCOLS:
            if protocol not in wanted or (protocol == "artists" and not clips.knows_artists):
                continue
            if recipe.variant_of and (protocol == "clips" or (quick and protocol != PROTOCOLS[0])):
                continue
            names = rounds(protocol, recipe.shares)
            # A variant is compared with its whole: one split of each protocol will do.
            names = names[:1] if quick or recipe.variant_of else names
            made += [Job(recipe, protocol, name, size=size, seed=seed) for name in names]
            if recipe.name in CURVES and protocol != "clips" and not quick:
                name = VALID if protocol == "artists" else names[0]
                made += [Job(recipe, protocol, name, amount, size, seed) for amount in AMOUNTS]
    return sorted(made, key=lambda job: (job.recipe.inputs.kind, job.recipe.inputs.pieces))
