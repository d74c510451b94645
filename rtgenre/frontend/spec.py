"""Every number that defines a feature, and a fingerprint of them all."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self, get_args

from rtgenre.errors import ConfigError, nearest
from rtgenre.frontend import tables

Window = Literal["hann", "hanning"]
Scaling = Literal["spectrum", "density"]
Feature = Literal[
    "mfcc",
    "log_mel",
    "contrast",
    "flatness",
    "sustain",
    "chroma",
    "centroid",
    "bandwidth",
    "rolloff",
    "flux",
    "zcr",
    "rms",
]
FEATURES: tuple[Feature, ...] = get_args(Feature)
MEL_FEATURES = frozenset({"mfcc", "log_mel", "flux"})
FILLED_FEATURES = frozenset({"flatness", "sustain"})  # of octave bands of a spectrum with a floor
AGE_NAMES = ("age_log", "age_start")

# Part of the fingerprint: raise it whenever a kernel gives other values for the same numbers.
DEFINITION = 1

# Numbers that came after the first shipped model, by the one that switches them on. While it is off they are no
# part of the fingerprint: the features are then those of a spec that does not know them.
_SWITCHED: dict[str, tuple[str, ...]] = {
    "running_deltas": (),
    "correlation_s": ("n_correlated_mfcc", "correlate_contrast"),
    "modulation_s": ("n_modulation_groups", "n_modulation_bands", "modulation_min_hz", "modulation_max_hz"),
    "tonal_s": (),
    "age": (),
    "floor_below_db": ("floor_level_s",),
    "level_db": (),
    "contrast_ceiling_db": (),
}
_TIMES = ("running_s", "correlation_s", "modulation_s", "tonal_s")
_TONAL_NAMES = ("level", "spread", "delta")


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontendSpec:
    """What the frontend computes; two equal specs give equal features.

    The defaults are those of the shipped model. A spec is validated when it is made.

    Attributes:
        sample_rate: Hz.
        n_fft: samples in a window, a power of two from 256 to 8192.
        hop: samples from one window to the next, at most ``n_fft``.
        window: ``hann`` is periodic (librosa, scipy), ``hanning`` symmetric (``numpy.hanning``).
        scaling: ``spectrum`` is |X|² (librosa); ``density`` is one-sided with a sampling rate of 2,
            2|X|²/(2·Σw²) and half of that at bins 0 and n_fft/2 (matplotlib's ``psd``).
        features: blocks of the frame, in order.
        n_mels: mel bands (Slaney scale, area-normalised triangles).
        fmin_hz: lower edge of the lowest mel band.
        fmax_hz: upper edge of the highest mel band.
        log_floor_db: absolute floor of the log-mel spectrum, 10·log10 of power.
        n_mfcc: cepstral coefficients, the zeroth included.
        n_contrast_bands: octave bands of spectral contrast, flatness and sustain above the lowest; one value more is
            given.
        contrast_fmin_hz: upper edge of the lowest contrast band.
        contrast_quantile: share of a band's bins that makes its peak, and its valley.
        contrast_floor_db: absolute floor of peaks and valleys, 10·log10 of magnitude.
        n_chroma: pitch classes an octave: 12, 24 or 36.
        rolloff_fraction: share of the summed magnitude below the roll-off frequency.
        running_s: time constants; for each, exponential running mean and spread of every feature are appended.
        running_deltas: for each of ``running_s`` also append the running root mean square of every feature's
            step from frame to frame.
        correlation_s: time constants; for each, running correlations of all pairs among ``mfcc`` 1 to
            ``n_correlated_mfcc`` and the ``contrast`` bands are appended, as far as those are in ``features``.
        n_correlated_mfcc: cepstral coefficients whose correlations are taken, from the first on (not the zeroth).
        modulation_s: time constants; for each, the logarithms of modulation energies are appended: how strongly
            groups of mel bands rise and fall in bands of modulation frequency.
        n_modulation_groups: groups into which the mel bands are averaged (dB).
        n_modulation_bands: resonators a group, geometrically spaced.
        modulation_min_hz: centre of the lowest resonator.
        modulation_max_hz: centre of the highest resonator, below half the hop rate.
        tonal_s: time constants; for each, what the running chroma is like in whatever key: magnitudes of its Fourier
            transform around the circle of pitch classes (Bernardes et al. 2016, "A multi-level tonal interval space",
            whose vectors have these lengths), its mean level, and how much it moves.
        age: append two values that tell how much the running values above have heard.
        floor_below_db: how far below the running mean level of the mel bands a noise floor is laid; 0 lays none.
        floor_level_s: time constant of that level.
        level_db: what that level is brought to, so that loudness is no cue; 0 leaves it as it comes in.
        contrast_ceiling_db: largest spectral contrast: what a lossy coder removes makes valleys bottomless. 0 is none.
        correlate_contrast: whether ``correlation_s`` takes the contrast bands, too.

    Raises:
        ConfigError: a value is of the wrong type, unknown or out of range.
    """

    sample_rate: int = 22050
    n_fft: int = 2048
    hop: int = 1920
    window: Window = "hanning"
    scaling: Scaling = "density"
    features: tuple[Feature, ...] = ("mfcc", "contrast")
    n_mels: int = 64
    fmin_hz: float = 0.0
    fmax_hz: float = 8000.0
    log_floor_db: float = -80.0
    n_mfcc: int = 20
    n_contrast_bands: int = 6
    contrast_fmin_hz: float = 200.0
    contrast_quantile: float = 0.2
    contrast_floor_db: float = -40.0
    n_chroma: int = 12
    rolloff_fraction: float = 0.85
    running_s: tuple[float, ...] = (2.5, 10.0)
    running_deltas: bool = False
    correlation_s: tuple[float, ...] = ()
    n_correlated_mfcc: int = 12
    modulation_s: tuple[float, ...] = ()
    n_modulation_groups: int = 12
    n_modulation_bands: int = 9
    modulation_min_hz: float = 0.15
    modulation_max_hz: float = 5.5
    tonal_s: tuple[float, ...] = ()
    age: bool = False
    floor_below_db: float = 0.0
    floor_level_s: float = 5.0
    level_db: float = 0.0
    contrast_ceiling_db: float = 0.0
    correlate_contrast: bool = True

    def __post_init__(self) -> None:
        self._check_types()
        self._check_framing()
        self._check_features()
        if self.uses_mel:
            self._check_mel()
        if self.uses_bands:
            self._check_contrast()
        _require(self.n_chroma in (12, 24, 36), "n_chroma", self.n_chroma, "12, 24 or 36")
        _require(0.0 < self.rolloff_fraction < 1.0, "rolloff_fraction", self.rolloff_fraction, "between 0 and 1")
        shortest = self.hop / self.sample_rate
        for name in _TIMES:
            for tau in getattr(self, name):
                _require(shortest <= tau <= 3600.0, name, tau, f"from one hop ({shortest:.4g} s) to 3600 s")
        if self.running_deltas:
            _require(len(self.running_s) > 0, "running_deltas", True, "with at least one time constant in running_s")
        _require(0.0 <= self.floor_below_db <= 120.0, "floor_below_db", self.floor_below_db, "from 0 (none) to 120 dB")
        if self.floor_below_db:
            level_s = self.floor_level_s
            _require(shortest <= level_s <= 600.0, "floor_level_s", level_s, "from a hop to 600 s")
        _require(-100.0 <= self.level_db <= 0.0, "level_db", self.level_db, "from -100 to 0 dB (as it comes in)")
        if self.level_db:
            follows = self.floor_below_db > 0.0 and self.uses_mel
            _require(follows, "level_db", self.level_db, "with floor_below_db and a feature of mel bands")
        ceiling = self.contrast_ceiling_db
        _require(0.0 <= ceiling <= 200.0, "contrast_ceiling_db", ceiling, "from 0 (none) to 200 dB")
        if self.correlation_s:
            self._check_correlation()
        if self.modulation_s:
            self._check_modulation()

    def _check_types(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            wanted = str(f.type)
            if wanted == "float" and isinstance(value, int) and not isinstance(value, bool):
                value = float(value)  # 8000 and 8000.0 are the same spec and need the same fingerprint
                object.__setattr__(self, f.name, value)
            if wanted == "int":
                ok = isinstance(value, int) and not isinstance(value, bool)
            elif wanted == "float":
                ok = isinstance(value, float) and math.isfinite(value)
            elif wanted == "bool":
                ok = isinstance(value, bool)
            elif wanted.startswith("tuple"):
                ok = isinstance(value, tuple)
            else:
                ok = isinstance(value, str)
            _require(ok, f.name, value, f"of type {wanted}")
        for name in _TIMES:
            given = getattr(self, name)
            times = tuple(float(t) if _is_number(t) else math.nan for t in given)
            _require(all(math.isfinite(t) for t in times), name, given, "numbers of seconds")
            object.__setattr__(self, name, times)

    def _check_framing(self) -> None:
        _require(1000 <= self.sample_rate <= 384_000, "sample_rate", self.sample_rate, "from 1000 to 384000 Hz")
        _require(
            256 <= self.n_fft <= 8192 and self.n_fft & (self.n_fft - 1) == 0,
            "n_fft",
            self.n_fft,
            "a power of two from 256 to 8192",
        )
        _require(1 <= self.hop <= self.n_fft, "hop", self.hop, f"from 1 to n_fft ({self.n_fft}): no sample is skipped")
        for name, value, allowed in (("window", self.window, Window), ("scaling", self.scaling, Scaling)):
            _require(value in get_args(allowed), name, value, f"one of {', '.join(get_args(allowed))}")

    def _check_features(self) -> None:
        _require(len(self.features) > 0, "features", self.features, f"at least one of {', '.join(FEATURES)}")
        for feature in self.features:
            if feature not in FEATURES:
                raise ConfigError(f"frontend feature {feature!r} is unknown", nearest(str(feature), FEATURES))
        _require(len(set(self.features)) == len(self.features), "features", self.features, "each named once")

    def _check_mel(self) -> None:
        nyquist = self.sample_rate / 2
        _require(1 <= self.n_mels <= 512, "n_mels", self.n_mels, "from 1 to 512")
        _require(1 <= self.n_mfcc <= self.n_mels, "n_mfcc", self.n_mfcc, f"from 1 to n_mels ({self.n_mels})")
        _require(
            0.0 <= self.fmin_hz < self.fmax_hz <= nyquist,
            "fmin_hz, fmax_hz",
            (self.fmin_hz, self.fmax_hz),
            f"0 <= fmin_hz < fmax_hz <= {nyquist:g} (half the sample rate)",
        )
        _require(-200.0 <= self.log_floor_db <= 0.0, "log_floor_db", self.log_floor_db, "from -200 to 0 dB")
        weights = tables.mel_weights(self.sample_rate, self.n_fft, self.n_mels, self.fmin_hz, self.fmax_hz)
        empty = int((weights.max(axis=1) == 0.0).sum())
        if empty:
            raise ConfigError(
                f"n_mels = {self.n_mels} leaves {empty} mel bands without any bin of an n_fft of {self.n_fft}",
                "ask for fewer mel bands or a larger n_fft",
            )

    def _check_contrast(self) -> None:
        nyquist = self.sample_rate / 2
        _require(1 <= self.n_contrast_bands <= 12, "n_contrast_bands", self.n_contrast_bands, "from 1 to 12")
        lowest = 2 * self.sample_rate / self.n_fft
        highest = nyquist / 2.0 ** (self.n_contrast_bands - 1)
        _require(
            lowest <= self.contrast_fmin_hz < highest,
            "n_contrast_bands, contrast_fmin_hz",
            (self.n_contrast_bands, self.contrast_fmin_hz),
            f"with so many bands, contrast_fmin_hz from {lowest:.4g} Hz (two bins) to below {highest:g} Hz",
        )
        _require(
            0.0 < self.contrast_quantile <= 0.5, "contrast_quantile", self.contrast_quantile, "above 0, at most 0.5"
        )
        floor = self.contrast_floor_db
        _require(-150.0 <= floor <= 0.0, "contrast_floor_db", floor, "from -150 to 0 dB")

    def _check_correlation(self) -> None:
        if "mfcc" in self.features:
            n, most = self.n_correlated_mfcc, self.n_mfcc - 1
            _require(0 <= n <= most, "n_correlated_mfcc", n, f"from 0 to n_mfcc - 1 ({most})")
        _require(
            len(self.correlated) >= 2, "correlation_s", self.correlation_s, "with features to correlate: mfcc, contrast"
        )

    def _check_modulation(self) -> None:
        n_groups, n_bands = self.n_modulation_groups, self.n_modulation_bands
        _require(1 <= n_groups <= self.n_mels, "n_modulation_groups", n_groups, f"from 1 to n_mels ({self.n_mels})")
        _require(1 <= n_bands <= 64, "n_modulation_bands", n_bands, "from 1 to 64")
        _require(
            0.01 <= self.modulation_min_hz < self.modulation_max_hz < self.hops_per_s / 2,
            "modulation_min_hz, modulation_max_hz",
            (self.modulation_min_hz, self.modulation_max_hz),
            f"0.01 <= modulation_min_hz < modulation_max_hz < {self.hops_per_s / 2:.4g} (half the hop rate)",
        )

    @property
    def n_bins(self) -> int:
        """Bins of a power spectrum."""
        return self.n_fft // 2 + 1

    @property
    def uses_mel(self) -> bool:
        """Whether any value is made from mel bands."""
        return bool(self.modulation_s) or not MEL_FEATURES.isdisjoint(self.features)

    @property
    def uses_bands(self) -> bool:
        """Whether any value is made from octave bands."""
        return self.uses_filled or "contrast" in self.features

    @property
    def uses_filled(self) -> bool:
        """Whether any value is made from the spectrum with a floor."""
        return not FILLED_FEATURES.isdisjoint(self.features)

    @property
    def uses_chroma(self) -> bool:
        """Whether any value is made from chroma."""
        return bool(self.tonal_s) or "chroma" in self.features

    @property
    def hops_per_s(self) -> float:
        """Frames per second."""
        return self.sample_rate / self.hop

    @property
    def block_sizes(self) -> dict[Feature, int]:
        """How many values each feature block has, in the order of the frame."""
        many = {
            "mfcc": self.n_mfcc,
            "log_mel": self.n_mels,
            "contrast": self.n_contrast_bands + 1,
            "flatness": self.n_contrast_bands + 1,
            "sustain": self.n_contrast_bands + 1,
            "chroma": self.n_chroma,
        }
        return {feature: many.get(feature, 1) for feature in self.features}

    @property
    def n_frame_features(self) -> int:
        """Values of one frame before those that remember are appended."""
        return sum(self.block_sizes.values())

    @property
    def correlated(self) -> tuple[int, ...]:
        """Which values of the frame the running correlations are taken of: mfcc first, then contrast."""
        places: list[int] = []
        if not self.correlation_s:
            return ()
        for feature, skipped, size in (
            ("mfcc", 1, self.n_correlated_mfcc),
            ("contrast", 0, self.n_contrast_bands + 1),
        ):
            if feature in self.features and (feature != "contrast" or self.correlate_contrast):
                before = self.features[: self.features.index(feature)]
                at = sum(self.block_sizes[f] for f in before) + skipped
                places += range(at, at + size)
        return tuple(places)

    @property
    def modulation_hz(self) -> tuple[float, ...]:
        """Centres of the resonators, geometrically spaced."""
        step = (self.modulation_max_hz / self.modulation_min_hz) ** (1.0 / max(1, self.n_modulation_bands - 1))
        return tuple(self.modulation_min_hz * step**k for k in range(self.n_modulation_bands))

    @property
    def n_running(self) -> int:
        """Values of the running means, spreads and deltas."""
        return self.n_frame_features * (3 if self.running_deltas else 2) * len(self.running_s)

    @property
    def n_correlations(self) -> int:
        """Values of the running correlations."""
        n = len(self.correlated)
        return n * (n - 1) // 2 * len(self.correlation_s)

    @property
    def n_modulations(self) -> int:
        """Values of the modulation energies."""
        return self.n_modulation_groups * self.n_modulation_bands * len(self.modulation_s)

    @property
    def n_tonal(self) -> int:
        """Values of the running chroma in whatever key."""
        return (self.n_chroma // 2 + len(_TONAL_NAMES)) * len(self.tonal_s)

    @property
    def n_features(self) -> int:
        """Values of one frame, in this order: features, running values, correlations, modulations, tonal, age."""
        return (
            self.n_frame_features
            + self.n_running
            + self.n_correlations
            + self.n_modulations
            + self.n_tonal
            + (len(AGE_NAMES) if self.age else 0)
        )

    @property
    def feature_names(self) -> tuple[str, ...]:
        """A name for every value of the frame, in order.

        Like ``mfcc_3``, ``contrast_0_mean_2.5s``, ``corr_8s_mfcc_2_contrast_1``, ``mod_6s_mel_3_0.58hz``,
        ``tonal_10s_5``, ``tonal_10s_spread``.
        """
        frame = [
            feature if size == 1 and feature not in ("mfcc", "log_mel") else f"{feature}_{i}"
            for feature, size in self.block_sizes.items()
            for i in range(size)
        ]
        kinds = ("mean", "spread", "delta") if self.running_deltas else ("mean", "spread")
        pairs = [(frame[b], frame[a]) for k, a in enumerate(self.correlated) for b in self.correlated[:k]]
        return (
            *frame,
            *(f"{name}_{kind}_{tau:g}s" for tau in self.running_s for kind in kinds for name in frame),
            *(f"corr_{tau:g}s_{one}_{other}" for tau in self.correlation_s for one, other in pairs),
            *(
                f"mod_{tau:g}s_mel_{group}_{hz:.3g}hz"
                for tau in self.modulation_s
                for group in range(self.n_modulation_groups)
                for hz in self.modulation_hz
            ),
            *(
                f"tonal_{tau:g}s_{name}"
                for tau in self.tonal_s
                for name in (*range(1, self.n_chroma // 2 + 1), *_TONAL_NAMES)
            ),
            *(AGE_NAMES if self.age else ()),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values only, fit for JSON and TOML; ``from_dict`` takes them back."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Make a spec from plain values; what is absent keeps its default.

        Raises:
            ConfigError: a key is unknown or a value is not allowed.
        """
        known = [f.name for f in fields(cls)]
        for key in values:
            if key not in known:
                raise ConfigError(f"frontend setting {key!r} is unknown", nearest(str(key), known))
        given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**given)

    def fingerprint(self) -> str:
        """SHA-256 (hex) of the canonical JSON of every number, and of the definition's version.

        Running deltas, correlations, modulations, tonal values and age are part of it where they are switched on: two
        specs that differ in a number of what is off give equal features, and checkpoints from before stay valid.
        """
        numbers = self.to_dict()
        for switch, others in _SWITCHED.items():
            if not numbers[switch]:
                for name in (switch, *others):
                    del numbers[name]
        canonical = json.dumps(
            {"definition": DEFINITION, **numbers}, sort_keys=True, separators=(",", ":"), allow_nan=False
        )
        return hashlib.sha256(canonical.encode()).hexdigest()

    @classmethod
    def librosa_default(cls, **changes: Any) -> Self:
        """The numbers librosa 0.11 uses by default (with ``center=False, tuning=0, top_db=None``)."""
        rate = changes.get("sample_rate", 22050)
        numbers: dict[str, Any] = {
            "sample_rate": rate,
            "hop": 512,
            "window": "hann",
            "scaling": "spectrum",
            "features": ("mfcc", "contrast", "chroma", "centroid", "rms", "zcr"),
            "n_mels": 128,
            "fmax_hz": rate / 2,
            "log_floor_db": -100.0,
            "contrast_quantile": 0.02,
            "contrast_floor_db": -100.0,
            "running_s": (),
        }
        return cls(**{**numbers, **changes})


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _require(ok: bool, name: str, value: object, allowed: str) -> None:
    if not ok:
        raise ConfigError(f"frontend {name} = {value!r} is not allowed", f"allowed: {allowed}")
