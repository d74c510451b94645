"""Everything that a training run depends on."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rtgenre.training.channels import ChannelSettings
from rtgenre.training.distil import DistilSettings
from rtgenre.training.fit import FitSettings
from rtgenre.training.fit_adapter import AdapterSettings
from rtgenre.training.fit_same_track import SameTrackSettings
from rtgenre.training.pairs import PairSettings
from rtgenre.training.recipe import ARCHITECTURE, SPEC
from rtgenre.training.segments import SegmentSettings

if TYPE_CHECKING:
    from pathlib import Path

    from rtgenre.frontend.spec import FrontendSpec
    from rtgenre.model.architecture import Architecture


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings:
    """Everything a training run depends on.

    Attributes:
        data: music: a file of spectra or a folder of sound, with the splits ``train`` and ``valid``.
        out: checkpoint folder to write.
        teacher: clips with a teacher's embeddings, from which the encoder learns; None takes ``encoder_from``.
        encoder_from: a trained model whose encoder is taken over.
        not_music: a folder of sound that is no music; without it nothing is ever called that.
        seed: of every draw but the encoder's (its own seed is in ``distil``).
        seeds: fit so many networks on ``train``, with seeds counting up from ``seed``.
        folds: also fit one network for each artist-wise fold of all clips.
        final: fit the weights that are written on ``train`` and ``valid`` together.
        streams: also measure tracks in a row, and an hour without a reset.
        hour_s: what the long stream of the measurement hears before its tracks count.
        id: name of the model.
        spec: features to train on.
        architecture: shape of the network.
        distil: how the encoder is taught.
        segments: what is learned from (its seed is replaced by ``seed`` of the run).
        fit: how the network is fitted.
        channels: what the adapters learn from (its seed is replaced by ``seed`` of the run).
        adapter: how they are fitted, where the architecture has any.
        pairs: what the comparison of two states learns from (its seed is replaced, too).
        same_track: how that is fitted.
        jobs: processes that make features.
        quiet: no progress.
    """

    data: Path
    out: Path
    teacher: Path | None = None
    encoder_from: Path | None = None
    not_music: Path | None = None
    seed: int = 0
    seeds: int = 1
    folds: bool = False
    final: bool = False
    streams: bool = True
    hour_s: float = 3600.0
    id: str = "gtzan-lstm"
    spec: FrontendSpec = field(default=SPEC)
    architecture: Architecture = field(default=ARCHITECTURE)
    distil: DistilSettings = field(default_factory=DistilSettings)
    segments: SegmentSettings = field(default_factory=SegmentSettings)
    fit: FitSettings = field(default_factory=FitSettings)
    channels: ChannelSettings = field(default_factory=ChannelSettings)
    adapter: AdapterSettings = field(default_factory=AdapterSettings)
    pairs: PairSettings = field(default_factory=PairSettings)
    same_track: SameTrackSettings = field(default_factory=SameTrackSettings)
    jobs: int = field(default_factory=lambda: os.cpu_count() or 1)
    quiet: bool = False
