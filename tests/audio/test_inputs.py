"""How devices are named, and how a refusal is put into words."""

from __future__ import annotations

import pytest

from rtgenre.audio.inputs import InputDevice, choose_input, explain_refusal
from rtgenre.errors import DeviceError


def _device(index, hostapi, name, is_default=False):
    return InputDevice(index, name, hostapi, 2, 48000.0, is_default)


DEVICES = [
    _device(0, "ALSA", "HDA Intel: ALC257 Analog (hw:0,0)"),
    _device(1, "ALSA", "pulse"),
    _device(2, "ALSA", "default", is_default=True),
    _device(5, "ALSA", "Scarlett 2i2 USB: Audio (hw:2,0)"),
    _device(7, "JACK Audio Connection Kit", "system"),
    _device(8, "JACK Audio Connection Kit", "pulse"),
]


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (None, 2), ("", 2), ("  ", 2), ("default", 2), ("scarlett", 5), ("SCARLETT 2i2", 5), ("ALSA: pulse", 1),
        ("jack audio connection kit: pulse", 8), ("System", 7), ("7", 7), ("hw:0", 0),
    ],
)  # fmt: skip
def test_a_unique_part_in_any_case_names_a_device(wanted, index):
    assert choose_input(DEVICES, wanted).index == index


def test_an_ambiguous_name_lists_what_it_means():
    with pytest.raises(DeviceError, match="means 2 input devices") as caught:
        choose_input(DEVICES, "pulse")
    assert "'ALSA: pulse' (index 1)" in caught.value.message
    assert "'JACK Audio Connection Kit: pulse' (index 8)" in caught.value.message


def test_an_unknown_name_lists_near_ones():
    with pytest.raises(DeviceError, match=r"no input device 'alsa: puls[e]{2}'.*did you mean .*pulse") as caught:
        choose_input(DEVICES, "alsa: pulsee")
    assert "rtgenre devices" in caught.value.remedy


def test_no_device_and_no_default_are_said():
    with pytest.raises(DeviceError, match="no sound input device") as caught:
        choose_input([], None)
    assert "--source demo" in caught.value.remedy
    with pytest.raises(DeviceError, match="no default input") as caught:
        choose_input(DEVICES[:2], None)
    assert "ALSA: pulse" in caught.value.remedy


@pytest.mark.parametrize(
    ("code", "text", "message", "remedy"),
    [
        (-9998, "Invalid number of channels", "does not give 4 channels", "1 to 2"),
        (-9997, "Invalid sample rate", "does not take 96000 Hz", "it takes 44100, 48000 Hz"),
        (-9985, "Device unavailable", "is busy", "close that program"),
        (-9999, "Unanticipated host error: Device or resource busy", "is busy", "sound server"),
        (-9996, "Invalid device", "cannot be opened: Invalid device", "plugged in"),
    ],
)
def test_a_refusal_says_what_the_device_offers(code, text, message, remedy):
    error = explain_refusal(DEVICES[1], 96000, 4, code, text, (44100, 48000))
    assert message in error.message
    assert "ALSA: pulse" in error.message
    assert remedy in error.remedy


def test_a_source_that_the_sound_server_does_not_know_is_named():
    error = explain_refusal(DEVICES[1], 48000, 2, -9999, "Unanticipated host error", (48000,), "bar.monitor")
    assert "'bar.monitor'" in error.message
    assert "pactl list short sources" in error.remedy
