import dataclasses
import json
import time
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rtgenre.outputs import wire
from rtgenre.records import Decision, Posterior, State, TrackReason, TrackStart

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "feed.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
LABELS = ("blues", "disco", "metal")


def composer(source: str = "mic") -> wire.Composer:
    return wire.Composer("5e55", source, wire.ModelId("test", "ab" * 32), LABELS, 22050)


def hop(n: int = 0, state: State = State.MUSIC, label: str | None = "disco", probs: object = None) -> Posterior:
    values = np.array([0.1, 0.7, 0.2] if probs is None else probs, np.float32)
    return Posterior(n, 2048 + 1920 * n, values, Decision(state, label, 0), -20.0, 0, 1.0 + n, 6000, 12000)


def test_the_kept_schema_is_the_generated_one() -> None:
    assert json.loads(json.dumps(wire.json_schema())) == SCHEMA, "run `make schema`"


def test_the_schema_refuses_what_is_not_a_message() -> None:
    assert list(VALIDATOR.iter_errors({"kind": "posterior", "schema": 2}))


@given(
    arrays(np.float32, 3, elements=st.floats(2.0**-20, 1.0, width=32)),
    st.sampled_from(list(State)),
    st.floats(-300, 10),
    st.integers(0, 10**9),
)
def test_every_hop_makes_valid_messages(raw: np.ndarray, state: State, level: float, gap: int) -> None:
    probs = raw / raw.sum()
    label = "disco" if state is State.MUSIC else None
    posterior = Posterior(3, 9000, probs, Decision(state, label, 0), level, gap, 2.5, 6000, 12000)
    now = time.monotonic_ns()
    envelopes = composer().compose(posterior, now - 10_000_000, now - 20_000, now)
    assert [e.topic for e in envelopes] == [f"rtgenre.v1.mic.{k}." for k in ("posterior", "decision", "state")]
    for envelope in envelopes:
        body = wire.publish(envelope)
        assert b"\n" not in body
        VALIDATOR.validate(json.loads(body))
        message = wire.decode(body)
        assert not isinstance(message, wire.Heartbeat)
        assert sum(message.probs.values()) == pytest.approx(1.0, abs=1e-5)
        assert message.top == label
        assert message.level_dbfs >= wire.LEVEL_FLOOR_DBFS


def test_sequences_count_per_topic_and_changes_are_told_once() -> None:
    table = composer()
    steps = [hop(0), hop(1), hop(2, State.UNKNOWN, None), hop(3), hop(4, State.MUSIC, "metal")]
    sent = [e for step in steps for e in table.compose(step, 0, 0, 0)]
    seen = {
        kind: [e.message for e in sent if e.topic.endswith(f".{kind}.")] for kind in ("posterior", "decision", "state")
    }
    assert [m.seq for m in seen["posterior"]] == [0, 1, 2, 3, 4]
    assert [(m.seq, m.top) for m in seen["decision"]] == [(0, "disco"), (1, None), (2, "disco"), (3, "metal")]
    assert [(m.seq, m.state) for m in seen["state"]] == [(0, "music"), (1, "unknown"), (2, "music")]


def on_track(posterior: Posterior, number: int, reason: TrackReason, first_hop: int) -> Posterior:
    start = TrackStart(reason, first_hop, first_hop * 1920)
    return dataclasses.replace(posterior, track=number, track_start=start, music=0.875)


