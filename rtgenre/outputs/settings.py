"""Settings of the outputs that only read messages: a section of ``config.toml`` each."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

SourceName = Annotated[str, Meta(pattern=r"^([a-z0-9_-]{1,32})?$", description='name a source, or "" for the first')]
Control = Annotated[
    str,
    Meta(pattern=r"^((note|cc) ([0-9]|[1-9][0-9]|1[01][0-9]|12[0-7]))?$", description='write "note 60" or "cc 64"'),
]
Level = Annotated[
    str, Meta(pattern=r"^[^/+#\s\x00]*$", description="one level of a topic: no /, +, # and no space in it")
]
Prefix = Annotated[str, Meta(pattern=r"^([^/+#\s\x00]+(/[^/+#\s\x00]+)*)?$", description='such as "homeassistant"')]


class WebSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Overlays, dashboard and metrics over HTTP (``[web]``)."""

    enabled: bool = False
    host: Annotated[str, Meta(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8898
    token: str = ""
    names: list[str] = []
    max_clients: Annotated[int, Meta(ge=1, le=1000)] = 50


class MidiSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Notes and controls (``[midi]``)."""

    enabled: bool = False
    port: Annotated[str, Meta(min_length=1, max_length=64)] = "rtgenre"
    backend: Literal["auto", "alsa", "jack", "coremidi", "winmm"] = "auto"
    source: SourceName = ""
    channel: Annotated[int, Meta(ge=1, le=16)] = 16
    note: Annotated[int, Meta(ge=0, le=127)] = 36
    velocity: Annotated[int, Meta(ge=1, le=127)] = 100
    control: Annotated[int, Meta(ge=0, le=119, description="0 to 119; from 120 on they mean something else")] = 20
    controls_hz: Annotated[float, Meta(gt=0.0, le=100.0)] = 20.0
    reset: Control = ""
    hold: Control = ""
    mute: Control = ""


class OscSettings(msgspec.Struct, frozen=True, kw_only=True):
    """OSC over UDP (``[osc]``)."""

    enabled: bool = False
    targets: Annotated[list[Annotated[str, Meta(min_length=1)]], Meta(min_length=1)] = msgspec.field(
        default_factory=lambda: ["resolume"]
    )
    top: bool = False
    probability: str = "/rtgenre/{source}/p/{genre}"
    own: str = "/rtgenre/{source}/own/{genre}"
    decided: str = ""


class MqttSettings(msgspec.Struct, frozen=True, kw_only=True):
    """An MQTT broker (``[mqtt]``)."""

    enabled: bool = False
    host: Annotated[str, Meta(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535)] = 1883
    tls: bool = False
    username: str = ""
    password_file: str = ""
    node: Level = ""
    discovery: Prefix = "homeassistant"
    every_s: Annotated[float, Meta(ge=0.0, le=3600.0)] = 1.0


class TextSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A text file (``[text]``)."""

    enabled: bool = False
    path: Annotated[str, Meta(min_length=1)] = "~/rtgenre.txt"
    template: str = "{genre}"
    source: SourceName = ""
    every_s: Annotated[float, Meta(ge=0.0, le=3600.0)] = 1.0
