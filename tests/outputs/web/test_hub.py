import json
import time

import pytest

from rtgenre.outputs import wire
from rtgenre.outputs.web import hub as hub_module
from rtgenre.outputs.web.hub import HISTORY_S, Hub
from tests.outputs import story


def put(hub: Hub, message: wire.Message) -> list[dict[str, object]]:
    kind = str(message.__struct_config__.tag)
    topic = wire.HEARTBEAT_TOPIC if isinstance(message, wire.Heartbeat) else wire.topic(message.source, kind)
    return [json.loads(body) for body in hub.take(wire.Envelope(topic, message, time.monotonic_ns()))]


def posterior(seq: int = 0, **more: object) -> wire.PosteriorMessage:
    return story.posterior(seq, 0, {"jazz": 0.8, "rock": 0.2}, **more)  # type: ignore[arg-type]


def test_a_newcomer_gets_the_full_state_and_the_colours() -> None:
    hub = Hub()
    assert json.loads(hub.welcome())["messages"] == []
    put(hub, story.heartbeat())
    first, second = put(hub, posterior())
    assert (first["kind"], second["kind"]) == ("labels", "posterior")
    assert [m["kind"] for m in put(hub, posterior(1))] == ["posterior"], "colours are told once"
    welcome = json.loads(hub.welcome())
    assert welcome["labels"]["jazz"] == {"colour": "#eaee30", "ink": "#000000"}
    assert [(m["kind"], m["seq"]) for m in welcome["messages"]] == [("heartbeat", 0), ("posterior", 1)]
    assert welcome["heartbeat_age_s"] < 1


def test_what_browsers_get_is_stamped_and_what_comes_from_a_feed_is_passed_on_as_it_came() -> None:
    hub = Hub()
    sent = put(hub, posterior())[-1]
    assert sent["t_wall"] != "2026-11-20T20:00:00.000Z"
    body = wire.publish(wire.Envelope("t", posterior(5), time.monotonic_ns()))
    from_feed = wire.Envelope("rtgenre.v1.demo.posterior.", wire.decode(body), time.monotonic_ns(), body)
    assert hub.take(from_feed) == [body]


def test_another_session_forgets_the_one_before() -> None:
    hub = Hub()
    put(hub, posterior(source="old"))
    put(hub, posterior(source="new", session="s2"))
    assert [m.source for m in hub.posteriors()] == ["new"]
    assert json.loads(hub.answer_history("old"))["rows"] == []


def test_no_genre_in_silence_and_on_a_stale_feed(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub()
    put(hub, posterior())
    assert hub.genre("demo") == "", "without a heartbeat nothing is the present"
    put(hub, story.heartbeat())
    assert hub.genre("demo") == "jazz"
    assert hub.problems() == []
    put(hub, posterior(1, state="silence"))
    assert hub.genre("demo") == ""
    put(hub, posterior(2))
    now = time.monotonic()
    monkeypatch.setattr(hub_module.time, "monotonic", lambda: now + 6)
    assert hub.genre("demo") == ""
    assert "6 s" in hub.problems()[0]


def test_a_source_without_sound_is_a_problem() -> None:
    hub = Hub()
    put(hub, story.heartbeat(a=story.report(state="stale"), b=story.report()))
    assert hub.problems() == ["a: no sound arrives"]


def test_history_is_thinned_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub()
    now = [1000.0]
    monkeypatch.setattr(hub_module.time, "monotonic", lambda: now[0])
    for k in range(4000):
        now[0] += 0.0871
        put(hub, posterior(k))
    answer = json.loads(hub.answer_history("demo"))
    ages = [row["age_s"] for row in answer["rows"]]
    assert answer["labels"] == ["jazz", "rock"]
    assert answer["rows"][0]["probs"] == [0.8, 0.2]
    assert ages == sorted(ages, reverse=True)
    assert HISTORY_S < ages[0] < 1.1 * HISTORY_S
    assert len(ages) == 720
