"""What promotion costs: `python -m benchmarks.promotion`.

Filled are one owner's memory, large, and many owners' small ones; timed are runs over all of them,
over those with a change, and a look when nothing changed, with the longest that any of them held
the write lock; and the working context of the large memory beside a single indexed query.
Memories are put into their table as they are: promotion reads no index of words.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import sqlite3
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Connection

from benchmarks.calls import BLOCK
from benchmarks.places import Files, Server
from benchmarks.report import Progress, surroundings, table
from benchmarks.synthetic import generate
from benchmarks.targets import Target, render_targets
from benchmarks.timing import Subject, Timing, alternate, blocking, in_loop
from memori import AsyncMemori
from memori.ids import new_id
from memori.model import CATEGORIES, Scope
from memori.store import memories as memory_rows
from memori.store import scopes
from memori.store.tables import memories

LARGE = "large"
CONTEXT, QUERY = "working context", "one indexed query"
#: Milliseconds that a run may hold the write lock at a time.
HELD_MS = 50.0
#: The working context, in indexed queries.
TIMES_QUERY = 3.0
_BATCH = 10_000
_TEXTS = 10_000
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is filled, and how often the working context is timed."""

    memories: int = field(default=1_000_000, metadata={"help": "memories of one owner"})
    owners: int = field(default=10_000, metadata={"help": "how many others"})
    each: int = field(default=20, metadata={"help": "memories of each of them"})
    context: int = field(default=100_000, metadata={"help": "memories, for the working context"})
    samples: int = field(default=200, metadata={"help": "working contexts timed"})


@dataclass(frozen=True, slots=True)
class Pass:
    """One look at everything that is due: how long it took, how many scopes it decided on, and
    the longest it held the write lock, in milliseconds."""

    name: str
    seconds: float
    scopes: int
    longest_ms: float


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


class Stopwatch:
    """Times every write transaction of an engine, as long as it holds the lock.

    The log is not written back meanwhile: SQLite does that inside the COMMIT of whoever fills it,
    but after the lock is let go.
    """

    def __init__(self, memori: AsyncMemori) -> None:
        self.longest = 0.0
        self._lane: Any = None
        database: Any = memori._database  # pyright: ignore[reportPrivateUsage]  # nothing public holds the lock
        lane = self._lane = database._writer
        transact: Callable[[Callable[[Connection], object]], object] = lane.transact

        def timed(transaction: Callable[[Connection], object]) -> object:
            def held(connection: Connection) -> object:
                nonlocal began
                began = time.perf_counter()  # the lock is ours from here
                return transaction(connection)

            began = 0.0
            try:
                return transact(held)
            finally:
                self.longest = max(self.longest, (time.perf_counter() - began) * 1_000)

        lane.transact = timed

    async def leave_log(self) -> None:
        """Write the log back no more."""
        lane = self._lane
        await lane.work(lambda: lane.raw.execute("PRAGMA wal_autocheckpoint=0"))

    def restart(self) -> None:
        """Forget what was timed."""
        self.longest = 0.0


class ServerStopwatch:
    """Times every write of an engine on a server, from the start of its transaction until the
    answer to COMMIT is there."""

    def __init__(self, memori: AsyncMemori) -> None:
        self.longest = 0.0
        database: Any = memori._database  # pyright: ignore[reportPrivateUsage]  # the one way to every write
        write: Callable[..., Awaitable[object]] = database.write

        async def timed(
            transaction: Callable[[Connection], object], *, wait: float | None = None
        ) -> object:
            def held(connection: Connection) -> object:
                nonlocal began
                began = time.perf_counter()
                return transaction(connection)

            began = time.perf_counter()
            try:
                return await write(held, wait=wait)
            finally:
                self.longest = max(self.longest, (time.perf_counter() - began) * 1_000)

        database.write = timed

    async def leave_log(self) -> None:
        """A server writes its log back by itself."""

    def restart(self) -> None:
        """Forget what was timed."""
        self.longest = 0.0


