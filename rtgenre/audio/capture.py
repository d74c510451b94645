"""``DeviceSource``: a sound device, captured in a child process that is watched, killed and replaced.

The policy is here, the mechanism in ``child.py``: how long to be patient, when to try again, what was lost meanwhile.
Everything runs in the thread that calls ``read``; there is no thread of its own.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from rtgenre.audio.child import CaptureChild, list_devices
from rtgenre.audio.clock import AudioClock
from rtgenre.audio.ring import DEFAULT_CAPACITY, ChildState
from rtgenre.errors import DeviceError
from rtgenre.records import Block, SourceInfo, SourceStats

if TYPE_CHECKING:
    from rtgenre.audio.ring import Chunk

__all__ = ["DeviceSource", "list_devices"]

_S = 1_000_000_000
_HEARTBEAT_S = 1.0  # callbacks over PulseAudio come up to 0.1 s apart
_OPEN_S = 5.0  # a cold sound server may need seconds …
_REOPEN_S = 3.0  # … one that has run needs less, and may hang while it comes up
_FIRST_BLOCK_S = (5.0, 60.0)  # patience with a device that opens but stays mute (suspended), doubling
_BACK_OFF_S = (0.1, 1.0)
_ZEROS_MAX_S = 300.0
_LOOK_S = 0.05
_JOIN_SAMPLES = 4096
_BURST_S = 0.0005  # callbacks of a burst come 0.1 ms apart: wait for the others, and wake once


class DeviceSource:
    """A sound device as a ``Source``.

    Until it has run once, whatever goes wrong is raised. From then on it never gives up: a child that stops is
    killed and replaced, with back-off, and the first block afterwards says how many samples are missing.

    Args:
        name: name used in topics.
        device: ``"hostapi: name"`` or a unique part; None for the default input.
        sample_rate: Hz; 0 for the device's own.
        channels: 0 for two where the device has them.
        block_samples: frames in a block.
        latency_s: buffering to ask the sound system for.
        zeros_restart_s: reopen the device after this long of exact zeros, which is what a muted, moved or
            unloaded device gives for ever; the time doubles to 300 s while zeros go on; 0 for never.
        capacity: samples that the ring holds, over all channels.
        pulse_source: name of the PulseAudio source (``….monitor`` for what is played) that the device ``pulse`` is
            to capture; empty for the server's default.
    """

    def __init__(
        self,
        name: str,
        device: str | None = None,
        sample_rate: int = 0,
        channels: int = 0,
        block_samples: int = 512,
        latency_s: float = 0.05,
        zeros_restart_s: float = 30.0,
        capacity: int = DEFAULT_CAPACITY,
        pulse_source: str = "",
    ) -> None:
        self.name = name
        self.stats = SourceStats()
        self._device = device
        self._sample_rate = sample_rate
        self._channels = channels
        self._block_samples = block_samples
        self._latency_s = latency_s
        self._capacity = capacity
        self._pulse_source = pulse_source
        self._zeros_restart_s = zeros_restart_s
        self._zeros_patience_s = zeros_restart_s
        self._zeros_s = 0.0
        self._child: CaptureChild | None = None
        self._clock: AudioClock | None = None
        self._info: SourceInfo | None = None
        self._back_off_s = _BACK_OFF_S[0]
        self._first_block_s = _FIRST_BLOCK_S[0]
        self._retry_ns = 0
        self._lost: str | None = None  # why capture is down, None while it runs
        self._seen_xruns = 0
        self._seen_dropped = 0
        self._is_closed = False
        self._t_last_ns = 0
        self._waiting: Block | None = None

    def start(self) -> None:
        """Spawn the capture child.

        Raises:
            DeviceError: no process can be started.
        """
        if self._child is None and not self._is_closed:
            self._spawn()

    def wait_ready(self, timeout_s: float = _OPEN_S) -> SourceInfo:
        """Wait until the device runs for the first time.

        Args:
            timeout_s: how long opening may take.

        Raises:
            DeviceError: there is no such device, it refuses, it is busy, or the sound system hangs.
        """
        deadline_ns = time.monotonic_ns() + round(timeout_s * _S)
        while self._info is None:
            child = self._child
            if child is None:
                raise DeviceError(f"the source {self.name!r} is not running: start it first, once")
            child.release_name()
            if child.ring.state is ChildState.RUNNING:
                self._begin(child)
            elif child.has_ended():
                error = child.failure()
                self.close()
                raise error
            elif time.monotonic_ns() > deadline_ns:
                self.close()
                raise _hanging(self._device, timeout_s)
            else:
                child.wait(_LOOK_S)
        return self._info

    def read(self, timeout_s: float) -> Block | None:
        """Wait for the next block; see ``Source.read``.

        Raises:
            DeviceError: it never ran, it was closed, or it delivers at another rate than it says.
        """
        if self._is_closed:
            raise DeviceError(f"the source {self.name!r} is closed")
        if self._info is None:
            self.wait_ready()
        deadline_ns = time.monotonic_ns() + round(timeout_s * _S)
        while True:
            block = self._take_all()
            if block is not None:
                return block
            self._supervise()
            left_s = (deadline_ns - time.monotonic_ns()) / _S
            if left_s <= 0:
                return None
            if self._child is None:
                time.sleep(min(left_s, _LOOK_S))
            else:
                self._child.wait(min(left_s, _LOOK_S))
                time.sleep(_BURST_S)

    def close(self) -> None:
        """Kill the child; see ``Source.close``."""
        self._is_closed = True
        self._retire()

    def _spawn(self) -> None:
        self._seen_xruns = self._seen_dropped = 0
        self._clock = None
        self._child = CaptureChild(
            self._device,
            self._sample_rate,
            self._channels,
            self._block_samples,
            self._latency_s,
            self._capacity,
            {"PULSE_SOURCE": self._pulse_source} if self._pulse_source else {},
        )

    def _begin(self, child: CaptureChild) -> None:
        """Take note of the format at the first opening; later children must keep it."""
        self._sample_rate, self._channels = child.ring.sample_rate, child.ring.channels
        description = f"{child.ring.text}: {self._pulse_source}" if self._pulse_source else child.ring.text
        self._info = SourceInfo(self.name, description, self._sample_rate, self._channels, live=True)

    def _take_all(self) -> Block | None:
        """Everything that has come, as one block: callbacks come in bursts, and each block costs the same."""
        block, self._waiting = self._waiting or self._take(), None
        if block is None:
            return None
        parts = [block]
        n_samples = len(block.samples)
        while n_samples < _JOIN_SAMPLES and (more := self._take()) is not None:
            if more.gap_samples:
                self._waiting = more  # a gap lies before a block, never inside one
                break
            parts.append(more)
            n_samples += len(more.samples)
        if len(parts) == 1:
            return block
        samples = np.concatenate([part.samples for part in parts])
        return Block(samples, parts[-1].t_last_ns, block.gap_samples, sum(part.xruns for part in parts))

    def _take(self) -> Block | None:
        child = self._child
        chunk = child.read() if child is not None else None
        if child is None or chunk is None:
            return None
        self._count(child)
        first = self._clock is None
        if self._clock is None:
            self._clock = AudioClock(self._sample_rate)
        gap = self._clock.tell(chunk.n_frames, chunk.arrival_ns, chunk.dropped_before) + chunk.dropped_before
        t_last_ns = self._clock.t_last_ns
        if first:
            gap += self._missed(t_last_ns, chunk)
            self._recovered(gap)
        samples = np.frombuffer(chunk.raw, np.float32).reshape(chunk.n_frames, self._channels)
        self._watch_zeros(samples)
        self.stats.gap_samples += gap
        self._t_last_ns = t_last_ns
        return Block(samples, t_last_ns, gap, chunk.xruns)

    def _missed(self, t_last_ns: int, chunk: Chunk) -> int:
        """Samples between the last block of the child before and the first of this one."""
        if not self._t_last_ns:
            return 0
        between_ns = t_last_ns - self._t_last_ns
        return max(0, round(between_ns * self._sample_rate / _S) - chunk.n_frames - chunk.dropped_before)

    def _recovered(self, gap: int) -> None:
        self._back_off_s, self._first_block_s = _BACK_OFF_S[0], _FIRST_BLOCK_S[0]
        if self._lost is not None:
            self.stats.capture_restarts += 1
            self.stats.notice = f"capture restarted after {gap / self._sample_rate:.1f} s: {self._lost}"
            self._lost = None

    def _count(self, child: CaptureChild) -> None:
        """Carry the child's counters over; each child starts from zero."""
        xruns, dropped = child.ring.xruns, child.ring.dropped_frames
        self.stats.xruns += xruns - self._seen_xruns
        self.stats.dropped_samples += dropped - self._seen_dropped
        self._seen_xruns, self._seen_dropped = xruns, dropped

    def _supervise(self) -> None:
        now_ns = time.monotonic_ns()
        child = self._child
        if child is None:
            if now_ns >= self._retry_ns:
                self._respawn()
            return
        child.release_name()
        if child.has_ended():
            self._give_up_child(child.failure().message)
        elif child.ring.state is not ChildState.RUNNING:
            if now_ns - child.spawned_ns > _REOPEN_S * _S:
                self._give_up_child(_hanging(self._device, _REOPEN_S).message)
        elif not child.ring.heartbeat_ns:
            if now_ns - child.spawned_ns > self._first_block_s * _S:
                self._first_block_s = min(self._first_block_s * 2, _FIRST_BLOCK_S[1])
                self._give_up_child("the device is open but gives nothing (suspended?)")
        elif now_ns - child.ring.heartbeat_ns > self._heartbeat_limit_ns():
            self._give_up_child("the device stopped delivering (sound server frozen, or device suspended)")

    def _heartbeat_limit_ns(self) -> int:
        return round(max(_HEARTBEAT_S, 4 * self._block_samples / self._sample_rate) * _S)

    def _respawn(self) -> None:
        try:
            self._spawn()
        except DeviceError as error:
            self._give_up_child(error.message)

    def _give_up_child(self, why: str) -> None:
        """Kill the child and plan the next; ``why`` of the first failure is what people need to know."""
        self._retire()
        if self._lost is None:
            self._lost = why
        self.stats.notice = f"no sound: {why}; trying again"
        self._retry_ns = time.monotonic_ns() + round(self._back_off_s * _S)
        self._back_off_s = min(self._back_off_s * 2, _BACK_OFF_S[1])

    def _retire(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            self._count(child)
            child.close()

    def _watch_zeros(self, samples: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> None:
        if self._zeros_restart_s <= 0:
            return
        if samples.any():
            self._zeros_s, self._zeros_patience_s = 0.0, self._zeros_restart_s
            return
        self._zeros_s += len(samples) / self._sample_rate
        if self._zeros_s >= self._zeros_patience_s:
            self._give_up_child(f"{self._zeros_s:.0f} s of exact zeros (muted, moved or unplugged?)")
            self._zeros_s = 0.0
            self._zeros_patience_s = min(self._zeros_patience_s * 2, max(_ZEROS_MAX_S, self._zeros_restart_s))


def _hanging(device: str | None, timeout_s: float) -> DeviceError:
    return DeviceError(
        f"opening {device or 'the default input'!r} took more than {timeout_s:g} s: the sound system hangs",
        "restart the sound server (`systemctl --user restart pipewire` or `pulseaudio`)",
    )
