"""What the arrays of the ``.npz`` files that training learns from look like, and whether those of a file fit together.

A name means the same in every such file, so one table describes them all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

# Axes, and what numpy's ``dtype.kind`` may be. The first array with an axis says how long it is in the others.
_FORMS: dict[str, tuple[tuple[str, ...], str]] = {
    "power_db": (("clips", "bins", "hops"), "u"),
    "mfcc": (("clips", "coefficients", "frames"), "u"),
    "mfcc_low": (("coefficients",), "iuf"),
    "mfcc_high": (("coefficients",), "iuf"),
    "fft_bins": (("bins",), "iu"),
    "n_frames": (("clips",), "iu"),
    "names": (("clips",), "U"),
    "genre": (("clips",), "U"),
    "split": (("clips",), "U"),
    "artist_id": (("clips",), "iu"),
    "vggish": (("clips", "values"), "iuf"),
    "has_vggish": (("clips",), "biu"),
    "genres": (("labels",), "U"),
}
_KINDS = {"u": "unsigned bytes", "iu": "integers", "iuf": "numbers", "biu": "yes or no", "U": "text"}


def fault_of(arrays: Mapping[str, NDArray[Any]]) -> str:
    """What is wrong with some arrays, in a line that says what was expected; empty where they fit together.

    Args:
        arrays: by name; those that are not known here are not looked at.
    """
    first: dict[str, tuple[str, int]] = {}
    for name, (axes, kind) in _FORMS.items():
        if name not in arrays:
            continue
        value = arrays[name]
        told = f"{name} has shape {value.shape}"
        if value.ndim != len(axes):
            return f"{told}, expected {written(name)}"
        if value.dtype.kind not in kind or (kind == "u" and value.dtype != np.uint8):
            return f"{name} holds {value.dtype}, expected {_KINDS[kind]}"
        for axis, size in zip(axes, value.shape, strict=True):
            whose, known = first.setdefault(axis, (name, size))
            if not size:
                return f"{told}: there are no {axis} in it"
            if size != known:
                return f"{told}, expected {known} {axis}, as {whose} has"
    return _wrong_bins(arrays) or _wrong_hops(arrays)


def written(name: str) -> str:
    """An array's name with its axes: ``power_db (clips, bins, hops)``; the name alone where it is not known here."""
    axes, _ = _FORMS.get(name, ((), ""))
    if not axes:
        return name
    return f"{name} ({', '.join(axes)}{',' if len(axes) == 1 else ''})"


def _wrong_bins(arrays: Mapping[str, NDArray[Any]]) -> str:
    if "fft_bins" not in arrays:
        return ""
    bins = arrays["fft_bins"].astype(np.int64)  # differences of unsigned numbers would never be below 0
    if len(bins) < 2 or bins[0] < 0 or (np.diff(bins) <= 0).any():
        return f"fft_bins has shape {bins.shape}, expected at least two bins, from 0 up, each above the one before"
    return ""


def _wrong_hops(arrays: Mapping[str, NDArray[Any]]) -> str:
    if "n_frames" not in arrays or "power_db" not in arrays:
        return ""
    hops, n_frames = arrays["power_db"].shape[2], arrays["n_frames"]
    wrong = np.flatnonzero((n_frames < 0) | (n_frames > hops))
    if not len(wrong):
        return ""
    return f"n_frames is {n_frames[wrong[0]]} for clip {wrong[0]}, expected 0 to {hops}: power_db has {hops} hops"
