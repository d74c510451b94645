"""Fitting of the comparison of two states (``model.same_track``) on pairs of what was heard.

Every step draws its pairs anew: a young state of a clip, beside the standing state of that clip from before it, or of
another clip. Other clips mostly came through the same channel, and more often than by chance are of the same genre.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from rtgenre.frontend.spec import AGE_NAMES
from rtgenre.model.architecture import COMPARED, IMPRINT, SAME_TRACK
from rtgenre.model.same_track import SQUASH
from rtgenre.training.fit import Average

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from rtgenre.frontend.spec import FrontendSpec
    from rtgenre.training.pairs import Heard, PairSettings

    FloatArray = NDArray[np.float32]
    IntArray = NDArray[np.int64]
    Report = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SameTrackSettings:
    """How it is fitted.

    Attributes:
        steps: of the optimiser.
        batch: pairs a step.
        learning_rate: AdamW's highest (one cycle).
        weight_decay: AdamW's.
        input_dropout: share of the features left out, of both of a pair.
        noise: standard deviation of what is added to normalised features.
        dropout: share of the comparing network's values left out.
        averaging: decay a step of the exponential average of the weights that is kept as the result.
        same_channel: share of the pairs of two clips that came through the same channel.
        same_label: share of the pairs of two clips that have the same label.
        report_every: steps.
    """

    steps: int = 2000
    batch: int = 512
    learning_rate: float = 4e-3
    weight_decay: float = 0.01
    input_dropout: float = 0.5
    noise: float = 0.4
    dropout: float = 0.5
    averaging: float = 0.99
    same_channel: float = 0.75
    same_label: float = 0.3
    report_every: int = 250


class SameTrackNet(nn.Module):
    """``model.same_track`` as torch modules.

    Args:
        n_features: of a frame.
    """

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.imprint = nn.Linear(n_features, IMPRINT)
        self.compare = nn.Linear(2 * IMPRINT + 1, COMPARED)
        self.tell = nn.Linear(COMPARED, 1)

    def forward(self, before: Tensor, now: Tensor, age: Tensor, dropout: float = 0.0) -> Tensor:
        """Log odds (n,) that two states hear different tracks.

        Args:
            before: (n, n_features) normalised frames of the standing state.
            now: (n, n_features) of the young one.
            age: (n,) logarithm of the seconds that the young one has heard.
            dropout: while it is fitted.
        """
        one, other = (torch.tanh(self.imprint(x) / SQUASH) for x in (before, now))
        both = torch.cat(((one - other).abs(), one * other, age[:, None]), dim=-1)
        hidden = functional.dropout(torch.relu(self.compare(both)), dropout, training=dropout > 0.0)
        told: Tensor = self.tell(hidden)[:, 0]
        return told


class Pairs(NamedTuple):
    """Drawn pairs.

    Attributes:
        before: (n, n_features) float32, normalised, of the standing state.
        now: (n, n_features) of the young one.
        hops: (n,) that the young one has heard.
        another: (n,) float32: 1 where they heard different clips.
        clip: (n,) int64, that of the young one.
    """

    before: FloatArray
    now: FloatArray
    hops: IntArray
    another: FloatArray
    clip: IntArray


class PairSource:
    """Draws pairs of some clips.

    Args:
        heard: copies of all clips.
        settings: by which they were heard.
        clips: (k,) int64, those to draw from.
        label: (clips,) int64 of all clips.
        normal: (2, n_features) float32, mean and standard deviation.
        spec: the frontend.
    """

    def __init__(
        self,
        heard: Sequence[Heard],
        settings: PairSettings,
        clips: IntArray,
        label: IntArray,
        normal: FloatArray,
        spec: FrontendSpec,
    ) -> None:
        self._heard, self._clips, self._label, self._clip_at = heard, clips, label, settings.clip
        self._first, self._every = settings.first, settings.every
        self._normal, self._ages = normal, len(AGE_NAMES) if spec.age else 0

    def draw(
        self, n: int, rng: np.random.Generator, fit: SameTrackSettings | None = None, copy: int | None = None
    ) -> Pairs:
        """About ``n`` pairs of one copy, half of them of two clips; what does not exist is left out.

        Args:
            n: how many.
            rng: of the draws.
            fit: shares of channels and labels.
            copy: which; any if None.
        """
        fit = fit or SameTrackSettings()
        heard = self._heard[int(rng.integers(len(self._heard))) if copy is None else copy]
        clip = rng.choice(self._clips, n)
        start, age = rng.integers(0, heard.begun.shape[1], n), rng.integers(0, heard.young_hops.shape[2], n)
        another = rng.random(n) < 0.5
        times = (heard.standing_hops > 0).sum(axis=1)
        earlier = np.minimum((heard.begun[clip, start] - self._first) // self._every + 1, times[clip])
        other = np.where(another, self._others(clip, heard.channel, rng, fit), clip)
        known = np.where(another, times[other], earlier)
        # Of the same clip half the time from just before, else from any time before.
        time = np.floor(rng.random(n) * known).astype(np.int64)
        time = np.where(~another & (rng.random(n) < 0.5), known - 1, time)
        hops = heard.young_hops[clip, start, age]
        use = (hops > 0) & (known > 0) & (another == (other != clip))
        clip, start, age, other, time = (x[use] for x in (clip, start, age, other, time))
        return Pairs(
            self._normalised(heard.standing[other, time]),
            self._normalised(heard.young[clip, start, age]),
            hops[use],
            another[use].astype(np.float32),
            clip,
        )

    def _others(self, clip: IntArray, channel: IntArray, rng: np.random.Generator, fit: SameTrackSettings) -> IntArray:
        """(n,) clips to set beside some; the same where there is none."""
        by_channel = np.where(rng.random(len(clip)) < fit.same_channel, 1, 0)
        by_label = np.where(rng.random(len(clip)) < fit.same_label, 1, 0)
        found = clip.copy()
        for c in (0, 1):
            for k in (0, 1):
                key = c * channel * (self._label.max() + 1) + k * self._label  # of all clips
                order = self._clips[np.argsort(key[self._clips], kind="stable")]
                sorted_keys = key[order]
                rows = np.flatnonzero((by_channel == c) & (by_label == k))
                first = np.searchsorted(sorted_keys, key[clip[rows]], side="left")
                count = np.searchsorted(sorted_keys, key[clip[rows]], side="right") - first
                found[rows] = order[first + np.floor(rng.random(len(rows)) * count).astype(np.int64)]
        return found

    def _normalised(self, frames: NDArray[np.float16]) -> FloatArray:
        z: FloatArray = (frames.astype(np.float32) - self._normal[0]) / self._normal[1]
        np.clip(z, -self._clip_at, self._clip_at, out=z)
        if self._ages:
            z[:, -self._ages :] = 0.0  # how long was heard tells nothing of what
        return z


def fit_same_track(
    source: PairSource,
    spec: FrontendSpec,
    settings: SameTrackSettings,
    seed: int,
    report: Report,
) -> dict[str, FloatArray]:
    """Fit it on drawn pairs.

    Args:
        source: of the pairs.
        spec: the frontend.
        settings: how.
        seed: of every draw.
        report: called with the loss now and then.

    Returns:
        Tensors by name, as a checkpoint keeps them.
    """
    torch.manual_seed(seed)
    rng, net = np.random.default_rng((seed, 1)), SameTrackNet(spec.n_features)
    parameters = list(net.parameters())
    optimiser = torch.optim.AdamW(parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.learning_rate, settings.steps)
    average = Average(parameters, settings.averaging)
    total = 0.0
    for step in range(settings.steps):
        pairs = source.draw(settings.batch, rng, settings)
        if not len(pairs.hops):
            continue  # clips too short, or only one
        before, now = torch.from_numpy(pairs.before), torch.from_numpy(pairs.now)
        kept = functional.dropout(torch.ones_like(before), settings.input_dropout)
        before = before * kept + settings.noise * torch.randn_like(before)
        now = now * kept + settings.noise * torch.randn_like(now)
        age = torch.from_numpy(np.log(pairs.hops / spec.hops_per_s).astype(np.float32))
        loss = functional.binary_cross_entropy_with_logits(
            net(before, now, age, settings.dropout), torch.from_numpy(pairs.another)
        )
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch gives it no types
        optimiser.step()
        schedule.step()
        average.update()
        total += float(loss.detach())
        if (step + 1) % settings.report_every == 0:
            report({"stage": "same track", "step": step + 1, "loss": total / settings.report_every})
            total = 0.0
    average.put()
    return {SAME_TRACK + name: value.detach().numpy() for name, value in net.named_parameters()}
