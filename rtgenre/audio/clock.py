"""What the arrival times of blocks tell: when a sample was captured, what was lost, whether the rate is true.

Sound servers hand over blocks in bursts (90 ms and more apart), never early. So the lower envelope of
``arrival − n / rate`` is the clock of the sound card, and everything above it is waiting. A step of the whole
envelope is lost audio, which PortAudio over PulseAudio does not report in any other way; a steady slope is a
device whose rate is not what it says.

Pure logic, no clock of its own. One thread at a time.
"""

from __future__ import annotations

import itertools
from collections import deque

from rtgenre.errors import DeviceError

STANDARD_RATES_HZ = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000, 176400, 192000)

_DRIFT = 500e-6  # the envelope follows sound cards this far off; real ones stay within 300 ppm
_LOSS_NS = 80_000_000  # a smaller step is a burst, not a loss
_STAND_NS = 1_000_000_000  # a step counts when its minimum has stood this long
_IMPROVED_NS = 5_000_000
_BUCKET_NS = 1_000_000_000
_LIE = 0.015
_LIE_BUCKETS = 5
_STEADY = 0.35  # single seconds may differ from the measured rate by this part of what it is off …
_STEADY_MOST = 0.05  # … and by this part of itself: bursts 90 ms apart


class PaceMeter:
    """Measures samples per second of arrival and says when the pace steadily differs from the nominal rate.

    Args:
        sample_rate: what the source says, Hz.
    """

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self.reset()

    def reset(self) -> None:
        """Forget what was measured, after anything that is known to have disturbed the pace."""
        self._n = 0
        self._bucket_start_ns: int | None = None
        self._lowest = (0, 0)
        self._lowest_offset_ns: float = float("inf")
        self._anchors: deque[tuple[int, int]] = deque(maxlen=_LIE_BUCKETS + 1)

    def tell(self, n_samples: int, arrival_ns: int) -> float | None:
        """Take note of one block.

        Args:
            n_samples: frames in the block.
            arrival_ns: monotonic clock at its arrival.

        Returns:
            The measured rate in Hz where it differs steadily from the nominal one, else None.
        """
        if self._bucket_start_ns is None:
            self._bucket_start_ns = arrival_ns
        elif arrival_ns - self._bucket_start_ns >= _BUCKET_NS:
            self._anchors.append(self._lowest)
            self._bucket_start_ns, self._lowest_offset_ns = arrival_ns, float("inf")
        self._n += n_samples
        # The block that waited least in its second marks the pace best.
        offset_ns = arrival_ns - self._n * 1e9 / self._rate
        if offset_ns < self._lowest_offset_ns:
            self._lowest_offset_ns, self._lowest = offset_ns, (self._n, arrival_ns)
        return self._judge() if len(self._anchors) > _LIE_BUCKETS else None

    def _judge(self) -> float | None:
        anchors = list(self._anchors)
        (n_first, t_first), (n_last, t_last) = anchors[0], anchors[-1]
        if t_last - t_first < (_LIE_BUCKETS - 1) * _BUCKET_NS:
            return None
        measured = (n_last - n_first) * 1e9 / (t_last - t_first)
        off = measured / self._rate - 1.0
        if abs(off) <= _LIE:
            return None
        for (n0, t0), (n1, t1) in itertools.pairwise(anchors):
            if t1 <= t0:
                return None
            if abs((n1 - n0) * 1e9 / (t1 - t0) / measured - 1.0) > min(_STEADY * abs(off), _STEADY_MOST):
                return None
        return measured


class AudioClock:
    """The clock of one opened device, seen through the arrival of its blocks.

    Args:
        sample_rate: Hz, as the device says.
    """

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._pace = PaceMeter(sample_rate)
        self._n = 0  # samples up to the last one told, lost ones included
        self._envelope_ns = float("inf")
        self._arrival_ns = 0
        self._late_min_ns = float("inf")
        self._late_since_ns: int | None = None

    def tell(self, n_samples: int, arrival_ns: int, lost_samples: int = 0) -> int:
        """Take note of one block.

        Args:
            n_samples: frames in the block.
            arrival_ns: monotonic clock at its arrival.
            lost_samples: frames known to be lost directly before it.

        Returns:
            Samples lost before this block that nobody had noticed; told about a second after the loss, when it
            is certain.

        Raises:
            DeviceError: the device steadily delivers at another rate than it says.
        """
        measured = self._pace.tell(n_samples + lost_samples, arrival_ns)
        if measured is not None:
            raise _lying(measured, self._rate)
        self._n += n_samples + lost_samples
        offset_ns = arrival_ns - self._n * 1e9 / self._rate
        # It rises a little faster than any sound card drifts, until the next block that did not wait holds it.
        self._envelope_ns = min(offset_ns, self._envelope_ns + (arrival_ns - self._arrival_ns) * _DRIFT)
        self._arrival_ns = arrival_ns
        return self._loss(offset_ns, arrival_ns)

    @property
    def t_last_ns(self) -> int:
        """When the last sample told was captured, on the monotonic clock; never after its arrival.

        The device's own constant delay (microphone to first possible arrival) cannot be seen from here.
        """
        return min(self._arrival_ns, round(self._envelope_ns + self._n * 1e9 / self._rate))

    def _loss(self, offset_ns: float, arrival_ns: int) -> int:
        if offset_ns < self._envelope_ns + _LOSS_NS:
            self._late_since_ns, self._late_min_ns = None, float("inf")
            return 0
        if offset_ns < self._late_min_ns - _IMPROVED_NS or self._late_since_ns is None:
            self._late_since_ns, self._late_min_ns = arrival_ns, offset_ns
            return 0
        self._late_min_ns = min(self._late_min_ns, offset_ns)
        if arrival_ns - self._late_since_ns < _STAND_NS:
            return 0
        lost = round((self._late_min_ns - self._envelope_ns) * self._rate / 1e9)
        self._n += lost
        self._late_since_ns, self._late_min_ns = None, float("inf")
        return lost


def _lying(measured: float, nominal: int) -> DeviceError:
    near = min(STANDARD_RATES_HZ, key=lambda rate: abs(rate - measured))
    return DeviceError(
        f"the device says {nominal} Hz but delivers {measured:.0f} samples a second",
        f"set the rate to {near} Hz, or the rate of the sound server to {nominal} Hz",
    )
