from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import re
import socket
import threading
import time
import warnings
from typing import TYPE_CHECKING

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from rtgenre.errors import OutputError
from rtgenre.outputs.web.clients import QUEUE_MESSAGES
from rtgenre.outputs.web.pages import STATIC
from tests.outputs.test_wire import VALIDATOR
from tests.outputs.web.running import Talker, get, get_json, started
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.real


def test_pages_ask_for_nothing_but_what_only_a_preview_needs() -> None:
    files = [f"/static/{path.name}" for path in STATIC.iterdir()]
    with started() as output:
        for path in ("/", "/dashboard", "/overlay/bars", "/overlay/lowerthird", "/overlay/compact", *files):
            status, text = get(output, path)
            assert status == 200, path
            assert not re.search(r"https?://(?!www\.w3\.org)", text), f"{path} asks for something elsewhere"
            asked = set(re.findall(r"[\"'](/static/[\w.]+)[\"']", text))
            assert path in files or asked <= {"/static/sample.js"}, path
        assert get(output, "/static/sample.js")[0] == 200


def test_what_is_not_there_is_told() -> None:
    with started() as output, Talker(output):
        assert get(output, "/overlay/bar") == (404, "rtgenre: there is no overlay 'bar'; did you mean bars?\n")
        assert get(output, "/static/..%2Fserver.py")[0] == 404
        assert eventually(lambda: get(output, "/text")[1] == "jazz")
        assert get(output, "/text?source=dmo") == (404, "rtgenre: there is no source 'dmo'; did you mean demo?\n")
        assert get(output, "/v1/history?source=nonsuch")[0] == 404


def test_plain_answers_follow_the_daemon() -> None:
    with started() as output:
        assert get(output, "/text") == (200, "")
        assert get(output, "/healthz")[0] == 503
        with Talker(output, "a", "b") as daemon:
            daemon.playing["b"] = "rock"
            assert eventually(lambda: get(output, "/text?source=b")[1] == "rock")
            assert get(output, "/text")[1] == "jazz"
            assert get(output, "/healthz")[0] == 200
            assert get_json(output, "/healthz")["ok"] is True
            daemon.playing["b"] = None
            assert eventually(lambda: get(output, "/text?source=b")[1] == "")
            last = get_json(output, "/v1/last")
            assert list(last["messages"]) == [
                "rtgenre.v1.heartbeat.", "rtgenre.v1.a.posterior.", "rtgenre.v1.b.posterior."
            ]  # fmt: skip
            for message in last["messages"].values():
                VALIDATOR.validate(message)
            assert "rtgenre.v1.a.posterior." not in get_json(output, "/v1/last?source=b")["messages"]


def test_metrics_are_prometheus_and_have_the_names_that_were_promised() -> None:
    with started() as output, Talker(output, "a", "b"):
        assert eventually(lambda: "rtgenre_posterior{" in get(output, "/metrics")[1])
        families = {family.name: family for family in text_string_to_metric_families(get(output, "/metrics")[1])}
    promised = [
        "rtgenre_audio_overflows",
        "rtgenre_audio_dropped_samples",
        "rtgenre_capture_restarts",
        "rtgenre_stage_latency_seconds",
        "rtgenre_end_to_end_latency_seconds",
        "rtgenre_input_dbfs",
        "rtgenre_posterior",
        "rtgenre_own",
        "rtgenre_decision_changes",
        "rtgenre_feed_dropped",
        "rtgenre_subscribers",
        "rtgenre_model_resets",
        "rtgenre_build_info",
    ]
    assert set(promised) <= set(families)
    genres = {(s.labels["source"], s.labels["genre"]): s.value for s in families["rtgenre_posterior"].samples}
    assert genres["a", "jazz"] == 0.7
    assert genres["b", "rock"] == pytest.approx(0.12)
    stages = {s.labels["stage"] for s in families["rtgenre_stage_latency_seconds"].samples}
    assert stages == {"capture", "frontend", "model", "publish"}
    waits = [s.value for s in families["rtgenre_stage_latency_seconds"].samples
             if s.name.endswith("_sum") and s.labels["stage"] == "publish"]  # fmt: skip
    assert min(waits) > 0, "the wait for this output counts"


def test_a_browser_gets_the_full_state_and_then_every_message_in_order() -> None:
    async def listen(address: str) -> list[dict[str, object]]:
        async with aiohttp.ClientSession() as http, http.ws_connect(f"{address}/ws") as one:
            return [await one.receive_json() for _ in range(30)]

    with started() as output, Talker(output):
        assert eventually(lambda: get(output, "/text")[1] == "jazz")
        welcome, *messages = asyncio.run(listen(output.address))
        assert {m["kind"] for m in welcome["messages"]} == {"heartbeat", "posterior"}
        for message in messages:
            VALIDATOR.validate(message)
        numbers = [m["seq"] for m in messages if m["kind"] == "posterior"]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        known = next(m["seq"] for m in welcome["messages"] if m["kind"] == "posterior")
        assert numbers[0] == known + 1, "nothing is lost between the state and what follows"


