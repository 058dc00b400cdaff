"""A copied scope is the same scope: ids, times, history, and what a retry finds."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import servers
from conftest import Clock, Opener, _prepare
from lived_in import KATHMANDU, SECRET_PLAN, live

from memori import AsyncMemori, ConfigurationError, InvalidArgument
from memori.config import DatabaseSettings
from memori.transfer import copying
from memori.transfer.databases import Chosen, copy_database

pytestmark = pytest.mark.anyio

Asked = dict[str, Any]


Pair = tuple[str, str]
NAMES = ("sqlite-file", "postgresql", "mariadb")
#: Each database once as the source and once as the target.
CHAIN: tuple[Pair, ...] = (
    ("sqlite-file", "postgresql"),
    ("postgresql", "mariadb"),
    ("mariadb", "sqlite-file"),
)
every_pair = pytest.mark.parametrize("pair", list(product(NAMES, NAMES)), indirect=True)
each_once = pytest.mark.parametrize("pair", CHAIN, indirect=True)


@pytest.fixture(params=[("sqlite-file", "sqlite-file")])
def pair(request: pytest.FixtureRequest) -> Pair:
    """Which databases a copy is made between; from file to file unless a test says otherwise."""
    return request.param


@pytest.fixture
async def source(pair: Pair, request: pytest.FixtureRequest, clock: Clock) -> AsyncIterator[Opener]:
    """Opens engines on the database that is copied."""
    database = await asyncio.to_thread(_prepare, pair[0], request)
    async with AsyncExitStack() as stack:
        yield Opener(database, clock, stack)


@pytest.fixture(scope="session")
def second_postgresql() -> Iterator[str]:
    """Another PostgreSQL database."""
    yield from servers.own_database("postgresql")


@pytest.fixture(scope="session")
def second_mariadb() -> Iterator[str]:
    """Another MariaDB database."""
    yield from servers.own_database("mariadb")


@pytest.fixture
def target(pair: Pair, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of the database copied to: a file that is not there yet, or an empty one."""
    if pair[1] == "sqlite-file":
        return f"sqlite:///{tmp_path}/target.db"
    url: str = request.getfixturevalue(f"second_{pair[1]}")
    asyncio.run(servers.empty(url))
    return url


async def copy(source: str, target: str, **given: Any) -> copying.CopyReport:
    return await copy_database(
        DatabaseSettings(connection_string=source),
        DatabaseSettings(connection_string=target),
        **given,
    )


async def everything(memori: AsyncMemori, ids: tuple[str, ...]) -> Asked:
    """What the verbs answer about a scope."""
    forgotten = await memori.search(include_forgotten=True, include_superseded=True, limit=1000)
    return {
        "history": [await memori.history(item_id) for item_id in ids],
        "recall": [
            await memori.recall(query, limit=20)
            for query in ("green tea", "Where is the office?", "guitar", "绿茶", "line 7")
        ],
        "search": forgotten,
        "context": await memori.working_context("tea"),
        "sessions": await memori.sessions(),
        "operations": await memori.operations(limit=1000),
        "quarantined": await memori.quarantined(),
        "tagged": await memori.search(tag="HOME"),
        "meta": await memori.search(metadata={"big": 2**53 + 1}),
    }


@every_pair
async def test_a_copied_scope_answers_like_the_first(
    source: Opener, clock: Clock, target: str
) -> None:
    memori = await source()
    lived = await live(memori, clock)
    ids = tuple(item_id for item_id in lived if item_id != lived.import_id)
    before = await everything(memori, ids)
    report = await copy(source.database.url, target)
    [scope] = report.scopes
    assert (scope.status, report.interrupted) == ("copied", False)
    assert scope.rows["memories"] == 9
    async with AsyncMemori(target, clock=clock) as copied:
        assert await everything(copied, ids) == before
        assert (await copied.verify()).findings == ()
        item = (await copied.history(lived.plain)).versions[-1]
        assert item.valid_from is not None  # pyright: ignore[reportAttributeAccessIssue]
        assert item.valid_from.utcoffset() == KATHMANDU.utcoffset(None)  # pyright: ignore[reportAttributeAccessIssue]
        assert item.valid_from.microsecond == 123456  # pyright: ignore[reportAttributeAccessIssue]


