"""PostgreSQL with a streaming replica that answers reads.

Three processes: one writes, two read (`read_connection_string` names the replica), and one of the
readers writes too. Whatever one is told was stored, another must recall at once: while the replica
follows, while its replay is paused, and while it is down. Which server answered is counted in the
statement logs of both.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path

from benchmarks.clusters.checks import Checks
from benchmarks.clusters.load import Load, Worker, eventually, note
from benchmarks.clusters.postgres import PostgresServer, primary_and_replica
from memori.store.replicated import REST_SECONDS

QUIET = "quiet"
#: Writes that are looked for at once, while the replica follows, is paused, and is down.
ROUNDS = 20
#: Seconds the first read may take that finds the replica down or silent.
LONGEST_READ = 5.0


class _Run:
    """The servers and processes of this run."""

    def __init__(self, primary: PostgresServer, replica: PostgresServer) -> None:
        self.primary = primary
        self.replica = replica
        self.load = Load()

    async def write_and_look(self, writer: Worker, reader: Worker, user: str) -> tuple[int, float]:
        """Write in one process and recall in the other, `ROUNDS` times: how often the new memory
        was not among the hits, and the seconds of the slowest recall."""
        missed, slowest = 0, 0.0
        for _ in range(ROUNDS):
            content = await self.load.write_one(writer, user)
            began = time.monotonic()
            found = await reader.ask("recall", user, content)
            slowest = max(slowest, time.monotonic() - began)
            missed += content not in found
        return missed, slowest

    async def recall_quiet(self, reader: Worker) -> tuple[int, int, int]:
        """Recall in a scope that nobody writes to: rankings on the primary, on the replica, and
        recalls that found nothing."""
        before = self.primary.rankings(), self.replica.rankings()
        missed = 0
        for _ in range(ROUNDS):
            missed += note(QUIET, 1) not in await reader.ask("recall", QUIET, note(QUIET, 1))
        # The servers write their logs a moment later.
        await asyncio.sleep(0.3)
        return self.primary.rankings() - before[0], self.replica.rankings() - before[1], missed


async def run(checks: Checks, folder: Path, seconds: float) -> None:
    """Check reads beside a load of `seconds`, then with the replica paused, down and back."""
    async with AsyncExitStack() as stack:
        servers = await stack.enter_async_context(
            primary_and_replica(synchronous=False, log_statements=True)
        )
        primary, replica = servers
        checks.say(f"primary :{primary.port}, replica :{replica.port}, asynchronous replication")

        async def process(name: str, *, reads: bool) -> Worker:
            worker = Worker(name, primary.url, folder, replica=replica.url if reads else None)
            return await stack.enter_async_context(worker)

        writer = await process("writer", reads=False)
        await writer.ask("open", QUIET)
        one, two = await process("one", reads=True), await process("two", reads=True)
        this = _Run(primary, replica)
        await this.load.write_one(writer, QUIET)
        await _follow(checks, this, seconds, writer, one, two)
        await _paused(checks, this, writer, one)
        await _down(checks, this, writer, one)


async def _follow(
    checks: Checks, this: _Run, seconds: float, writer: Worker, one: Worker, two: Worker
) -> None:
    """The replica follows; others write all the time."""
    background = Load()

    async def others() -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(3):
                group.create_task(background.write(writer, f"busy{number}"))

    load = asyncio.create_task(others())
    until = time.monotonic() + seconds
    missed = tries = 0
    while time.monotonic() < until:
        for by, reader in ((writer, one), (two, one), (one, two)):
            missed += (await this.write_and_look(by, reader, "shared"))[0]
            tries += ROUNDS
    on_primary, on_replica, lost = await this.recall_quiet(one)
    background.stop()
    await load
    checks.check(
        "what one process stored, another recalls at once",
        missed == 0,
        f"{tries - missed} of {tries}, beside {background.count} writes to other scopes",
    )
    checks.check(
        "the replica answers for a scope while others are written to",
        on_replica >= ROUNDS and on_primary == 0 and lost == 0,
        f"{ROUNDS} recalls: {on_replica} rankings there, {on_primary} on the primary",
    )


async def _paused(checks: Checks, this: _Run, writer: Worker, reader: Worker) -> None:
    """The replica receives and does not replay."""
    await this.replica.fetch("SELECT pg_wal_replay_pause()")
    missed, _ = await this.write_and_look(writer, reader, "shared")
    on_primary, on_replica, lost = await this.recall_quiet(reader)
    checks.check(
        "replay paused: what was stored is recalled at once",
        missed == 0,
        f"{ROUNDS - missed} of {ROUNDS}",
    )
    checks.check(
        "replay paused: scopes it has whole are still read there",
        on_replica >= ROUNDS and on_primary == 0 and lost == 0,
        f"{ROUNDS} recalls: {on_replica} rankings there, {on_primary} on the primary",
    )
    await this.replica.fetch("SELECT pg_wal_replay_resume()")


async def _down(checks: Checks, this: _Run, writer: Worker, reader: Worker) -> None:
    """The replica is killed, and started again."""
    await this.replica.node.kill()
    missed, slowest = await this.write_and_look(writer, reader, "shared")
    checks.check(
        "replica down: what was stored is recalled at once",
        missed == 0 and slowest < LONGEST_READ,
        f"{ROUNDS - missed} of {ROUNDS}, slowest recall {slowest:.1f} s",
    )
    said = reader.log().count("is left alone")
    checks.check("replica down: said once in the log", said == 1, f"{said} times")
    await this.replica.start()
    before = this.replica.rankings()

    async def ask() -> None:
        while True:
            await reader.ask("recall", QUIET, note(QUIET, 1))
            await asyncio.sleep(1)

    asking = asyncio.create_task(ask())
    back = await eventually(lambda: this.replica.rankings() > before, REST_SECONDS + 15)
    asking.cancel()
    await asyncio.wait([asking])
    missing, doubled = await this.load.missing_and_doubled(reader)
    checks.check("replica back: it answers again by itself", back, f"within {REST_SECONDS:g} s")
    checks.check(
        "nothing is lost or doubled",
        missing == 0 and doubled == 0 and not this.load.refused,
        f"{this.load.count} writes, {missing} missing, {doubled} doubled",
    )
