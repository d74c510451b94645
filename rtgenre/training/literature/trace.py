"""What a recurrent network's state carries: a held-out track heard as a stream, and what a linear map reads off it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from rtgenre.training.literature import features
from rtgenre.training.literature.fit import scaled
from rtgenre.training.literature.networks import RecurrentNet
from rtgenre.training.literature.recipe import Inputs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rtgenre.training.literature.fit import Fitted
    from rtgenre.training.literature.pieces import Maker, Pieces

    FloatArray = NDArray[np.float32]

RECIPE = "deepbeats-lstm"
_RIDGE = 10.0
_MEAN_S = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """Held-out clips as streams.

    Attributes:
        posterior: (clips, frames, labels).
        state: (clips, frames, units) the last layer's output, in [-1, 1].
    """

    posterior: FloatArray
    state: FloatArray


def figures(fitted: Fitted, maker: Maker, inputs: Inputs) -> dict[str, Any]:
    """Everything the picture and its table need, JSON-ready; the track is that of median confidence in its own label.

    Args:
        fitted: a recurrent network fitted on *train*.
        maker: of the same clips.
        inputs: of its recipe.
    """
    whole = maker.pieces(Inputs(features=inputs.features, n_mfcc=inputs.n_mfcc, pieces=1))
    held = np.flatnonzero(whole.part == "valid")
    heard = _stream(fitted, scaled(whole.x[held], fitted.scale))
    own = np.take_along_axis(heard.posterior.mean(axis=1), whole.label[held][:, None], axis=1)[:, 0]
    track = int(np.argsort(own, kind="stable")[len(own) // 2])
    rows = maker.pieces(Inputs(features=("rms", "centroid"), pieces=1)).x[held]
    return {
        "clip": str(maker.clips.names[whole.clip[held[track]]]),
        "label": int(whole.label[held[track]]),
        "hop_s": maker.clips.hop / features.SAMPLE_RATE,
        # Whole hundredths keep the run file short; nobody sees more in a picture.
        "posterior": np.rint(100 * heard.posterior[track]).astype(int).tolist(),
        "state": np.rint(100 * heard.state[track]).astype(int).tolist(),
        "read_off": _read_off(heard.state, rows.astype(np.float32), whole, held, maker.clips.hop),
    }


def _stream(fitted: Fitted, x: FloatArray) -> Heard:
    network = fitted.network
    assert isinstance(network, RecurrentNet)  # noqa: S101 - the recipe that is traced is one
    network = network.cpu().eval()
    with torch.inference_mode():
        y = torch.from_numpy(x)
        for layer in network.layers:
            y = layer(y)[0]
        posterior = torch.softmax(network.head(y), dim=2)
    return Heard(posterior.numpy(), y.numpy())


def _read_off(
    state: FloatArray, rows: FloatArray, whole: Pieces, held: NDArray[np.int64], hop: int
) -> dict[str, list[float]]:
    """R² of ridge regressions on clips of other artists: from the state, and from the network's own inputs.

    Half of the artists teach the map, the other half judge it.
    """
    n = state.shape[1]
    span = max(1, round(_MEAN_S * features.SAMPLE_RATE / hop))
    level = 20.0 * np.log10(np.maximum(rows[:, :, 0], 1e-5))
    log_centroid = np.log2(np.maximum(rows[:, :, 1], 20.0))
    targets = {
        "level now": level,
        "level over the last 3 s": _running_mean(level, span),
        "brightness now": log_centroid,
        "brightness over the last 3 s": _running_mean(log_centroid, span),
        "time since the start": np.tile(np.log(np.arange(1, n + 1)), (len(state), 1)),
    }
    artists = np.unique(whole.artist[held])
    teach = np.isin(whole.artist[held], artists[::2])
    inputs = whole.x[held].astype(np.float32)
    return {
        name: [round(_r2(source, target, teach), 4) for source in (state, inputs)] for name, target in targets.items()
    }


def _running_mean(x: NDArray[np.floating[Any]], span: int) -> NDArray[np.float64]:
    """Mean of the last ``span`` values of each row, of fewer at its beginning."""
    summed = np.cumsum(np.pad(x, ((0, 0), (1, 0))), axis=1, dtype=np.float64)
    ends = np.arange(1, x.shape[1] + 1)
    starts = np.maximum(ends - span, 0)
    mean: NDArray[np.float64] = (summed[:, ends] - summed[:, starts]) / (ends - starts)
    return mean


def _r2(source: FloatArray, target: NDArray[np.floating[Any]], teach: NDArray[np.bool_]) -> float:
    x, y = source.reshape(-1, source.shape[2]).astype(np.float64), target.ravel().astype(np.float64)
    learn = np.repeat(teach, source.shape[1])
    mean, spread = x[learn].mean(axis=0), x[learn].std(axis=0) + 1e-9
    x = np.column_stack(((x - mean) / spread, np.ones(len(x))))
    gram = x[learn].T @ x[learn] + _RIDGE * np.eye(x.shape[1])
    weights = np.linalg.solve(gram, x[learn].T @ y[learn])
    off = y[~learn] - x[~learn] @ weights
    return float(1.0 - off.var() / max(y[~learn].var(), 1e-12))
