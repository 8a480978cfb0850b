"""Recording from devices: real PortAudio, a real sound server, and only the sound card's far end of our own making.

`tests/faults` has what happens when somebody is killed or stopped meanwhile.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile
import soxr
from numpy.typing import NDArray

from services.errors import CancelledError, DeviceError
from services.library.meeting import Meeting
from services.library.moments import read_moments
from services.recording.client import Launch, attach, list_devices, start
from services.recording.messages import RecordingRequest, RecordingStatus
from services.recording.reader import MeetingAudio
from tests.functional.pulse import MICROPHONE, MICROPHONE_NAME, MONITOR, MOUTH, SPEAKERS, Pulse, play, speak
from tests.functional.waiting import until

pytestmark = pytest.mark.audio

RATE = 16000


def request(home: Path, *sources: str, seconds: float | None = None) -> RecordingRequest:
    return RecordingRequest(sources, home / "recordings", chunk_seconds=2.0, seconds=seconds)


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("speech") / "speech.wav"
    speak("The quick brown fox.", file)
    return file


def played(file: Path) -> NDArray[np.float64]:
    """A file as it should come out of the recorder: one channel at the meeting's rate."""
    samples, rate = soundfile.read(file, always_2d=True)
    return np.asarray(soxr.resample(samples.mean(axis=1), rate, RATE), np.float64)


def heard(status: RecordingStatus) -> NDArray[np.float64]:
    """What was recorded, (frames, channels)."""
    assert status.meeting is not None
    with MeetingAudio(status.meeting) as audio:
        return audio.read(0, audio.frames) / 32768


def match(sound: NDArray[np.float64], within: NDArray[np.float64]) -> tuple[float, float]:
    """Where `sound` is `within` (seconds) and how alike they are there (correlation, 1 for the same)."""
    size = len(sound) + len(within)
    spectrum = np.fft.rfft(within, size) * np.fft.rfft(sound, size).conj()
    at = int(np.argmax(np.fft.irfft(spectrum, size)[: len(within)]))
    piece = within[at : at + len(sound)]
    there = sound[: len(piece)]
    alike = float(piece @ there / (np.linalg.norm(piece) * np.linalg.norm(there) + 1e-12))
    return at / RATE, alike


def test_sources_are_listed_by_name_and_by_what_people_call_them(home: Path, pulse: Pulse) -> None:
    devices = {device.name: device for device in list_devices()}
    assert {MICROPHONE, MONITOR, f"{MOUTH}.monitor"} <= set(devices)
    microphone, monitor = devices[MICROPHONE], devices[MONITOR]
    assert (microphone.description, microphone.kind, microphone.default) == (MICROPHONE_NAME, "microphone", True)
    assert (monitor.kind, monitor.default, monitor.channels, monitor.rate) == ("monitor", False, 2, 48000)
    assert [device.name for device in devices.values() if device.system] == [MONITOR]
    assert all(device.via == "PulseAudio" for device in devices.values())


def test_what_is_said_into_the_microphone_is_in_the_recording(home: Path, pulse: Pulse, speech: Path) -> None:
    with start(request(home, "mic")) as client:
        play(speech)
        status = client.stop()
    assert (status.state, status.error, status.overflows) == ("done", None, 0)
    sound = heard(status)
    assert sound.shape[1] == 1
    _, alike = match(played(speech), sound[:, 0])
    assert alike > 0.98
    assert status.meeting is not None
    info = Meeting(status.meeting).info()
    assert info["channels"] == [{"source": "mic", "speaker": "", "device": MICROPHONE_NAME}]
    assert info["duration_s"] == status.seconds == round(len(sound) / RATE, 3)


@pytest.mark.parametrize("name", ["MICROPHONE", "test micro"])
def test_a_part_of_the_name_is_enough(home: Path, pulse: Pulse, name: str) -> None:
    with start(request(home, name, seconds=0.3)) as client:
        *_, last = client.updates()
    assert (last.state, last.seconds) == ("done", 0.3)
    assert last.channels[0].source == name


