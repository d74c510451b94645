"""MQTT against a real mosquitto."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rtgenre.errors import ConfigError
from rtgenre.outputs.mqtt import node_name, open_mqtt
from rtgenre.outputs.settings import MqttSettings
from tests.outputs.broker import Broker, needs_mosquitto, reading
from tests.outputs.story import LABELS
from tests.outputs.telling import envelope, heard
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rtgenre.outputs.courier import Courier

pytestmark = [pytest.mark.real, needs_mosquitto]
Came = list[tuple[str, str, bool]]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with Broker(tmp_path) as it:
        yield it


def opened(broker: Broker, **settings: object) -> Courier:
    output = open_mqtt(MqttSettings(port=broker.port, node="stage", **settings))  # type: ignore[arg-type]
    output.start()
    return output


def on(came: Came, topic: str) -> list[str]:
    return [payload for name, payload, _ in came if name == f"rtgenre/stage/{topic}"]


def test_decisions_in_order_numbers_now_and_then_and_offline_at_the_end(broker: Broker) -> None:
    with reading(broker) as came:
        output = opened(broker, every_s=3600)
        for top in ("disco", "disco", None, "jazz"):
            output.mailbox.put(envelope(heard(top, p=0.61)))
        assert eventually(lambda: on(came, "mic/genre") == ["disco", "none", "jazz"])
        output.close()
        assert eventually(lambda: on(came, "status") == ["online", "offline"])
    assert on(came, "mic/genre") == ["disco", "none", "jazz", "none"]
    assert on(came, "mic/state") == ["music", "silence", "music", "stale"]
    assert on(came, "mic/confidence") == ["0.610"]
    probs = [json.loads(payload) for payload in on(came, "mic/probs")]
    assert [max(p, key=p.get) for p in probs] == ["disco", "blues", "jazz"]


def test_labels_of_ones_own_are_a_sensor_of_their_own(broker: Broker) -> None:
    with reading(broker) as came:
        output = opened(broker)
        for p in (0.2, 0.7, 0.9, 0.1):
            output.mailbox.put(envelope(heard("disco", dub=p, techno=0.05)))
        assert eventually(lambda: on(came, "mic/own") == ["none", "dub", "none"])
        output.close()
        assert eventually(lambda: on(came, "status") == ["online", "offline"])
    configs = [json.loads(payload) for topic, payload, _ in came if topic.endswith("_own/config")]
    assert [config["options"] for config in configs] == [["dub", "techno", "none"]]


def test_who_comes_late_finds_what_is_retained(broker: Broker) -> None:
    output = opened(broker)
    output.mailbox.put(envelope(heard("disco")))
    with reading(broker) as came:
        assert eventually(lambda: on(came, "mic/genre") == ["disco"])
    with reading(broker) as came:
        assert eventually(lambda: on(came, "mic/probs"))
        assert all(retained for _, _, retained in came)
        assert {"status", "mic/genre", "mic/state", "mic/confidence", "mic/probs"} == {
            topic.removeprefix("rtgenre/stage/") for topic, _, _ in came if topic.startswith("rtgenre/")
        }
    output.close()


def test_home_assistant_finds_sensors_that_fit_what_is_published(broker: Broker) -> None:
    with reading(broker) as came:
        output = opened(broker)
        for top in (*LABELS, None):
            output.mailbox.put(envelope(heard(top)))
            output.mailbox.put(envelope(heard(top, source="deck")))
        output.close()
        assert eventually(lambda: on(came, "status") == ["online", "offline"])
    configs = {topic: json.loads(payload) for topic, payload, _ in came if topic.startswith("homeassistant/")}
    assert len(configs) == 6
    assert len({config["unique_id"] for config in configs.values()}) == 6
    for topic, config in configs.items():
        assert topic == f"homeassistant/sensor/{config['unique_id']}/config"
        assert config["availability_topic"] == "rtgenre/stage/status"
        assert config["device"]["identifiers"] == ["rtgenre_stage"]
        payloads = {payload for name, payload, _ in came if name == config["state_topic"]}
        assert payloads
        if config.get("device_class") == "enum":
            assert payloads <= set(config["options"])
            assert "state_class" not in config  # an enumeration with a state class is refused there
            assert "unit_of_measurement" not in config
        else:
            assert config["state_class"] == "measurement"
            assert all(0 <= float(payload) <= 1 for payload in payloads)


def test_a_daemon_that_is_killed_is_offline_by_the_brokers_word(broker: Broker) -> None:
    daemon = (
        "import time\n"
        "from rtgenre.outputs.mqtt import open_mqtt\n"
        "from rtgenre.outputs.settings import MqttSettings\n"
        f"open_mqtt(MqttSettings(port={broker.port}, node='stage')).start()\n"
        "time.sleep(60)\n"
    )
    with (
        reading(broker) as came,
        subprocess.Popen([sys.executable, "-c", daemon], cwd=Path(__file__).parents[2]) as process,
    ):
        try:
            assert eventually(lambda: on(came, "status") == ["online"])
        finally:
            process.send_signal(signal.SIGKILL)
        assert eventually(lambda: on(came, "status") == ["online", "offline"])


def test_a_broker_that_dies_and_forgets_everything_is_told_again(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    output = opened(broker)
    output.mailbox.put(envelope(heard("disco")))
    with reading(broker) as came:
        assert eventually(lambda: on(came, "mic/genre") == ["disco"])
    broker.stop()
    assert eventually(lambda: "mqtt: the broker is gone" in caplog.text)
    output.mailbox.put(envelope(heard("jazz")))
    broker.start()
    with reading(broker) as came:
        assert eventually(lambda: on(came, "mic/genre") == ["jazz"])
        assert eventually(lambda: any(topic.startswith("homeassistant/") for topic, _, _ in came))
        output.close()
        assert eventually(lambda: on(came, "status")[-1:] == ["offline"])
    assert "mqtt is back" in caplog.text
    assert output.connections == 2


def test_a_password_is_asked_for_and_brought(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    secret = tmp_path / "password"
    secret.write_text("open sesame\n")
    user = ("stage", "open sesame")
    with Broker(tmp_path, user) as broker:
        output = opened(broker)
        assert eventually(lambda: "does not let us in: Not authorized" in caplog.text)
        assert "mqtt.password_file" in caplog.text
        output.close()
        with reading(broker, user) as came:
            output = opened(broker, username="stage", password_file=str(secret))
            assert eventually(lambda: on(came, "status") == ["online"])
            output.close()


def test_settings_that_cannot_work_are_one_clear_error() -> None:
    with pytest.raises(ConfigError, match=r"mqtt\.password_file = '/nowhere/p' cannot be read"):
        open_mqtt(MqttSettings(password_file="/nowhere/p"))  # noqa: S106 - a path
    assert node_name("") == "".join(c if c.isalnum() or c in "_-" else "_" for c in os.uname().nodename)
