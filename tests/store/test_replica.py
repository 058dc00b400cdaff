"""Reads on a replica: what was written is found at once, and trouble there costs little.

A frozen copy of the database stands for a replica that does not replay; what the copy alone says
shows which of the two answered. tests/store/test_replication.py has a real one.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
import servers
from conftest import SERVERS
from sqlalchemy import Executable, delete, update

from memori import AsyncMemori, ConfigurationError
from memori.config import load_settings
from memori.store import replicated, tables

pytestmark = pytest.mark.anyio

KETTLE = "The kettle is green"
ON_COPY = "The kettle is green, says the copy"


class Pair:
    """A database and a frozen copy of it, and engines on both or on the first alone."""

    def __init__(self, primary: str, copy: str, stack: AsyncExitStack) -> None:
        self.primary = primary
        self.copy = copy
        self._stack = stack

    async def open(self, *, replica: str | None = None, **given: Any) -> AsyncMemori:
        """An engine that reads on `replica` too."""
        settings = load_settings(
            {
                "database.connection_string": self.primary,
                "database.read_connection_string": replica,
            }
        )
        return await self._stack.enter_async_context(AsyncMemori(settings=settings, **given))


@pytest.fixture(scope="module")
def postgresql_copy() -> Iterator[str]:
    """A migrated database for the copies."""
    yield from servers.own_database("postgresql")


@pytest.fixture(scope="module")
def mariadb_copy() -> Iterator[str]:
    """A migrated database for the copies."""
    yield from servers.own_database("mariadb")


@pytest.fixture(params=SERVERS)
def both(request: pytest.FixtureRequest) -> tuple[str, str]:
    """The URLs of a database and of the one for its copy, on each server."""
    name = request.param
    return request.getfixturevalue(f"{name}_url"), request.getfixturevalue(f"{name}_copy")


@pytest.fixture
async def pair(both: tuple[str, str]) -> AsyncIterator[Pair]:
    """Ada and Ben have written; then the copy was made."""
    primary, copy = both
    await servers.empty(primary)
    async with AsyncMemori(primary) as memori:
        for user in ("ada", "ben"):
            await memori.remember(KETTLE, user_id=user)
    await servers.empty(copy)
    await servers.copy_rows(primary, copy)
    await change(copy, update(tables.memories).values(content=ON_COPY))
    async with AsyncExitStack() as stack:
        yield Pair(primary, copy, stack)


async def change(url: str, statement: Executable) -> None:
    """Change rows behind the engine's back."""
    await servers.use(url, lambda database: database.write(lambda c: c.execute(statement)))


async def texts(memori: AsyncMemori, query: str, user: str) -> list[str]:
    return [hit.text for hit in await memori.recall(query, user_id=user)]


async def test_a_replica_that_has_the_last_write_answers(pair: Pair) -> None:
    memori = await pair.open(replica=pair.copy)
    assert await texts(memori, "kettle", "ada") == [ON_COPY]
    assert [hit.text for hit in (await memori.search(user_id="ben")).items] == [ON_COPY]


async def test_a_scope_written_since_is_read_on_the_primary_and_no_other_scope_is(
    pair: Pair,
) -> None:
    memori = await pair.open(replica=pair.copy)
    elsewhere = await pair.open()
    await elsewhere.remember("The teapot is blue", user_id="ada")
    assert set(await texts(memori, "kettle teapot", "ada")) == {KETTLE, "The teapot is blue"}
    assert await texts(memori, "kettle", "ben") == [ON_COPY]


async def test_every_kind_of_write_is_seen_at_once(pair: Pair) -> None:
    memori = await pair.open(replica=pair.copy, user_id="ada")
    elsewhere = await pair.open(user_id="ada")
    (hit,) = await elsewhere.recall("kettle")
    await elsewhere.update(hit.id, importance=0.9)
    assert await texts(memori, "kettle", "ada") == [KETTLE]
    await elsewhere.forget(hit.id)
    assert await texts(memori, "kettle", "ada") == []
    await elsewhere.restore(hit.id)
    assert await texts(memori, "kettle", "ada") == [KETTLE]


@pytest.mark.parametrize(
    "damage",
    [
        delete(tables.postings),
        update(tables.scope_counts).values(item_count=7),
        update(tables.memories).values(active_hash="0" * 32),
    ],
    ids=["index", "totals", "digest"],
)
async def test_what_a_repair_mended_is_seen_at_once(pair: Pair, damage: Executable) -> None:
    memori = await pair.open(replica=pair.copy)
    await change(pair.primary, damage)
    assert await texts(memori, "kettle", "ada") == [ON_COPY]
    verified = await (await pair.open()).verify(repair=True)
    assert (verified.findings, bool(verified.repaired)) == ((), True)
    assert await texts(memori, "kettle", "ada") == [KETTLE]


async def test_a_scope_the_replica_does_not_have_yet_is_read_on_the_primary(pair: Pair) -> None:
    memori = await pair.open(replica=pair.copy)
    elsewhere = await pair.open()
    assert await texts(memori, "kettle", "cid") == []
    await elsewhere.remember(KETTLE, user_id="cid")
    assert await texts(memori, "kettle", "cid") == [KETTLE]


