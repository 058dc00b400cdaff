"""Settings: arguments, then the environment (`MEMORI_SECTION__KEY`), then a file, then defaults.

The file is TOML, JSON or YAML with one table per section:

    [database]
    connection_string = "sqlite:///memori.db"

    [memory]
    namespace = "work"

An empty variable of the environment counts as not set, as a compose file's `${KEY:-}` gives one;
but an empty user or namespace is an error, so that nobody's memory is taken for that of `default`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from memori.errors import ConfigurationError, ScopeError
from memori.settings_files import Layer, Sections, find_in, read_file
from memori.settings_sections import EMPTY_SCOPE
from memori.settings_sections import AgentsSettings as AgentsSettings
from memori.settings_sections import DatabaseSettings as DatabaseSettings
from memori.settings_sections import EmbeddingSettings as EmbeddingSettings
from memori.settings_sections import HttpSettings as HttpSettings
from memori.settings_sections import InterceptSettings as InterceptSettings
from memori.settings_sections import LearningSettings as LearningSettings
from memori.settings_sections import MemorySettings as MemorySettings
from memori.settings_sections import ObservabilitySettings as ObservabilitySettings
from memori.settings_sections import PromotionSettings as PromotionSettings
from memori.settings_sections import RecallSettings as RecallSettings
from memori.settings_sections import RetentionSettings as RetentionSettings
from memori.settings_sections import Settings as Settings

FILE_NAME = "memori.toml"
ENV_PREFIX = "MEMORI_"
ENV_CONFIG_PATH = "MEMORI_CONFIG_PATH"
_PERSONAL = "default of the command line"
#: Whose memory it is must be said, not guessed: empty, these are errors in the environment, too.
_NEVER_EMPTY = frozenset({"memory.namespace", "memory.user_id"})


def personal_database() -> str:
    """The URL of the one file the server and the command line use by default."""
    from platformdirs import user_data_path

    return f"sqlite:///{user_data_path('memori', appauthor=False) / 'memori.db'}"


def personal_config_file() -> Path:
    """The settings file the server and the command line read, if it exists."""
    from platformdirs import user_config_path

    return user_config_path("memori", appauthor=False) / FILE_NAME


def load_settings(
    overrides: Mapping[str, Any] | None = None,
    *,
    config_file: str | Path | None = None,
    personal: bool = False,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Collect the settings in force.

    Args:
        overrides: arguments by dotted name (`"database.connection_string"`); None values are
            taken as not given.
        config_file: a file to read instead of looking for one; it must exist.
        personal: True for the server and the command line: the default database is the file
            in the user's data directory, and the user's own settings file is read when the
            working directory has none. A library never does so unasked.
        environ: the environment, `os.environ` unless given.

    Returns:
        The validated settings.

    Raises:
        ConfigurationError: naming the source of the bad value and the values allowed.
        ScopeError: a user or namespace given as an argument is empty.
    """
    return collect(
        overrides or {}, config_file=config_file, personal=personal, environ=environ
    ).settings


