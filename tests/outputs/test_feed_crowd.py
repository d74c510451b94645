"""Ten thousand messages to five subscribers at once, each a process: only the slow one loses any, and knows which."""

import time
from pathlib import Path

import pytest

from benchmarks.crowd import BEFORE_STALLING, Member, node_is_there
from rtgenre import keys
from rtgenre.outputs.zmq_feed import Curve, seen_from_here
from tests.outputs.talking import ANY, POSTERIORS, publish, started
from tests.outputs.test_wire import composer
from tests.waiting import eventually

pytestmark = pytest.mark.real
MESSAGES = 10_000


@pytest.mark.skipif(not node_is_there(), reason="needs Node.js, and: npm install --prefix examples")
def test_ten_thousand_messages_to_five_subscribers(tmp_path: Path) -> None:
    pair, allowed, key_file = keys.new_pair(), keys.AllowList(tmp_path / "allowed"), tmp_path / "client.key_secret"
    allowed.allow("bridge", pair.public)
    keys.write_pair(key_file, pair)
    curve = Curve(keys.new_pair(), allowed)
    guarded = "tcp://0.0.0.0:*"
    with started(f"{ANY}, {guarded}", f"{ANY}, {guarded}", curve=curve) as feed:
        (plain, secure), (control, secure_control) = (map(seen_from_here, addresses) for addresses in feed.addresses)
        where = [POSTERIORS, str(MESSAGES - 1), plain, control]
        with_key = [POSTERIORS, str(MESSAGES - 1), secure, secure_control, curve.server.public, str(key_file)]
        table = composer()
        publish(feed, table, 0, 1)
        members = {role: Member(role, where) for role in ("slow", "reconnecting", "node")}
        members["curve"] = Member("curve", with_key)
        try:
            for member in members.values():
                member.wait_joined()
            sent = 1
            while sent < MESSAGES - 1:
                step = min(50, MESSAGES - 1 - sent)
                publish(feed, table, sent, step)
                sent += step
                time.sleep(0.02)
                if "late" not in members and sent > MESSAGES // 2:
                    members["late"] = Member("late", where)
                    members["late"].go_on()
                    members["late"].wait_joined()
            assert eventually(lambda: len(feed.mailbox) == 0)
            # The last message shows the slow one what it lost before; it must have room for it again.
            members["slow"].go_on()
            time.sleep(1.0)
            publish(feed, table, MESSAGES - 1, 1)
            told = {role: member.told() for role, member in members.items()}
        finally:
            for member in members.values():
                member.end()
    for role in ("reconnecting", "node", "curve", "late"):
        assert told[role].is_whole, role
        assert told[role].numbers[-1] == MESSAGES - 1
    assert told["late"].numbers[0] >= MESSAGES // 2
    assert all(told[role].numbers[0] == 0 for role in ("reconnecting", "node", "curve"))
    lost = told["slow"].missed
    assert lost > 0
    assert len(told["slow"].numbers) + lost == MESSAGES
    assert len(told["slow"].numbers) > BEFORE_STALLING
    assert feed.overruns > 0
    assert (feed.dropped, feed.refused_requests) == (0, 0)
