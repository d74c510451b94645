"""Counting, without sockets: whatever is lost, repeated or restarted, the count is right."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgenre.client.tally import Received, Tally
from rtgenre.errors import FeedError
from rtgenre.outputs import wire
from tests.outputs.story import heartbeat, posterior

PROBS = {"disco": 0.75, "jazz": 0.25}


def posteriors(tally: Tally, numbers: list[int], session: str = "s1") -> list[Received]:
    found = []
    for seq in numbers:
        body = wire._encoder.encode(posterior(seq, 0, PROBS, session=session))
        found.append(tally.read([b"rtgenre.v1.demo.posterior.", body, struct.pack("<Q", seq)]))
    return found


@given(st.integers(0, 50), st.lists(st.tuples(st.booleans(), st.integers(0, 3)), max_size=60))
def test_every_loss_is_counted_and_every_repetition_dropped(first: int, fates: list[tuple[bool, int]]) -> None:
    tally = Tally("tcp://x", ["rtgenre.v1."])
    arrived, lost = [first], 0
    for k, (survives, repeated) in enumerate(fates, start=first + 1):
        if survives:
            arrived += [k] * (1 + repeated)
        else:
            lost += 1
    arrived.append(first + len(fates) + 1)  # the message that shows the last loss
    taken = [r for message in posteriors(tally, arrived) if (r := tally.take(message))]
    assert tally.missed == lost == sum(r.missed for r in taken)
    assert [r.seq for r in taken] == sorted(set(arrived))
    assert tally.restarts == 0


def test_after_a_restart_the_new_run_counts_from_zero() -> None:
    tally = Tally("tcp://x", ["rtgenre.v1."])
    tally.take_all(posteriors(tally, [7, 8]))
    taken = tally.take_all(posteriors(tally, [3, 4], session="s2"))
    assert [(r.seq, r.missed) for r in taken] == [(3, 3), (4, 0)]
    assert (tally.missed, tally.restarts, tally.session) == (3, 1, "s2")


def test_after_joining_a_new_topic_begins_with_zero() -> None:
    tally = Tally("tcp://x", ["rtgenre.v1."])
    body = wire._encoder.encode(heartbeat(4))
    tally.take(tally.read([b"rtgenre.v1.heartbeat.", body, struct.pack("<Q", 4)]))
    tally.joined()
    assert [r.missed for r in tally.take_all(posteriors(tally, [2, 3]))] == [2, 0]


def test_topics_that_nobody_asked_for_keep_the_feed_alive_but_are_not_passed_on() -> None:
    tally = Tally("tcp://x", ["rtgenre.v1.demo."])
    message = tally.read([b"rtgenre.v1.heartbeat.", wire._encoder.encode(heartbeat(9)), struct.pack("<Q", 9)])
    assert tally.take(message) is None
    assert tally.session == "s1"
    assert (tally.missed, tally.recovery(message)) == (0, None)


def test_a_recovery_asks_page_by_page_and_takes_only_this_session() -> None:
    tally = Tally("tcp://x", ["rtgenre.v1."])
    tally.take_all(posteriors(tally, [0]))
    (late,) = posteriors(tally, [9])
    recovery = tally.recovery(late)
    assert recovery is not None
    assert recovery.question == "since rtgenre.v1.demo.posterior. 1"
    recovery.add(posteriors(tally, [3, 4, 5]))
    assert recovery.question == "since rtgenre.v1.demo.posterior. 6"
    recovery.add([*posteriors(tally, [6]), *posteriors(tally, [7], session="s2")])
    assert recovery.question is None
    taken = tally.take_all([*recovery.found, late])
    assert [(r.seq, r.missed) for r in taken] == [(3, 2), (4, 0), (5, 0), (6, 0), (9, 2)]


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [b"rtgenre.v1.x."],
        [b"\xff", b"{}", b"12345678"],
        [b"t.", b"no json", b"12345678"],
        [b"t.", b"{}", b"1"],
        [b"t.", b"{}", b"12345678", b"more"],
    ],
)
def test_what_is_no_message_is_said_to_be_none(frames: list[bytes]) -> None:
    with pytest.raises(FeedError, match=r"tcp://x sends something that is no rtgenre\.v1 message"):
        Tally("tcp://x", [""]).read(frames)
