"""Devices that are changed, unplugged, suspended and lose their server while they are recorded.

Everything that can be heard here is a steady tone of its own: the tones in a source's samples tell what it listened to.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pulsectl
import pytest
import soundfile

from services.errors import DeviceError
from services.recording import device_source, stream
from services.recording.device_source import Devices
from services.recording.keeper import Keeper
from services.recording.messages import RecordingRequest
from services.recording.pulse import Server
from services.recording.ring import Samples
from services.recording.sources import Source, open_sources
from services.recording.stream import refresh_devices
from tests.functional.pulse import (
    MICROPHONE,
    MICROPHONE_NAME,
    MONITOR,
    MOUTH,
    SPEAKERS,
    Pulse,
    pactl,
    plug_loudspeakers,
    plug_microphone,
    unplug,
)
from tests.functional.waiting import until

pytestmark = [pytest.mark.audio, pytest.mark.usefixtures("home")]

VOICE, HEADSET_VOICE, FAR_END, HEADPHONES_FAR_END = TONES = (1000, 2000, 3000, 5000)
RATE = 48000
WINDOWS = 20  # a second
LOUD = 0.05

HEADSET, HEADSET_NAME, HEADSET_MOUTH = "headset", "Test Headset", "headsetmouth"
WHISTLE = "whistle"
HEADPHONES, HEADPHONES_NAME = "headphones", "Test Headphones"


@pytest.fixture(scope="module")
def tones(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    folder = tmp_path_factory.mktemp("tones")
    seconds = np.arange(120 * RATE) / RATE
    for tone in TONES:
        soundfile.write(folder / f"{tone}.wav", 0.3 * np.sin(2 * np.pi * tone * seconds), RATE)
    return {tone: folder / f"{tone}.wav" for tone in TONES}


Play = Callable[[int, str], None]


@pytest.fixture
def play(pulse: Pulse, tones: dict[int, Path]) -> Iterator[Play]:
    """Plays a tone into a sink until the test is over, or the sink gone."""
    with ExitStack() as playing:

        def start(tone: int, sink: str) -> None:
            # Never on another sink, wherever the server would like to move it.
            command = ["paplay", f"--device={sink}", "--property=media.name=tone", str(tones[tone])]
            player = playing.enter_context(subprocess.Popen(command, stderr=subprocess.DEVNULL))
            playing.callback(player.kill)

        yield start


class Listener:
    """Reads a source as a recorder does, ten times a second."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.absences: list[str] = []
        self._blocks: list[Samples] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        source.start()
        self._thread.start()

    def _run(self) -> None:
        while not self._over.wait(0.1):
            self._read()
            if self.source.absent and self.source.absent not in self.absences[-1:]:
                self.absences.append(self.source.absent)

    def _read(self) -> None:
        views = self.source.ring.views()
        self._blocks += [view[:, 0].copy() for view in views]
        self.source.ring.consume(sum(len(view) for view in views))

    def stop(self) -> None:
        self._over.set()
        self._thread.join()
        self.source.stop()
        self._read()

    @property
    def frames(self) -> int:
        return sum(len(block) for block in self._blocks)

    def tones(self, start: int = 0) -> set[int]:
        """What was heard in any 50 ms from frame number `start` on."""
        sound = np.concatenate([np.zeros(0, np.float32), *self._blocks])[start:]
        window = self.source.rate // WINDOWS
        sound = sound[: len(sound) // window * window].reshape(-1, window)
        spectrum = np.abs(np.fft.rfft(sound, axis=1)) * 2 / window
        return {tone for tone in TONES if (spectrum[:, tone // WINDOWS] > LOUD).any()}

    def only(self, tone: int) -> bool:
        """Whether the last half second is this tone and nothing else."""
        return self.tones(max(0, self.frames - RATE // 2)) == {tone}


@contextmanager
def listening(*labels: str) -> Iterator[list[Listener]]:
    """The sources, started and being read."""
    refresh_devices()
    sources = open_sources(RecordingRequest(labels, Path("/")), threading.Event())
    listeners = [Listener(source) for source in sources]
    try:
        yield listeners
    finally:
        for listener in listeners:
            listener.stop()


def test_the_microphone_follows_the_default(play: Play) -> None:
    plug_microphone(HEADSET, HEADSET_NAME, HEADSET_MOUTH)
    play(VOICE, MOUTH)
    play(HEADSET_VOICE, HEADSET_MOUTH)
    with listening("mic") as (mic,):
        until(lambda: mic.only(VOICE))
        assert mic.source.device == MICROPHONE_NAME
        pactl("set-default-source", HEADSET)
        until(lambda: mic.only(HEADSET_VOICE))
        assert mic.source.device == HEADSET_NAME
        pactl("set-default-source", MICROPHONE)
        until(lambda: mic.only(VOICE))
        assert (mic.source.device, mic.absences) == (MICROPHONE_NAME, [])


def test_system_follows_the_loudspeakers_in_use(play: Play) -> None:
    plug_loudspeakers(HEADPHONES, HEADPHONES_NAME)
    play(VOICE, MOUTH)
    play(FAR_END, SPEAKERS)
    play(HEADPHONES_FAR_END, HEADPHONES)
    with listening("system") as (system,):
        until(lambda: system.only(FAR_END))
        assert (system.source.device, system.source.monitor) == ("Monitor of Speakers", True)
        pactl("set-default-sink", HEADPHONES)
        # The server takes along what plays, so both are heard there.
        until(lambda: HEADPHONES_FAR_END in system.tones())
        assert (system.source.device, system.absences) == (f"Monitor of {HEADPHONES_NAME}", [])
    assert VOICE not in system.tones()


def test_a_named_device_does_not_follow(play: Play) -> None:
    plug_microphone(HEADSET, HEADSET_NAME, HEADSET_MOUTH)
    play(VOICE, MOUTH)
    play(HEADSET_VOICE, HEADSET_MOUTH)
    with listening(MICROPHONE_NAME) as (mic,):
        until(lambda: mic.only(VOICE))
        # The server takes the stream to the new default: it has to be brought back.
        pactl("set-default-source", HEADSET)
        until(lambda: bool(mic.absences))
        before = mic.frames
        until(lambda: mic.frames > before + RATE and mic.only(VOICE))
        assert (mic.source.device, mic.source.absent) == (MICROPHONE_NAME, "")
    assert mic.tones() == {VOICE}


def plug_whistle() -> None:
    pactl("load-module", "module-sine-source", f"source_name={WHISTLE}", f"frequency={VOICE}", f"rate={RATE}")
    pactl("set-default-source", WHISTLE)


def test_a_microphone_that_is_unplugged_comes_back(play: Play) -> None:
    play(VOICE, MOUTH)
    play(FAR_END, SPEAKERS)
    with listening("mic") as (mic,):
        until(lambda: mic.only(VOICE))
        began = mic.source.began
        unplug(MICROPHONE)
        until(lambda: "unplugged" in mic.source.absent)
        assert mic.source.device == ""
        plug_microphone()
        pactl("set-default-source", MICROPHONE)
        before = mic.frames
        until(lambda: mic.frames > before + RATE and mic.only(VOICE))
        assert (mic.source.absent, mic.source.device) == ("", MICROPHONE_NAME)
        assert began is not None and mic.source.began is not None and mic.source.began > began
    assert mic.tones() == {VOICE}, "without a microphone the server offers what the loudspeakers play"


def test_system_never_becomes_the_microphone(play: Play) -> None:
    # Without loudspeakers the server attaches whoever listened to them to the microphone, and a microphone that is
    # plugged in gets whoever listened to what was the default until then: a monitor, if there was no other.
    plug_whistle()
    unplug(MOUTH)
    play(FAR_END, SPEAKERS)
    with listening("mic", "system") as (mic, system):
        for _ in range(3):
            until(lambda: mic.only(VOICE) and system.only(FAR_END))
            unplug(SPEAKERS)
            until(lambda: "unplugged" in system.source.absent)
            plug_loudspeakers(SPEAKERS, "Speakers")
            play(FAR_END, SPEAKERS)
            until(lambda: not system.source.absent and system.only(FAR_END))
            unplug(WHISTLE)
            until(lambda: "unplugged" in mic.source.absent)
            plug_whistle()
            until(lambda: not mic.source.absent and mic.only(VOICE))
    assert system.tones() == {FAR_END}
    assert mic.tones() == {VOICE}


def move_streams(origin: str, goal: str) -> None:
    """Attach this process's stream that listens to one source to another, as a person does in a mixer."""
    server = Server()
    server.connect()
    view = server.view()
    there, other = view.named(origin), view.named(goal)
    assert there is not None and other is not None
    (tap,) = (each for each in view.taps if each.source == there.index)
    server.move(tap, other)
    server.close()


@pytest.mark.parametrize("late", [0.0, 0.4])
def test_a_stream_that_somebody_moves_is_brought_back(play: Play, monkeypatch: pytest.MonkeyPatch, late: float) -> None:
    look = Keeper._look

    def look_late(keeper: Keeper) -> None:
        time.sleep(late)  # as on a machine that has much to do
        look(keeper)

    monkeypatch.setattr(Keeper, "_look", look_late)
    play(VOICE, MOUTH)
    play(FAR_END, SPEAKERS)
    with listening("mic", "system") as (mic, system):
        until(lambda: mic.only(VOICE) and system.only(FAR_END))
        move_streams(MONITOR, MICROPHONE)
        until(lambda: bool(system.absences))
        before = system.frames
        until(lambda: system.frames > before + RATE and system.only(FAR_END))
    assert system.absences == ["the sound server has moved it to another device"]
    assert mic.absences == []
    assert system.tones() == {FAR_END}


def test_after_a_restart_of_the_server_both_are_heard_again(pulse: Pulse, play: Play) -> None:
    play(VOICE, MOUTH)
    play(FAR_END, SPEAKERS)
    with listening("mic", "system") as (mic, system):
        until(lambda: mic.only(VOICE) and system.only(FAR_END))
        pulse.kill()
        until(lambda: "sound server" in mic.source.absent and "sound server" in system.source.absent)
        pulse.restart()
        play(VOICE, MOUTH)
        play(FAR_END, SPEAKERS)
        heard = mic.frames, system.frames
        until(lambda: mic.frames > heard[0] + RATE and mic.only(VOICE))
        until(lambda: system.frames > heard[1] + RATE and system.only(FAR_END))
        assert (mic.source.absent, system.source.absent) == ("", "")
    assert (mic.tones(), system.tones()) == ({VOICE}, {FAR_END})


def test_a_server_that_hangs_is_told_and_forgiven(pulse: Pulse, play: Play) -> None:
    play(VOICE, MOUTH)
    with listening("mic") as (mic,):
        until(lambda: mic.only(VOICE))
        os.kill(pulse.pid, signal.SIGSTOP)
        until(lambda: "does not answer" in mic.source.absent)
        os.kill(pulse.pid, signal.SIGCONT)
        heard = mic.frames
        until(lambda: mic.frames > heard + RATE and mic.only(VOICE) and not mic.source.absent)


def test_a_suspended_microphone_is_told_and_goes_on(play: Play) -> None:
    play(VOICE, MOUTH)
    with listening("mic") as (mic,):
        until(lambda: mic.only(VOICE))
        pactl("suspend-source", MICROPHONE, "1")
        until(lambda: "suspended" in mic.source.absent)
        pactl("suspend-source", MICROPHONE, "0")
        heard = mic.frames
        until(lambda: mic.frames > heard + RATE and mic.only(VOICE) and not mic.source.absent)


def test_a_monitor_of_which_nothing_comes_is_not_absent(pulse: Pulse) -> None:
    with listening("system") as (system,):
        until(lambda: system.frames > RATE)
        pactl("suspend-sink", SPEAKERS, "1")
        frames = -1
        while frames != system.frames:
            frames = system.frames
            time.sleep(0.5)
        time.sleep(3)
        assert system.absences == []
        pactl("suspend-sink", SPEAKERS, "0")
        until(lambda: system.frames > frames + RATE)


def test_a_microphone_that_is_suspended_from_the_start_is_left_alone_until_it_wakes(play: Play) -> None:
    play(VOICE, MOUTH)
    pactl("suspend-source", MICROPHONE, "1")
    with listening("mic") as (mic,):
        until(lambda: "suspended" in mic.source.absent)
        until(lambda: pactl("list", "short", "source-outputs").count("float32le") == 0)
        pactl("suspend-source", MICROPHONE, "0")
        until(lambda: mic.only(VOICE) and not mic.source.absent)


def test_a_server_that_tells_something_all_the_time_holds_nothing_back(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(FAR_END, SPEAKERS)
    over = threading.Event()

    def turn() -> None:
        with pulsectl.Pulse("a program that turns up the microphone") as server:
            (microphone,) = (each for each in server.source_list() if each.name == MICROPHONE)
            for step in itertools.cycle(range(50)):
                if over.wait(0.01):
                    return
                server.volume_set_all_chans(microphone, 0.5 + step / 100)

    turning = threading.Thread(target=turn)
    with listening("system") as (system,):
        until(lambda: system.only(FAR_END))
        monkeypatch.setattr(Server, "settled", property(lambda _: False))  # never a quiet moment
        turning.start()
        before = system.frames
        try:
            until(lambda: system.frames > before + 3 * RATE, 15)
        finally:
            over.set()
            turning.join()


def test_a_server_that_tells_no_streams_apart_gives_the_microphone_and_nothing_else(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "TAG", "unheard.of")
    play(VOICE, MOUTH)
    with listening("mic", "system") as (mic, system):
        until(lambda: mic.only(VOICE))
        until(lambda: "does not say" in system.source.absent)
    assert system.frames == 0


def test_a_device_of_portaudios_own_comes_back_too(pulse: Pulse, play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_source, "connect", lambda: None)
    play(VOICE, MOUTH)
    with listening("pulse") as (device,):
        until(lambda: device.only(VOICE))
        pulse.kill()
        until(lambda: "unplugged" in device.source.absent)
        pulse.restart()
        play(VOICE, MOUTH)
        heard = device.frames
        until(lambda: device.frames > heard + RATE and device.only(VOICE) and not device.source.absent)
    assert device.tones() == {VOICE}


def test_what_is_absent_at_the_start_is_an_error(pulse: Pulse) -> None:
    unplug(MICROPHONE)
    devices = Devices()
    with pytest.raises(DeviceError, match="no device “microphone”") as caught:
        devices.open(MICROPHONE)
    devices.close()
    assert "Monitor of Speakers" in caught.value.hint
