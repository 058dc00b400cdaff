"""`ConfigManager`: the settings that every new object of a program uses."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, SecretStr

from memori.config import (
    Chosen,
    Collected,
    Settings,
    choose,
    chosen_now,
    collect,
    find_file,
    section_list,
)
from memori.errors import ConfigurationError
from memori.settings_files import Layer, Sections, read_file, write_file
from memori.store.url import mask_password

_MASKED = "***"
_DEFAULT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting: its dotted name, its value fit to be shown, and where it came from."""

    name: str
    value: Any
    source: str
    description: str


class ConfigManager:
    """Settings of a program, from files, the environment and its own code.

    What is loaded or changed here holds for every `Memori` and `AsyncMemori` made afterwards in
    this process. Arguments of those come first, then `update_setting`, then the environment
    (`MEMORI_SECTION__KEY`), then files (the one loaded last first), then the defaults. Every
    method raises `ConfigurationError`, naming the source, for an unknown key or a bad value, and
    then nothing has changed.
    """

    def auto_load(self) -> Settings:
        """Load what is there: a settings file, and the environment over it.

        The file is the one `MEMORI_CONFIG_PATH` names, else `memori.toml`, `.json` or `.yaml` in
        the working directory, else in the user's configuration folder.
        """
        return _use(Chosen(_file_layer(personal=True), _now().values))

    def load_from_file(self, path: str | Path) -> Settings:
        """Load one file, over those loaded before."""
        found = find_file(path, {}, personal=False) or Path(path)
        now = _now()
        return _use(Chosen((*now.files, read_file(found, section_list())), now.values))

    def load_from_env(self) -> Settings:
        """Check the environment as it is now; every new object reads it, loaded or not."""
        return self.validate()

    def get_setting(self, name: str, default: Any = None) -> Any:
        """A setting by its dotted name (`memory.namespace`); `default` when it is unset.

        A secret comes as pydantic's `SecretStr`, which does not show itself.
        """
        section, key = _split(name)
        value = getattr(getattr(self.validate(), section), key)
        return default if value is None else value

    def update_setting(self, name: str, value: Any) -> Settings:
        """Change one setting, over the environment and every file; None takes the change back."""
        _split(name)
        now = _now()
        values = {each: old for each, old in now.values if each != name}
        if value is not None:
            values[name] = value
        return _use(Chosen(now.files, tuple(values.items())))

    def save_to_file(self, path: str | Path) -> None:
        """Write what is not a default to a file, keys included.

        Its mode is 0600 afterwards, also where it had another. Where it cannot be written, the
        file that was there stays as it is.
        """
        collected = collect({})
        sections: Sections = {}
        for name in collected.origin:
            section, _, key = name.partition(".")
            if key:
                value = getattr(getattr(collected.settings, section), key)
                sections.setdefault(section, {})[key] = _plain(value)
        write_file(Path(path).expanduser(), sections)

    def validate(self) -> Settings:
        """The settings in force; every mistake in them is named in one error.

        Only a file that cannot be read at all is an error by itself.
        """
        return collect({}).settings

    def describe(self) -> list[Setting]:
        """Every setting with its value and where it came from, secrets masked."""
        return list(describe(collect({})))


def _file_layer(*, personal: bool) -> tuple[Layer, ...]:
    path = find_file(None, os.environ, personal=personal)
    return () if path is None else (read_file(path, section_list()),)


def _now() -> Chosen:
    """What the program has loaded; before that, what an object would find by itself."""
    return chosen_now() or Chosen(_file_layer(personal=False))


def _use(chosen: Chosen) -> Settings:
    settings = collect({}, chosen=chosen).settings
    choose(chosen)
    return settings


def describe(collected: Collected) -> Iterator[Setting]:
    """Every setting with its value and where it came from, secrets masked."""
    for section, key in _names():
        value = getattr(getattr(collected.settings, section), key)
        name = f"{section}.{key}"
        yield Setting(
            name=name,
            value=_shown(value),
            source=collected.origin.get(name, _DEFAULT),
            description=_section(section).model_fields[key].description or "",
        )


def _names() -> Iterator[tuple[str, str]]:
    for section in Settings.model_fields:
        for key in _section(section).model_fields:
            yield section, key


def _section(name: str) -> type[BaseModel]:
    return cast("type[BaseModel]", Settings.model_fields[name].annotation)


def _split(name: str) -> tuple[str, str]:
    section, _, key = name.partition(".")
    if (section, key) not in set(_names()):
        known = ", ".join(f"{a}.{b}" for a, b in _names() if a == section) or section_list()
        raise ConfigurationError(f"no setting {name!r}; there are {known}")
    return section, key


def _shown(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return _MASKED
    if isinstance(value, str):
        return mask_password(value)
    if isinstance(value, tuple):
        return [_shown(each) for each in cast("tuple[Any, ...]", value)]
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return list(value) if isinstance(value, tuple) else value  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
