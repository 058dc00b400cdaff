"""Exchanges that could not be recorded yet, each in a file of its own (mode 0600).

Recording is exactly once by its operation id, so that several processes may replay one folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from memori.config import Settings
from memori.intake import Redactor
from memori.model import as_json
from memori.store.url import parse_url

_SUFFIX = ".json"
_UNREADABLE = ".unreadable"
#: What is held in memory at most when there is no writing to the spool.
MOST_HELD, MOST_HELD_BYTES = 1_000, 16 << 20
#: Bytes of an exchange besides what was said.
_ABOUT = 2_048


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One exchange, its `turns` and `injected` as `AsyncMemori.record` takes them."""

    operation_id: str
    namespace: str
    user_id: str
    session_id: str
    agent_id: str | None
    turns: tuple[Mapping[str, Any], ...]
    injected: int | None = None


class Spool:
    """A folder of exchanges."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, exchange: Exchange) -> None:
        """Write an exchange down, without its secrets.

        Raises:
            OSError: it cannot be written.
        """
        cleaner = Redactor()
        turns = tuple(
            {**turn, "content": cleaner.text(str(turn["content"]))} for turn in exchange.turns
        )
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.folder / f"{exchange.operation_id}{_SUFFIX}"
        draft = path.with_suffix(f".{os.getpid()}")
        private = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            with os.fdopen(private, "w") as file:
                json.dump(as_json(replace(exchange, turns=turns)), file)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                draft.unlink()  # half a file, on a disk that is full
            raise

    def drop(self, operation_id: str) -> None:
        """Forget an exchange that is recorded."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            (self.folder / f"{operation_id}{_SUFFIX}").unlink()

    def kept(self) -> Iterator[Exchange]:
        """What waits here, oldest first; a file that cannot be read is put aside."""
        for path in sorted(self.folder.glob(f"*{_SUFFIX}")):
            try:
                values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
                values["turns"] = tuple(values["turns"])
                yield Exchange(**values)
            except OSError:
                continue  # another process has recorded it, or it is not ours to read
            except (ValueError, TypeError, KeyError):
                with contextlib.suppress(OSError):
                    path.replace(path.with_suffix(_UNREADABLE))

    def count(self) -> int:
        """How many exchanges wait here."""
        return sum(1 for _ in self.folder.glob(f"*{_SUFFIX}"))


class Held:
    """Exchanges that can be neither recorded nor spooled now, in memory, as many as fit."""

    def __init__(self, most: int = MOST_HELD, size: int = MOST_HELD_BYTES) -> None:
        self._most, self._room = most, size
        self._kept: dict[str, tuple[Exchange, int]] = {}
        #: How many did not fit, or were left when the process ended.
        self.lost = 0

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[Exchange]:
        """What is held now, oldest first."""
        return iter([self._kept[each][0] for each in sorted(self._kept)])

    def __contains__(self, exchange: Exchange) -> bool:
        return exchange.operation_id in self._kept

    def add(self, exchange: Exchange) -> None:
        """Hold an exchange; the oldest goes where there is no room."""
        self.drop(exchange.operation_id)
        said = (str(turn["content"]) for turn in exchange.turns)
        size = _ABOUT + sum(len(each.encode(errors="replace")) for each in said)
        self._kept[exchange.operation_id] = (exchange, size)
        self._room -= size
        while len(self._kept) > self._most or self._room < 0:
            self.drop(min(self._kept))
            self.lost += 1

    def drop(self, operation_id: str) -> None:
        """Forget an exchange, if it is held."""
        if operation_id in self._kept:
            self._room += self._kept.pop(operation_id)[1]


def spool_for(settings: Settings, database_path: Path | None) -> Spool | None:
    """The spool of a database: where the settings say, beside its file, or in the state directory.

    Returns:
        None for a database in memory, which does not outlive the process either.
    """
    if settings.intercept.spool is not None:
        return Spool(Path(settings.intercept.spool).expanduser().absolute())
    if database_path is not None:
        return Spool(database_path.with_name(f"{database_path.name}.spool"))
    url = parse_url(settings.database.connection_string)
    if url.dialect == "sqlite":
        return None
    from platformdirs import user_state_path

    name = hashlib.sha256(url.safe.encode()).hexdigest()[:16]
    return Spool(user_state_path("memori", appauthor=False) / "spool" / name)
