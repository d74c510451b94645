"""What the web output knows: the last message of each topic, some minutes of history, and whether the feed lives.

No sockets and no threads here: the web output's thread owns the one object.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from rtgenre.outputs import wire
from rtgenre.palette import genre_colours, ink

if TYPE_CHECKING:
    from collections.abc import Iterator

HISTORY_S = 180.0
HISTORY_STEP_S = 0.25  # finer than a pixel of the dashboard


@dataclass(frozen=True, slots=True)
class Kept:
    """A message as it was sent to the browsers.

    Attributes:
        message: the message.
        body: the same as UTF-8 JSON.
        t_s: monotonic clock when it came.
    """

    message: wire.Message
    body: bytes
    t_s: float


class Hub:
    """Takes messages in and answers questions about them; its thread's only.

    Attributes:
        last: topic → last message.
        session: the daemon's run; empty before anything came.
    """

    def __init__(self) -> None:
        self.last: dict[str, Kept] = {}
        self.session = ""
        self._history: dict[str, deque[Kept]] = {}
        self._labels: dict[str, None] = {}  # in the order of their coming

    def take(self, envelope: wire.Envelope) -> list[bytes]:
        """Take a message in.

        Returns:
            What to send to every browser, in this order.
        """
        message = wire.stamped(envelope)
        if message.session != self.session:
            self.session = message.session
            self.last.clear()
            self._history.clear()
        body = msgspec.json.encode(message) if envelope.body is None else envelope.body
        kept = Kept(message, body, time.monotonic())
        self.last[envelope.topic] = kept
        if not isinstance(message, wire.PosteriorMessage):
            return [kept.body]
        self._remember(message.source, kept)
        unknown = [label for label in (*message.probs, *message.own) if label not in self._labels]
        self._labels.update(dict.fromkeys(unknown))
        return [self._colours(), kept.body] if unknown else [kept.body]

    def welcome(self) -> bytes:
        """The full state, for a browser that has just come."""
        return msgspec.json.encode({
            "kind": "welcome",
            "heartbeat_age_s": self.heartbeat_age_s,
            "labels": self._label_colours(),
            "messages": [msgspec.Raw(kept.body) for kept in self.last.values()],
        })  # fmt: skip

    @property
    def heartbeat_age_s(self) -> float | None:
        """Seconds since the last heartbeat; None before the first."""
        kept = self.last.get(wire.HEARTBEAT_TOPIC)
        return None if kept is None else time.monotonic() - kept.t_s

    @property
    def stale(self) -> bool:
        """True while no heartbeat has come for so long that what is known is not the present."""
        age_s = self.heartbeat_age_s
        return age_s is None or age_s > wire.STALE_AFTER_S

    @property
    def heartbeat(self) -> wire.Heartbeat | None:
        """The last heartbeat, None before the first."""
        kept = self.last.get(wire.HEARTBEAT_TOPIC)
        return kept.message if kept is not None and isinstance(kept.message, wire.Heartbeat) else None

    @property
    def sources(self) -> list[str]:
        """Names of the sources, in the daemon's order."""
        heartbeat = self.heartbeat
        return list(heartbeat.sources if heartbeat else dict.fromkeys(m.source for m in self.posteriors()))

    def posteriors(self) -> Iterator[wire.PosteriorMessage]:
        """The last posterior of every source."""
        for kept in self.last.values():
            if isinstance(kept.message, wire.PosteriorMessage):
                yield kept.message

    def genre(self, source: str) -> str:
        """What a source plays now; empty in silence, in doubt, and when the feed is stale."""
        kept = self.last.get(wire.topic(source, "posterior"))
        if self.stale or kept is None or not isinstance(kept.message, wire.PosteriorMessage):
            return ""
        return kept.message.top or ""

    def answer_last(self, source: str | None) -> bytes:
        """The last message of every topic as one JSON object; of one source only where it is named."""
        wanted = None if source is None else f"{wire.TOPIC_ROOT}.{source}."
        messages = {
            topic: msgspec.Raw(kept.body)
            for topic, kept in self.last.items()
            if wanted is None or topic == wire.HEARTBEAT_TOPIC or topic.startswith(wanted)
        }
        return msgspec.json.encode({"stale": self.stale, "sources": self.sources, "messages": messages})

    def answer_history(self, source: str) -> bytes:
        """Some minutes of a source as JSON: one row each quarter of a second, oldest first."""
        now_s = time.monotonic()
        messages = [(k.t_s, k.message) for k in self._history.get(source, ())]
        rows = [
            {
                "age_s": round(now_s - t_s, 2),
                "probs": [round(p, 3) for p in m.probs.values()],
                "state": m.state,
                "top": m.top,
                "track": m.track,
                "level_dbfs": m.level_dbfs,
                "latency_ms": m.latency_ms.total,
            }
            for t_s, m in messages
            if isinstance(m, wire.PosteriorMessage)
        ]
        last = messages[-1][1] if messages else None
        labels = list(last.probs) if isinstance(last, wire.PosteriorMessage) else []
        return msgspec.json.encode({"source": source, "labels": labels, "rows": rows})

    def problems(self) -> list[str]:
        """What is wrong, in words; empty where all is well."""
        age_s, heartbeat = self.heartbeat_age_s, self.heartbeat
        if age_s is None or heartbeat is None:
            return ["nothing has come from the daemon yet"]
        if self.stale:
            return [f"nothing has come from the daemon for {age_s:.0f} s"]
        silent = [name for name, report in heartbeat.sources.items() if report.state == "stale"]
        return [f"{name}: no sound arrives" for name in silent]

    def _remember(self, source: str, kept: Kept) -> None:
        rows = self._history.setdefault(source, deque(maxlen=round(HISTORY_S / HISTORY_STEP_S)))
        if not rows or kept.t_s - rows[-1].t_s >= HISTORY_STEP_S:
            rows.append(kept)

    def _colours(self) -> bytes:
        return msgspec.json.encode({"kind": "labels", "labels": self._label_colours()})

    def _label_colours(self) -> dict[str, dict[str, str]]:
        colours = genre_colours(list(self._labels))
        return {label: {"colour": colour, "ink": ink(colour)} for label, colour in colours.items()}
