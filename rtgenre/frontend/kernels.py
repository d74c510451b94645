"""From a power spectrum to a frame: one compiled function, whatever the spec asks for.

``frame_of_power`` reads constants from two arrays, ``layout`` (whole numbers: sizes and where things lie)
and ``weights`` (filterbanks), which ``plan.py`` fills; a stream's own ``memory`` holds the spectrum, the
scratch and what is remembered: running statistics, correlations, resonators. Few arguments, because each
array costs as much to pass as a small filterbank costs to apply.

Numba keeps the compiled code under this file's date, so everything a kernel contains is written here.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rtgenre.frontend.compiling import kernel, part

# What lies where in ``layout``. First sizes, then offsets in ``weights`` (…_W), in ``memory`` (…_M) and in
# the frame (…_OUT, -1 where the spec does not ask for the feature).
(
    N_BINS,
    N_MELS,
    N_MFCC,
    N_BANDS,
    N_CHROMA,
    N_RUNNING,
    N_KINDS,
    N_CORRELATED,
    N_CORRELATIONS,
    N_GROUPS,
    N_MODULATION_BANDS,
    N_MODULATIONS,
    N_TONAL,
    N_FRAME,
    MEL_ROWS,
    BAND_ROWS,
    CORRELATED_ROWS,
    MEL_W,
    DCT_W,
    CHROMA_W,
    RUNNING_W,
    CORRELATION_W,
    GROUPS_W,
    RESONATORS_W,
    MODULATION_W,
    TONAL_W,
    FOURIER_W,
    CONSTANTS_W,
    MEAN_SQUARE_M,
    CROSSINGS_M,
    POWER_M,
    SCRATCH_M,
    EXTREMES_M,
    FILLED_M,
    LOG_MEL_M,
    CORRELATED_M,
    GROUPS_M,
    CHROMA_M,
    LEVEL_M,
    BIN_LEVEL_M,
    BEFORE_M,
    BINS_BEFORE_M,
    RUNNING_M,
    DELTAS_M,
    CORRELATION_M,
    MODULATION_M,
    TONAL_M,
    TONAL_DELTAS_M,
    MFCC_OUT,
    LOG_MEL_OUT,
    CONTRAST_OUT,
    FLATNESS_OUT,
    SUSTAIN_OUT,
    CHROMA_OUT,
    CENTROID_OUT,
    BANDWIDTH_OUT,
    ROLLOFF_OUT,
    FLUX_OUT,
    ZCR_OUT,
    RMS_OUT,
    CORRELATION_OUT,
    MODULATION_OUT,
    TONAL_OUT,
    AGE_OUT,
    LAYOUT_SIZE,
) = range(65)

# From CONSTANTS_W on in ``weights``.
(
    BIN_HZ,
    LOG_FLOOR,
    CONTRAST_FLOOR,
    ROLLOFF,
    AGE_CAP,
    FLOOR_SHARE,
    LEVEL_ALPHA,
    LEVEL_TARGET,
    CONTRAST_CEILING,
    N_CONSTANTS,
) = range(10)

MEL_BLOCK = 16  # mel rows are padded to whole blocks, so that no loop has a remainder
_SUM_BLOCK = 32
_BAND_BLOCK = 32
SUSTAIN_BINS = 4  # taken together: a partial that wavers by a bin is still held

_F0 = np.float32(0.0)
_TINY = np.float32(1.1754944e-38)  # smallest normal float32: librosa divides by nothing smaller
_10_LOG10_E = np.float32(4.342944819032518)
_10_LOG10_2 = np.float32(3.010299956639812)
_HALF = np.float32(0.5)
_ONE = np.float32(1.0)
_LN10_10 = np.float32(0.23025850929940458)
_COVARIANCE_FLOOR = np.float32(1e-3)  # keeps the correlation of what does not move finite, and near 0
_ENERGY_FLOOR = np.float32(0.3)  # dB²: what flickers less than half a decibel is nothing
_FADED = np.float32(1e-30)  # what has decayed below this is 0: denormal numbers would cost a hundred times as much
_HUM = np.float32(1e-15)  # keeps the resonators from decaying so far, likewise; -300 dB re 1 dB
_AGE_UNIT = np.float32(40.0)
_AGE_START = np.float32(12.0)
_TWO = np.float32(2.0)
_FAINT = np.float32(1e-9)  # what is fainter is silence, and not made louder without end
_L0 = np.float32(7.0376836292e-2)
_L1 = np.float32(-1.1514610310e-1)
_L2 = np.float32(1.1676998740e-1)
_L3 = np.float32(-1.2420140846e-1)
_L4 = np.float32(1.4249322787e-1)
_L5 = np.float32(-1.6668057665e-1)
_L6 = np.float32(2.0000714765e-1)
_L7 = np.float32(-2.4999993993e-1)
_L8 = np.float32(3.3333331174e-1)


@part
def to_decibels(v: Any, floor: Any) -> None:
    """V ← 10·log10(max(v, floor)) in place; floor > 0, not denormal.

    The logarithm is Cephes' logf (S. Moshier), without its branches; its error is below 1e-6 dB at 0 dB and
    one unit in the last place elsewhere.
    """
    bits = v.view(np.int32)
    for i in range(v.size):
        v[i] = max(floor, v[i])
    for i in range(v.size):
        b = bits[i]
        exponent = np.int32(np.int32(b - np.int32(0x3F3504F3)) >> np.int32(23))
        bits[i] = np.int32(b - np.int32(exponent << np.int32(23)))
        x = v[i] - _ONE
        y = _L0 * x + _L1
        y = y * x + _L2
        y = y * x + _L3
        y = y * x + _L4
        y = y * x + _L5
        y = y * x + _L6
        y = y * x + _L7
        y = (y * x + _L8) * x * x * x - _HALF * x * x
        v[i] = (x + y) * _10_LOG10_E + np.float32(exponent) * _10_LOG10_2


@part
def mel_spectrum(power: Any, rows: Any, weights: Any, out: Any) -> None:
    """Sparse mel filterbank: row m takes ``rows[3m+1]`` bins from ``rows[3m]`` on, weights at ``rows[3m+2]``."""
    for m in range(out.size):
        n = rows[3 * m + 1]
        p = power[rows[3 * m] : rows[3 * m] + n]
        w = weights[rows[3 * m + 2] : rows[3 * m + 2] + n]
        total = _F0
        for i in range(n):
            total += p[i] * w[i]
        out[m] = total


@part
def dense(matrix: Any, x: Any, out: Any) -> None:
    """Out ← matrix · x, the matrix given row by row."""
    n = x.size
    for r in range(out.size):
        row = matrix[r * n : (r + 1) * n]
        total = _F0
        for i in range(n):
            total += row[i] * x[i]
        out[r] = total


@part
def threshold(bits: Any, rank: Any, low: Any, high: Any) -> Any:
    """A bound in [low, high] that at least ``rank`` of ``bits`` do not exceed, and how many that are.

    Exactly ``rank`` where a bound exists that parts them, otherwise the smallest bound: then several bits
    equal it. By bisection: no sort, no branch in a loop, nothing moved.
    """
    count = np.int32(bits.size)
    while low < high:
        middle = np.int32(low + np.int32(np.int32(high - low) >> np.int32(1)))
        below = np.int32(0)
        for i in range(bits.size):
            below = np.int32(below + np.int32(bits[i] <= middle))  # int32 + int32 is int64: half the speed
        if below < rank:
            low = np.int32(middle + np.int32(1))
        else:
            high = middle
            count = below
            if below == rank:
                break
    return high, count


@part
def contrast_extremes(magnitude: Any, rows: Any, n_bands: Any, padded: Any, out: Any) -> None:
    """Mean of the largest magnitudes of each band, then of the smallest: out[:n_bands], out[n_bands:].

    The bits of non-negative floats, read as whole numbers, are in the same order as the floats, so the
    extreme ones are found on the bits. Each band is padded with zeros, the smallest there is, to whole
    blocks: no loop has a remainder, and the ranks move by the length of the padding.
    """
    all_bits = padded.view(np.int32)
    for b in range(n_bands):
        start = rows[3 * b]
        n = rows[3 * b + 1] - start
        size = (n + _BAND_BLOCK - 1) // _BAND_BLOCK * _BAND_BLOCK
        values = padded[:size]
        bits = all_bits[:size]
        for i in range(n):
            values[i] = magnitude[start + i]
        low = np.int32(0x7FFFFFFF)
        high = np.int32(0)
        for i in range(n):
            low = min(low, bits[i])
            high = max(high, bits[i])
        for i in range(n, size):
            values[i] = _F0
        k = np.int32(rows[3 * b + 2])

        if k == 1:  # narrow bands, small quantiles: nothing to search for
            all_bits[size] = high
            out[b] = padded[size]
            all_bits[size] = low
            out[n_bands + b] = padded[size]
            continue
        # Bins that equal the bound belong to an extreme only as far as its number is not full without them.
        bound, count = threshold(bits, np.int32(size - k), low, high)
        total = _F0
        for i in range(size):
            total += values[i] if bits[i] > bound else _F0
        all_bits[size] = bound  # the bound as a float
        out[b] = (total + np.float32(count - size + k) * padded[size]) / np.float32(k)

        rank = np.int32(size - n + k)
        bound, count = threshold(bits, rank, low, high)
        all_bits[size] = bound
        bound = np.int32(bound - np.int32(count > rank))
        inside = np.int32(0)
        total = _F0
        for i in range(size):
            total += values[i] if bits[i] <= bound else _F0
            inside = np.int32(inside + np.int32(bits[i] <= bound))
        out[n_bands + b] = (total + np.float32(rank - inside) * padded[size]) / np.float32(k)


@part
def rolloff_bin(magnitude: Any, fraction: Any) -> Any:
    """First bin at which the running sum of the magnitudes reaches a fraction of the whole."""
    total = 0.0
    for i in range(magnitude.size):
        total += magnitude[i]
    threshold = fraction * total
    reached = 0.0
    start = 0
    while start + _SUM_BLOCK < magnitude.size:
        block = 0.0
        for i in range(_SUM_BLOCK):
            block += magnitude[start + i]
        if reached + block >= threshold:
            break
        reached += block
        start += _SUM_BLOCK
    for i in range(start, magnitude.size):
        reached += magnitude[i]
        if reached >= threshold:
            return i
    return magnitude.size - 1


@part
def rise(now: Any, before: Any) -> Any:
    """Mean over bands of how far each rose; falls count nothing."""
    total = _F0
    for i in range(now.size):
        d = now[i] - before[i]
        total += max(_F0, d)
    return total / np.float32(now.size)


@part
def mean_of(values: Any) -> Any:
    """Plain mean."""
    total = _F0
    for i in range(values.size):
        total += values[i]
    return total / np.float32(values.size)


@part
def running_statistics(frame: Any, alphas: Any, heard: int, n_kinds: int, statistics: Any, out: Any) -> None:
    """Exponential running mean and spread of every value, for every time constant.

    The weight of the newest frame is at least 1/(t+1), so from the first frame on this is the plain mean of
    what has been heard until the exponential window is full (the bias correction of T. Finch, "Incremental
    calculation of weighted mean and variance", 2009, with that weight). Written to out[n:], where each time
    constant has ``n_kinds`` times n values; means and spreads are the first two.
    """
    n = frame.size
    for j in range(alphas.size):
        first = _ONE / np.float32(heard + 1)
        w = max(first, alphas[j])
        mean = statistics[2 * n * j : 2 * n * j + n]
        variance = statistics[2 * n * j + n : 2 * n * (j + 1)]
        at = n + n_kinds * n * j
        here = out[at : at + n]
        spread = out[at + n : at + 2 * n]
        for i in range(n):
            d = frame[i] - mean[i]
            m = mean[i] + w * d
            mean[i] = m if abs(m) > _FADED else _F0
            v = (_ONE - w) * (variance[i] + w * d * d)
            variance[i] = v if v > _FADED else _F0
            here[i] = mean[i]
            spread[i] = math.sqrt(variance[i])


@part
def running_deltas(frame: Any, alphas: Any, follows: bool, deltas: Any, out: Any) -> None:
    """Exponential running root mean square of every value's step from the frame before.

    A frame that follows none adds no step. ``deltas`` holds the number of steps (which stays at 2²⁴ when it
    gets there, far beyond where it matters), the frame before, and the mean squares.
    """
    n = frame.size
    before = deltas[1 : 1 + n]
    if follows:
        deltas[0] += _ONE
    first = _ONE / max(_ONE, deltas[0])
    for j in range(alphas.size):
        w = max(first, alphas[j]) if follows else _F0
        square = deltas[1 + n * (j + 1) : 1 + n * (j + 2)]
        root = out[3 * n * (j + 1) : 3 * n * (j + 1) + n]
        for i in range(n):
            e = frame[i] - before[i]
            v = square[i] + w * (e * e - square[i])
            square[i] = v if v > _FADED else _F0
            root[i] = math.sqrt(square[i])
    for i in range(n):
        before[i] = frame[i]


@part
def running_correlations(x: Any, alphas: Any, heard: int, scratch: Any, statistics: Any, out: Any) -> None:
    """Exponential running correlations (Pearson) of all pairs of x, for every time constant.

    Means and covariances as in ``running_statistics``; the pairs in the order of a matrix's lower triangle.
    ``scratch`` takes two rows; ``statistics`` holds, a time constant, the means and the covariance matrix.
    """
    n = x.size
    n_pairs = n * (n - 1) // 2
    away = scratch[:n]
    own = scratch[n : 2 * n]
    for j in range(alphas.size):
        first = _ONE / np.float32(heard + 1)
        w = max(first, alphas[j])
        start = j * n * (1 + n)
        mean = statistics[start : start + n]
        for a in range(n):
            away[a] = x[a] - mean[a]
            m = mean[a] + w * away[a]
            mean[a] = m if abs(m) > _FADED else _F0
        at = j * n_pairs
        for a in range(n):
            row = statistics[start + n * (1 + a) : start + n * (1 + a) + a + 1]
            d = w * away[a]
            for b in range(a + 1):
                c = (_ONE - w) * (row[b] + d * away[b])
                row[b] = c if abs(c) > _FADED else _F0
            own[a] = row[a]
            here = out[at : at + a]
            for b in range(a):
                r = row[b] / math.sqrt(own[a] * own[b] + _COVARIANCE_FLOOR)
                here[b] = min(_ONE, max(-_ONE, r))  # rounding alone goes beyond
            at += a


@part
def modulation_energies(
    level: Any, alphas: Any, tables: Any, n_bands: int, heard: int, scratch: Any, bank: Any, out: Any
) -> None:
    """Natural logarithm of the modulation energy of every group and band, for every time constant.

    What a group's level is above its running mean drives complex one-pole resonators, all groups and bands
    abreast. A resonator that began t hops ago has only 1 - decay^(2t) of its final energy in noise; divided
    by that, its energy is right on average from the start. The energies' running mean starts as a plain one.

    Args:
        level: (n_groups,) dB.
        alphas: weights of the newest frame: first the level's mean's, then one for each time constant.
        tables: four rows of n_groups·n_bands values: the pole's real and imaginary part, gain, loss.
        n_bands: resonators a group.
        heard: frames before this one.
        scratch: two rows.
        bank: the means of the levels, then rows: real and imaginary part, share of the final energy, and the
            mean energy for each time constant.
        out: a row for each time constant.
    """
    n = level.size * n_bands
    first = _ONE / np.float32(heard + 1)
    mean, driven, energy = bank[: level.size], scratch[:n], scratch[n : 2 * n]
    w = max(first, alphas[0])
    for g in range(level.size):
        m = mean[g] + w * (level[g] - mean[g])
        mean[g] = m if abs(m) > _FADED else _F0
        x = level[g] - mean[g] + _HUM
        for k in range(n_bands):
            driven[g * n_bands + k] = x
    rows = bank[level.size :]
    re, im, share = rows[:n], rows[n : 2 * n], rows[2 * n : 3 * n]
    turn_re, turn_im, gain, loss = tables[:n], tables[n : 2 * n], tables[2 * n : 3 * n], tables[3 * n : 4 * n]
    for i in range(n):
        u = re[i] * turn_re[i] - im[i] * turn_im[i] + gain[i] * driven[i]
        v = re[i] * turn_im[i] + im[i] * turn_re[i]
        re[i] = u
        im[i] = v
        share[i] += loss[i] * (_ONE - share[i])
        energy[i] = (u * u + v * v) / share[i]
    for j in range(1, alphas.size):
        w = max(first, alphas[j])
        smooth = rows[(2 + j) * n : (3 + j) * n]
        here = out[(j - 1) * n : j * n]
        for i in range(n):
            smooth[i] += w * (energy[i] - smooth[i])
            here[i] = smooth[i] + _ENERGY_FLOOR
    to_decibels(out, _ENERGY_FLOOR)
    for i in range(out.size):
        out[i] *= _LN10_10


@part
def centroid_and_bandwidth(magnitude: Any, bin_hz: Any) -> Any:
    """First moment of the magnitudes over frequency, and the square root of the second about it, in Hz."""
    total = _F0
    first = _F0
    for i in range(magnitude.size):
        total += magnitude[i]
        first += magnitude[i] * np.float32(i)
    if total <= _TINY:
        return _F0, _F0
    centre = first / total
    second = _F0
    for i in range(magnitude.size):
        away = np.float32(i) - centre
        second += magnitude[i] * away * away
    return centre * bin_hz, math.sqrt(second / total) * bin_hz


@part
def follow_level(power: Any, share: Any, alpha: Any, target: Any, heard: int, level: Any) -> None:
    """Follow the running mean power of all bands, lay a floor below it, and bring it to a target.

    The floor is a share of the level, as a quiet room would add: what lies far below the music is then not there,
    the emptied bands of a lossy coder, the noise of a line. As both move with the level, it does not matter how loud
    the music comes in.

    Args:
        power: (n,) bands, changed in place.
        share: of the level that is added.
        alpha: weight of the newest frame in the level, once enough frames have been heard.
        target: power that the level is brought to; 0 leaves it.
        heard: frames so far.
        level: (2,) kept from frame to frame: the level, and the gain that the last frame got.
    """
    w = max(_ONE / np.float32(heard + 1), alpha)
    level[0] += w * (mean_of(power) - level[0])
    noise = share * level[0]
    level[1] = target / max(level[0], _FAINT) if target > _F0 else _ONE
    for m in range(power.size):
        power[m] = (power[m] + noise) * level[1]


@part
def mel_block(weights: Any, layout: Any, memory: Any, heard: int, follows: bool, out: Any) -> None:
    """Log-mel spectrum and what is made of it: mfcc, log_mel, flux."""
    n_mels = layout[N_MELS]
    log_mel = memory[layout[LOG_MEL_M] : layout[LOG_MEL_M] + n_mels]
    padded_power = memory[layout[POWER_M] : layout[SCRATCH_M]]
    mel_spectrum(padded_power, layout[layout[MEL_ROWS] :], weights[layout[MEL_W] :], log_mel)
    constants = weights[layout[CONSTANTS_W] : layout[CONSTANTS_W] + N_CONSTANTS]
    if constants[FLOOR_SHARE] > _F0:
        share, alpha, target = constants[FLOOR_SHARE], constants[LEVEL_ALPHA], constants[LEVEL_TARGET]
        follow_level(log_mel, share, alpha, target, heard, memory[layout[LEVEL_M] :])
    to_decibels(log_mel, constants[LOG_FLOOR])
    if layout[MFCC_OUT] >= 0:
        dense(weights[layout[DCT_W] :], log_mel, out[layout[MFCC_OUT] : layout[MFCC_OUT] + layout[N_MFCC]])
    if layout[LOG_MEL_OUT] >= 0:
        out[layout[LOG_MEL_OUT] : layout[LOG_MEL_OUT] + n_mels] = log_mel
    if layout[FLUX_OUT] >= 0:
        before = memory[layout[BEFORE_M] : layout[BEFORE_M] + n_mels]
        out[layout[FLUX_OUT]] = rise(log_mel, before) if follows else _F0
        before[:] = log_mel


@part
def contrast_block(weights: Any, layout: Any, memory: Any, magnitude: Any, out: Any) -> None:
    """Spectral contrast: peak over valley of each octave band, in dB of magnitude."""
    n_bands = layout[N_BANDS]
    extremes = memory[layout[EXTREMES_M] : layout[EXTREMES_M] + 2 * n_bands]
    padded = memory[layout[SCRATCH_M] + layout[N_BINS] : layout[EXTREMES_M]]
    contrast_extremes(magnitude, layout[layout[BAND_ROWS] :], n_bands, padded, extremes)
    if weights[layout[CONSTANTS_W] + LEVEL_TARGET] > _F0:
        gain = math.sqrt(memory[layout[LEVEL_M] + 1])  # of power, by ``follow_level``
        for b in range(extremes.size):
            extremes[b] *= gain
    to_decibels(extremes, weights[layout[CONSTANTS_W] + CONTRAST_FLOOR])
    ceiling = weights[layout[CONSTANTS_W] + CONTRAST_CEILING]
    for b in range(n_bands):
        out[layout[CONTRAST_OUT] + b] = min(extremes[b] - extremes[n_bands + b], ceiling)


@part
def fill_block(weights: Any, layout: Any, memory: Any, power: Any, heard: int) -> None:
    """The spectrum with a floor, for what would otherwise depend on what is not there: left in ``memory``.

    The floor follows the running mean power of all bins (``follow_level``); without one it is a fixed power.
    """
    constants = weights[layout[CONSTANTS_W] : layout[CONSTANTS_W] + N_CONSTANTS]
    share, alpha = constants[FLOOR_SHARE], constants[LEVEL_ALPHA]
    filled = memory[layout[FILLED_M] : layout[FILLED_M] + power.size]
    filled[:] = power
    follow_level(filled, share, alpha, _F0, heard, memory[layout[BIN_LEVEL_M] :])
    lowest = _TINY if share > _F0 else constants[LOG_FLOOR]  # a fixed one would tell the gain
    for i in range(filled.size):
        filled[i] = max(filled[i], lowest)


@part
def sustain_block(layout: Any, memory: Any, follows: bool, out: Any) -> None:
    """Sustain: how much of each octave band's power stays where it was from frame to frame, from 0 to 1.

    Over neighbours of ``SUSTAIN_BINS`` bins: the smaller of now and before, summed, over the larger. Held tones stay,
    beats and noise do not. A frame that follows none gets one half.
    """
    n_bands = layout[N_BANDS]
    rows = layout[layout[BAND_ROWS] :]
    filled = memory[layout[FILLED_M] : layout[FILLED_M] + layout[N_BINS]]
    before = memory[layout[BINS_BEFORE_M] : layout[BINS_BEFORE_M] + layout[N_BINS]]
    at = 0
    for b in range(n_bands):
        start, n = rows[3 * b], rows[3 * b + 1] - rows[3 * b]
        width = min(SUSTAIN_BINS, n)
        less, more = _F0, _F0
        for k in range(n // width):
            now = _F0
            for i in range(width):
                now += filled[start + k * width + i]
            less += min(now, before[at])
            more += max(now, before[at])
            before[at] = now
            at += 1
        out[b] = less / more if follows else _HALF


@part
def flatness_block(layout: Any, memory: Any, out: Any) -> None:
    """Flatness: arithmetic over geometric mean of each octave band's power, in dB; 0 is as flat as can be.

    Takes the logarithm of the filled spectrum where it lies: nothing after this can read it.
    """
    n_bands = layout[N_BANDS]
    rows = layout[layout[BAND_ROWS] :]
    filled = memory[layout[FILLED_M] : layout[FILLED_M] + layout[N_BINS]]
    means = memory[layout[EXTREMES_M] : layout[EXTREMES_M] + n_bands]
    for b in range(n_bands):
        means[b] = mean_of(filled[rows[3 * b] : rows[3 * b + 1]])
    to_decibels(means, _TINY)
    to_decibels(filled, _TINY)
    for b in range(n_bands):
        out[b] = means[b] - mean_of(filled[rows[3 * b] : rows[3 * b + 1]])


@part
def chroma_block(weights: Any, layout: Any, memory: Any, power: Any, out: Any) -> None:
    """Chroma, the strongest pitch class 1; all 0 in silence. Left in ``memory`` for ``tonal_block``, too."""
    chroma = memory[layout[CHROMA_M] : layout[CHROMA_M] + layout[N_CHROMA]]
    dense(weights[layout[CHROMA_W] :], power, chroma)
    most = _F0
    for c in range(chroma.size):
        most = max(most, chroma[c])
    if most > _TINY:
        for c in range(chroma.size):
            chroma[c] /= most
    if layout[CHROMA_OUT] >= 0:
        out[layout[CHROMA_OUT] : layout[CHROMA_OUT] + chroma.size] = chroma


@part
def moments_block(weights: Any, layout: Any, magnitude: Any, out: Any) -> None:
    """Where the magnitudes lie: centroid, bandwidth, rolloff, in Hz."""
    bin_hz = weights[layout[CONSTANTS_W] + BIN_HZ]
    if layout[CENTROID_OUT] >= 0 or layout[BANDWIDTH_OUT] >= 0:
        centroid, bandwidth = centroid_and_bandwidth(magnitude, bin_hz)
        if layout[CENTROID_OUT] >= 0:
            out[layout[CENTROID_OUT]] = centroid
        if layout[BANDWIDTH_OUT] >= 0:
            out[layout[BANDWIDTH_OUT]] = bandwidth
    if layout[ROLLOFF_OUT] >= 0:
        k = rolloff_bin(magnitude, weights[layout[CONSTANTS_W] + ROLLOFF])
        out[layout[ROLLOFF_OUT]] = np.float32(k) * bin_hz


@part
def running_block(weights: Any, layout: Any, memory: Any, heard: int, follows: bool, out: Any) -> None:
    """Running means, spreads and deltas of the frame."""
    alphas = weights[layout[RUNNING_W] : layout[RUNNING_W] + layout[N_RUNNING]]
    frame = out[: layout[N_FRAME]]
    running_statistics(frame, alphas, heard, layout[N_KINDS], memory[layout[RUNNING_M] :], out)
    if layout[N_KINDS] > 2:
        running_deltas(frame, alphas, follows, memory[layout[DELTAS_M] :], out)


@part
def correlation_block(weights: Any, layout: Any, memory: Any, heard: int, out: Any) -> None:
    """Running correlations between values of the frame."""
    n, n_times = layout[N_CORRELATED], layout[N_CORRELATIONS]
    rows = layout[layout[CORRELATED_ROWS] : layout[CORRELATED_ROWS] + n]
    x = memory[layout[CORRELATED_M] : layout[CORRELATED_M] + n]
    for a in range(n):
        x[a] = out[rows[a]]
    alphas = weights[layout[CORRELATION_W] : layout[CORRELATION_W] + n_times]
    scratch = memory[layout[CORRELATED_M] + n : layout[CORRELATED_M] + 3 * n]
    running_correlations(x, alphas, heard, scratch, memory[layout[CORRELATION_M] :], out[layout[CORRELATION_OUT] :])


@part
def modulation_block(weights: Any, layout: Any, memory: Any, heard: int, out: Any) -> None:
    """Modulation energies of groups of mel bands."""
    n_groups, n_bands, n_times = layout[N_GROUPS], layout[N_MODULATION_BANDS], layout[N_MODULATIONS]
    level = memory[layout[GROUPS_M] : layout[GROUPS_M] + n_groups]
    log_mel = memory[layout[LOG_MEL_M] : layout[LOG_MEL_M] + layout[N_MELS]]
    dense(weights[layout[GROUPS_W] :], log_mel, level)
    alphas = weights[layout[MODULATION_W] : layout[MODULATION_W] + 1 + n_times]
    scratch = memory[layout[GROUPS_M] + n_groups :]
    at = layout[MODULATION_OUT]
    here = out[at : at + n_times * n_groups * n_bands]
    modulation_energies(
        level, alphas, weights[layout[RESONATORS_W] :], n_bands, heard, scratch, memory[layout[MODULATION_M] :], here
    )


@part
def tonal_block(weights: Any, layout: Any, memory: Any, heard: int, follows: bool, out: Any) -> None:
    """What the running chroma is like in whatever key: three kinds of values for every time constant.

    First the magnitudes of its Fourier transform around the circle of pitch classes, over its sum: a transposition
    turns phases only. Then its mean (how many pitch classes sound beside the strongest), and the means over pitch
    classes of their spreads and deltas (how much the harmony moves).
    """
    n, n_times = layout[N_CHROMA], layout[N_TONAL]
    chroma = memory[layout[CHROMA_M] : layout[CHROMA_M] + n]
    ran = memory[layout[CHROMA_M] : layout[CHROMA_M] + n * (1 + 3 * n_times)]
    alphas = weights[layout[TONAL_W] : layout[TONAL_W] + n_times]
    running_statistics(chroma, alphas, heard, 3, memory[layout[TONAL_M] :], ran)
    running_deltas(chroma, alphas, follows, memory[layout[TONAL_DELTAS_M] :], ran)
    n_waves = n // 2
    fourier = weights[layout[FOURIER_W] : layout[FOURIER_W] + 2 * n_waves * n]
    for j in range(n_times):
        at = n * (1 + 3 * j)
        mean = ran[at : at + n]
        here = out[j * (n_waves + 3) : (j + 1) * (n_waves + 3)]
        level = mean_of(mean)
        scale = _ONE / max(level * np.float32(n), _TINY)
        for k in range(n_waves):
            re, im = _F0, _F0
            for c in range(n):
                re += fourier[2 * k * n + c] * mean[c]
                im += fourier[(2 * k + 1) * n + c] * mean[c]
            here[k] = math.sqrt(re * re + im * im) * scale
        here[n_waves] = level
        here[n_waves + 1] = mean_of(ran[at + n : at + 2 * n])
        here[n_waves + 2] = mean_of(ran[at + 2 * n : at + 3 * n])


@part
def age_block(cap: Any, heard: int, out: Any) -> None:
    """How many frames have been heard, this one included and at most ``cap``, on two scales.

    ln(frames/40) tells the first seconds apart; 2·min(1, 12/frames) - 1 falls from 1 (up to the first
    second at the shipped hop rate) towards -1.
    """
    frames = min(np.float32(heard + 1), cap)
    out[0] = math.log(frames / _AGE_UNIT)
    out[1] = _TWO * min(_ONE, _AGE_START / frames) - _ONE


@part
def memory_blocks(weights: Any, layout: Any, memory: Any, heard: int, follows: bool, out: Any) -> None:
    """Everything that remembers earlier frames, flux aside."""
    if layout[N_RUNNING] > 0:
        running_block(weights, layout, memory, heard, follows, out)
    if layout[N_CORRELATIONS] > 0:
        correlation_block(weights, layout, memory, heard, out)
    if layout[N_MODULATIONS] > 0:
        modulation_block(weights, layout, memory, heard, out)
    if layout[N_TONAL] > 0:
        tonal_block(weights, layout, memory, heard, follows, out[layout[TONAL_OUT] :])
    if layout[AGE_OUT] >= 0:
        age_block(weights[layout[CONSTANTS_W] + AGE_CAP], heard, out[layout[AGE_OUT] :])


@kernel
def frame_of_power(weights: Any, layout: Any, memory: Any, heard: int, follows: bool, out: Any) -> None:
    """One frame from the power spectrum that lies in ``memory``.

    Where frames are lost, everything remembered is kept as it is and goes on from there.

    Args:
        weights: float32 constants of the spec.
        layout: int32 sizes and offsets of the spec.
        memory: float32, the stream's own; spectrum in, statistics kept.
        heard: frames in the running statistics so far.
        follows: the frame directly follows the one before (where not, flux is 0 and deltas learn nothing).
        out: (n_features,) float32, written whole.
    """
    n_bins = layout[N_BINS]
    power = memory[layout[POWER_M] : layout[POWER_M] + n_bins]
    magnitude = memory[layout[SCRATCH_M] : layout[SCRATCH_M] + n_bins]
    for i in range(n_bins):
        magnitude[i] = math.sqrt(power[i])
    if layout[N_MELS] > 0:
        mel_block(weights, layout, memory, heard, follows, out)
    if layout[CONTRAST_OUT] >= 0:
        contrast_block(weights, layout, memory, magnitude, out)
    if layout[SUSTAIN_OUT] >= 0 or layout[FLATNESS_OUT] >= 0:
        fill_block(weights, layout, memory, power, heard)
    if layout[SUSTAIN_OUT] >= 0:
        sustain_block(layout, memory, follows, out[layout[SUSTAIN_OUT] :])
    if layout[FLATNESS_OUT] >= 0:
        flatness_block(layout, memory, out[layout[FLATNESS_OUT] :])
    if layout[N_CHROMA] > 0:
        chroma_block(weights, layout, memory, power, out)
    moments_block(weights, layout, magnitude, out)
    if layout[ZCR_OUT] >= 0:
        out[layout[ZCR_OUT]] = memory[layout[CROSSINGS_M]]
    if layout[RMS_OUT] >= 0:
        out[layout[RMS_OUT]] = math.sqrt(memory[layout[MEAN_SQUARE_M]])
    memory_blocks(weights, layout, memory, heard, follows, out)