@dataclass(frozen=True, slots=True)
class Collected:
    """Settings, and where each that is no default came from, by dotted name."""

    settings: Settings
    origin: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a program has loaded for all its objects: files, lowest first, and single values."""

    files: tuple[Layer, ...] = ()
    values: tuple[tuple[str, Any], ...] = ()


_chosen: Chosen | None = None


def choose(chosen: Chosen | None) -> None:
    """Make every `load_settings` without a `config_file` use this; None: as if never called."""
    global _chosen
    _chosen = chosen


def chosen_now() -> Chosen | None:
    """What the program has loaded; None before it has loaded anything."""
    return _chosen


def collect(
    overrides: Mapping[str, Any],
    *,
    config_file: str | Path | None = None,
    personal: bool = False,
    environ: Mapping[str, str] | None = None,
    chosen: Chosen | None = None,
) -> Collected:
    """`load_settings`, with where each value came from.

    Raises:
        ConfigurationError: naming the source of the bad value and the values allowed.
        ScopeError: a user or namespace given as an argument is empty.
    """
    env = os.environ if environ is None else environ
    layers: list[Layer] = []
    if chosen is None and config_file is None and not personal:
        chosen = _chosen
    if chosen is not None:
        layers += chosen.files
    else:
        path = find_file(config_file, env, personal=personal)
        if path is not None:
            layers.append(read_file(path, section_list()))
    layers.append(_read_environment(env))
    if chosen is not None:
        layers.append(Layer("update_setting", _read_overrides(dict(chosen.values))))
    layers.append(Layer("argument", _read_overrides(overrides)))

    merged: Sections = {}
    origin: dict[str, str] = {}
    covered: list[tuple[str, str, str, Any]] = []
    if personal:
        merged["database"] = {"connection_string": personal_database()}
        origin["database.connection_string"] = _PERSONAL
    for layer in layers:
        for section, values in layer.sections.items():
            origin.setdefault(section, layer.source)
            below = merged.setdefault(section, {})
            for key, value in values.items():
                name = f"{section}.{key}"
                if key in below and origin[name] != _PERSONAL:
                    covered.append((origin[name], section, key, below[key]))
                below[key], origin[name] = value, layer.source
    mistakes = [mistake for layer in layers for mistake in layer.mistakes]
    for source, section, key, value in covered:
        # A mistake is one also where another source says it better.
        mistakes += _covered_mistakes(merged, source, section, key, value)
    return Collected(_validated(merged, origin, mistakes), origin)


def amend_settings(settings: Settings, overrides: Mapping[str, Any]) -> Settings:
    """Complete settings with some arguments over them, named as in `load_settings`.

    Raises:
        ConfigurationError: an argument is wrong.
        ScopeError: a user or namespace is empty.
    """
    values = settings.model_dump()
    given = _read_overrides(overrides)
    origin = dict.fromkeys(given, "argument")
    for section, entries in given.items():
        values.setdefault(section, {}).update(entries)
        origin |= {f"{section}.{key}": "argument" for key in entries}
    return _validated(values, origin)


def _covered_mistakes(
    merged: Sections, source: str, section: str, key: str, value: Any
) -> list[str]:
    _, problems = _validate({**merged, section: {**merged[section], key: value}})
    # What is wrong with several values together is wrong only if all of them are in force.
    own = [problem for problem in problems if problem["loc"][:2] == (section, key)]
    return _explain(own, {f"{section}.{key}": source})


def _validate(values: Mapping[str, Any]) -> tuple[Settings | None, list[ErrorDetails]]:
    try:
        return Settings.model_validate(values), []
    except ValidationError as error:
        return None, error.errors(include_url=False, include_context=False, include_input=False)


def _validated(
    values: Mapping[str, Any], origin: Mapping[str, str], mistakes: Sequence[str] = ()
) -> Settings:
    """The settings, if nothing is wrong with them nor was before; all of it is one error."""
    settings, problems = _validate(values)
    said = [*mistakes, *_explain(problems, origin)]
    if settings is not None and not said:
        return settings
    scope = not mistakes and all(_is_empty_scope(problem, origin) for problem in problems)
    raise (ScopeError if scope else ConfigurationError)("; ".join(said))


def _is_empty_scope(problem: ErrorDetails, origin: Mapping[str, str]) -> bool:
    """Whether a mistake is an empty name given as an argument, which is one of the scope."""
    given = origin.get(".".join(map(str, problem["loc"]))) == "argument"
    return given and problem["type"] == EMPTY_SCOPE


def find_file(given: str | Path | None, env: Mapping[str, str], *, personal: bool) -> Path | None:
    """The settings file to read: the one named, in the working directory, or the user's own.

    Raises:
        ConfigurationError: the one named does not exist.
    """
    named = given or env.get(ENV_CONFIG_PATH)
    if named:
        path = Path(named).expanduser()
        if not path.is_file():
            raise ConfigurationError(f"settings file {path} does not exist; check the path")
        return path
    return find_in(Path()) or (find_in(personal_config_file().parent) if personal else None)


def _read_environment(env: Mapping[str, str]) -> Layer:
    """The settings in an environment, `MEMORI_SECTION__KEY`; an empty one counts as not set."""
    sections: Sections = {}
    mistakes: list[str] = []
    for name, value in env.items():
        if not name.upper().startswith(ENV_PREFIX) or "__" not in name:
            continue
        section, _, key = name[len(ENV_PREFIX) :].lower().partition("__")
        if not value.strip() and f"{section}.{key}" not in _NEVER_EMPTY:
            continue
        if section in Settings.model_fields:
            sections.setdefault(section, {})[key] = _parse(section, key, value)
        else:
            mistakes.append(
                f"environment variable {name}: no section {section!r}; there are {section_list()}"
            )
    return Layer("environment", sections, tuple(mistakes))


def _read_overrides(overrides: Mapping[str, Any]) -> Sections:
    sections: Sections = {}
    for name, value in overrides.items():
        section, _, key = name.partition(".")
        if value is not None:
            sections.setdefault(section, {})[key] = value
    return sections


def _parse(section: str, key: str, value: str) -> str | list[str]:
    """Environment values are text; a list is written with commas."""
    field = cast("type[BaseModel]", Settings.model_fields[section].annotation).model_fields.get(key)
    if field is not None and field.annotation == tuple[str, ...]:
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def section_list() -> str:
    """The names of the sections, for an error."""
    return ", ".join(f"[{name}]" for name in Settings.model_fields)


def _explain(problems: Sequence[ErrorDetails], origin: Mapping[str, str]) -> list[str]:
    lines: list[str] = []
    for problem in problems:
        where = ".".join(str(part) for part in problem["loc"][:2])
        source = origin.get(where) or origin.get(where.split(".")[0]) or "settings"
        if problem["type"] == "extra_forbidden":
            section = where.split(".")[0]
            lines.append(f"{where} (from {source}): no such setting; {_known_keys(section)}")
        else:
            message = problem["msg"].removeprefix("Value error, ")
            lines.append(f"{where} (from {source}): {message}")
    return lines


def _known_keys(section: str) -> str:
    model = Settings.model_fields.get(section)
    if model is None:
        return f"there are {section_list()}"
    keys: Sequence[str] = list(cast("type[BaseModel]", model.annotation).model_fields)
    return f"[{section}] has {', '.join(keys)}"
