"""MQTT: what each source plays, retained on a broker, and described for Home Assistant's discovery.

``rtgenre/<node>/<source>/{genre,state,confidence,probs}`` and ``rtgenre/<node>/status``, which the broker itself
sets to ``offline`` when this program is gone (last will).
"""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from rtgenre import __version__
from rtgenre.errors import ConfigError, OutputError
from rtgenre.outputs import wire
from rtgenre.outputs.courier import Courier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paho.mqtt.reasoncodes import ReasonCode

    from rtgenre.outputs.settings import MqttSettings

NOTHING = "none"  # genre where none is decided for: an enumeration must have a word for it
QOS = 1
KEEP_ALIVE_S = 15
ANSWER_S = 5.0  # how long a broker may take to let us in
FAREWELL_S = 1.0
QUEUED = 1000  # messages kept for a broker that is slow to acknowledge


def open_mqtt(settings: MqttSettings) -> Courier:
    """The output, not yet started.

    Raises:
        ConfigError: the password cannot be read.
    """
    password = None
    if settings.password_file:
        try:
            password = Path(settings.password_file).expanduser().read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"mqtt.password_file = {settings.password_file!r} cannot be read: {error}",
                "name a file that holds the password alone",
            ) from None
    return Courier("mqtt", Mqtt(settings, password))


def node_name(asked: str) -> str:
    """The level of all topics that names this machine."""
    return asked or re.sub(r"[^A-Za-z0-9_-]", "_", socket.gethostname()) or "rtgenre"


class Mqtt:
    """One connection to a broker after the other; see ``courier.Counterpart``.

    Args:
        settings: where and how.
        password: for ``settings.username``.
    """

    def __init__(self, settings: MqttSettings, password: str | None = None) -> None:
        self._settings = settings
        self._password = password
        self._node = node_name(settings.node)
        self._base = f"rtgenre/{self._node}"
        self._client: paho.Client | None = None
        self._published: dict[str, str] = {}
        self._t_numbers: dict[str, float] = {}  # source → when confidence and probs were published

    def connect(self) -> None:
        """Connect, and wait until the broker lets us in."""
        settings = self._settings
        self._published.clear()
        self._t_numbers.clear()
        answered = threading.Event()
        refusals: list[str] = []

        def on_connect(_client: object, _: object, _flags: object, reason: ReasonCode, _more: object) -> None:
            if reason.is_failure:
                refusals.append(str(reason))
            answered.set()

        # Connecting again is the courier's: paho would do it unseen, and publish what is long past.
        client = paho.Client(CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
        client.on_connect = on_connect
        client.max_queued_messages_set(QUEUED)
        client.will_set(f"{self._base}/status", "offline", QOS, retain=True)
        if settings.username:
            client.username_pw_set(settings.username, self._password)
        if settings.tls:
            client.tls_set()
        where = f"the broker {settings.host}:{settings.port}"
        try:
            client.connect(settings.host, settings.port, keepalive=KEEP_ALIVE_S)
        except (OSError, ValueError) as error:
            raise OutputError(f"{where} is not there: {error}", "see mqtt.host and mqtt.port") from None
        client.loop_start()
        self._client = client
        if not answered.wait(ANSWER_S) or refusals:
            why = refusals[0] if refusals else f"no answer within {ANSWER_S:.0f} s"
            self.disconnect()
            raise OutputError(f"{where} does not let us in: {why}", "see mqtt.username and mqtt.password_file")
        self._publish(f"{self._base}/status", "online")

    def show(self, message: wire.SourceMessage) -> None:
        """Genre and state at once when they change, the numbers with them and every now and then."""
        head = f"{self._base}/{message.source}"
        self._describe(message.source, list(message.probs), list(message.own))
        before = self._published.get(f"{head}/genre"), self._published.get(f"{head}/state")
        self._publish(f"{head}/genre", message.top or NOTHING)
        self._publish(f"{head}/state", message.state)
        if message.own:
            self._publish(f"{head}/own", message.own_top or NOTHING)
        now = time.monotonic()
        due = now - self._t_numbers.get(message.source, float("-inf")) >= self._settings.every_s
        if due or before != (message.top or NOTHING, message.state):
            self._t_numbers[message.source] = now
            self._publish(f"{head}/confidence", f"{message.confidence:.3f}")
            self._publish(f"{head}/probs", json.dumps({k: round(p, 3) for k, p in message.probs.items()}))

    def beat(self, heartbeat: wire.Heartbeat) -> None:
        """Nothing to do: paho keeps the connection alive."""

    def check(self) -> None:
        """Look whether the connection stands."""
        if self._client is None or not self._client.is_connected():
            raise OutputError("the broker is gone")

    def disconnect(self) -> None:
        """Say that we go, as the will would, and close."""
        client, self._client = self._client, None
        if client is None:
            return
        if client.is_connected():
            said = client.publish(f"{self._base}/status", "offline", QOS, retain=True)
            if said.rc == paho.MQTT_ERR_SUCCESS:
                said.wait_for_publish(FAREWELL_S)
        client.disconnect()
        client.loop_stop()

    def _publish(self, topic: str, payload: str) -> None:
        if self._published.get(topic) == payload or self._client is None:
            return
        said = self._client.publish(topic, payload, QOS, retain=True)
        if said.rc != paho.MQTT_ERR_SUCCESS:
            raise OutputError(f"the broker takes nothing more: {paho.error_string(said.rc)}")
        self._published[topic] = payload

    def _describe(self, source: str, labels: Sequence[str], own: Sequence[str]) -> None:
        """Home Assistant's discovery: three sensors a source, a fourth with labels of one's own; all of one device."""
        if not self._settings.discovery:
            return
        sensors: dict[str, dict[str, object]] = {
            "genre": {"device_class": "enum", "options": [*labels, NOTHING], "icon": "mdi:music"},
            "state": {"device_class": "enum", "options": list(get_args(wire.StateName)), "icon": "mdi:ear-hearing"},
            "confidence": {
                "state_class": "measurement",
                "unit_of_measurement": "%",
                "value_template": "{{ (value | float * 100) | round(1) }}",
            },
        }
        if own:
            sensors["own"] = {"device_class": "enum", "options": [*own, NOTHING], "icon": "mdi:music-box"}
        for name, description in sensors.items():
            unique = f"rtgenre_{self._node}_{source}_{name}"
            config = description | {
                "name": f"{source} {name}",
                "unique_id": unique,
                "state_topic": f"{self._base}/{source}/{name}",
                "availability_topic": f"{self._base}/status",
                "device": {
                    "identifiers": [f"rtgenre_{self._node}"],
                    "name": f"rtgenre {self._node}",
                    "manufacturer": "rtgenre",
                    "sw_version": __version__,
                },
            }
            self._publish(f"{self._settings.discovery}/sensor/{unique}/config", json.dumps(config))