def test_two_sources_give_two_channels_that_stay_together(home: Path, pulse: Pulse, speech: Path) -> None:
    # The same sound on two sources: what comes from the mouth's monitor is what the microphone hears.
    with start(request(home, "mic", f"{MOUTH}.monitor")) as client:
        play(speech)
        status = client.stop()
    sound = heard(status)
    assert [channel.speaker for channel in status.channels] == ["You", "Others"]
    first, second = (match(played(speech), sound[:, channel]) for channel in (0, 1))
    assert min(first[1], second[1]) > 0.98
    assert abs(first[0] - second[0]) < 0.1


def test_each_side_is_on_its_own_channel(home: Path, pulse: Pulse, speech: Path) -> None:
    with start(request(home, "mic", MONITOR)) as client:
        play(speech, SPEAKERS)
        status = client.stop()
    sound = heard(status)
    assert match(played(speech), sound[:, 1])[1] > 0.98
    assert not sound[:, 0].any(), "the microphone heard nothing of it"


def test_an_unknown_device_says_what_there_is(home: Path, pulse: Pulse) -> None:
    with pytest.raises(DeviceError, match="“Zoom”") as caught:
        start(request(home, "Zoom"))
    for name in (MICROPHONE, MICROPHONE_NAME, MONITOR):
        assert name in caught.value.hint
    assert not (home / "recordings").exists()
    assert attach() is None


def test_an_ambiguous_name_says_which_ones_it_fits(home: Path, pulse: Pulse) -> None:
    with pytest.raises(DeviceError, match="more than one") as caught:
        start(request(home, "monitor"))
    assert MONITOR in caught.value.hint
    assert f"{MOUTH}.monitor" in caught.value.hint
    assert MICROPHONE_NAME not in caught.value.hint


def test_a_sound_server_that_dies_leaves_silence_and_ends_nothing(home: Path, pulse: Pulse, speech: Path) -> None:
    with start(request(home, "mic")) as client:
        play(speech)
        before = client.status().seconds
        os.kill(pulse.pid, signal.SIGKILL)
        until(lambda: client.status().seconds > before + 1.5)
        assert "device_lost" in {alert.kind for alert in client.status().alerts}
        status = client.stop()
    assert (status.state, status.error) == ("done", None)
    sound = heard(status)[:, 0]
    assert match(played(speech), sound)[1] > 0.98
    assert not sound[-RATE:].any()
    assert status.meeting is not None
    (gap,) = [moment for moment in read_moments(Meeting(status.meeting)) if moment.kind == "gap"]
    assert gap.seconds > 1
    assert gap.at_s + gap.seconds == pytest.approx(status.seconds, abs=0.1)


def test_a_sound_server_that_is_back_is_heard_in_the_same_recording(home: Path, pulse: Pulse, speech: Path) -> None:
    with start(request(home, "mic", "system")) as client:
        play(speech)
        pulse.kill()
        until(lambda: not any(channel.device for channel in client.status().channels))
        pulse.restart()
        until(lambda: all(channel.device for channel in client.status().channels))
        came_back = client.status().seconds
        until(lambda: client.status().seconds > came_back + 2)
        play(speech)
        play(speech, SPEAKERS)
        status = client.stop()
    assert (status.state, status.error) == ("done", None)
    sound = heard(status)
    before, after = sound[: round(came_back * RATE)], sound[round(came_back * RATE) :]
    assert match(played(speech), before[:, 0])[1] > 0.98
    assert match(played(speech), after[:, 0])[1] > 0.98
    assert match(played(speech), after[:, 1])[1] > 0.98


def test_a_sound_server_that_hangs_does_not_keep_the_recording(home: Path, pulse: Pulse, speech: Path) -> None:
    with start(request(home, "mic")) as client:
        play(speech)
        os.kill(pulse.pid, signal.SIGSTOP)
        status = client.stop()
    os.kill(pulse.pid, signal.SIGCONT)
    assert (status.state, status.error) == ("done", None)
    assert match(played(speech), heard(status)[:, 0])[1] > 0.98