def test_each_track_is_told_once_with_where_it_begins() -> None:
    table = composer()
    steps = [hop(0, State.STARTING, None)]
    steps += [on_track(hop(k), 1, TrackReason.START, 1) for k in (1, 2, 3)]
    steps += [on_track(hop(k), 2, TrackReason.CHANGE, 10) for k in (30, 31)]
    envelopes = [e for step in steps for e in table.compose(step, 0, 0, 0)]
    envelopes += table.stale(steps[-1], 0)
    told = [wire.publish(e) for e in envelopes if e.topic == "rtgenre.v1.mic.track."]
    messages = [wire.decode(body) for body in told]
    for body in told:
        VALIDATOR.validate(json.loads(body))
    assert all(isinstance(m, wire.TrackMessage) for m in messages)
    assert [(m.seq, m.hop, m.track, m.reason, m.since_hop, m.since_s) for m in messages] == [  # type: ignore[union-attr]
        (0, 1, 1, "start", 1, pytest.approx(1920 / 22050, abs=1e-6)),
        (1, 30, 2, "change", 10, pytest.approx(19200 / 22050, abs=1e-6)),
    ]
    everything = [wire.decode(wire.publish(e)) for e in envelopes]
    assert {m.track for m in everything if isinstance(m, wire.PosteriorMessage) and m.hop >= 30} == {2}
    assert {m.music for m in messages} == {0.875}  # type: ignore[union-attr]


def test_messages_from_before_there_were_tracks_are_still_read() -> None:
    body = json.loads(wire.publish(composer().compose(hop(), 0, 0, 0)[0]))
    del body["music"], body["track"]
    VALIDATOR.validate(body)
    message = wire.decode(json.dumps(body).encode())
    assert isinstance(message, wire.PosteriorMessage)
    assert message.track == 0


def test_latency_adds_up_and_counts_the_wait_for_the_output() -> None:
    now = time.monotonic_ns()
    envelope = composer().compose(hop(), now - 30_000_000, now - 10_000_000, now - 5_000_000)[0]
    message = wire.decode(wire.publish(envelope))
    assert isinstance(message, wire.PosteriorMessage)
    spent = message.latency_ms
    assert (spent.capture, spent.frontend, spent.model) == (20.0, 0.006, 0.012)
    assert spent.publish >= 5.0
    assert spent.total == pytest.approx(spent.capture + spent.frontend + spent.model + spent.publish, abs=1e-3)


def test_stale_names_no_genre() -> None:
    table = composer()
    table.compose(hop(), 0, 0, 0)
    envelopes = table.stale(hop(), 0)
    assert [e.topic.split(".")[-2] for e in envelopes] == ["posterior", "decision", "state"]
    assert {(e.message.state, e.message.top) for e in envelopes} == {("stale", None)}


def test_a_heartbeat_is_valid() -> None:
    beat = wire.Heartbeat(
        session="5e55", seq=0, t_publish_ns=0, t_wall="", version="1", uptime_s=1.0, device="cpu",
        model=wire.ModelId("m", "ab"), sources={}, subscribers=0, feed_dropped=0,
    )  # fmt: skip
    body = wire.publish(wire.Envelope(wire.HEARTBEAT_TOPIC, beat, 0))
    VALIDATOR.validate(json.loads(body))
    assert isinstance(wire.decode(body), wire.Heartbeat)


def test_own_labels_stand_beside_the_models_and_are_none_of_them() -> None:
    speaker = wire.Composer("5e55", "mic", wire.ModelId("test", "ab" * 32), LABELS, 22050, ("dub", "my fridge"))
    now = time.monotonic_ns()
    without = wire.decode(wire.publish(speaker.compose(hop(), now, now, now)[0]))
    said = dataclasses.replace(hop(1), own=np.array([0.25, 0.6], np.float32))
    body = wire.publish(speaker.compose(said, now, now, now)[0])
    VALIDATOR.validate(json.loads(body))
    message = wire.decode(body)
    assert isinstance(message, wire.PosteriorMessage)
    assert isinstance(without, wire.PosteriorMessage)
    assert without.own == {}
    assert message.own == {"dub": pytest.approx(0.25), "my fridge": pytest.approx(0.6)}
    assert message.probs == without.probs
    old = json.loads(body)
    del old["own"]  # a feed of a version that knew no own labels
    assert wire.decode(json.dumps(old).encode()).own == {}  # type: ignore[union-attr]
