"""Power spectrum of one window: a real FFT in float32, written for the vectoriser.

The n_fft real samples are taken as half = n_fft/2 complex ones, and those as a matrix of rows × columns
(D. Bailey, "FFTs in external or hierarchical memory", 1990): transform the columns, turn the matrix while
multiplying by the twiddle factors, transform the columns again. Each transform is Stockham's (no bit
reversal) with all columns abreast, so every inner loop runs over contiguous memory and is long.

Real and imaginary parts lie apart, ``half`` values from one another. All of it happens inside one array at
distances that are constants of the compiled kernel: otherwise the compiler could not prove that what is
written does not overlap what is read, and would not vectorise.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from rtgenre.frontend.compiling import inlined, kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float32]

_QUARTER = np.float32(0.25)
_ZERO_CROSSING = np.float32(-1e-10)  # librosa counts a sample as negative below this

# Where the kernel leaves its results in the state's memory; the features start from there.
MEAN_SQUARE, ZERO_CROSSINGS = range(2)
POWER = 16
PADDING = 16  # zeros after the spectrum: filters are read in blocks


def work_offset(n_fft: int) -> int:
    """Where scratch begins in the state's memory: the first multiple of 16 after the padded spectrum."""
    return POWER + (n_fft // 2 + 1 + PADDING + 15) // 16 * 16


def work_size(n_fft: int) -> int:
    """Values of scratch: two complex arrays of n_fft/2."""
    return 2 * n_fft


def _shape(n_fft: int) -> tuple[int, int]:
    """Rows and columns of the matrix."""
    half = n_fft // 2
    rows = 1 << ((half.bit_length() - 1) // 2)
    return rows, half // rows


def _radices(length: int) -> tuple[int, ...]:
    """The passes over a length from 8 to 64; the last has no twiddle factors."""
    return {8: (2, 4), 16: (4, 4), 32: (2, 4, 4), 64: (4, 4, 4)}[length]


def _pass_twiddles(length: int) -> NDArray[np.complex128]:
    """Twiddle factors of every pass but the last, in the order in which they are read."""
    parts = []
    for radix in _radices(length)[:-1]:
        parts.append(np.exp(-2j * np.pi / length * np.outer(np.arange(length // radix), np.arange(1, radix))).ravel())
        length //= radix
    return np.concatenate(parts)


def _pairs(z: NDArray[np.complex128]) -> NDArray[np.float64]:
    return np.stack([z.real, z.imag], axis=-1).ravel()


@lru_cache(maxsize=16)
def _offsets(n_fft: int) -> tuple[int, int, int, int, int]:
    """Where each table begins: row, column, turning and untangling twiddles, then the gain at the ends."""
    rows, columns = _shape(n_fft)
    row_at = n_fft
    column_at = row_at + 2 * len(_pass_twiddles(rows))
    turn_at = column_at + 2 * len(_pass_twiddles(columns))
    untangle_at = turn_at + n_fft
    return row_at, column_at, turn_at, untangle_at, untangle_at + n_fft


def fft_tables(window: NDArray[np.float64], gain: float, end_gain: float) -> FloatArray:
    """Everything that ``hop_power`` reads besides samples, in one array.

    Args:
        window: (n_fft,) window.
        gain: factor on |X|² of the window's spectrum.
        end_gain: further factor at bin 0 and at bin n_fft/2.

    Returns:
        (n,) float32: window (square root of the gain included), twiddles, ``end_gain``.
    """
    n_fft = len(window)
    half = n_fft // 2
    rows, columns = _shape(n_fft)
    turn = np.exp(-2j * np.pi / half * np.outer(np.arange(columns), np.arange(rows))).ravel()
    untangle = np.exp(-2j * np.pi / n_fft * np.arange(half))
    tables = np.concatenate(
        [
            window * np.sqrt(gain),
            _pairs(_pass_twiddles(rows)),
            _pairs(_pass_twiddles(columns)),
            turn.real,
            turn.imag,
            untangle.real,
            untangle.imag,
            [end_gain],
        ]
    )
    return tables.astype(np.float32)


@inlined
def _radix2(w: Any, t: Any, t_at: int, half: int, src: int, dst: int, stride: int, groups: int) -> None:
    """One Stockham pass of radix 2: ``groups`` butterflies, each over ``stride`` columns."""
    for p in range(groups):
        c, d = t[t_at + 2 * p], t[t_at + 2 * p + 1]
        i = src + stride * p
        o = dst + 2 * stride * p
        for q in range(stride):
            x0, y0 = w[i + q], w[i + q + half]
            x1, y1 = w[i + q + half // 2], w[i + q + half // 2 + half]
            w[o + q] = x0 + x1
            w[o + q + half] = y0 + y1
            u, v = x0 - x1, y0 - y1
            w[o + q + stride] = u * c - v * d
            w[o + q + stride + half] = u * d + v * c


@inlined
def _radix4(w: Any, t: Any, t_at: int, half: int, src: int, dst: int, stride: int, groups: int) -> None:
    """One Stockham pass of radix 4."""
    quarter = half // 4
    for p in range(groups):
        k = t_at + 6 * p
        c1, d1, c2, d2, c3, d3 = t[k], t[k + 1], t[k + 2], t[k + 3], t[k + 4], t[k + 5]
        i = src + stride * p
        o = dst + 4 * stride * p
        for q in range(stride):
            x0, y0 = w[i + q], w[i + q + half]
            x1, y1 = w[i + q + quarter], w[i + q + quarter + half]
            x2, y2 = w[i + q + 2 * quarter], w[i + q + 2 * quarter + half]
            x3, y3 = w[i + q + 3 * quarter], w[i + q + 3 * quarter + half]
            a, b, c, d = x0 + x2, y0 + y2, x0 - x2, y0 - y2
            e, f, g, h = x1 + x3, y1 + y3, x1 - x3, y1 - y3
            w[o + q] = a + e
            w[o + q + half] = b + f
            u, v = c + h, d - g
            w[o + q + stride] = u * c1 - v * d1
            w[o + q + stride + half] = u * d1 + v * c1
            u, v = a - e, b - f
            w[o + q + 2 * stride] = u * c2 - v * d2
            w[o + q + 2 * stride + half] = u * d2 + v * c2
            u, v = c - h, d + g
            w[o + q + 3 * stride] = u * c3 - v * d3
            w[o + q + 3 * stride + half] = u * d3 + v * c3


@inlined
def _last_radix4(w: Any, half: int, src: int, dst: int) -> None:
    """The last pass: radix 4, no twiddles."""
    quarter = half // 4
    for q in range(quarter):
        i = src + q
        o = dst + q
        x0, y0 = w[i], w[i + half]
        x1, y1 = w[i + quarter], w[i + quarter + half]
        x2, y2 = w[i + 2 * quarter], w[i + 2 * quarter + half]
        x3, y3 = w[i + 3 * quarter], w[i + 3 * quarter + half]
        a, b, c, d = x0 + x2, y0 + y2, x0 - x2, y0 - y2
        e, f, g, h = x1 + x3, y1 + y3, x1 - x3, y1 - y3
        w[o] = a + e
        w[o + half] = b + f
        w[o + quarter] = c + h
        w[o + quarter + half] = d - g
        w[o + 2 * quarter] = a - e
        w[o + 2 * quarter + half] = b - f
        w[o + 3 * quarter] = c - h
        w[o + 3 * quarter + half] = d + g


@inlined
def _columns(w: Any, t: Any, t_at: int, half: int, a: int, b: int, length: int, stride: int) -> None:
    """Transform ``stride`` columns of ``length`` rows at ``a``; the result lies where ``_lands`` says.

    All but w and t are constants of the compiled kernel, so only the passes of one length remain.
    """
    if length == 8:
        _radix2(w, t, t_at, half, a, b, stride, 4)
        _last_radix4(w, half, b, a)
    elif length == 16:
        _radix4(w, t, t_at, half, a, b, stride, 4)
        _last_radix4(w, half, b, a)
    elif length == 32:
        _radix2(w, t, t_at, half, a, b, stride, 16)
        _radix4(w, t, t_at + 32, half, b, a, 2 * stride, 4)
        _last_radix4(w, half, a, b)
    else:
        _radix4(w, t, t_at, half, a, b, stride, 16)
        _radix4(w, t, t_at + 96, half, b, a, 4 * stride, 4)
        _last_radix4(w, half, a, b)


def _lands(length: int, a: int, b: int) -> tuple[int, int]:
    """Where ``_columns`` leaves its result, and which place is then free."""
    return (a, b) if len(_radices(length)) == 2 else (b, a)


@inlined
def _turn(w: Any, t: Any, t_at: int, half: int, src: int, dst: int, rows: int, columns: int) -> None:
    """Transpose rows × columns while multiplying by the twiddle factors."""
    for c in range(columns):
        for r in range(rows):
            i = src + r * columns + c
            k = c * rows + r
            x, y = w[i], w[i + half]
            u, v = t[t_at + k], t[t_at + half + k]
            w[dst + k] = x * u - y * v
            w[dst + half + k] = x * v + y * u


@inlined
def _untangle(w: Any, t: Any, t_at: int, half: int, src: int, rev: int, out: int) -> None:
    """|X|² of the real signal from the transform of its even and odd samples as real and imaginary part.

    Bins k and half - k come from the same pair. What runs backwards is copied first and last, so that
    the loop with the arithmetic only runs forwards.
    """
    for k in range(1, half // 2 + 1):
        w[rev + k] = w[src + half - k]
    for k in range(1, half // 2 + 1):
        w[rev + half + k] = w[src + 2 * half - k]
    for k in range(1, half // 2 + 1):
        ar, ai, br, bi = w[src + k], w[src + half + k], w[rev + k], w[rev + half + k]
        even_r, even_i, odd_r, odd_i = ar + br, ai - bi, ai + bi, br - ar
        c, d = t[t_at + k], t[t_at + half + k]
        u, v = odd_r * c - odd_i * d, odd_r * d + odd_i * c
        x, y = even_r + u, even_i + v
        w[out + k] = (x * x + y * y) * _QUARTER
        x, y = even_r - u, even_i - v
        w[rev + k] = (x * x + y * y) * _QUARTER
    for k in range(1, half // 2):
        w[out + half - k] = w[rev + k]


@lru_cache(maxsize=16)
def hop_power_kernel(n_fft: int) -> Any:
    """The kernel for one window length, as ``hop_power(samples, start, tables, memory)``.

    It takes ``samples[start : start + n_fft]`` (float32) and leaves in ``memory`` (float32) the power
    spectrum from ``POWER`` on, the mean square of the samples, and how often they change sign.
    """
    half = n_fft // 2
    rows, columns = _shape(n_fft)
    row_at, column_at, turn_at, untangle_at, end_at = _offsets(n_fft)
    # Only whole numbers may be captured: they are part of the key under which the kernel is kept on disk.
    here = work_offset(n_fft)
    there = here + n_fft
    after_rows, turned = _lands(rows, here, there)
    spectrum, free = _lands(columns, turned, after_rows)

    @kernel
    def hop_power(samples: Any, start: int, tables: Any, memory: Any) -> None:
        x = samples[start : start + n_fft]
        square = np.float32(0.0)
        for i in range(n_fft):
            square += x[i] * x[i]
        memory[MEAN_SQUARE] = square / np.float32(n_fft)
        crossings = np.int32(0)
        for i in range(n_fft - 1):
            crosses = np.int32(x[i] < _ZERO_CROSSING) ^ np.int32(x[i + 1] < _ZERO_CROSSING)
            crossings = np.int32(crossings + crosses)  # int32 + int32 is int64: half the speed
        memory[ZERO_CROSSINGS] = np.float32(crossings) / np.float32(n_fft)

        for i in range(half):
            memory[here + i] = x[2 * i] * tables[2 * i]
            memory[here + half + i] = x[2 * i + 1] * tables[2 * i + 1]
        _columns(memory, tables, row_at, half, here, there, rows, columns)
        _turn(memory, tables, turn_at, half, after_rows, turned, rows, columns)
        _columns(memory, tables, column_at, half, turned, after_rows, columns, rows)
        _untangle(memory, tables, untangle_at, half, spectrum, free, POWER)
        even, odd = memory[spectrum], memory[spectrum + half]
        memory[POWER] = (even + odd) * (even + odd) * tables[end_at]
        memory[POWER + half] = (even - odd) * (even - odd) * tables[end_at]

    return hop_power
