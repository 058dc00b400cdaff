"""A client's configuration file: read with care, changed whole or not at all, kept a copy of."""

from __future__ import annotations

import codecs
import contextlib
import os
import stat
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from memori.errors import ConfigurationError
from memori_mcp.install import jsonc, toml_text

#: The copy of a file as it was before the first change, beside it.
BACKUP_SUFFIX = ".before-memori"
_PRIVATE = 0o600


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """The text of one file, with what is needed to write it back as it was.

    Attributes:
        path: as it is called, a link perhaps.
        syntax: json (comments are taken), or toml.
        text: what is in it, without a byte order mark; None where there is no file.
        marked: whether it begins with a byte order mark.
    """

    path: Path
    syntax: Literal["json", "toml"]
    text: str | None
    marked: bool = False

    @classmethod
    def read(cls, path: Path, syntax: Literal["json", "toml"]) -> ConfigFile:
        """Read a file.

        Raises:
            ConfigurationError: it cannot be read, or is not UTF-8.
        """
        return cls._of(path, syntax, _bytes(path))

    @classmethod
    def _of(cls, path: Path, syntax: Literal["json", "toml"], data: bytes | None) -> ConfigFile:
        if data is None:
            return cls(path, syntax, None)
        marked = data.startswith(codecs.BOM_UTF8)
        try:
            text = data.removeprefix(codecs.BOM_UTF8).decode("utf-8")
        except UnicodeDecodeError:
            raise ConfigurationError(
                f"{path} is not UTF-8 and was left as it is: save it as UTF-8 in an editor, and "
                "run this again"
            ) from None
        return cls(path, syntax, text, marked)

    @property
    def bytes(self) -> bytes | None:
        """What is in the file, as bytes.

        Raises:
            ConfigurationError: a name in it cannot be written as UTF-8.
        """
        if self.text is None:
            return None
        try:
            return (codecs.BOM_UTF8 if self.marked else b"") + self.text.encode("utf-8")
        except UnicodeEncodeError:
            raise ConfigurationError(
                f"a path or name for {self.path} is not UTF-8: rename it, or give --command"
            ) from None

    @property
    def values(self) -> dict[str, Any]:
        """What the file says.

        Raises:
            ConfigurationError: it cannot be understood.
        """
        try:
            found = self._parsed(self.text or "")
        except (jsonc.Malformed, toml_text.Malformed) as error:
            raise ConfigurationError(
                f"{self.path} cannot be read and was left as it is: {error}; mend it in an "
                "editor, or move it away, and run this again"
            ) from None
        if not isinstance(found, dict):
            raise ConfigurationError(
                f"{self.path} holds no object and was left as it is: mend it in an editor, or move "
                "it away, and run this again"
            )
        return found  # pyright: ignore[reportUnknownVariableType]

    def get(self, path: Sequence[str]) -> Any:
        """What is at a path; None where nothing is.

        Raises:
            ConfigurationError: the file cannot be understood.
        """
        found: Any = self.values
        for name in path:
            if not isinstance(found, dict) or name not in found:
                return None
            found = found[name]  # pyright: ignore[reportUnknownVariableType]
        return found  # pyright: ignore[reportUnknownVariableType]

    def put(self, path: Sequence[str | int], value: Any) -> ConfigFile:
        """The file with this at a path, and all else as it was.

        Raises:
            ConfigurationError: something else stands there that cannot be changed so.
        """
        values = self.values
        try:
            wanted = _with(values, path, value)
            if self.syntax == "json":
                text = jsonc.put(self.text or "", path, value)
            else:
                text = toml_text.put(self.text or "", [str(name) for name in path], value)
        except (TypeError, ValueError, IndexError):
            raise self._unchangeable(path) from None
        return self._checked(text, wanted, path)

    def remove(self, path: Sequence[str | int]) -> ConfigFile:
        """The file without what is at a path, and all else as it was.

        Raises:
            ConfigurationError: it stands there in a form that cannot be taken out.
        """
        values = self.values
        try:
            wanted = _without(values, path)
            if self.syntax == "json":
                text = jsonc.remove(self.text or "", path)
            else:
                text = toml_text.remove(self.text or "", [str(name) for name in path])
        except (TypeError, ValueError, IndexError):
            raise self._unchangeable(path) from None
        return self._checked(text, wanted, path)

    def _checked(self, text: str, wanted: Any, path: Sequence[str | int]) -> ConfigFile:
        """The changed file, if it says what it should and nothing else has changed its meaning."""
        try:
            right = _same(self._parsed(text), wanted, gone=self.syntax == "toml")
        except (jsonc.Malformed, toml_text.Malformed):
            right = False
        if not right:
            raise self._unchangeable(path)
        return ConfigFile(self.path, self.syntax, text, self.marked)

    def _parsed(self, text: str) -> Any:
        if self.syntax == "toml":
            return toml_text.parse(text)
        found = jsonc.parse(text)
        return {} if found is None else found

    def _unchangeable(self, path: Sequence[str | int]) -> ConfigurationError:
        where = ".".join(str(name) for name in path)
        return ConfigurationError(
            f"{self.path} has something at {where} that cannot be changed without touching the "
            "rest, and was left as it is: change it in an editor"
        )

    @property
    def backup(self) -> Path:
        """Where the copy of the file lies."""
        return self.path.with_name(self.path.name + BACKUP_SUFFIX)

    def read_backup(self) -> ConfigFile | None:
        """The file as it was before the first change; None without a copy that can be read."""
        try:
            found = self._of(self.path, self.syntax, _bytes(self.backup))
            found.get(())  # it can be understood
        except ConfigurationError:
            return None
        return None if found.text is None else found

    def write(self, before: ConfigFile, *, keep: bool) -> None:
        """Put this in the place of what was read: all of it, or nothing.

        Args:
            before: what was read.
            keep: whether a copy of that is to be made first.

        Raises:
            ConfigurationError: the file may not be written, or was changed meanwhile.
        """
        target = _target(self.path)
        data = self.bytes
        old = before.bytes
        try:
            if old is not None and not target.stat().st_mode & 0o222:
                raise ConfigurationError(
                    f"{self.path} is read-only, perhaps written by another program: make it "
                    "writable, or add the entry there (--print shows it)"
                )
            target.parent.mkdir(parents=True, exist_ok=True)
            if keep and old is not None:
                _replace(self.backup, old, like=None)
            if _bytes(self.path) != old:
                raise ConfigurationError(
                    f"{self.path} was changed by another program just now: run this again"
                )
            if data is None:
                target.unlink(missing_ok=True)
            else:
                _replace(target, data, like=None if old is None else target)
        except OSError as error:
            raise ConfigurationError(
                f"{self.path} cannot be written and was left as it is: {error.strerror or error}"
            ) from None


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror or error}") from None


