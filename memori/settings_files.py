"""Settings files: TOML, JSON or YAML by the ending of their name, one table per section."""

from __future__ import annotations

import json
import os
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from memori.errors import ConfigurationError

#: Names of a settings file, the preferred one first.
FILE_NAMES = ("memori.toml", "memori.json", "memori.yaml", "memori.yml")

Sections = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Layer:
    """What one source of settings says by section, and what it says outside of any."""

    source: str
    sections: Sections
    mistakes: tuple[str, ...] = ()


def find_in(folder: Path) -> Path | None:
    """The settings file in a folder, if there is one.

    Raises:
        ConfigurationError: there are several, and it is not clear which one is meant.
    """
    found = [folder / name for name in FILE_NAMES if (folder / name).is_file()]
    if len(found) > 1:
        raise ConfigurationError(
            f"{' and '.join(map(str, found))} are both settings files; keep one of them"
        )
    return found[0] if found else None


def read_file(path: Path, known: str) -> Layer:
    """Read a settings file.

    Args:
        path: the file.
        known: the names of the sections, for an error.

    Raises:
        ConfigurationError: it cannot be read.
    """
    try:
        loaded = _parse(path.suffix.lower(), path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:  # bad TOML, JSON and text are ValueErrors
        raise ConfigurationError(f"settings file {path} cannot be read: {error}") from error
    except RecursionError:
        raise ConfigurationError(
            f"settings file {path} cannot be read: it is nested too deeply; write one table per "
            f"section, of {known}"
        ) from None
    if not isinstance(loaded, dict):
        raise ConfigurationError(f"settings file {path} has no sections; there are {known}")
    sections: Sections = {}
    mistakes: list[str] = []
    for section, values in cast("dict[Any, Any]", loaded).items():
        if values is None:  # as YAML has a section without keys
            sections[str(section)] = {}
        elif isinstance(values, dict):  # whose keys need be no text in YAML
            entries = cast("dict[Any, Any]", values)
            sections[str(section)] = {str(key): value for key, value in entries.items()}
        else:
            mistakes.append(
                f"settings file {path}: {section!r} stands outside a section; "
                f"write it under one of {known}"
            )
    return Layer(str(path), sections, tuple(mistakes))


def write_file(path: Path, sections: Mapping[str, Mapping[str, Any]]) -> None:
    """Write a settings file that only its owner may read; it may hold keys.

    Another file of that name is replaced whole, or stays as it is; a link stays a link, and what
    it leads to is replaced.

    Raises:
        ConfigurationError: it cannot be written, or its ending is none of the known ones.
    """
    kind = path.suffix.lower()
    try:
        data = _text(path, kind, sections).encode("utf-8")
        if _parse(kind, data.decode("utf-8")) != sections:
            raise ValueError("a value would not be read as it is written")
        target = Path(os.path.realpath(path))
        if target.exists() and not target.is_file():
            raise ValueError("it is no file")
        _replace(target, data)
    except OSError as error:  # whose text names the draft
        said = error.strerror or error
        raise ConfigurationError(f"settings file {path} cannot be written: {said}") from error
    except ValueError as error:  # half a surrogate pair, too
        raise ConfigurationError(f"settings file {path} cannot be written: {error}") from error


def _text(path: Path, kind: str, sections: Mapping[str, Mapping[str, Any]]) -> str:
    if kind == ".json":
        return json.dumps(sections, indent=2) + "\n"
    if kind in (".yaml", ".yml"):
        return _yaml().safe_dump(dict(sections), sort_keys=False)
    if kind == ".toml":
        return "\n".join(_toml(name, values) for name, values in sections.items())
    raise ConfigurationError(f"settings file {path}: end its name in .toml, .json or .yaml")


def _replace(path: Path, data: bytes) -> None:
    """Write a private file beside its place and move it there once it is on the disk."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _parse(kind: str, text: str) -> Any:
    if kind == ".json":
        return json.loads(text)
    if kind in (".yaml", ".yml"):
        yaml = _yaml()
        try:
            return yaml.safe_load(text) or {}
        except yaml.YAMLError as error:
            raise ValueError(str(error)) from error
    return tomllib.loads(text)


def _yaml() -> Any:
    try:
        import yaml  # pyright: ignore[reportMissingModuleSource]
    except ImportError:
        raise ConfigurationError(
            "YAML settings need PyYAML: pip install 'memori-mcp[yaml]', or use memori.toml"
        ) from None
    return yaml


def _toml(name: str, values: Mapping[str, Any]) -> str:
    lines = [f"[{name}]"]
    for key, value in values.items():
        # A JSON string, number, boolean or list of strings is the same in TOML 1.0, but for a
        # DEL character, which JSON leaves as it is.
        written = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        lines.append(f"{key} = {written}")
    return "\n".join(lines) + "\n"