def test_a_start_that_hangs_can_be_given_up(home: Path, pulse: Pulse) -> None:
    os.kill(pulse.pid, signal.SIGSTOP)
    launch = Launch(request(home, "mic"))
    waiting = threading.Event()

    def cancel() -> None:
        waiting.wait(60)
        launch.cancel()

    canceller = threading.Thread(target=cancel)
    canceller.start()
    with pytest.raises(CancelledError):
        launch.wait(lambda _: waiting.set())
    canceller.join()
    os.kill(pulse.pid, signal.SIGCONT)
    assert attach() is None
    assert not (home / "recordings").exists()


@pytest.fixture
def silent_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A machine without a sound server (and, in a container, without a sound card)."""
    monkeypatch.setenv("PULSE_SERVER", f"unix:{tmp_path / 'nobody'}")
    yield


@pytest.mark.usefixtures("silent_machine")
def test_without_a_sound_server_it_says_so(home: Path) -> None:
    if any(device.default for device in list_devices()):
        pytest.skip("this machine has a sound card")
    with pytest.raises(DeviceError, match="no microphone") as caught:
        start(request(home, "mic"))
    assert "sotto process FILE" in caught.value.hint


def test_without_libpulse_there_is_what_portaudio_finds(
    home: Path, pulse: Pulse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What pulsectl does on a machine without the library.
    (tmp_path / "pulsectl.py").write_text("raise OSError('libpulse.so.0: cannot open shared object file')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    devices = list_devices()
    assert "pulse" in {device.name for device in devices}
    assert not any(device.system or device.via == "PulseAudio" for device in devices)
    with start(request(home, "pulse", seconds=0.3)) as client:
        *_, last = client.updates()
    assert (last.state, last.seconds) == ("done", 0.3)
    with pytest.raises(DeviceError, match="loudspeakers play cannot be recorded"):
        start(request(home, "system"))


def test_without_portaudio_it_says_how_to_get_it(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # What sounddevice does on a machine without the library.
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    for attempt in (list_devices, lambda: start(request(home, "mic"))):
        with pytest.raises(DeviceError, match="PortAudio library not found") as caught:
            attempt()
        assert "apt install libportaudio2" in caught.value.hint
    soundfile.write(tmp_path / "talk.wav", np.zeros(1600, np.int16), RATE)
    with start(request(home, f"file:{tmp_path / 'talk.wav'}")) as client:
        *_, last = client.updates()
    assert last.state == "done", "files need no PortAudio"


def test_the_app_starts_and_follows_a_recorder_without_its_libraries(home: Path) -> None:
    program = (
        "import sys, services.recording.service\n"
        "heavy = {'numpy', 'sounddevice', 'soundfile', 'soxr', 'av'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_callback_allocates_nothing(home: Path, pulse: Pulse) -> None:
    # In a process of its own: PortAudio prints, and the callback runs on a thread of PortAudio's.
    program = (
        "import sys, threading, time, tracemalloc\n"
        "from pathlib import Path\n"
        "from services.recording.messages import RecordingRequest\n"
        "from services.recording.sources import open_sources\n"
        "source, = open_sources(RecordingRequest(('mic',), Path('/')), threading.Event())\n"
        "source.start()\n"
        "def hear(seconds):\n"
        "    frames = 0\n"
        "    while frames < seconds * source.rate:\n"
        "        got = source.ring.filled\n"
        "        frames += got\n"
        "        source.ring.consume(got)\n"
        "        time.sleep(0.01)\n"
        "hear(0.5)\n"
        "tracemalloc.start()\n"
        "hear(2)\n"
        "kept = tracemalloc.take_snapshot()\n"
        "ours = [tracemalloc.Filter(True, f'*/recording/{name}.py') for name in ('ring', 'stream')]\n"
        "sys.stdout.write(str(sum(trace.size for trace in kept.filter_traces(ours).traces)))\n"
        "source.stop()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    # Some 80 calls: what is there is the two counters as they are now. The samples of one call alone are 4.8 KB.
    assert int(done.stdout) < 200


def test_its_memory_is_flat(home: Path, pulse: Pulse) -> None:
    with start(request(home, "mic", MONITOR)) as client:
        process = psutil.Process(client.status().pid)
        until(lambda: client.status().seconds > 2)
        before = process.memory_info().rss
        until(lambda: client.status().seconds > 5)
        after = process.memory_info().rss
        client.stop()
    assert after - before < 2 * 2**20
