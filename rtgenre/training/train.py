"""One command, one seed: data in, a checkpoint folder with its figures, curves and model card out.

The order of a run: the encoder is taught by a teacher (or taken from another model); segments of features are made by
the live frontend; a network is fitted on *train*, calibrated and measured on *valid*, through the live pipeline; seeds
and artist-wise folds are fitted the same way where they are asked for; last, the shipped weights may be fitted on
*train* and *valid* together, with the settings and the calibration so found. Everything that takes long is kept in the
user's cache: a run that was broken off goes on from there.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import platformdirs
import torch

from rtgenre.errors import UsageError
from rtgenre.model import checkpoint as checkpoints
from rtgenre.model.architecture import ADAPTER
from rtgenre.model.checkpoint import Checkpoint
from rtgenre.training import fit, outcome
from rtgenre.training.channels import KINDS, cached_channels
from rtgenre.training.distil import Distilled, cached_distil
from rtgenre.training.evaluation.run import Measure
from rtgenre.training.fit import Chosen
from rtgenre.training.fit_adapter import Paired, fit_adapters
from rtgenre.training.fit_same_track import PairSource, fit_same_track
from rtgenre.training.material import N_FOLDS, Material, open_material
from rtgenre.training.pairs import cached_pairs, kinds_of, sets_of
from rtgenre.training.teacher import read_teacher

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from rtgenre.model.network import GenreNet
    from rtgenre.posterior.calibration import Calibration
    from rtgenre.training.fit import Encoded
    from rtgenre.training.pairs import Heard
    from rtgenre.training.segments import Segments
    from rtgenre.training.settings import TrainSettings

    FloatArray = NDArray[np.float32]
    BoolArray = NDArray[np.bool_]
    Note = Callable[[str], None]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A network fitted on some clips, and what it answers on the held-out ones.

    Attributes:
        tensors: all weights.
        mean: normalisation.
        std: normalisation.
        log: figures of each epoch.
        heard: outputs for held-out segments; None where nothing was held out.
    """

    tensors: Mapping[str, FloatArray]
    mean: FloatArray
    std: FloatArray
    log: list[dict[str, Any]]
    heard: outcome.HeldOut | None

    @property
    def held_out(self) -> outcome.HeldOut:
        """What was heard, where something was held out."""
        if self.heard is None:
            raise ValueError("nothing was held out")
        return self.heard


def run(settings: TrainSettings, note: Note | None = None) -> dict[str, Any]:
    """Train, calibrate, measure, and write the folder.

    Args:
        settings: the run.
        note: called with a line whenever something was done; logs by default.

    Returns:
        The metrics, as written to ``metrics.json`` in the folder.

    Raises:
        SourceError: a data set cannot be read.
        UsageError: ``train`` or ``valid`` is missing, an artist is in both, or there is no encoder to start from.
        CheckpointError: ``encoder_from`` cannot be used.
    """
    say: Note = note or _log.info
    material = open_material(settings.data, settings.not_music, settings.spec, quiet=settings.quiet)
    encoder = _encoder(settings, say)
    parts = _segments(material, settings, say)
    trainer = _Trainer(material, parts, encoder, settings, say)

    train, valid = material.part("train"), material.part("valid")
    runs, by_seed = {}, {}
    for seed in range(settings.seed, settings.seed + settings.seeds):
        name = f"train-seed{seed}"
        by_seed[name] = trainer.whole(name, train, valid, seed)
        runs[name] = trainer.figures(by_seed[name], seed)
    first = next(iter(by_seed.values()))
    both = trainer.whole("train+valid", train | valid, None, settings.seed) if settings.final else None
    folds: list[tuple[Fitted, BoolArray]] = []
    for fold in range(N_FOLDS if settings.folds else 0):
        held = material.fold == fold
        name = f"fold{fold}"
        fitted = trainer.whole(name, ~held, held, settings.seed)
        runs[name] = trainer.figures(fitted, settings.seed)
        folds.append((fitted, held))
    calibration = outcome.calibrate(first.held_out, settings.spec)
    measure = Measure(
        split="valid",
        with_streams=settings.streams,
        hour_s=settings.hour_s,
        jobs=settings.jobs,
        quiet=settings.quiet,
    )
    crossed = None
    if folds:
        crossing = [
            (_checkpoint(fitted, calibration, material, ~held, settings, ("train", "valid")), np.flatnonzero(held))
            for fitted, held in folds
        ]
        calibration, crossed = outcome.cross_calibrated(calibration, crossing, material.music, measure)
    else:
        measured = _checkpoint(first, calibration, material, train, settings, ("train",))
        calibration = outcome.recalibrated(calibration, measured, material.music, np.flatnonzero(valid), measure)
    models = {
        name: _checkpoint(fitted, calibration, material, train, settings, ("train",))
        for name, fitted in by_seed.items()
    }
    if both is None:
        shipped = next(iter(models.values()))
    else:
        shipped = _checkpoint(both, calibration, material, train | valid, settings, ("train", "valid"))
    return outcome.write(models, shipped, material, encoder.log, runs, settings.out, measure, crossed)


