"""The web output as its users start it: inside a daemon, and on its own against a feed."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from rtgenre.client import Subscriber
from tests.outputs.talking import started, talking
from tests.outputs.web.overlay import free_port
from tests.test_daemon import TIMEOUT_S, environment, one_error, rtgenre

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.real


@contextmanager
def running(*arguments: str, port: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "rtgenre", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment(RTGENRE_WEB__PORT=port)
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def said(port: str, path: str) -> str:
    """An answer once there is one with content."""
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                if text := answer.read().decode():
                    return text
        except (urllib.error.URLError, ConnectionError) as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()
        time.sleep(0.1)
    raise AssertionError(f"nothing at {path}")


def test_a_daemon_with_web_answers_and_ends_cleanly() -> None:
    port = str(free_port())
    with running("run", "--source", "demo", "--web", "--quiet", "--no-feed", port=port) as process:
        genre = said(port, "/text")
        assert genre in json.loads(said(port, "/v1/history?source=demo"))["labels"]
        assert json.loads(said(port, "/healthz"))["ok"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT_S) == 0
        assert process.stderr is not None
        told = process.stderr.read().decode()
    assert f"http://127.0.0.1:{port}" in told
    assert "Traceback" not in told


def test_a_bridge_serves_a_feed_and_survives_its_end() -> None:
    port = str(free_port())
    with started() as feed:
        addresses = ["--feed", feed.publish_address, "--control", feed.control_address]
        with running("bridge", "web", *addresses, port=port) as process:
            with talking(feed, every_s=0.02):
                last = json.loads(said(port, "/v1/last"))
                while "rtgenre.v1.mic.posterior." not in last["messages"]:
                    last = json.loads(said(port, "/v1/last"))
            # The feed's own stamps, not the bridge's: what both say of one message is the same.
            asked = json.loads(said(port, "/v1/last"))["messages"]["rtgenre.v1.mic.posterior."]
            kept = {m["topic"]: json.loads(json.dumps(m["body"])) for m in snapshot(feed.control_address)}
            assert asked == kept["rtgenre.v1.mic.posterior."]
            feed.close()
            time.sleep(0.5)
            assert process.poll() is None
            process.send_signal(signal.SIGINT)
            assert process.wait(TIMEOUT_S) == 130
            assert process.stderr is not None
            assert b"Traceback" not in process.stderr.read()


def snapshot(control: str) -> list[dict[str, object]]:
    with Subscriber("tcp://127.0.0.1:1", control) as client:
        return client.request("snapshot")["messages"]  # type: ignore[return-value]


def test_errors_are_one_line_each() -> None:
    one_error(rtgenre("bridge", "wbe"), 2, "wbe", "did you mean web")
    everywhere = "0.0.0.0"  # noqa: S104 - refused
    one_error(rtgenre("run", "--source", "demo", "--no-feed", "--web", RTGENRE_WEB__HOST=everywhere), 78, "web.token")
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = str(holder.getsockname()[1])
        one_error(rtgenre("bridge", "web", RTGENRE_WEB__PORT=port), 69, port, "in use", "web.port")
