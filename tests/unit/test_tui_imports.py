"""The app's process stays small: it never imports numpy, sound, or a model library."""

from __future__ import annotations

import subprocess
import sys

HEAVY = (
    "numpy",
    "sounddevice",
    "soundfile",
    "soxr",
    "av",
    "onnxruntime",
    "moonshine_voice",
    "llama_cpp",
    "ctranslate2",
    "faster_whisper",
    "vosk",
    "httpx2",  # comes with the first download
)
SCREENS = ("open_file", "help", "choice", "models", "speakers", "themes", "unfinished", "note")


def imported(statement: str) -> set[str]:
    """What is in `sys.modules` of a new Python after `statement`."""
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


def test_the_app_imports_nothing_heavy() -> None:
    modules = imported(f"import tui.app, {', '.join(f'tui.screens.{name}' for name in SCREENS)}")
    assert "textual.app" in modules
    assert not modules & set(HEAVY)


def test_the_app_is_painted_before_the_dialogs_are_imported() -> None:
    modules = imported("import tui.app")
    late = ("markdown_it", "textual.widgets._markdown", "tui.screens.open_file", "tui.screens.help", "tree_sitter")
    assert not modules & set(late)


def test_the_terminal_is_prepared_without_textual() -> None:
    assert "textual" not in imported("import tui.terminal")
