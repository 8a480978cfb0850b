"""Where everything lies. No other module builds these paths.

`SOTTO_HOME=DIR` moves all of them below DIR. Otherwise the XDG folders are used, and the recordings go to
`~/Recordings/sotto`. Folders are made with mode 0700, whatever the umask.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import tempfile
from pathlib import Path

from services.errors import StorageError

# sockaddr_un.sun_path holds 108 bytes on Linux and 104 on macOS, the closing zero included.
_MAX_SOCKET_PATH = 100


def home() -> Path | None:
    """The folder that `SOTTO_HOME` names, if it is set."""
    value = os.environ.get("SOTTO_HOME")
    return absolute(Path(value)) if value else None


def absolute(path: Path) -> Path:
    """`path` from the root on, `~` included.

    Raises:
        StorageError: Nobody knows whose home, or in which folder we are.
    """
    try:
        return path.expanduser().absolute()
    except (RuntimeError, OSError) as error:
        raise StorageError(
            f"Nobody knows where {path} is: {error}.", "Set HOME, or SOTTO_HOME to a folder of your own."
        ) from error


def _below(name: str, variable: str, default: str) -> Path:
    root = home()
    if root is not None:
        return root / name
    base = os.environ.get(variable, "")
    return (Path(base) if os.path.isabs(base) else absolute(Path("~")) / default) / "sotto"


def recordings() -> Path:
    root = home()
    return root / "recordings" if root is not None else absolute(Path("~")) / "Recordings" / "sotto"


def config_file() -> Path:
    return _below("config", "XDG_CONFIG_HOME", ".config") / "config.toml"


def themes() -> Path:
    return _below("config", "XDG_CONFIG_HOME", ".config") / "themes"


def state() -> Path:
    return private(_below("state", "XDG_STATE_HOME", ".local/state"))


def cache() -> Path:
    return private(_below("cache", "XDG_CACHE_HOME", ".cache"))


def models() -> Path:
    """The folder of downloaded models."""
    return _below("data", "XDG_DATA_HOME", ".local/share") / "models"


_LOG_BYTES = 1024 * 1024
_SOCKET = "recorder.sock"


def log_file(name: str = "sotto") -> Path:
    """The log of one process. A long one is put aside as `NAME.log.old` first, so logs never grow beyond bounds."""
    path = state() / f"{name}.log"
    try:
        if path.stat().st_size > _LOG_BYTES:
            path.replace(path.with_suffix(".log.old"))
    except FileNotFoundError:
        pass
    return path


def runtime() -> Path:
    """The folder of sockets: same user only, and short enough for a socket's address.

    Raises:
        StorageError: What lies there is a link, or belongs to somebody else.
    """
    root = home()
    if root is not None:
        folder = root / "run"
    elif os.path.isabs(os.environ.get("XDG_RUNTIME_DIR", "")):
        folder = Path(os.environ["XDG_RUNTIME_DIR"]) / "sotto"
    else:
        folder = _temporary("")
    if len(os.fsencode(folder / _SOCKET)) > _MAX_SOCKET_PATH:
        folder = _temporary("-" + hashlib.sha256(os.fsencode(folder)).hexdigest()[:10])
    # A link comes first: `private` would follow it and change the mode of whatever it points to.
    if not folder.is_symlink():
        private(folder)
    info = folder.lstat()
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.getuid():
        raise StorageError(
            f"{folder} is not a folder of your own, so sotto does not put its sockets there.",
            "Set XDG_RUNTIME_DIR to a folder of your own.",
        )
    return folder


def recorder_socket() -> Path:
    """Where this user's recorder is spoken to.

    Raises:
        StorageError: Like `runtime`.
    """
    return runtime() / _SOCKET


def _temporary(suffix: str) -> Path:
    base = "/tmp" if sys.platform != "win32" else tempfile.gettempdir()
    return Path(base) / f"sotto-{os.getuid()}{suffix}"


def private(folder: Path) -> Path:
    """Make `folder` and its parents where missing; `folder` itself gets mode 0700.

    Raises:
        StorageError: It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if folder.stat().st_uid == os.getuid() and stat.S_IMODE(folder.stat().st_mode) != 0o700:
            folder.chmod(0o700)
    except OSError as error:
        raise StorageError(
            f"The folder {folder} cannot be made: {_why(error)}.",
            "Choose another one with SOTTO_HOME, or `folder` in the settings.",
        ) from error
    return folder


def _why(error: OSError) -> str:
    if isinstance(error, FileExistsError | NotADirectoryError):
        return "a file is in its place"
    return error.strerror or str(error)