@each_once
async def test_what_was_done_at_the_source_can_be_taken_back_at_the_target(
    source: Opener, clock: Clock, target: str
) -> None:
    lived = await live(await source(), clock)
    await copy(source.database.url, target)
    async with AsyncMemori(target, clock=clock) as copied:
        assert lived.forgotten in (await copied.restore(lived.forgotten)).restored
        assert len((await copied.undo(lived.import_id)).hidden) == 30
        assert (await copied.release(lived.quarantined)).superseded == (lived.plain,)
        await copied.undo((await copied.operations(verb="update"))[0].id)
        assert (await copied.verify()).findings == ()


@each_once
async def test_a_retry_a_duplicate_and_a_tombstone_are_known_after_the_move(
    source: Opener, clock: Clock, target: str
) -> None:
    memori = await source()
    lived = await live(memori, clock)
    given: Asked = {"operation_id": "again", "tags": ["a"]}
    first = await memori.remember("Dora collects stamps", **given)
    async with AsyncMemori(target, clock=clock) as busy:
        # The target has another owner, so its digests have another key.
        await busy.remember("Somebody else's memory", user_id="eve")
    await copy(source.database.url, target)
    async with AsyncMemori(target, clock=clock) as copied:
        assert await copied.remember("Dora collects stamps", **given) == first
        again = await copied.remember("Dora collects stamps")
        assert (again.status, again.id) == ("duplicate", first.id)
        brought = await copied.remember(SECRET_PLAN, source="import")
        assert (brought.status, "forgotten" in brought.reason) == ("rejected", True)
        [turn] = await copied.record(
            [{"role": "user", "content": "我住在里斯本，喜欢绿茶。", "id": "t-1"}],
            session_id="s 1 / α",
        )
        assert (turn.status, turn.id) == ("duplicate", lived.turn)


async def test_the_next_write_at_the_target_takes_a_free_number(
    source: Opener, clock: Clock, target: str
) -> None:
    await live(await source(), clock)
    await copy(source.database.url, target)
    async with AsyncMemori(target, clock=clock) as copied:
        receipt = await copied.remember("Ana bought a boat")
        [turn] = await copied.record([{"content": "and sails it"}], session_id="chat")
        assert (receipt.status, turn.status) == ("stored", "stored")
        assert (await copied.turns("chat", limit=50)).items[-1].seq == 30
        assert (await copied.recall("boat"))[0].id == receipt.id
        assert (await copied.verify()).findings == ()


@each_once
async def test_every_scope_keeps_its_owner_and_none_is_mixed(
    source: Opener, clock: Clock, target: str
) -> None:
    memori = await source()
    owners = [("ana", "a"), ("Ana", "a"), ("ána", "a"), ("ana ", "a"), ("ana", "b")]
    async with AsyncMemori(target, clock=clock) as other:
        # Scope numbers differ between the databases.
        for user in ("zoe", "yan"):
            await other.remember("I was here first", user_id=user)
    for user, namespace in owners:
        await memori.remember(f"told by {user!r} in {namespace}", user_id=user, namespace=namespace)
    report = await copy(source.database.url, target)
    assert {(each.user_id, each.namespace) for each in report.scopes} == set(owners)
    async with AsyncMemori(target, clock=clock) as copied:
        for user, namespace in owners:
            page = await copied.search(user_id=user, namespace=namespace)
            assert [hit.text for hit in page.items] == [f"told by {user!r} in {namespace}"]
        assert (await copied.search(user_id="zoe")).items[0].text == "I was here first"


async def test_one_user_can_be_copied_alone(source: Opener, clock: Clock, target: str) -> None:
    memori = await source()
    for user in ("ana", "ben"):
        await memori.remember("Something", user_id=user)
    report = await copy(source.database.url, target, chosen=Chosen(user_id="ana"))
    assert [each.user_id for each in report.scopes] == ["ana"]
    async with AsyncMemori(target, clock=clock) as copied:
        assert [each.user_id for each in (await copied.users()).items] == ["ana"]


async def test_copying_again_changes_nothing(source: Opener, clock: Clock, target: str) -> None:
    await live(await source(), clock)
    await copy(source.database.url, target)
    report = await copy(source.database.url, target)
    assert [each.status for each in report.scopes] == ["present"]


@each_once
async def test_a_later_copy_brings_an_untouched_target_up_to_date(
    source: Opener, clock: Clock, target: str
) -> None:
    memori = await source()
    lived = await live(memori, clock)
    await copy(source.database.url, target)
    await memori.forget(lived.forgotten, purge=True)
    await memori.update(lived.plain, importance=1.0)
    report = await copy(source.database.url, target)
    assert [each.status for each in report.scopes] == ["updated"]
    async with AsyncMemori(target, clock=clock) as copied:
        assert (await copied.get(lived.plain)).importance == 1.0  # pyright: ignore[reportAttributeAccessIssue]
        assert (await copied.verify()).findings == ()
        assert len((await copied.users()).items) == 1
    if target.startswith("sqlite:"):
        raw = Path(target.removeprefix("sqlite:///")).read_bytes()
        assert SECRET_PLAN.encode() not in raw  # what the source purged does not stay here


