"""A connection lost at any moment costs no acknowledged write and makes none twice."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from private_servers import (
    PrivateMariadb,
    PrivatePgbouncer,
    PrivatePostgres,
    PrivateServer,
    private,
)

from memori import AsyncMemori, StoreBusy, StoreUnavailable, load_settings

pytestmark = pytest.mark.anyio
#: As the drivers send it; READ COMMITTED is something else.
_COMMIT = re.compile(rb"COMMIT(;|$)")


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PrivateServer]:
    """A PostgreSQL of this module's own."""
    yield from private(PrivatePostgres)


@pytest.fixture(scope="module")
def mariadb() -> Iterator[PrivateServer]:
    """A MariaDB of this module's own."""
    yield from private(PrivateMariadb)


@pytest.fixture(scope="module")
def pgbouncer(postgresql: PrivatePostgres) -> Iterator[PrivateServer]:
    """A pooler in transaction mode before that PostgreSQL."""
    yield from private(PrivatePgbouncer, postgresql)


@pytest.fixture(params=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest) -> PrivateServer:
    """Each server in turn."""
    return request.getfixturevalue(request.param)


class Wire:
    """A way to a server on loopback, which can be cut when a COMMIT passes."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        #: "before": the COMMIT never arrives; "after": its answer does not.
        self.cut: str | None = None
        self.cuts = 0

    @contextlib.asynccontextmanager
    async def laid(self) -> AsyncIterator[int]:
        """The port to connect to instead."""
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        yield server.sockets[0].getsockname()[1]
        server.close()
        for writer in self._open:
            writer.transport.abort()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)

    async def _carry(self, near_in: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        far_in, far_out = await asyncio.open_connection("127.0.0.1", self._port)
        self._open |= {near_out, far_out}
        back = asyncio.create_task(self._pour(far_in, near_out))
        with contextlib.suppress(OSError):
            while data := await near_in.read(65_536):
                if self.cut is not None and _COMMIT.search(data):
                    mode, self.cut = self.cut, None
                    self.cuts += 1
                    back.cancel()
                    if mode == "after":
                        with contextlib.suppress(asyncio.CancelledError):
                            await back
                        far_out.write(data)
                        await far_in.read(65_536)  # the server has answered: it is committed
                    break
                far_out.write(data)
                await far_out.drain()
        for writer in (near_out, far_out):
            writer.transport.abort()
            self._open.discard(writer)
        back.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await back

    async def _pour(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65_536):
                target.write(data)
                await target.drain()
        target.transport.abort()


@pytest.mark.parametrize("cut", ["before", "after"])
async def test_a_lost_commit_is_neither_lost_nor_made_twice(
    server: PrivateServer, cut: str
) -> None:
    wire = Wire(server.port)
    user: dict[str, Any] = {"user_id": f"cut {cut}"}
    async with wire.laid() as port:
        url = server.url.replace(str(server.port), str(port))
        async with AsyncMemori(url) as memori:
            await memori.remember("Ana lives in Porto", **user)
            wire.cut = cut
            tea = await memori.remember("Ana likes tea", **user)
            wire.cut = cut
            turns = await memori.record([{"content": "hello"}, {"content": "bye"}], **user)
            wire.cut = cut
            edited = await memori.update(str(tea.id), tags=["drink"], **user)
            wire.cut = cut
            forgotten = await memori.forget(str(tea.id), **user)
            wire.cut = cut
            undone = await memori.undo(forgotten.operation_id, **user)
            wire.cut = cut
            newcomer = await memori.remember("a first note", user_id=f"new {cut}")
            assert wire.cuts == 6
            assert [tea.status, edited.status, newcomer.status] == ["stored"] * 3
            assert [turn.status for turn in turns] == ["stored"] * 2
            assert (forgotten.memories, undone.restored) == ((tea.id,), (tea.id,))
            memory: Any = await memori.get(str(tea.id), **user)
            assert (memory.evidence, memory.tags) == (1, ("drink",))
            stats = await memori.stats(**user)
            assert (stats.memories, stats.turns) == (2, 2)
            assert len(await memori.operations(**user)) == 6
            assert [
                turn.seq for turn in (await memori.turns(str(turns[0].session_id), **user)).items
            ] == [0, 1]


async def test_a_session_ended_between_two_calls_is_not_noticed(server: PrivateServer) -> None:
    """What serverless databases do when nobody asked anything for some minutes."""
    async with AsyncMemori(server.url, user_id="idle") as memori:
        for round_ in range(3):
            await asyncio.gather(*(memori.remember(f"note {round_} {n}") for n in range(4)))
            await asyncio.gather(*(memori.recall(f"note {n}") for n in range(4)))
            _end_sessions(server)
            assert (await memori.stats()).memories == 4 * (round_ + 1)
            _end_sessions(server)
            assert (await memori.remember(f"after {round_}", tags=["after"])).status == "stored"
            await memori.forget([hit.id for hit in (await memori.search(tag="after")).items])


def _end_sessions(server: PrivateServer) -> None:
    if isinstance(server, PrivatePostgres):
        server.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'memori'"
        )
        return
    for number in server.run(
        "SELECT id FROM information_schema.processlist WHERE db = 'memori'"
    ).split():
        server.run(f"KILL {number}")


@pytest.mark.parametrize("end", ["INT", "KILL"])
async def test_a_server_restarted_in_the_middle_of_a_load_loses_nothing(
    server: PrivateServer, end: str
) -> None:
    going = True
    acknowledged: list[str] = []
    user: dict[str, Any] = {"user_id": f"restart {end}"}

    async def write(engine: AsyncMemori, who: int) -> None:
        number = 0
        while going:
            number += 1
            receipt = await engine.remember(f"note {who} {number}", **user)
            assert receipt.status == "stored"
            acknowledged.append(str(receipt.id))

    async with AsyncMemori(server.url) as one, AsyncMemori(server.url) as other:
        load = [asyncio.create_task(write((one, other)[who % 2], who)) for who in range(6)]
        await asyncio.sleep(0.5)
        before = len(acknowledged)
        await asyncio.to_thread(server.stop, end)
        await asyncio.sleep(0.3)
        await asyncio.to_thread(server.start)
        resumed = len(acknowledged)
        for _ in range(200):
            if len(acknowledged) > resumed + 20:
                break
            await asyncio.sleep(0.05)
        going = False
        await asyncio.gather(*load)
        assert before > 0
        assert len(acknowledged) > resumed + 20
        stats = await one.stats(**user)
        assert stats.memories == len(acknowledged) == len(set(acknowledged))
        for memory_id in acknowledged:
            assert (await other.get(memory_id, **user)).id == memory_id


async def test_a_server_that_stays_away_is_an_error_in_time_and_no_more(
    server: PrivateServer,
) -> None:
    settings = load_settings(
        {"database.connection_string": server.url, "database.busy_timeout": 1.0}
    )
    async with AsyncMemori(settings=settings, user_id="away") as memori:
        await memori.remember("Ana lives in Porto")
        await asyncio.to_thread(server.stop)
        try:
            async with asyncio.timeout(15):
                with pytest.raises(StoreUnavailable, match="operation_id"):
                    await memori.remember("Ana likes tea")
                with pytest.raises(StoreUnavailable):
                    await memori.recall("Porto")
        finally:
            await asyncio.to_thread(server.start)
        assert (await memori.remember("Ana likes tea")).status == "stored"
        assert len(await memori.recall("Porto")) == 1


async def test_a_scope_held_by_another_is_busy_and_others_go_on(server: PrivateServer) -> None:
    settings = load_settings(
        {"database.connection_string": server.url, "database.busy_timeout": 1.0}
    )
    async with AsyncMemori(server.url) as holder, AsyncMemori(settings=settings) as memori:
        for user in ("held", "free"):
            await holder.remember("Ana lives in Porto", user_id=user)
        entered, leave = asyncio.Event(), asyncio.Event()

        async def hold() -> None:
            database: Any = await holder._open()
            async with database._pool(True).connect() as connection:
                from memori.model import Scope
                from memori.store.scopes import find_scope

                def take(core: Any) -> None:
                    core.begin()
                    assert find_scope(core, Scope("default", "held"), hold=True) is not None

                await connection.run_sync(take)
                entered.set()
                await leave.wait()
                await connection.rollback()

        holding = asyncio.create_task(hold())
        await entered.wait()
        with pytest.raises(StoreBusy, match="held by other writers"):
            await memori.remember("Ana likes tea", user_id="held")
        assert len(await memori.recall("Porto", user_id="held")) == 1
        assert (await memori.remember("Ana likes tea", user_id="free")).status == "stored"
        leave.set()
        await holding
        assert (await memori.remember("Ana likes tea", user_id="held")).status == "stored"


async def test_many_clients_share_few_connections_of_a_transaction_pooler(
    pgbouncer: PrivateServer,
) -> None:
    url = f"{pgbouncer.url}?pgbouncer=true"
    engines = [AsyncMemori(url, user_id="pooled") for _ in range(8)]

    async def work(number: int) -> None:
        memori = engines[number]
        for step in range(8):
            receipt = await memori.remember(f"pooled note {number} {step}", tags=["pooled"])
            assert receipt.status == "stored"
            await memori.record([{"content": f"turn {number} {step}"}], session_id="s")
            assert await memori.recall(f"note {number}")
            await memori.working_context("pooled")

    await asyncio.gather(*map(work, range(8)))
    stats = await engines[0].stats()
    assert (stats.memories, stats.turns) == (64, 64)
    page = await engines[1].search(tag="pooled", limit=100)
    assert len(page.items) == 64
    await asyncio.gather(*(engine.close() for engine in engines))


@pytest.mark.parametrize("end", ["INT", "KILL"])
async def test_a_pooler_restarted_in_between_is_not_noticed(
    pgbouncer: PrivateServer, end: str
) -> None:
    async with AsyncMemori(f"{pgbouncer.url}?pgbouncer=true", user_id=f"pool {end}") as memori:
        await memori.remember("Ana lives in Porto")
        await asyncio.to_thread(pgbouncer.stop, end)
        await asyncio.to_thread(pgbouncer.start)
        assert (await memori.remember("Ana likes tea")).status == "stored"
        assert len((await memori.search()).items) == 2


async def test_an_address_that_looks_like_a_pooler_is_treated_as_one() -> None:
    from memori.config import DatabaseSettings
    from memori.store.postgres import PostgresDatabase
    from memori.store.url import parse_url

    for url, pooler in [
        ("postgresql://a@db.abc.supabase.co:5432/postgres", False),
        ("postgresql://a@aws-0-eu.pooler.supabase.com:6543/postgres", True),
        ("postgresql://a@db.abc.supabase.co:6543/postgres", True),
        ("postgresql://a@ep-x-pooler.eu.aws.neon.tech/neondb?sslmode=require", True),
        ("postgresql://a@ep-x.eu.aws.neon.tech/neondb?sslmode=require", False),
        ("postgresql://a@h/db?pgbouncer=true", True),
        ("postgresql://a@h/db?prepared_statement_cache_size=0", True),
    ]:
        given = PostgresDatabase(parse_url(url), DatabaseSettings())._connect_args()
        assert (given.get("statement_cache_size") == 0) is pooler, url
        assert ("lock_timeout" in given["server_settings"]) is not pooler, url
