"""OSC as programs receive it: real UDP, read by python-osc's own server."""

from __future__ import annotations

import socket
import threading
from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from pythonosc.dispatcher import Dispatcher
from pythonosc.osc_server import BlockingOSCUDPServer

from rtgenre.errors import ConfigError
from rtgenre.outputs.osc import open_osc, target
from rtgenre.outputs.settings import OscSettings
from tests.outputs.story import LABELS, decision
from tests.outputs.telling import beat, envelope, heard
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.real
Values = dict[str, list[object]]


@contextmanager
def receiver() -> Iterator[tuple[str, Values]]:
    """A program that listens: its target, and what came to each address."""
    came: Values = defaultdict(list)
    dispatcher = Dispatcher()
    dispatcher.set_default_handler(lambda address, *values: came[address].extend(values))
    with BlockingOSCUDPServer(("127.0.0.1", 0), dispatcher) as server:
        server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)  # a burst in a test must not overflow it
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}", came
        finally:
            server.shutdown()
            thread.join()


def test_numbers_reach_every_target_with_their_types() -> None:
    with receiver() as (one, first), receiver() as (other, second):
        output = open_osc(OscSettings(targets=[one, other]))
        output.start()
        output.mailbox.put(envelope(heard("disco", p=0.64)))
        output.mailbox.put(envelope(beat("mic")))
        for came in (first, second):
            assert eventually(lambda came=came: "/rtgenre/mic/heartbeat" in came)
            assert came["/rtgenre/mic/index"] == [LABELS.index("disco")]
            assert came["/rtgenre/mic/silence"] == [0]
            assert came["/rtgenre/mic/confidence"] == [pytest.approx(0.64)]
            assert came["/rtgenre/mic/p/disco"] == [pytest.approx(0.64)]
            assert {f"/rtgenre/mic/p/{label}" for label in LABELS} <= came.keys()
            assert "/rtgenre/mic/top" not in came
            kinds = {address: {type(value) for value in values} for address, values in came.items()}
            assert kinds["/rtgenre/mic/index"] == kinds["/rtgenre/mic/heartbeat"] == {int}
            assert kinds["/rtgenre/mic/p/rock"] == {float}
        output.close()
        assert eventually(lambda: second["/rtgenre/mic/silence"][-1:] == [1])
        assert second["/rtgenre/mic/index"][-1] == -1


def test_labels_of_ones_own_have_addresses_of_their_own() -> None:
    with receiver() as (where, came):
        output = open_osc(OscSettings(targets=[where]))
        output.start()
        output.mailbox.put(envelope(heard("disco", p=0.64, **{"liquid dnb": 0.75, "dub": 0.25})))
        assert eventually(lambda: "/rtgenre/mic/own/dub" in came)
        assert came["/rtgenre/mic/own/liquid_dnb"] == [0.75]
        assert came["/rtgenre/mic/index"] == [LABELS.index("disco")]
        output.close()


def test_decisions_come_in_order_and_by_name_where_asked() -> None:
    plan = ["disco", None, "jazz", "rock", None, "disco"]
    with receiver() as (where, came):
        output = open_osc(OscSettings(targets=[where], top=True))
        output.start()
        for top in plan:
            message = heard(top)
            output.mailbox.put(envelope(message))
            output.mailbox.put(envelope(decision(message, message.t_publish_ns)))  # says it again: nothing new
            expected = top or ""
            assert eventually(lambda expected=expected: came["/rtgenre/mic/top"][-1:] == [expected])
        assert came["/rtgenre/mic/top"] == [top or "" for top in plan]
        assert came["/rtgenre/mic/silence"] == [int(top is None) for top in plan]
        output.close()


def test_a_target_that_is_not_there_disturbs_no_other(caplog: pytest.LogCaptureFixture) -> None:
    with receiver() as (where, came):
        output = open_osc(OscSettings(targets=["no-such-host.invalid:9", "127.0.0.1:9", where]))
        output.start()
        for _ in range(20):
            output.mailbox.put(envelope(heard("disco")))
        assert eventually(lambda: len(came["/rtgenre/mic/index"]) == 20)
        output.close()
    assert caplog.text.count("no-such-host.invalid") == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("resolume", ("127.0.0.1", 7000)),
        ("qlcplus@192.168.1.20", ("192.168.1.20", 7700)),
        ("wled@strip.local", ("strip.local", 12000)),
        ("10.0.0.255:9000", ("10.0.0.255", 9000)),
        ("[::1]:9000", ("::1", 9000)),
    ],
)
def test_what_a_target_is(text: str, expected: tuple[str, int]) -> None:
    assert target(text) == expected


@pytest.mark.parametrize("text", ["resolum", "host", "host:0", "host:70000", "resolume@", "host:port", "::1:9", ""])
def test_what_no_target_is(text: str) -> None:
    with pytest.raises(ConfigError, match=r"osc\.targets.*\n.*HOST:PORT"):
        open_osc(OscSettings(targets=[text]))


def test_programs_with_addresses_of_their_own_are_sent_those() -> None:
    with receiver() as (where, came):
        column, layer = "/composition/columns/{number}/connect", "/composition/layers/{number}/video/opacity"
        output = open_osc(OscSettings(targets=[where], probability=layer, decided=column))
        output.start()
        for top in ("disco", "disco", None, "jazz", "disco"):
            output.mailbox.put(envelope(heard(top, p=0.5)))
        output.close()
        number = LABELS.index("disco") + 1
        assert eventually(lambda: came[f"/composition/columns/{number}/connect"] == [1, 1])
        assert eventually(lambda: came["/rtgenre/mic/index"][-1:] == [-1])
    assert came[f"/composition/columns/{LABELS.index('jazz') + 1}/connect"] == [1]
    assert came[f"/composition/layers/{number}/video/opacity"][0] == pytest.approx(0.5)
    assert not [address for address in came if "/p/" in address]


@pytest.mark.parametrize("address", ["disco", "/{gnre}", "/{genre", "/a b", "/{0}", "/{genre.x}", "/#"])
def test_what_no_address_is(address: str) -> None:
    with pytest.raises(ConfigError, match=r"osc\.decided.*\n.*begin it with /"):
        open_osc(OscSettings(decided=address))
