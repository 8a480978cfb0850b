"""Change one setting in config.toml, and leave everything else there as its owner wrote it, comments included."""

from __future__ import annotations

import tomllib
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, Literal, get_origin

from pydantic import BaseModel, SecretStr

from services import paths
from services.errors import SettingsError
from services.files import write_atomic
from services.layers import read_file
from services.settings import Settings, check


def write(key: str, value: object | None) -> object | None:
    """Set a value in config.toml, which is made where there is none; atomically, mode 0600.

    Args:
        key: `SECTION.FIELD`, or `folder`.
        value: As TOML has it: text, number, bool, list or mapping. None: take the setting out, so that the preset or
            the default counts.

    Returns:
        What the file had before; None where it said nothing. `take_back` takes it.

    Raises:
        SettingsError: The value is not allowed, or the file cannot be understood.
        StorageError: The file cannot be written.
    """
    if value is not None:
        check(key, value)
    return _put(key, value)


def take_back(key: str, before: object | None) -> None:
    """Undo a `write`: the file says again what it said before, right or wrong.

    Raises:
        SettingsError: The file cannot be understood any more.
        StorageError: The file cannot be written.
    """
    _put(key, before)


def _put(key: str, value: object | None) -> object | None:
    import tomlkit  # only whoever changes a setting needs it

    path = paths.config_file()
    read_file(path)  # says what is wrong with the file, where something is
    document = tomlkit.parse(path.read_text(encoding="utf-8")) if path.exists() else tomlkit.document()
    section, _, field = key.rpartition(".")
    table: MutableMapping[str, Any] = document
    if section:
        if section not in document and value is not None:
            document[section] = tomlkit.table()
        table = document.get(section, {})
        if not isinstance(table, MutableMapping):
            raise SettingsError(f"`{section}` in {path} is not a section.", f"Write it as [{section}], or remove it.")
    before: object | None = table.get(field)
    if value is None:
        table.pop(field, None)
    else:
        table[field] = value
    paths.private(path.parent)
    # Whoever keeps the file elsewhere and has a link to it keeps the link.
    write_atomic(path.resolve(), tomlkit.dumps(document))
    return before.unwrap() if isinstance(before, tomlkit.items.Item) else before


def typed(key: str, text: str) -> object | None:
    """What a person means who types `text` for a setting; `write` says whether it is allowed.

    Args:
        key: `SECTION.FIELD`, or `folder`.
        text: Lists with commas between, or as TOML has them; empty takes a path or a list away.

    Raises:
        SettingsError: There is no such setting.
    """
    text = text.strip()
    kind = _annotation(key)
    if kind in (str, Path, SecretStr) or get_origin(kind) is Literal:
        return text
    if kind == Path | None:
        return text or None
    if get_origin(kind) is tuple and not text.startswith("["):
        return [part for each in text.split(",") if (part := each.strip())]
    try:
        value: object = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text  # what it should have been is said when it is checked
    return value


def shown(value: object) -> str:
    """A value of the settings as a person would type it; of a secret only that there is one."""
    match value:
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case tuple():
            return ", ".join(map(str, value))
        case dict():
            return "{ " + ", ".join(f'"{name}" = "{each}"' for name, each in value.items()) + " }"
        case SecretStr():
            return "(set)" if value.get_secret_value() else ""
        case None:
            return ""
        case _:
            return str(value)


def _annotation(key: str) -> Any:
    model: type[BaseModel] = Settings
    *sections, field = key.split(".")
    for section in sections:
        info = model.model_fields.get(section)
        if info is None or not (isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel)):
            raise SettingsError(f"There is no section `{section}` in the settings.")
        model = info.annotation
    if field not in model.model_fields:
        raise SettingsError(f"There is no setting `{key}`.", f"There are: {', '.join(sorted(model.model_fields))}.")
    return model.model_fields[field].annotation