def _encoder(settings: TrainSettings, say: Note) -> Distilled:
    """The encoder's weights: taught, or another model's."""
    if settings.teacher is not None:
        taught = read_teacher(settings.teacher, settings.spec)
        width = taught.embedding.shape[1] + len(taught.genres)
        if width != settings.architecture.embedding:
            raise UsageError(
                f"{settings.teacher} teaches {width} values, the network's embedding has "
                f"{settings.architecture.embedding}",
                "give a teacher with 128 values and 8 genres",
            )
        return cached_distil(
            taught, settings.architecture, settings.distil, lambda figures: say(f"encoder: {_told(figures)}")
        )
    if settings.encoder_from is None:
        raise UsageError("there is no encoder to start from", "give --teacher FILE, or --encoder MODEL")
    model = checkpoints.load(settings.encoder_from)
    if model.spec.fingerprint() != settings.spec.fingerprint():
        raise UsageError(f"model {settings.encoder_from} listens to other features than these", "give --teacher FILE")
    return Distilled({name: v for name, v in model.tensors.items() if name.startswith("encoder.")}, [])


def _segments(material: Material, settings: TrainSettings, say: Note) -> list[Segments]:
    recipe = dataclasses.replace(settings.segments, seed=settings.seed)
    parts = []
    for copy, part in material.segments(settings.spec, recipe, settings.jobs):
        parts.append(part)
        say(f"segments of copy {copy + 1} of {recipe.copies}: {len(part.clip)} of {part.frames.shape[1]} hops")
    return parts