def _target(path: Path) -> Path:
    """The file behind a link, which stays a link."""
    return Path(os.path.realpath(path))


def _replace(path: Path, data: bytes, *, like: Path | None) -> None:
    """Write a file beside its place and move it there, with the mode and owner of another."""
    found = None if like is None else like.stat()
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if found is not None and os.name == "posix":
            # One who is not root may only give what is theirs, and then it is theirs already.
            with contextlib.suppress(PermissionError):
                os.chown(name, found.st_uid, found.st_gid)
        Path(name).chmod(_PRIVATE if found is None else stat.S_IMODE(found.st_mode))
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _with(values: Any, path: Sequence[str | int], value: Any) -> Any:
    """A copy of what a file says, with this at a path."""
    if not path:
        return value
    name, rest = path[0], path[1:]
    if isinstance(name, int):
        items: list[Any] = list(values or ())
        if name == len(items):
            items.append(None)
        items[name] = _with(items[name], rest, value)
        return items
    found: dict[str, Any] = dict(values or {})
    found[name] = _with(found.get(name), rest, value)
    return found


def _without(values: Any, path: Sequence[str | int]) -> Any:
    """A copy of what a file says, without what is at a path."""
    name, rest = path[0], path[1:]
    if isinstance(name, int):
        items = list(cast("list[Any]", values))
        if rest:
            items[name] = _without(items[name], rest)
        else:
            del items[name]
        return items
    found = dict(cast("dict[str, Any]", values))
    if name in found and rest:
        found[name] = _without(found[name], rest)
    else:
        found.pop(name, None)
    return found


def _same(found: Any, wanted: Any, *, gone: bool) -> bool:
    """Whether two values are one; with `gone`, a table that nothing is left in may be missing."""
    if not isinstance(found, dict) or not isinstance(wanted, dict):
        # repr tells 1 from 1.0 and from true.
        return repr(cast("object", found)) == repr(cast("object", wanted))
    here, there = cast("dict[str, Any]", found), cast("dict[str, Any]", wanted)
    return all(
        _same(here[name], there[name], gone=gone)
        if name in here and name in there
        else gone and (here.get(name) or there.get(name)) == {}
        for name in {*here, *there}
    )
