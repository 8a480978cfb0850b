"""Where settings come from, one layer above the other, and what is said about a value that is wrong."""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource
from pydantic_settings import SettingsError as UnreadableVariableError

from services.errors import SettingsError, UsageError

Origin = Literal["default", "preset", "file", "environment", "flag"]

Nested = Mapping[str, Any]
"""Values by field; those of a section are a mapping of their own."""


@dataclass(frozen=True, slots=True)
class Layers:
    """What each source says.

    Attributes:
        flags: The command line, or a key in the app.
        environment: Variables.
        file: config.toml, without what is wrong in it.
        preset: What the preset in force gives.
    """

    flags: Nested = field(default_factory=dict)
    environment: Nested = field(default_factory=dict)
    file: Nested = field(default_factory=dict)
    preset: Nested = field(default_factory=dict)

    def merged(self) -> dict[str, Any]:
        """All of them as one, each above those that follow it."""
        values: dict[str, Any] = {}
        for layer in (self.preset, self.file, self.environment, self.flags):
            values = laid_over(values, layer)
        return values

    def origin(self, key: str) -> Origin:
        """Which of them gives a setting its value.

        Args:
            key: `SECTION.FIELD`, or a field that is in no section.
        """
        if has(self.flags, key):
            return "flag"
        if has(self.environment, key):
            return "environment"
        if has(self.file, key):
            return "file"
        return "preset" if has(self.preset, key) else "default"


def laid_over(below: Nested, above: Nested) -> dict[str, Any]:
    """`below` with what `above` says, field by field."""
    values = dict(below)
    for name, value in above.items():
        under = values.get(name)
        values[name] = laid_over(under, value) if isinstance(value, Mapping) and isinstance(under, Mapping) else value
    return values


def find(values: Nested, key: str) -> Any:
    """The value of `SECTION.FIELD`; None where the layer says nothing about it."""
    found: Any = values
    for part in key.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def has(values: Nested, key: str) -> bool:
    return find(values, key) is not None


def without(values: Nested, location: tuple[int | str, ...]) -> dict[str, Any]:
    """`values` without the field at a location, as far as that leads through mappings."""
    name, rest = location[0], location[1:]
    inner = values.get(str(name))
    kept = {other: value for other, value in values.items() if other != name}
    return kept | {str(name): without(inner, rest)} if rest and isinstance(inner, Mapping) else kept


_MOST_BYTES = 1024 * 1024
"""All settings with their manuals as comments are 20 KB; reading this much takes a second."""


def read_file(path: Path) -> dict[str, Any]:
    """What config.toml says; nothing where there is none.

    Raises:
        SettingsError: It cannot be read, is no file, is larger than any that a person writes, or is not TOML.
    """
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise SettingsError(f"{path} is no file.", "Put a file there, or nothing.")
            text = file.read(_MOST_BYTES + 1)
        if len(text) > _MOST_BYTES:
            raise SettingsError(f"{path} is larger than a file of settings can be.", "Mend it, or move the file away.")
        return tomllib.loads(text.decode())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.", "Look at its permissions.") from error
    except RecursionError as error:
        raise SettingsError(f"{path} is nested too deeply.", "Mend it, or move the file away.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}.", "Mend that line, or move the file away.") from error


def _open_at_once(path: str, flags: int) -> int:
    """Also a pipe, instead of waiting for somebody who writes."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


_OTHER_NAMES: Mapping[str, Mapping[str, str]] = {"memory": {"monitoring": "enable_monitoring"}}
"""Names that variables have beside those of the fields, by section."""


def environment(model: type[BaseSettings]) -> dict[str, Any]:
    """What the environment says.

    Args:
        model: The settings.

    Raises:
        SettingsError: A variable that takes a list or a section is not JSON.
    """
    try:
        values = EnvSettingsSource(model)()
    except UnreadableVariableError as error:
        names = ", ".join(sorted(name for name in os.environ if name.startswith("SOTTO_") and name != "SOTTO_HOME"))
        raise SettingsError(
            f"A setting in the environment is not valid ({names}): {error}.",
            """Lists are written as JSON: SOTTO_RECORDING_SOURCES='["mic"]'.""",
        ) from error
    for section, others in _OTHER_NAMES.items():
        for other, name in others.items():
            value = find(values, f"{section}.{other}")
            if value is not None:
                values = laid_over({section: {name: value}}, without(values, (section, other)))
    return values


def variable(key: str) -> str:
    """The variable that sets `key`: of its names the one that is set."""
    section, _, field = key.partition(".")
    others = [other for other, name in _OTHER_NAMES.get(section, {}).items() if name == field]
    names = [f"SOTTO_{name.replace('.', '_').upper()}" for name in (key, *(f"{section}.{other}" for other in others))]
    return next((name for name in names if name in os.environ), names[0])


def sound(
    values: dict[str, Any], model: type[BaseModel], checks: Mapping[str, Callable[[Any], object]], place: str
) -> tuple[dict[str, Any], tuple[SettingsError, ...]]:
    """`values` without what is wrong in them, and what that is.

    Args:
        values: As they were read.
        model: The settings.
        checks: By key, what raises a UsageError for a value that the model lets pass.
        place: Where the values stand, for the message.
    """
    problems: list[SettingsError] = []
    while wrong := _wrong(values, model):
        before = values
        for location, problem in explained(wrong, model, lambda key: place):
            problems.append(problem)
            values = without(values, location)
        if values == before:  # whatever is wrong, it cannot be told apart from the rest
            values = {}
    for key, check in checks.items():
        value = find(values, key)
        try:
            if value is not None:
                check(value)
        except UsageError as error:
            said = f"The setting `{key}` ({place}) is {value!r}: {error.message}"
            problems.append(SettingsError(said, error.hint))
            values = without(values, tuple(key.split(".")))
    return values, tuple(problems)


def _wrong(values: Nested, model: type[BaseModel]) -> ValidationError | None:
    try:
        model(**values)
    except ValidationError as error:
        return error
    return None


def explained(
    error: ValidationError, model: type[BaseModel], place: Callable[[str], str]
) -> Iterator[tuple[tuple[int | str, ...], SettingsError]]:
    """Each value that is wrong: where it is, and the sentence about it.

    Args:
        error: What the check of all values found.
        model: The settings.
        place: Where the value of a key stands.
    """
    for each in error.errors(include_url=False):
        location = each["loc"]
        key = ".".join(str(part) for part in location)
        if each["type"] == "extra_forbidden":
            hint = f"There are: {', '.join(_known(model, location[:-1]))}."
            yield location, SettingsError(f"There is no setting `{key}` ({place(key)}).", hint)
            continue
        said = _WORDS.get(each["type"]) or str(each["msg"])
        message = f"The setting `{key}` ({place(key)}) is {each['input']!r}: {said[:1].lower()}{said[1:]}."
        yield location, SettingsError(message, "Correct it.")


_WORDS = {
    "model_type": "it is a section, as in [memory]",
    "dict_type": 'it takes a table, as in { name = "value" }',
    "tuple_type": 'it takes a list, as in ["mic"]',
    "too_short": "it takes at least one",
    "too_long": "those are too many",
    "int_parsing": "it takes a whole number",
    "int_from_float": "it takes a whole number",
    "float_parsing": "it takes a number",
    "bool_parsing": "it takes true or false",
}
"""Where pydantic's own words are about Python."""


def _known(model: type[BaseModel], section: tuple[int | str, ...]) -> list[str]:
    for part in section:
        annotation = model.model_fields[str(part)].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            break
        model = annotation
    return sorted(model.model_fields)
