"""Where a speed benchmark measures: SQLite files in a folder, or databases of its own on a server.

Both make databases that are gone afterwards, and the floors beside one.
"""

from __future__ import annotations

import asyncio
import os
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit, urlunsplit

from benchmarks.floors import Durability, InsertFloor, QueryFloor
from benchmarks.server_floors import connect, server_floor
from benchmarks.timing import blocking, in_loop
from memori.store.url import parse_url

Rows = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Floors:
    """The floors of one database as blocks to time: a transaction for each tuple of rows, a query
    for each question."""

    insert: Callable[[Sequence[Rows]], Awaitable[list[float]]]
    search: Callable[[Sequence[str]], Awaitable[list[float]]]


class Place(ABC):
    """A context manager that removes what was made in it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.clear()

    @property
    @abstractmethod
    def engine(self) -> str:
        """Which database this is, for the head of the report."""

    @abstractmethod
    def new_database(self, name: str) -> str:
        """The URL of a new, empty database."""

    @abstractmethod
    def floors(
        self, database: str, texts: Sequence[str], limit: int
    ) -> AbstractAsyncContextManager[Floors]:
        """The floors over the texts, beside the database of this place."""

    @abstractmethod
    def clear(self) -> None:
        """Remove every database made."""


class Files(Place):
    """SQLite files in a folder, which its owner removes."""

    def __init__(self, folder: Path, durability: Durability) -> None:
        self._folder = folder
        self._durability: Durability = durability

    @property
    def engine(self) -> str:
        return "SQLite"

    def new_database(self, name: str) -> str:
        return f"sqlite:///{self._folder / f'{name}.db'}"

    @asynccontextmanager
    async def floors(
        self, database: str, texts: Sequence[str], limit: int
    ) -> AsyncGenerator[Floors]:
        stem = Path(database).stem
        rows = self._folder / f"{stem}-rows.db"
        words = self._folder / f"{stem}-texts.db"
        with (
            InsertFloor(rows, self._durability, texts) as inserts,
            QueryFloor(texts, path=words, durability=self._durability) as query,
        ):
            yield Floors(blocking(inserts.insert), blocking(lambda text: query.search(text, limit)))

    def clear(self) -> None:
        return


class Server(Place):
    """Databases of the run's own on a server.

    Args:
        url: of a database there, with an account that may create others.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._dialect = parse_url(url).dialect
        self._made: list[str] = []

    @property
    def engine(self) -> str:
        async def ask() -> str:
            async with server_floor(self._url) as floor:
                return await floor.version()

        return asyncio.run(ask())

    def new_database(self, name: str) -> str:
        own = f"memori_speed_{os.getpid()}_{name}"
        asyncio.run(self._run(f"CREATE DATABASE {own}"))
        self._made.append(own)
        return urlunsplit(urlsplit(self._url)._replace(path=f"/{own}"))

    @asynccontextmanager
    async def floors(
        self, database: str, texts: Sequence[str], limit: int
    ) -> AsyncGenerator[Floors]:
        async with server_floor(database) as floor:
            await floor.fill(texts)
            yield Floors(in_loop(floor.insert), in_loop(lambda text: floor.search(text, limit)))

    def clear(self) -> None:
        force = " WITH (FORCE)" if self._dialect == "postgresql" else ""
        while self._made:
            asyncio.run(self._run(f"DROP DATABASE {self._made.pop()}{force}"))

    async def _run(self, statement: str) -> None:
        connection = await connect(parse_url(self._url))
        if self._dialect == "postgresql":
            await connection.execute(statement)
            await connection.close()
        else:
            async with connection.cursor() as cursor:
                await cursor.execute(statement)
            connection.close()