async def test_a_scope_gone_from_the_primary_is_not_read_on_the_replica(pair: Pair) -> None:
    memori = await pair.open(replica=pair.copy)
    renamed = update(tables.scopes).where(tables.scopes.c.user_id == "ada").values(user_id="eve")
    await change(pair.primary, renamed)
    assert await texts(memori, "kettle", "ada") == []
    assert await texts(memori, "kettle", "eve") == [KETTLE]


async def test_further_namespaces_are_all_looked_at(pair: Pair) -> None:
    memori = await pair.open(replica=pair.copy, user_id="ada", read_namespaces=["work"])
    assert await texts(memori, "kettle", "ada") == [ON_COPY]
    elsewhere = await pair.open()
    await elsewhere.remember("The teapot is blue", user_id="ada", namespace="work")
    assert set(await texts(memori, "kettle teapot", "ada")) == {KETTLE, "The teapot is blue"}


async def test_a_replica_that_is_down_costs_one_warning_and_no_answer(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as taken:  # and not listening
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    scheme = pair.primary.partition(":")[0]
    memori = await pair.open(replica=f"{scheme}://somebody:secret@127.0.0.1:{port}/memori")
    for _ in range(3):
        assert await texts(memori, "kettle", "ada") == [KETTLE]
    (warning,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert "the primary answers" in warning.getMessage()
    assert "secret" not in caplog.text


async def test_a_replica_that_is_silent_is_waited_for_a_moment_only(
    pair: Pair, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replicated, "REPLICA_SECONDS", 0.2)
    release = asyncio.Event()

    async def say_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        writer.close()

    silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    try:
        began = time.monotonic()
        scheme = pair.primary.partition(":")[0]
        memori = await pair.open(replica=f"{scheme}://somebody@127.0.0.1:{port}/memori")
        assert await texts(memori, "kettle", "ada") == [KETTLE]
        await memori.close()
        assert time.monotonic() - began < 5
    finally:
        release.set()
        silent.close()
        await silent.wait_closed()
    assert "no answer within 0.2 s" in caplog.text


async def test_a_replica_that_comes_back_is_used_again(
    pair: Pair, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(replicated, "REST_SECONDS", 0.0)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    way = urlsplit(pair.copy)
    memori = await pair.open(
        replica=urlunsplit(way._replace(netloc=f"{way.username}@127.0.0.1:{port}"))
    )
    assert await texts(memori, "kettle", "ada") == [KETTLE]
    async with forwarding(port, way.hostname or "", way.port or 0):
        assert await texts(memori, "kettle", "ada") == [ON_COPY]
        await memori.close()
    assert "answers reads again" in caplog.text


@asynccontextmanager
async def forwarding(port: int, host: str, target: int) -> AsyncIterator[None]:
    """What connects to `port` reaches the target."""
    running: set[asyncio.Task[None]] = set()

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            sink.write(data)
        sink.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(host, target)
        for each in (pump(reader, far_writer), pump(far_reader, writer)):
            running.add(asyncio.create_task(each))

    server = await asyncio.start_server(accept, "127.0.0.1", port)
    try:
        yield
    finally:
        server.close()
        await asyncio.wait(running, timeout=5)
        await server.wait_closed()


async def test_a_replica_that_keeps_lagging_is_left_alone_and_said_once(
    pair: Pair, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replicated, "LAG_SECONDS", 0.0)
    monkeypatch.setattr(replicated, "LAG_READS", 3)
    memori = await pair.open(replica=pair.copy, user_id="ada")
    await memori.remember("The teapot is blue")
    for _ in range(5):
        assert "The teapot is blue" in await texts(memori, "teapot", "ada")
    (warning,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert "behind the last 3 reads" in warning.getMessage()


async def test_another_database_in_place_of_the_replica_is_an_error(pair: Pair) -> None:
    await change(
        pair.copy, update(tables.scopes).values(created_at=datetime(2020, 1, 1, tzinfo=UTC))
    )
    memori = await pair.open(replica=pair.copy)
    with pytest.raises(ConfigurationError, match="read_connection_string .* not a replica"):
        await memori.recall("kettle", user_id="ada")


async def test_a_replica_that_can_never_be_read_is_an_error_at_the_start(pair: Pair) -> None:
    missing = urlunsplit(urlsplit(pair.copy)._replace(path="/memori_test_no_such"))
    with pytest.raises(ConfigurationError, match="memori_test_no_such"):
        await pair.open(replica=missing)


@pytest.mark.parametrize(
    ("database", "replica"),
    [
        ("sqlite:///memori.db", "sqlite:///copy.db"),
        ("sqlite:///memori.db", "postgresql://a@127.0.0.1/memori"),
        ("postgresql://a@127.0.0.1/memori", "mysql://a:secret@127.0.0.1/memori"),
    ],
)
async def test_a_replica_is_of_the_same_kind_of_server(database: str, replica: str) -> None:
    settings = load_settings(
        {"database.connection_string": database, "database.read_connection_string": replica}
    )
    with pytest.raises(ConfigurationError, match="cannot be a replica") as caught:
        AsyncMemori(settings=settings)
    assert "secret" not in str(caught.value)