class _Trainer:
    """Fits networks on parts of the same material, and keeps what each one said of its held-out clips.

    Args:
        material: the clips.
        parts: their segments, copy by copy, the long ones of the plain copy first.
        encoder: taught.
        settings: the run.
        say: see ``run``.
    """

    def __init__(
        self,
        material: Material,
        parts: list[Segments],
        encoder: Distilled,
        settings: TrainSettings,
        say: Note,
    ) -> None:
        self._material, self._parts, self._encoder = material, parts, encoder
        self._settings, self._say = settings, say
        self._folder = platformdirs.user_cache_path("rtgenre") / "fits"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._base_key = outcome.base_key(material, encoder, settings)
        self._key = outcome.fit_key(self._base_key, settings)
        self._encoded: list[Encoded] = []
        self._paired: Paired | None = None
        self._pairs: list[Heard] = []

    @cached_property
    def _normal(self) -> tuple[FloatArray, FloatArray]:
        """Mean and deviation of the features: one for all fits, from *train* alone.

        Then the encoder needs to hear everything only once.
        """
        teach = self._material.teaching(self._material.part("train"))
        return fit.normalisation(self._parts, [teach[part.clip] for part in self._parts])

    def _encode(self, n_parts: int) -> list[Encoded]:
        """The first parts as the encoder hears them; kept, for every fit needs them."""
        missing = self._parts[len(self._encoded) : n_parts]
        if missing:
            network = self._network(self._settings.seed)
            self._encoded += [fit.encode(network, part) for part in missing]
            self._say(f"the encoder has heard {len(self._encoded)} of {len(self._parts)} parts")
        return self._encoded[:n_parts]

    def figures(self, fitted: Fitted, seed: int) -> dict[str, Any]:
        """What a fit is worth on the clips that were held out."""
        return {"seed": seed, **outcome.figures(fitted.held_out, self._settings.spec), "log": fitted.log}

    def fit(self, name: str, learn: BoolArray, held: BoolArray | None, seed: int) -> Fitted:
        """Fit on some of the music, unless the same was done before.

        A fixed seed, data, machine and libraries give the same weights.
        """
        path = self._folder / f"{self._key}-{name}.npz"
        if path.exists():
            return _read_fitted(path)
        base = self._base(name, learn, seed)
        network, log = self._network(seed), list(base.log)
        network.load_state_dict(
            {k: torch.from_numpy(np.array(value)) for k, value in base.tensors.items()}, strict=False
        )
        if self._settings.architecture.adapter:
            self._adapt(network, name, learn, seed, log)
        heard = None if held is None else self._heard(network, self._material.held_out(held))
        fitted = dataclasses.replace(base, tensors=_tensors(network), log=log, heard=heard)
        _write_fitted(path, fitted)
        if held is not None:
            figures = self.figures(fitted, seed)
            self._say(f"{name}: " + " ".join(f"{s} s {a:.3f}" for s, a in figures["accuracy"].items()))
        return fitted

    def whole(self, name: str, learn: BoolArray, held: BoolArray | None, seed: int) -> Fitted:
        """As ``fit``, with the comparison of two states, fitted on the same clips: what a network needs to be used."""
        fitted = self.fit(name, learn, held, seed)
        same = self._same_track(name, learn, seed, np.stack((fitted.mean, fitted.std)))
        return dataclasses.replace(fitted, tensors={**fitted.tensors, **same})

    def _same_track(self, name: str, learn: BoolArray, seed: int, normal: FloatArray) -> dict[str, FloatArray]:
        """The comparison of two states, fitted on the same clips, unless it was before."""
        settings, material = self._settings, self._material
        pairs = dataclasses.replace(settings.pairs, seed=settings.seed, clip=settings.architecture.input_clip)
        path = self._folder / f"{outcome.same_track_key(material, settings, normal)}-{name}-same-track.npz"
        if path.exists():
            with np.load(path, allow_pickle=False) as arrays:
                return dict(arrays)
        self._same_sums()
        if not self._pairs:
            self._pairs = list(cached_pairs(sets_of(material), settings.spec, pairs, normal, settings.jobs))
            self._say("two states of every clip have heard it")
        clips = np.flatnonzero(material.teaching(learn))
        source = PairSource(self._pairs, pairs, clips, kinds_of(material), normal, settings.spec)
        tensors = fit_same_track(
            source,
            settings.spec,
            settings.same_track,
            seed,
            lambda figures: self._say(f"{name}: {_told(figures)}"),
        )
        part = path.with_suffix(".part.npz")
        np.savez(part, **cast("dict[str, Any]", tensors))
        part.replace(path)
        return tensors

    def _base(self, name: str, learn: BoolArray, seed: int) -> Fitted:
        """All of a network but the adapter, fitted unless it was before; it has heard nothing yet."""
        path = self._folder / f"{self._base_key}-{name}-base.npz"
        if path.exists():
            return _read_fitted(path)
        settings, material = self._settings, self._material
        self._same_sums()
        parts = self._encode(len(self._parts))
        rng = np.random.default_rng(seed)
        teach = material.teaching(learn)
        network = self._network(seed)  # seeds torch, too
        importance = material.importance(learn, settings.fit.artist_balance)
        chosen = [self._chosen(part, teach, importance) for part in parts]
        log: list[dict[str, Any]] = []
        report = self._reporter(name, log)
        fit.fit_trunk(network, chosen, settings.fit, rng, report)
        fit.fit_lstm(network, chosen, settings.fit.lstm, rng, report)
        tensors = {k: value for k, value in _tensors(network).items() if not k.startswith(ADAPTER)}
        fitted = Fitted(tensors, *self._normal, log, None)
        _write_fitted(path, fitted)
        return fitted

    def _adapt(self, network: GenreNet, name: str, learn: BoolArray, seed: int, log: list[dict[str, Any]]) -> None:
        """Fit the adapters of a network on the same clips."""
        self._same_sums()
        if self._paired is None:
            self._paired = self._through_channels(network)
        paired = self._paired.of_clips(self._material.teaching(learn))
        rng = np.random.default_rng((seed, 1))
        fit_adapters(network, paired, self._settings.adapter, rng, self._reporter(name, log))

    def _through_channels(self, network: GenreNet) -> Paired:
        """Hops of all clips as they are and through channels; the encoder is the same for every fit."""
        settings, material = self._settings, self._material
        channels = dataclasses.replace(settings.channels, seed=settings.seed)
        heard: dict[str | None, list[Tensor]] = {}
        for through, part in cached_channels(sets_of(material), settings.spec, channels, settings.jobs):
            hops, clip = fit.single_hops(fit.encode(network, part))
            heard.setdefault(through.kind, []).append(hops)
        self._say("the encoder has heard every channel")
        return Paired(heard[None][0], [heard[kind] for kind in KINDS], clip)

    def _same_sums(self) -> None:
        """Let torch sum in one order, so that a seed gives one network."""
        torch.use_deterministic_algorithms(True)
        torch.set_num_threads(self._settings.fit.threads)

    def _reporter(self, name: str, log: list[dict[str, Any]]) -> Callable[[dict[str, Any]], None]:
        def report(figures: dict[str, Any]) -> None:
            log.append(figures)
            self._say(f"{name}: {_told(figures)}")

        return report

    @staticmethod
    def _chosen(part: Encoded, clips: BoolArray, importance: NDArray[np.float64]) -> Chosen:
        rows = np.flatnonzero(clips[part.clip])
        return Chosen(part, rows, importance[part.clip[rows]])

    def _network(self, seed: int) -> GenreNet:
        settings = self._settings
        return fit.build(
            settings.architecture,
            self._encoder.tensors,
            *self._normal,
            len(self._material.music.labels),
            settings.spec.hops_per_s,
            seed,
        )

    def _heard(self, network: GenreNet, held: BoolArray) -> outcome.HeldOut:
        """What the network says of held-out clips: whole and uncoloured, and of coloured joins."""
        (whole, rows), (joined, pairs) = ((part, np.flatnonzero(held[part.clip])) for part in self._encode(2))
        said, clip = fit.answers(network, whole, rows), whole.clip[rows]
        hops, music = self._parts[0].hops[rows], clip < self._material.n_music
        return outcome.HeldOut(
            said=said[music],
            hops=hops[music],
            label=self._material.music.label[clip[music]],
            artist=self._material.music.artist[clip[music]],
            no_music=said[~music],
            no_music_hops=hops[~music],
            joined=fit.answers(network, joined, pairs),
            change=joined.change[pairs],
        )


