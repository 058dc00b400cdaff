"""Settings: arguments, then the environment (`MEMORI_SECTION__KEY`), then a file, then defaults.

The file is TOML with one table per section:

    [database]
    connection_string = "sqlite:///memori.db"

    [memory]
    namespace = "work"
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from memori.errors import ConfigurationError
from memori.model import DEFAULT_NAMESPACE

LIBRARY_DATABASE = "sqlite:///memori.db"
FILE_NAME = "memori.toml"
ENV_PREFIX = "MEMORI_"
ENV_CONFIG_PATH = "MEMORI_CONFIG_PATH"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DatabaseSettings(_Section):
    """Where the memory lies and how durable a commit is."""

    connection_string: str = Field(
        default=LIBRARY_DATABASE, description="database URL, e.g. sqlite:///memori.db"
    )
    read_connection_string: str | None = Field(
        default=None,
        description="URL of a replica that may answer reads once it has what was written",
    )
    durability: Literal["full", "process"] = Field(
        default="full",
        description="full: a receipt survives power loss; process: it survives a crash only",
    )
    busy_timeout: float = Field(
        default=30.0, gt=0, le=600, description="seconds to wait for another process's write"
    )
    pool_size: int = Field(
        default=5, ge=1, le=100, description="connections to a server, for reads and writes each"
    )
    auto_migrate: bool = Field(
        default=True, description="make and upgrade the tables; false: only memori db upgrade does"
    )
    schema_name: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$",
        description="PostgreSQL schema that holds the tables; made if it is not there",
    )
    table_prefix: str = Field(
        default="",
        pattern=r"^([a-z][a-z0-9_]{0,19})?$",
        description="begins the name of every table, where the database holds other things",
    )


class MemorySettings(_Section):
    """Whose memory a connection writes and which it may read besides."""

    namespace: str = Field(default=DEFAULT_NAMESPACE, description="namespace written to and read")
    user_id: str | None = Field(default=None, description="the user; unset means 'default'")
    agent_id: str | None = Field(default=None, description="recorded on every write")
    session_id: str | None = Field(default=None, description="recorded on every write")
    read_namespaces: tuple[str, ...] = Field(
        default=(), description="further namespaces of the same user to read, in order"
    )
    require_scope: bool = Field(
        default=False, description="make a missing user an error instead of 'default'"
    )
    timezone: str = Field(default="UTC", description="IANA zone that a time without zone is in")

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"no such time zone: {value!r} (example: Europe/Lisbon)") from error
        return value


class Settings(_Section):
    """All settings, validated. Unknown keys and bad values are `ConfigurationError`."""

    database: DatabaseSettings = DatabaseSettings()
    memory: MemorySettings = MemorySettings()

    @property
    def zone(self) -> ZoneInfo:
        """The zone that times without one are taken to be in."""
        return ZoneInfo(self.memory.timezone)


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
    """
    env = os.environ if environ is None else environ
    layers: list[tuple[str, dict[str, dict[str, Any]]]] = []
    path = _find_file(config_file, env, personal=personal)
    if path is not None:
        layers.append((str(path), _read_file(path)))
    layers.append(("environment", _read_environment(env)))
    layers.append(("argument", _read_overrides(overrides or {})))

    merged: dict[str, dict[str, Any]] = {}
    origin: dict[str, str] = {}
    if personal:
        merged["database"] = {"connection_string": personal_database()}
    for source, sections in layers:
        for section, values in sections.items():
            origin.setdefault(section, source)
            for key, value in values.items():
                merged.setdefault(section, {})[key] = value
                origin[f"{section}.{key}"] = source
    return _validated(merged, origin)


def amend_settings(settings: Settings, overrides: Mapping[str, Any]) -> Settings:
    """Complete settings with some arguments over them, named as in `load_settings`.

    Raises:
        ConfigurationError: an argument is wrong.
    """
    values = settings.model_dump()
    given = _read_overrides(overrides)
    origin = dict.fromkeys(given, "argument")
    for section, entries in given.items():
        values.setdefault(section, {}).update(entries)
        origin |= {f"{section}.{key}": "argument" for key in entries}
    return _validated(values, origin)


def _validated(values: Mapping[str, Any], origin: Mapping[str, str]) -> Settings:
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise ConfigurationError(_explain(error, origin)) from None


def _find_file(given: str | Path | None, env: Mapping[str, str], *, personal: bool) -> Path | None:
    named = given or env.get(ENV_CONFIG_PATH)
    if named:
        path = Path(named).expanduser()
        if not path.is_file():
            raise ConfigurationError(f"settings file {path} does not exist; check the path")
        return path
    candidates = [Path(FILE_NAME)]
    if personal:
        candidates.append(personal_config_file())
    return next((path for path in candidates if path.is_file()), None)


def _read_file(path: Path) -> dict[str, dict[str, Any]]:
    try:
        loaded = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"settings file {path} cannot be read: {error}") from error
    for section, values in loaded.items():
        if not isinstance(values, dict):
            raise ConfigurationError(
                f"settings file {path}: {section!r} stands outside a section; "
                f"write it under one of {_section_list()}"
            )
    return cast("dict[str, dict[str, Any]]", loaded)


def _read_environment(env: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    sections: dict[str, dict[str, Any]] = {}
    for name, value in env.items():
        if not name.upper().startswith(ENV_PREFIX) or "__" not in name:
            continue
        section, _, key = name[len(ENV_PREFIX) :].lower().partition("__")
        if section not in Settings.model_fields:
            raise ConfigurationError(
                f"environment variable {name}: no section {section!r}; there are {_section_list()}"
            )
        sections.setdefault(section, {})[key] = _parse(key, value)
    return sections


def _read_overrides(overrides: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    sections: dict[str, dict[str, Any]] = {}
    for name, value in overrides.items():
        section, _, key = name.partition(".")
        if value is not None:
            sections.setdefault(section, {})[key] = value
    return sections


def _parse(key: str, value: str) -> str | list[str]:
    """Environment values are text; a list is written with commas."""
    if key == "read_namespaces":
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _section_list() -> str:
    return ", ".join(f"[{name}]" for name in Settings.model_fields)


def _explain(error: ValidationError, origin: Mapping[str, str]) -> str:
    lines: list[str] = []
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        where = ".".join(str(part) for part in problem["loc"][:2])
        source = origin.get(where) or origin.get(where.split(".")[0]) or "settings"
        if problem["type"] == "extra_forbidden":
            section = where.split(".")[0]
            lines.append(f"{where} (from {source}): no such setting; {_known_keys(section)}")
        else:
            message = problem["msg"].removeprefix("Value error, ")
            lines.append(f"{where} (from {source}): {message}")
    return "; ".join(lines)


def _known_keys(section: str) -> str:
    model = Settings.model_fields.get(section)
    if model is None:
        return f"there are {_section_list()}"
    keys: Sequence[str] = list(cast("type[BaseModel]", model.annotation).model_fields)
    return f"[{section}] has {', '.join(keys)}"
