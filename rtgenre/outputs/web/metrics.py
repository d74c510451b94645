"""Prometheus metrics, in a registry of their own; counters are the daemon's, read from its heartbeat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from rtgenre.outputs import wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client.core import Metric

    from rtgenre.outputs.web.hub import Hub

STAGES = ("capture", "frontend", "model", "publish")
STAGE_BUCKETS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
TOTAL_BUCKETS_S = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.5, 1.0, 2.5)
OF_SOURCES = {
    "rtgenre_hops": ("hops", "Hops classified."),
    "rtgenre_late_hops": ("late_hops", "Hops finished after their deadline."),
    "rtgenre_audio_overflows": ("xruns", "Overflows that the sound system flagged."),
    "rtgenre_audio_dropped_samples": ("dropped_samples", "Samples lost because our own ring was full."),
    "rtgenre_audio_gap_samples": ("gap_samples", "All samples known to be lost."),
    "rtgenre_capture_restarts": ("capture_restarts", "Times the capture process was replaced."),
    "rtgenre_model_resets": ("resets", "Times the model's state was reset."),
}
"""Name of the counter → field of ``wire.SourceReport`` and what it says."""
OF_OUTPUTS = {
    "rtgenre_output_dropped": ("dropped", "Messages that an output, or a reader of it, was too slow for."),
    "rtgenre_output_unsent": ("unsent", "Messages that passed while an output's counterpart was away."),
    "rtgenre_output_lost_samples": ("lost_samples", "Samples of a channel that a recording lacks."),
}
"""The same for ``wire.OutputReport``."""


class Metrics(Collector):
    """Tells a monitor what the hub knows; the web output's thread.

    Args:
        hub: what is known.
        own: name → value of the web output's own gauges and counters (those end with ``_total``).
    """

    def __init__(self, hub: Hub, own: dict[str, tuple[str, Callable[[], float]]]) -> None:
        self._hub = hub
        self._own = own
        self._registry = CollectorRegistry()
        self._stages = Histogram(
            "rtgenre_stage_latency_seconds",
            "Time a hop spent in a stage.",
            ("source", "stage"),
            buckets=STAGE_BUCKETS_S,
            registry=self._registry,
        )
        self._total = Histogram(
            "rtgenre_end_to_end_latency_seconds",
            "From the capture of a hop's last sample to its publication.",
            ("source",),
            buckets=TOTAL_BUCKETS_S,
            registry=self._registry,
        )
        self._registry.register(self)

    def observe(self, message: wire.PosteriorMessage) -> None:
        """Count a hop's latencies."""
        for stage in STAGES:
            self._stages.labels(message.source, stage).observe(getattr(message.latency_ms, stage) / 1e3)
        self._total.labels(message.source).observe(message.latency_ms.total / 1e3)

    def page(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """What is known now; nothing of the sources while the feed is stale."""
        yield GaugeMetricFamily("rtgenre_up", "1 while the daemon's heartbeat comes.", value=not self._hub.stale)
        for name, (text, value) in self._own.items():
            family = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
            yield family(name, text, value=value())
        heartbeat = self._hub.heartbeat
        if heartbeat is None or self._hub.stale:
            return
        yield from self._of_daemon(heartbeat)
        yield from self._of_sources(heartbeat)
        yield from self._of_posteriors()

    def _of_daemon(self, heartbeat: wire.Heartbeat) -> Iterator[Metric]:
        build = GaugeMetricFamily("rtgenre_build_info", "1.", labels=("version", "model", "sha256", "device"))
        build.add_metric((heartbeat.version, heartbeat.model.id, heartbeat.model.sha256, heartbeat.device), 1)
        yield build
        yield GaugeMetricFamily("rtgenre_uptime_seconds", "Since the daemon started.", value=heartbeat.uptime_s)
        yield GaugeMetricFamily("rtgenre_subscribers", "Connections to the feed.", value=heartbeat.subscribers)
        for name, text, value in (
            ("rtgenre_feed_dropped", "Messages that no subscriber was sent.", heartbeat.feed_dropped),
            ("rtgenre_feed_overruns", "Times a subscriber was too slow.", heartbeat.feed_overruns),
        ):
            yield CounterMetricFamily(name, text, value=value)
        for name, (field, text) in OF_OUTPUTS.items():
            family = CounterMetricFamily(name, text, labels=("output",))
            for output, report in heartbeat.outputs.items():
                if output == "record" or field != "lost_samples":
                    family.add_metric((output,), getattr(report, field))
            yield family

    def _of_sources(self, heartbeat: wire.Heartbeat) -> Iterator[Metric]:
        for name, (field, text) in OF_SOURCES.items():
            family = CounterMetricFamily(name, text, labels=("source",))
            for source, report in heartbeat.sources.items():
                family.add_metric((source,), getattr(report, field))
            yield family
        changes = CounterMetricFamily(
            "rtgenre_decision_changes", "Changes of the genre decided for.", labels=("source",)
        )
        for source in heartbeat.sources:
            kept = self._hub.last.get(wire.topic(source, "decision"))
            changes.add_metric((source,), 0 if kept is None else kept.message.seq + 1)  # they are numbered from 0
        yield changes

    def _of_posteriors(self) -> Iterator[Metric]:
        level = GaugeMetricFamily("rtgenre_input_dbfs", "Level, dB relative to a full-scale sine.", labels=("source",))
        posterior = GaugeMetricFamily("rtgenre_posterior", "Smoothed probability.", labels=("source", "genre"))
        own = GaugeMetricFamily(
            "rtgenre_own", "Smoothed probability of a label of one's own.", labels=("source", "label")
        )
        decided = GaugeMetricFamily("rtgenre_decision", "1 for the genre decided for.", labels=("source", "genre"))
        state = GaugeMetricFamily("rtgenre_state", "1 for what is heard.", labels=("source", "state"))
        for message in self._hub.posteriors():
            level.add_metric((message.source,), message.level_dbfs)
            state.add_metric((message.source, message.state), 1)
            for genre, probability in message.probs.items():
                posterior.add_metric((message.source, genre), probability)
                decided.add_metric((message.source, genre), genre == message.top)
            for label, probability in message.own.items():
                own.add_metric((message.source, label), probability)
        yield from (level, posterior, own, decided, state)
