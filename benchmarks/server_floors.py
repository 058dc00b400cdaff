"""The floors on a database server: what floors.py says, through the plain driver.

Insert floor
    BEGIN, INSERT, COMMIT of a row into a plain table (integer key, scope, text), each awaited, on
    one connection of asyncpg or aiomysql. How durable a commit is, is the server's setting, and
    the same for memori.

Query floor
    One query of the server's own full text over the same texts of one owner: PostgreSQL a stored
    `tsvector` with a GIN index, OR of the words, ordered by `ts_rank`; MariaDB and MySQL a
    FULLTEXT index in natural language mode, ordered by its relevance. Neither ranks by BM25.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

from benchmarks.floors import query_words
from memori.store.url import DatabaseUrl, parse_url

Found = list[tuple[int, str]]


class ServerFloor(ABC):
    """Both floors in tables of their own beside memori's, on one connection."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    @abstractmethod
    async def fill(self, rows: Sequence[str]) -> None:
        """Make the tables and put the texts into both."""

    @abstractmethod
    async def insert(self, texts: Iterable[str]) -> None:
        """One durable transaction that inserts a row for each text."""

    @abstractmethod
    async def search(self, question: str, limit: int) -> Found:
        """Number and text of the best `limit` rows, best first."""

    @abstractmethod
    async def version(self) -> str:
        """Which server this is."""


class _Postgres(ServerFloor):
    _INSERT = "INSERT INTO floor_rows (scope_id, content) VALUES (1, $1)"
    _SEARCH = (
        "SELECT id, content FROM floor_texts, to_tsquery('english', $1) AS asked "
        "WHERE words @@ asked ORDER BY ts_rank(words, asked) DESC LIMIT $2"
    )

    async def fill(self, rows: Sequence[str]) -> None:
        for statement in (
            "CREATE TABLE floor_rows (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "
            "scope_id integer NOT NULL, content text NOT NULL)",
            "CREATE TABLE floor_texts (id integer PRIMARY KEY, content text NOT NULL, words "
            "tsvector GENERATED ALWAYS AS (to_tsvector('english', content)) STORED)",
        ):
            await self._connection.execute(statement)
        await self._connection.executemany(self._INSERT, [(row,) for row in rows])
        await self._connection.executemany(
            "INSERT INTO floor_texts (id, content) VALUES ($1, $2)", list(enumerate(rows))
        )
        await self._connection.execute("CREATE INDEX ON floor_texts USING gin (words)")
        # Everything: the server does so by itself within a minute of a load like this one, and
        # without statistics it takes any index that begins with the scope.
        await self._connection.execute("VACUUM ANALYZE")

    async def insert(self, texts: Iterable[str]) -> None:
        async with self._connection.transaction():
            for text in texts:
                await self._connection.execute(self._INSERT, text)

    async def search(self, question: str, limit: int) -> Found:
        asked = " | ".join(query_words(question))
        return [tuple(row) for row in await self._connection.fetch(self._SEARCH, asked, limit)]

    async def version(self) -> str:
        return f"PostgreSQL {await self._connection.fetchval('SHOW server_version')}"


class _Mysql(ServerFloor):
    _INSERT = "INSERT INTO floor_rows (scope_id, content) VALUES (1, %s)"
    _SEARCH = (
        "SELECT id, content FROM floor_texts WHERE MATCH (content) AGAINST (%s) "
        "ORDER BY MATCH (content) AGAINST (%s) DESC LIMIT %s"
    )
    _MADE = "ENGINE = InnoDB DEFAULT CHARSET = utf8mb4"

    async def fill(self, rows: Sequence[str]) -> None:
        async with self._connection.cursor() as cursor:
            await cursor.execute(
                "CREATE TABLE floor_rows (id bigint AUTO_INCREMENT PRIMARY KEY, "
                f"scope_id integer NOT NULL, content text NOT NULL) {self._MADE}"
            )
            await cursor.execute(
                "CREATE TABLE floor_texts (id integer PRIMARY KEY, content text NOT NULL, "
                f"FULLTEXT KEY floor_words (content)) {self._MADE}"
            )
            await cursor.executemany(self._INSERT, [(row,) for row in rows])
            await cursor.executemany(
                "INSERT INTO floor_texts (id, content) VALUES (%s, %s)", list(enumerate(rows))
            )
            await self._connection.commit()
            await cursor.execute("ANALYZE TABLE floor_rows, floor_texts")

    async def insert(self, texts: Iterable[str]) -> None:
        await self._connection.begin()
        async with self._connection.cursor() as cursor:
            for text in texts:
                await cursor.execute(self._INSERT, (text,))
        await self._connection.commit()

    async def search(self, question: str, limit: int) -> Found:
        asked = " ".join(query_words(question))
        async with self._connection.cursor() as cursor:
            await cursor.execute(self._SEARCH, (asked, asked, limit))
            found = await cursor.fetchall()
        return [(row[0], row[1]) for row in found]

    async def version(self) -> str:
        async with self._connection.cursor() as cursor:
            await cursor.execute("SELECT version()")
            return f"MariaDB or MySQL {(await cursor.fetchone())[0]}"


@asynccontextmanager
async def server_floor(url: str) -> AsyncGenerator[ServerFloor]:
    """The floors on a database; closed afterwards."""
    parsed = parse_url(url)
    connection = await connect(parsed)
    try:
        made = _Postgres if parsed.dialect == "postgresql" else _Mysql
        yield made(connection)
    finally:
        if parsed.dialect == "postgresql":
            await connection.close()
        else:
            connection.close()


async def connect(url: DatabaseUrl) -> Any:
    """A connection of the plain driver, in autocommit mode, to the first host, without TLS."""
    driver: Any = import_module(url.driver)
    host, port = url.hosts[0]
    where: dict[str, Any] = {"host": host, "user": url.user, "password": url.password or ""}
    if url.dialect == "postgresql":
        return await driver.connect(**where, port=port or 5432, database=url.name)
    charset = "utf8mb4"
    return await driver.connect(
        **where, port=port or 3306, db=url.name, charset=charset, autocommit=True
    )