def rows_of(scope_id: int, key: bytes, count: int, now: datetime) -> Iterator[dict[str, Any]]:
    """Rows of `memories`, of all categories and many degrees of importance, none twice."""
    texts = generate(min(count, _TEXTS), queries=1).memories
    for number in range(count):
        content = f"{texts[number % len(texts)]} ({number})"
        digest = memory_rows.content_hash(key, content, quarantined=False)
        yield {
            "scope_id": scope_id,
            "memory_no": number + 1,
            "id": new_id(),
            "content": content,
            "category": CATEGORIES[number % len(CATEGORIES)],
            "importance": (number * 37 % 100) / 100,
            "confidence": 0.9,
            "tags": [],
            "entities": [],
            "metadata": {},
            "source": "user",
            "trust": 0.9,
            "pinned": False,
            "evidence": 1,
            "recorded_at": now - _HOUR * (count - number) / 100,
            "content_hash": digest,
            "active_hash": digest,
            "length": 10,
            "quarantined": False,
            "operation_id": "filled",
        }


async def fill(memori: AsyncMemori, user: str, count: int, now: datetime) -> None:
    """Put memories into a user's scope.

    Args:
        memori: the engine.
        user: whose.
        count: how many.
        now: the time of the newest.
    """
    database: Any = await memori._open()  # pyright: ignore[reportPrivateUsage]  # no verb writes a million rows in a minute

    def make(connection: Connection) -> tuple[int, bytes]:
        known = scopes.ensure_scope(connection, Scope("default", user), now)
        return known.scope_id, known.digest_key

    scope_id, key = await database.write(make)
    batch: list[dict[str, Any]] = []

    def put(connection: Connection, rows: list[dict[str, Any]]) -> None:
        connection.execute(memories.insert(), rows)

    for row in rows_of(scope_id, key, count, now):
        batch.append(row)
        if len(batch) == _BATCH:
            await database.write(partial(put, rows=batch))
            batch = []
    if batch:
        await database.write(partial(put, rows=batch))


