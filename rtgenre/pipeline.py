"""The page to open first: block → hops → features → logits → posterior → decision.

One pipeline holds constants only and serves any number of streams; what a stream has heard lives in a
``PipelineState`` that the caller owns. The live daemon, ``rtgenre tag`` and the evaluation all run this code.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from rtgenre.posterior.calibration import log_softmax
from rtgenre.posterior.decision import DecisionPolicy, DecisionState, PolicySettings, level_dbfs
from rtgenre.posterior.smoothing import Smoother, SmootherState
from rtgenre.records import Posterior

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rtgenre.frontend.stream import Frontend, FrontendState
    from rtgenre.model.interface import ModelState, Runtime
    from rtgenre.records import FloatArray


@dataclass(slots=True)
class PipelineState:
    """Everything that one stream has heard.

    Attributes:
        frontend: leftover samples and running statistics.
        model: the LSTM's (h, c).
        smoother: running mean of the log posterior.
        decision: the policy's memory.
        frame: (1, n_features) float32, scratch for the hop under way.
        logits: (1, n_labels) float32, likewise.
        probs: (n_labels,) float32, the last smoothed posterior.
        resets: times that model and smoothing began afresh.
    """

    frontend: FrontendState
    model: ModelState
    smoother: SmootherState
    decision: DecisionState
    frame: FloatArray
    logits: FloatArray
    probs: FloatArray
    resets: int = 0

    def copy(self) -> Self:
        """A snapshot that shares nothing."""
        return type(self)(
            self.frontend.copy(),
            self.model.copy(),
            self.smoother.copy(),
            self.decision.copy(),
            self.frame.copy(),
            self.logits.copy(),
            self.probs.copy(),
            self.resets,
        )


class Pipeline:
    """From mono samples at the frontend's rate to one ``Posterior`` a hop.

    Args:
        frontend: computes the features of the checkpoint's spec.
        runtime: the checkpoint's model on this machine.
        temperature: the checkpoint's calibration.
        settings: the decision policy.
    """

    def __init__(self, frontend: Frontend, runtime: Runtime, temperature: float, settings: PolicySettings) -> None:
        self.frontend = frontend
        self.runtime = runtime
        self.temperature = temperature
        self.hops_per_s = frontend.spec.sample_rate / frontend.spec.hop
        self.smoother = Smoother(len(runtime.labels), settings.smoothing_s, self.hops_per_s)
        self.policy = DecisionPolicy(settings, runtime.labels, self.hops_per_s)
        self.latency_samples = frontend.latency_samples
        self._gap_reset_samples = round(settings.gap_reset_s * frontend.spec.sample_rate)

    def init_state(self) -> PipelineState:
        """A state that has heard nothing; any thread."""
        n_labels = len(self.runtime.labels)
        return PipelineState(
            self.frontend.init_state(),
            self.runtime.init_state(),
            self.smoother.init_state(),
            self.policy.init_state(),
            np.zeros((1, self.frontend.spec.n_features), np.float32),
            np.zeros((1, n_labels), np.float32),
            np.full(n_labels, 1.0 / n_labels, np.float32),
        )

    def hops(self, block: FloatArray, state: PipelineState) -> Iterator[Posterior]:
        """Take samples in and yield an answer for each hop that they complete, as soon as it is known.

        Args:
            block: (n_samples,) float32 in [-1, 1], finite, any size.
            state: changed in place; the iterator must be exhausted before the next call.
        """
        self.frontend.feed(block, state.frontend)
        while True:
            t_start_ns = time.perf_counter_ns()
            if self.policy.awaits_onset(state.decision):
                self.frontend.seek_onset(self.policy.onset_magnitude, state.frontend)
            if not self.frontend.next_frame(state.frontend, state.frame[0]):
                return
            yield self._classify(state, t_start_ns, time.perf_counter_ns())

    def hop_of_power(self, spectrum: FloatArray, state: PipelineState) -> Posterior:
        """One hop from a power spectrum instead of samples: for data sets that are spectra.

        The decision's search for the onset of a piece needs samples and has no counterpart here.

        Args:
            spectrum: (n_bins,) float32, see ``Frontend.step_power``.
            state: changed in place; fed spectra only.
        """
        t_start_ns = time.perf_counter_ns()
        state.frame[0], state.frontend = self.frontend.step_power(spectrum, state.frontend)
        return self._classify(state, t_start_ns, time.perf_counter_ns())

    def next_hop_end(self, state: PipelineState) -> int:
        """Index one past the last sample that the next hop needs, at the frontend's rate."""
        return state.frontend.position + self.frontend.spec.n_fft

    def step(self, block: FloatArray, state: PipelineState) -> tuple[list[Posterior], PipelineState]:
        """As ``hops``, at once."""
        return list(self.hops(block, state)), state

    def gap(self, n_samples: int, state: PipelineState) -> PipelineState:
        """Tell that ``n_samples`` (at the frontend's rate) were lost; a long gap begins a new piece."""
        state.frontend = self.frontend.gap(n_samples, state.frontend)
        if n_samples >= self._gap_reset_samples:
            self.reset(state)
        return state

    def reset(self, state: PipelineState) -> PipelineState:
        """Begin a new piece: model, smoothing and decision afresh; the clock of samples runs on."""
        state.frontend = self.frontend.forget(state.frontend)
        state.model = self.runtime.init_state()
        state.smoother = self.smoother.init_state()
        state.decision = self.policy.restart(state.frontend.hop, state.decision)
        state.probs = np.full_like(state.probs, 1.0 / len(state.probs))
        state.resets += 1
        return state

    def flush(self, state: PipelineState) -> tuple[list[Posterior], PipelineState]:
        """End of the sound: a window that is not full is not a hop, so there is nothing left to say."""
        return [], state

    def warm(self) -> None:
        """Compile or load every kernel, so that the first hop is as quick as the thousandth."""
        self.frontend.warm()
        self.runtime.warm()
        state = self.init_state()
        noise = np.random.default_rng(0).uniform(-0.1, 0.1, 4 * self.frontend.spec.n_fft).astype(np.float32)
        self.step(noise, state)

    def _classify(self, state: PipelineState, t_start_ns: int, t_frame_ns: int) -> Posterior:
        heard = state.frontend
        level = level_dbfs(heard.level_power)
        if self.policy.hear(level, state.decision):
            _, state.model = self.runtime.step(state.frame, state.model, state.logits)
            log_posterior = log_softmax(state.logits[0], self.temperature)
            state.probs, state.smoother = self.smoother.step(log_posterior, state.smoother)
            state.decision = self.policy.step(state.probs, heard.hop, state.decision)
        else:
            state.decision = self.policy.silent(heard.hop, state.decision)
            if state.decision.heard and self.policy.piece_has_ended(state.decision):
                state = self.reset(state)
            if self.policy.awaits_onset(state.decision):
                # Running statistics must not learn the silence before a piece.
                state.frontend = self.frontend.forget(state.frontend)
        return Posterior(
            hop=heard.hop,
            end_sample=heard.end_sample,
            probs=state.probs,
            decision=state.decision.decision,
            level_dbfs=level,
            gap_samples=heard.gap_samples,
            age_s=state.decision.heard / self.hops_per_s,
            frontend_ns=t_frame_ns - t_start_ns,
            model_ns=time.perf_counter_ns() - t_frame_ns,
        )