async def test_a_target_that_went_on_keeps_what_it_has(
    source: Opener, clock: Clock, target: str
) -> None:
    await live(await source(), clock)
    await copy(source.database.url, target)
    async with AsyncMemori(target, clock=clock) as copied:
        receipt = await copied.remember("Only the target knows this")
    report = await copy(source.database.url, target)
    assert [each.status for each in report.scopes] == ["present"]
    async with AsyncMemori(target, clock=clock) as copied:
        assert await copied.get(receipt.id or "")


async def test_two_histories_are_never_mixed(source: Opener, clock: Clock, target: str) -> None:
    memori = await source()
    await live(memori, clock)
    await copy(source.database.url, target)
    async with AsyncMemori(target, clock=clock) as copied:
        await copied.remember("Only the target knows this")
        before = await copied.search(include_forgotten=True, limit=1000)
    await memori.remember("Only the source knows this")
    with pytest.raises(InvalidArgument, match="another history"):
        await copy(source.database.url, target)
    async with AsyncMemori(target, clock=clock) as copied:
        assert await copied.search(include_forgotten=True, limit=1000) == before


async def test_a_stranger_of_the_same_name_is_refused_before_anything_is_written(
    source: Opener, clock: Clock, target: str
) -> None:
    memori = await source()
    await memori.remember("First", user_id="aaa")
    await memori.remember("Second", user_id="bbb")
    async with AsyncMemori(target, clock=clock) as other:
        await other.remember("Another bbb", user_id="bbb")
    with pytest.raises(InvalidArgument, match="'bbb'"):
        await copy(source.database.url, target)
    async with AsyncMemori(target, clock=clock) as other:
        assert [each.user_id for each in (await other.users()).items] == ["bbb"]


async def test_a_database_is_not_copied_into_itself(source: Opener, tmp_path: Path) -> None:
    await (await source()).remember("Something")
    url = source.database.url
    (tmp_path / "link.db").symlink_to(tmp_path / "memori.db")
    for other in (
        url,
        url.replace("sqlite:", "sqlite+aiosqlite:"),
        f"sqlite:///{tmp_path}/link.db",
    ):
        with pytest.raises(InvalidArgument, match="same database"):
            await copy(url, other)


async def test_a_source_that_is_not_there_is_not_made(tmp_path: Path, target: str) -> None:
    with pytest.raises(ConfigurationError, match="there is no database"):
        await copy(f"sqlite:///{tmp_path}/typo.db", target)
    assert list(tmp_path.iterdir()) == []


@each_once
async def test_a_stopped_copy_shows_nothing_and_goes_on_where_it_stopped(
    source: Opener, clock: Clock, target: str
) -> None:
    memori = await source()
    for session in range(3):
        turns = [{"content": f"line {number} of {session}"} for number in range(500)]
        await memori.record(turns, session_id=str(session))
    seen: list[copying.CopyProgress] = []

    def stop() -> bool:
        return any(each.table == "turns" for each in seen)

    report = await copy(source.database.url, target, progress=seen.append, stopped=stop)
    assert (report.interrupted, report.scopes) == (True, ())
    async with AsyncMemori(target, clock=clock) as copied:
        assert (await copied.users()).items == ()
        assert (await copied.stats()).turns == 0
        [leftover] = (await copied.verify()).findings
        assert leftover.check == "leftover"
    seen.clear()
    report = await copy(source.database.url, target, progress=seen.append)
    assert [each.status for each in report.scopes] == ["copied"]
    assert seen[0].rows_done > 200  # what was there is not sent again
    async with AsyncMemori(target, clock=clock) as copied:
        assert (await copied.stats()).turns == 1500
        assert (await copied.verify()).findings == ()


@each_once
async def test_a_stopped_copy_of_a_source_that_changed_begins_again(
    source: Opener, clock: Clock, target: str
) -> None:
    memori = await source()
    first = await memori.remember("The first memory")
    await memori.record([{"content": f"line {number}"} for number in range(500)], session_id="s")
    seen: list[copying.CopyProgress] = []
    await copy(
        source.database.url,
        target,
        progress=seen.append,
        stopped=lambda: any(each.table == "turns" for each in seen),
    )
    await memori.update(first.id or "", importance=0.9)
    report = await copy(source.database.url, target)
    assert [each.status for each in report.scopes] == ["copied"]
    async with AsyncMemori(target, clock=clock) as copied:
        assert (await copied.get(first.id or "")).importance == 0.9  # pyright: ignore[reportAttributeAccessIssue]
        assert (await copied.verify()).findings == ()