async def measure_passes(
    url: str, large: int, owners: int, each: int, progress: Progress
) -> list[Pass]:
    """Promote everywhere, where something changed, and where nothing did."""
    clock = Clock()
    passes: list[Pass] = []
    async with AsyncMemori(url, clock=clock) as memori:
        progress.say(f"filling {large:,} memories of one owner")
        await fill(memori, LARGE, large, clock.now)
        watch = (Stopwatch if url.startswith("sqlite") else ServerStopwatch)(memori)
        await watch.leave_log()
        gc.freeze()  # as the server does

        async def look(name: str) -> None:
            watch.restart()
            began = time.perf_counter()
            done = await memori.promote_due()
            passes.append(Pass(name, time.perf_counter() - began, done, watch.longest))

        await look(f"{large:,} memories of one owner, first run")
        await memori.remember("Something new", user_id=LARGE)
        clock.now += _HOUR * 7
        await look("the same, after one change")
        for number in range(owners):
            await fill(memori, f"owner {number}", each, clock.now)
            progress.say(f"filling owner {number + 1:,} of {owners:,}")
        await look(f"{owners:,} owners of {each}, first runs")
        changed = max(1, owners // 100)
        for number in range(changed):
            await memori.remember("Something new", user_id=f"owner {number * 100}")
        clock.now += _HOUR * 7
        await look(f"the same, after a change of {changed:,} of them")
        clock.now += _HOUR * 7
        await look("the same, after no change")
    progress.clear()
    return passes


async def measure_context(
    folder: Path, count: int, samples: int, progress: Progress
) -> Mapping[str, Timing]:
    """The working context of a memory of so many, beside one query by its index."""
    path = folder / "context.db"
    clock = Clock()
    async with AsyncMemori(f"sqlite:///{path}", clock=clock) as memori:
        progress.say(f"filling {count:,} memories")
        await fill(memori, LARGE, count, clock.now)
        await memori.promote(user_id=LARGE)
        progress.clear()

        async def context(_: int) -> None:
            await memori.working_context(user_id=LARGE)

        database: Any = await memori._open()  # pyright: ignore[reportPrivateUsage]  # the same way in
        wanted = memories.select().where(memories.c.scope_id == 1)
        wanted = wanted.order_by(memories.c.memory_no.desc()).limit(60)

        def read(connection: Connection) -> None:
            connection.execute(wanted).fetchall()

        async def query(_: int) -> None:
            await database.read(read)

        items = range(samples + BLOCK)
        with closing(sqlite3.connect(path)) as raw:
            sql = "SELECT * FROM memories WHERE scope_id = 1 ORDER BY memory_no DESC LIMIT 60"

            def plain(_: int) -> None:
                raw.execute(sql).fetchall()

            return await alternate(
                [
                    Subject(CONTEXT, in_loop(context), items),
                    Subject(QUERY, in_loop(query), items),
                    Subject("the same in sqlite3 alone", blocking(plain), items),
                ],
                block=BLOCK,
            )


def targets_of(passes: Sequence[Pass], timings: Mapping[str, Timing]) -> list[Target]:
    """What the issue wants."""
    longest = max(each.longest_ms for each in passes)
    return [
        Target("longest write transaction of a run, ms", longest, HELD_MS),
        Target(f"{CONTEXT} / {QUERY}, p50", timings[CONTEXT].p50 / timings[QUERY].p50, TIMES_QUERY),
    ]


def measure(
    sizes: Sizes, progress: Progress, database: str | None = None
) -> tuple[list[Pass], Mapping[str, Timing]]:
    """Everything, on files that are gone afterwards.

    Args:
        sizes: how much.
        progress: told what is going on.
        database: a server, by the URL of a database there, where the runs are measured instead.
    """
    with TemporaryDirectory(prefix="memori-promotion-") as root:
        folder = Path(root)
        timings = asyncio.run(measure_context(folder, sizes.context, sizes.samples, progress))
        with Files(folder, "full") if database is None else Server(database) as place:
            url = place.new_database("promotion")
            passes = asyncio.run(
                measure_passes(url, sizes.memories, sizes.owners, sizes.each, progress)
            )
    return passes, timings


def render(passes: Sequence[Pass], timings: Mapping[str, Timing]) -> str:
    """The tables, without the targets."""
    looked = [[p.name, f"{p.seconds:.2f}", f"{p.scopes:,}", f"{p.longest_ms:.1f}"] for p in passes]
    times = [[name, f"{t.p50:.2f}", f"{t.p95:.2f}"] for name, t in timings.items()]
    return "\n\n".join(
        [
            table(["promotion", "s", "scopes", "longest write ms"], looked),
            table(["reading", "p50 ms", "p95 ms"], times),
        ]
    )


def as_report(passes: Sequence[Pass], timings: Mapping[str, Timing]) -> dict[str, Any]:
    """Everything that was found, JSON-ready."""
    return {
        "passes": [asdict(each) for each in passes],
        "reading": {name: asdict(timing) for name, timing in timings.items()},
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.promotion", description=__doc__)
    for size in fields(Sizes):
        parser.add_argument(
            f"--{size.name}",
            type=int,
            default=size.default,
            metavar="N",
            help=f"{size.metadata['help']} ({size.default:,})",
        )
    parser.add_argument(
        "--database",
        metavar="URL",
        help="measure the runs in a database of its own on the server of this one",
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="also write everything here")
    given = vars(parser.parse_args(argv))
    out: Path | None = given.pop("json")
    database: str | None = given.pop("database")
    found = measure(Sizes(**given), Progress(), database)
    targets = targets_of(*found)
    print(render(*found), end="\n\n")
    print(render_targets("target", targets))
    if out is not None:
        report = {"benchmark": "promotion", "surroundings": surroundings(), **as_report(*found)}
        report["targets"] = [asdict(target) | {"met": target.met} for target in targets]
        out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
