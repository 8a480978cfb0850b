"""Files as sources, and the names of devices."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from services.errors import DeviceError
from services.recording.devices import Input, choose
from services.recording.messages import Device
from services.recording.sources import FileSource, downmix

RATE = 8000


def _let_it_fill_up(source: FileSource, wake: threading.Event) -> None:
    """Read nothing until the ring has no room, and then some more: a source that did not wait would lose samples."""
    while source.ring.free >= 2 * RATE / 3:
        assert wake.wait(30)
        wake.clear()
    time.sleep(0.3)


def test_a_file_waits_for_a_slow_reader_and_loses_nothing(tmp_path: Path) -> None:
    samples = np.random.default_rng(2).integers(-9000, 9000, 20 * RATE).astype(np.int16)
    soundfile.write(tmp_path / "talk.wav", samples, RATE)
    wake = threading.Event()
    source = FileSource("file:talk.wav", tmp_path / "talk.wav", 2, 1000, wake)
    source.start()
    _let_it_fill_up(source, wake)
    heard = []
    while not source.ended or source.ring.filled:
        first, second = source.ring.views()
        heard.append(np.concatenate([first, second]))
        source.ring.consume(len(heard[-1]))
        source.consumed()
    source.stop()
    assert (source.error, source.ring.overflows) == (None, 0)
    assert np.array_equal(np.concatenate(heard)[:, 0] * 32768, samples)


def test_a_file_that_nobody_reads_can_be_stopped(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "talk.wav", np.zeros(60 * RATE, np.int16), RATE)
    wake = threading.Event()
    source = FileSource("file:talk.wav", tmp_path / "talk.wav", 2, 1000, wake)
    source.start()
    _let_it_fill_up(source, wake)
    source.stop()
    assert source.ended


def test_channels_are_mixed_to_one_or_kept() -> None:
    stereo = np.array([[0.5, 0.0], [1.0, -1.0]], np.float32)
    assert downmix(stereo, 1).tolist() == [[0.25], [0.0]]
    assert downmix(stereo, 2) is stereo


def _inputs(*names: tuple[str, str], default: str = "") -> list[Input]:
    return [
        Input(Device(name, description, "microphone", "ALSA", 1, 48000, name == default), number)
        for number, (name, description) in enumerate(names)
    ]


HEADSET = ("usb-headset", "Jabra Evolve")
BUILT_IN = ("pci-analog", "Built-in Audio")
MONITOR = ("pci-analog.monitor", "Monitor of Built-in Audio")


@pytest.mark.parametrize(
    ("source", "index"),
    [("mic", 1), ("jabra", 0), ("USB-HEADSET", 0), ("pci-analog", 1), ("built-in audio", 1), ("monitor of", 2)],
)
def test_a_device_is_found_by_name_description_or_part(source: str, index: int) -> None:
    found = choose(source, _inputs(HEADSET, BUILT_IN, MONITOR, default=BUILT_IN[0]))
    assert found.index == index


@pytest.mark.parametrize(
    ("source", "message", "hint"),
    [
        ("zoom", "There is no device “zoom”", "usb-headset (Jabra Evolve), pci-analog (Built-in Audio)"),
        ("audio", "more than one", "pci-analog (Built-in Audio), pci-analog.monitor"),
        ("mic", "no microphone", "usb-headset"),
        ("\x1b[2Jzoom", "There is no device “zoom”", "usb-headset"),
    ],
)
def test_a_device_that_is_not_there_or_not_the_only_one(source: str, message: str, hint: str) -> None:
    with pytest.raises(DeviceError, match=message) as caught:
        choose(source, _inputs(HEADSET, BUILT_IN, MONITOR))
    assert hint in caught.value.hint


def test_system_is_the_monitor_of_the_loudspeakers_in_use() -> None:
    microphone, monitor, other = _inputs(HEADSET, MONITOR, ("hdmi.monitor", "Monitor of HDMI"))
    in_use = replace(monitor, device=replace(monitor.device, kind="monitor", system=True), pulse_source=MONITOR[0])
    assert choose("system", [microphone, other, in_use]) == in_use


@pytest.mark.parametrize(("pulse_source", "hint"), [("", "BlackHole"), ("usb-headset", "no loudspeakers in use")])
def test_where_the_loudspeakers_cannot_be_recorded_it_says_what_else_can(pulse_source: str, hint: str) -> None:
    inputs = [replace(each, pulse_source=pulse_source) for each in _inputs(HEADSET, default=HEADSET[0])]
    with pytest.raises(DeviceError, match="loudspeakers play cannot be recorded") as caught:
        choose("system", inputs)
    assert hint in caught.value.hint
    assert HEADSET[1] in caught.value.hint, "what there is instead"


def test_a_machine_without_devices_says_what_to_do() -> None:
    with pytest.raises(DeviceError) as caught:
        choose("mic", [])
    assert "sotto process FILE" in caught.value.hint
