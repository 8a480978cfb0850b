"""A sound server of the test's own: a real microphone and real loudspeakers without a sound card.

    @pytest.mark.audio
    @pytest.mark.usefixtures("pulse")
    def test_something() -> None:
        say("hello")             # somebody speaks into the microphone
        say("hi", SPEAKERS)      # the other end of the line is heard

The server has two null sinks. `mouth` is where people speak: the source `microphone`, the default one, is what it
plays. `speakers` is what the machine plays; its monitor is `speakers.monitor`. While the fixture is in use, the
environment leads every PulseAudio client to this server, also those in child processes. A null sink takes up to two
seconds to deliver its first sound, so wait until a recording has begun before you speak.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

MICROPHONE = "microphone"
MICROPHONE_NAME = "Test Microphone"
MOUTH = "mouth"
SPEAKERS = "speakers"
MONITOR = f"{SPEAKERS}.monitor"

_NAME = "device.description"
_SCRIPT = f"""
load-module module-native-protocol-unix auth-anonymous=1 socket={{socket}}
load-module module-null-sink sink_name={MOUTH} rate=48000 channels=1 sink_properties={_NAME}=Mouth
load-module module-null-sink sink_name={SPEAKERS} rate=48000 channels=2 sink_properties={_NAME}=Speakers
load-module module-remap-source master={MOUTH}.monitor source_name={MICROPHONE} {{named}}
set-default-sink {SPEAKERS}
set-default-source {MICROPHONE}
"""

_OPTIONS = ("--exit-idle-time=-1", "--daemonize=no", "--use-pid-file=no")
_VARIABLES = ("PULSE_SERVER", "PULSE_SOURCE", "PULSE_SINK", "PULSE_PROP", "PULSE_RUNTIME_PATH", "PULSE_COOKIE")
_START_SECONDS = 20.0


class Pulse:
    """A running server.

    Args:
        folder: Its runtime folder.

    Attributes:
        server: Its address, for PULSE_SERVER.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = f"unix:{folder / 's'}"
        self._script = folder / "default.pa"
        self._script.write_text(_SCRIPT.format(socket=folder / "s", named=_named(MICROPHONE_NAME)))
        self._process = self._start()

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def kill(self) -> None:
        """End it without a farewell."""
        self._process.kill()
        self._process.wait()

    def restart(self) -> None:
        """Start it anew on the same socket, as an init system does after `kill`."""
        self._process = self._start()
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Raises `RuntimeError` when it does not come up."""
        deadline = time.monotonic() + _START_SECONDS
        while subprocess.run(["pactl", "get-default-source"], capture_output=True, check=False).stdout.strip() != (
            MICROPHONE.encode()
        ):
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = (self.folder / "log").read_text(errors="replace")
                raise RuntimeError(f"pulseaudio does not run: {said[-2000:]}")
            time.sleep(0.05)

    def _start(self) -> subprocess.Popen[bytes]:
        name = str(self.folder)
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                ["pulseaudio", "-n", "-F", str(self._script), *_OPTIONS],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | {"XDG_RUNTIME_DIR": name, "HOME": name, "XDG_CONFIG_HOME": name},
            )


def _named(description: str) -> str:
    return f"source_properties=\"{_NAME}='{description}'\""


def pactl(*arguments: str) -> str:
    """What `pactl` says."""
    return subprocess.run(["pactl", *arguments], check=True, capture_output=True, text=True).stdout


def plug_microphone(name: str = MICROPHONE, description: str = MICROPHONE_NAME, mouth: str = MOUTH) -> None:
    """A microphone that hears what is played into the sink `mouth`; that one is made where it is not there."""
    if not re.search(rf"\t{mouth}\t", pactl("list", "short", "sinks")):
        plug_loudspeakers(mouth, mouth.title())
    pactl("load-module", "module-remap-source", f"master={mouth}.monitor", f"source_name={name}", _named(description))


def plug_loudspeakers(name: str, description: str) -> None:
    """Loudspeakers, with their monitor."""
    named = f"sink_properties=\"{_NAME}='{description}'\""
    pactl("load-module", "module-null-sink", f"sink_name={name}", "rate=48000", "channels=2", named)


def unplug(name: str) -> None:
    """Take away the sink or source of that name."""
    for line in pactl("list", "short", "modules").splitlines():
        if re.search(rf"(sink|source)_name={name}(\s|$)", line):
            pactl("unload-module", line.split()[0])


def missing() -> str:
    """What is not installed here; empty when sound can be tested."""
    programs = [name for name in ("pulseaudio", "pactl", "paplay") if shutil.which(name) is None]
    if shutil.which("espeak-ng") is None and shutil.which("flite") is None:
        programs.append("espeak-ng or flite")
    return ", ".join(programs)


@contextmanager
def pulse_server() -> Iterator[Pulse]:
    """A server with an empty home of its own, and the environment that leads to it.

    Raises:
        RuntimeError: It does not come up.
    """
    # A socket's address is short, pytest's folders are not.
    with tempfile.TemporaryDirectory(prefix="sp-", dir="/tmp") as name, pytest.MonkeyPatch.context() as environment:
        for variable in _VARIABLES:
            environment.delenv(variable, raising=False)
        server = Pulse(Path(name))
        environment.setenv("PULSE_SERVER", server.server)
        try:
            server.wait_until_ready()
            yield server
        finally:
            server.kill()


def play(file: Path, sink: str = MOUTH) -> None:
    """Play a sound file into `sink`, in real time; returns when it has been heard."""
    subprocess.run(["paplay", f"--device={sink}", str(file)], check=True, capture_output=True)


def say(text: str, sink: str = MOUTH) -> None:
    """Speak `text` into `sink`; returns when it has been heard."""
    with tempfile.TemporaryDirectory(prefix="say-") as name:
        file = Path(name) / "speech.wav"
        speak(text, file)
        play(file, sink)


def speak(text: str, file: Path) -> None:
    """Speak `text` into a WAV file."""
    if shutil.which("espeak-ng"):
        command = ["espeak-ng", "-v", "en-us", "-s", "140", "-w", str(file), text]
    else:
        command = ["flite", "-t", text, "-o", str(file)]
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture
def pulse() -> Iterator[Pulse]:
    """A server for one test; the test is skipped where none is installed."""
    yield from _server_or_skip()


@pytest.fixture(scope="module")
def sound_server() -> Iterator[Pulse]:
    """Likewise one for all tests of a file, which leave it as it was."""
    yield from _server_or_skip()


def _server_or_skip() -> Iterator[Pulse]:
    lacking = missing()
    if lacking:
        pytest.skip(f"not installed: {lacking}")
    with pulse_server() as server:
        yield server