def stuck_browser(address: str) -> socket.socket:
    """One that asks for messages and never reads any."""
    host, port = address.removeprefix("http://").split(":")
    stuck = socket.socket()
    stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stuck.connect((host, int(port)))
    stuck.sendall(
        f"GET /ws HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    return stuck


def test_a_browser_that_does_not_read_loses_its_own_messages_only() -> None:
    async def listen(address: str, talker: Talker, stop: Callable[[], bool]) -> list[int]:
        numbers: list[int] = []
        async with aiohttp.ClientSession() as http, http.ws_connect(f"{address}/ws") as quick:
            await quick.receive_json()
            while not stop():
                for _ in range(20):
                    talker.hop(heartbeat=False)
                wanted = len(numbers) + 20
                while len(numbers) < wanted:
                    message = await quick.receive_json()
                    numbers += [message["seq"]] if message["kind"] == "posterior" else []
        return numbers

    with started() as output, stuck_browser(output.address):
        assert eventually(lambda: get_json(output, "/healthz")["clients"] == 1)
        numbers = asyncio.run(listen(output.address, Talker(output), lambda: output._clients.dropped > QUEUE_MESSAGES))
        assert numbers == list(range(len(numbers)))
        assert output.mailbox.dropped == 0
        assert get(output, "/")[0] == 200


def test_there_are_only_so_many() -> None:
    async def scenario(address: str) -> int:
        async with aiohttp.ClientSession() as http:
            sockets = [await http.ws_connect(f"{address}/ws") for _ in range(3)]
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await http.ws_connect(f"{address}/ws")
            for one in sockets:
                await one.close()
            return refused.value.status

    with started(max_clients=3) as output:
        assert asyncio.run(scenario(output.address)) == 503
        assert "rtgenre_web_refused_total 1.0" in get(output, "/metrics")[1]


def test_it_says_goodbye() -> None:
    async def scenario() -> int | None:
        with started() as output:
            async with aiohttp.ClientSession() as http, http.ws_connect(f"{output.address}/ws") as one:
                await one.receive()
                closing = asyncio.get_running_loop().run_in_executor(None, output.close)
                assert (await one.receive()).type is aiohttp.WSMsgType.CLOSE
                await closing
                return one.close_code

    start = time.monotonic()
    assert asyncio.run(scenario()) == aiohttp.WSCloseCode.GOING_AWAY
    assert time.monotonic() - start < 10


def test_who_knocks_while_it_closes_is_turned_away() -> None:
    """A connection that the port took and nobody knew of would stay open, with nobody behind it."""

    def knock(address: tuple[str, int], ended: threading.Event) -> None:
        with contextlib.ExitStack() as mine, contextlib.suppress(OSError):
            while not ended.is_set():
                mine.enter_context(socket.create_connection(address, timeout=0.5))

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ResourceWarning)
        for _ in range(10):  # that many, for one in three or so hits the moment
            ended = threading.Event()
            with started() as output:
                host, port = output.address.removeprefix("http://").split(":")
                knocking = threading.Thread(target=knock, args=((host, int(port)), ended))
                knocking.start()
                time.sleep(0.02)
            ended.set()
            knocking.join()
        gc.collect()
    assert not [warning.message for warning in told if "transport" in str(warning.message)]


def test_a_port_in_use_is_one_error() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        with pytest.raises(OutputError) as refused, started(port=holder.getsockname()[1]):
            pass
    assert "in use" in refused.value.message
    assert "web.port" in refused.value.remedy


def test_nothing_waits_for_it_once_it_has_ended() -> None:
    with started() as output:
        Talker(output).hop(heartbeat=True)
    Talker(output).hop(heartbeat=True)
    assert len(output.mailbox) == 0


def test_garbage_is_refused_and_the_next_request_answered() -> None:
    with started() as output:
        host, port = output.address.removeprefix("http://").split(":")
        for garbage in (
            b"\x16\x03\x01\x02\x00",
            b"GET / HTTP/9.9\r\n\r\n",
            b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
        ):
            with socket.create_connection((host, int(port)), timeout=5) as other:
                other.sendall(garbage)
                other.shutdown(socket.SHUT_WR)
                assert b"200 OK" not in other.recv(100)
        assert json.loads(get(output, "/healthz")[1])["ok"] is False
