"""What is imported where: the app's process stays small, the services know no interface."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("numpy", "sounddevice", "soundfile", "soxr", "av", "onnxruntime", "faster_whisper", "vosk", "llama_cpp")


def _imported(statement: str) -> set[str]:
    program = f"import sys\n{statement}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("module", ["services.core", "tui.__main__", "tui.app"])
def test_the_app_imports_no_audio_and_no_model_library(module: str) -> None:
    assert not _imported(f"import {module}") & {*HEAVY, "moonshine_voice"}


def test_the_services_import_no_interface() -> None:
    assert not _imported("import services.core") & {"textual", "rich", "tui"}


def test_the_command_line_is_parsed_without_anything_heavy() -> None:
    light = _imported("from tui.cli.parser import parse; parse(['monitor', '--once'])")
    assert not light & {*HEAVY, "textual", "pydantic", "psutil"}
