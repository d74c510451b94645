"""A mosquitto of one's own for a test, and a program that reads everything on it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")  # not on everyone's PATH
needs_mosquitto = pytest.mark.skipif(MOSQUITTO is None, reason="not installed: mosquitto (apt-get install mosquitto)")


class Broker:
    """A direct child on a free port of loopback; can be stopped, frozen by its process id, and started again.

    Args:
        folder: a private folder.
        user: name and password that it wants; anybody may come where None.
    """

    def __init__(self, folder: Path, user: tuple[str, str] | None = None) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        lines = [f"listener {self.port} 127.0.0.1", "persistence false", "user root"]
        lines.append("allow_anonymous true" if user is None else "allow_anonymous false")
        if user is not None:
            passwords = folder / "passwords"
            subprocess.run(
                ["mosquitto_passwd", "-b", "-c", str(passwords), *user], check=True, capture_output=True, timeout=20
            )
            lines.append(f"password_file {passwords}")
        self._config = folder / "mosquitto.conf"
        self._config.write_text("\n".join(lines) + "\n")
        self._log = folder / "mosquitto.log"
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def start(self) -> None:
        assert MOSQUITTO is not None
        with self._log.open("ab") as log:
            self._child = subprocess.Popen([MOSQUITTO, "-c", str(self._config)], stdout=log, stderr=log)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self._child.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.2).close()
            except OSError:
                time.sleep(0.03)
            else:
                return
        self.stop()
        raise RuntimeError(f"mosquitto did not come up: {self._log.read_text()[-800:]}")

    def stop(self) -> None:
        """End it as a crash does: what it retained is gone."""
        if self._child is not None:
            self._child.kill()
            self._child.wait(5)


@contextmanager
def reading(broker: Broker, user: tuple[str, str] | None = None) -> Iterator[list[tuple[str, str, bool]]]:
    """Everything that is published meanwhile: topic, payload, and whether it was retained from before."""
    came: list[tuple[str, str, bool]] = []
    client = Client(CallbackAPIVersion.VERSION2)
    client.on_message = lambda _c, _u, message: came.append((message.topic, message.payload.decode(), message.retain))
    client.on_connect = lambda c, *_: c.subscribe("#", 1)
    if user is not None:
        client.username_pw_set(*user)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    try:
        yield came
    finally:
        client.disconnect()
        client.loop_stop()