def _tensors(network: GenreNet) -> dict[str, FloatArray]:
    return {name: value.detach().numpy().copy() for name, value in network.state_dict().items()}


def _told(figures: Mapping[str, Any]) -> str:
    """Figures as a line to read."""
    return ", ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in figures.items())


def _write_fitted(path: Path, fitted: Fitted) -> None:
    arrays: dict[str, Any] = {f"tensor {name}": value for name, value in fitted.tensors.items()}
    if fitted.heard is not None:
        arrays |= {f"heard {f.name}": getattr(fitted.heard, f.name) for f in dataclasses.fields(fitted.heard)}
    part = path.with_suffix(".part.npz")
    np.savez(part, mean=fitted.mean, std=fitted.std, log=json.dumps(fitted.log), **arrays)
    part.replace(path)


def _read_fitted(path: Path) -> Fitted:
    with np.load(path, allow_pickle=False) as arrays:
        tensors = {name[7:]: arrays[name] for name in arrays.files if name.startswith("tensor ")}
        heard = {name[6:]: arrays[name] for name in arrays.files if name.startswith("heard ")}
        held = outcome.HeldOut(**heard) if heard else None
        return Fitted(tensors, arrays["mean"], arrays["std"], json.loads(str(arrays["log"])), held)


def _checkpoint(
    fitted: Fitted,
    calibration: Calibration,
    material: Material,
    learn: BoolArray,
    settings: TrainSettings,
    splits: tuple[str, ...],
) -> Checkpoint:
    return Checkpoint(
        spec=settings.spec,
        labels=material.music.labels,
        mean=fitted.mean,
        std=fitted.std,
        tensors=checkpoints.in_half_precision(fitted.tensors),
        architecture=settings.architecture,
        **dataclasses.asdict(calibration),
        id=settings.id,
        training={
            "corpus": settings.data.name,
            "corpus_sha256": material.music.sha256,
            "splits": list(splits),
            "clips": int(learn.sum()),
            "artists": len(np.unique(material.music.artist[learn])),
            "teacher": settings.teacher.name if settings.teacher else None,
            "not_music_clips": int(material.other_teaches.sum()),
            "seed": settings.seed,
            "segments": dataclasses.asdict(settings.segments),
            "distil": dataclasses.asdict(settings.distil),
            "fit": dataclasses.asdict(settings.fit),
            "channels": dataclasses.asdict(settings.channels) if settings.architecture.adapter else None,
            "adapter": dataclasses.asdict(settings.adapter) if settings.architecture.adapter else None,
            "pairs": dataclasses.asdict(settings.pairs),
            "same_track": dataclasses.asdict(settings.same_track),
            "torch": str(torch.__version__),
        },
    )