_COPY = """
import asyncio, sys
from memori.config import DatabaseSettings
from memori.transfer.databases import copy_database
done = 0
def tell(progress):
    print(progress.rows_done, flush=True)
asyncio.run(copy_database(DatabaseSettings(connection_string=sys.argv[1]),
                          DatabaseSettings(connection_string=sys.argv[2]), progress=tell))
"""


@each_once
async def test_a_copy_killed_with_kill_9_is_finished_by_the_next_one(
    source: Opener, clock: Clock, target: str
) -> None:
    memori = await source()
    for session in range(4):
        turns = [{"content": f"line {number} of {session}"} for number in range(500)]
        await memori.record(turns, session_id=str(session))
    before = await memori.stats()
    for rows in (300, 900):
        process = subprocess.Popen(
            [sys.executable, "-c", _COPY, source.database.url, target],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= rows:
                break
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        async with AsyncMemori(target, clock=clock) as copied:
            assert (await copied.stats()).turns == 0
    report = await copy(source.database.url, target)
    assert [each.status for each in report.scopes] == ["copied"]
    async with AsyncMemori(target, clock=clock) as copied:
        assert (await copied.stats()).turns == before.turns
        assert (await copied.verify()).findings == ()


async def test_the_source_may_be_written_to_during_a_copy(
    source: Opener, clock: Clock, target: str
) -> None:
    memori = await source()
    turns = [{"content": f"line {number}"} for number in range(1000)]
    await memori.record(turns, session_id="s")
    path = source.database.path
    raw = sqlite3.connect(path or "", check_same_thread=False)

    def write(progress: copying.CopyProgress) -> None:
        # Another writer takes the last turn away: the snapshot still has it.
        with raw:
            raw.execute("DELETE FROM turns WHERE seq = 999")

    report = await copy(source.database.url, target, progress=write)
    raw.close()
    assert report.scopes[0].rows["turns"] == 1000


@each_once
async def test_a_write_at_the_target_during_the_copy_is_not_overwritten(
    source: Opener, clock: Clock, target: str
) -> None:
    memori = await source()
    await memori.remember("From the source")
    async with AsyncMemori(target, clock=clock):
        pass
    writer = f"""
from memori import Memori
with Memori({target!r}) as m:
    m.remember("Written meanwhile")
"""
    done: list[Any] = []

    def meanwhile(progress: copying.CopyProgress) -> None:
        if not done:
            done.append(subprocess.run([sys.executable, "-c", writer], check=True))

    with pytest.raises(InvalidArgument, match="during the copy"):
        await copy(source.database.url, target, progress=meanwhile)
    async with AsyncMemori(target, clock=clock) as copied:
        assert [hit.text for hit in (await copied.search()).items] == ["Written meanwhile"]


async def test_what_arrives_changed_is_not_shown(
    source: Opener, clock: Clock, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from memori.errors import StoreUnavailable
    from memori.store import staging

    memori = await source()
    await memori.remember("From the source")
    whole: Callable[..., None] = staging.insert_rows

    def lossy(connection: Any, scope_id: int, table: Any, rows: Any) -> None:
        if table.name == "memories":
            rows = [{**values, "importance": 0.25} for values in rows]
        whole(connection, scope_id, table, rows)

    monkeypatch.setattr(staging, "insert_rows", lossy)
    with pytest.raises(StoreUnavailable, match="memories"):
        await copy(source.database.url, target)
    monkeypatch.undo()
    async with AsyncMemori(target, clock=clock) as copied:
        assert (await copied.users()).items == ()
    assert (await copy(source.database.url, target)).scopes[0].status == "copied"


@each_once
async def test_a_cancelled_copy_ends_and_can_be_continued(
    source: Opener, clock: Clock, target: str
) -> None:
    memori = await source()
    await memori.record([{"content": f"line {number}"} for number in range(2000)], session_id="s")
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()
    work = asyncio.create_task(
        copy(
            source.database.url,
            target,
            progress=lambda _: loop.call_soon_threadsafe(begun.set),  # pyright: ignore[reportArgumentType]
        )
    )
    await begun.wait()
    began = time.monotonic()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert time.monotonic() - began < 20
    assert (await copy(source.database.url, target)).scopes[0].status == "copied"
