"""PostgreSQL fails over in the middle of a load, with synchronous replication.

Two processes write through a URL that names both servers. The primary is killed, the replica is
promoted, and the load goes on by itself: no program is told, none is started again.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from benchmarks.clusters.checks import Checks
from benchmarks.clusters.load import Load, Worker
from benchmarks.clusters.postgres import DATABASE, primary_and_replica

#: Scopes that each process writes to, and the one both write to.
SCOPES = 4
HOT = "hot"
#: Silence after which a failover counts as too slow, in seconds: the kill, the half second until
#: the promotion, and reconnecting.
LONGEST_SILENCE = 15.0


async def run(checks: Checks, folder: Path, seconds: float) -> None:
    """Write for `seconds`; the primary dies after a third of them."""
    async with primary_and_replica(synchronous=True) as (primary, replica):
        hosts = f"127.0.0.1:{primary.port},127.0.0.1:{replica.port}"
        url = f"postgresql://postgres@{hosts}/{DATABASE}?target_session_attrs=read-write"
        state = await primary.fetch("SELECT sync_state FROM pg_stat_replication")
        checks.say(f"primary :{primary.port}, replica :{replica.port}, replication {state}")
        async with Worker("one", url, folder) as one, Worker("two", url, folder) as two:
            await one.ask("open", "nobody")
            load = Load()
            writers = [(w, f"{w.name}{n}") for w in (one, two) for n in range(SCOPES)]
            writers += [(one, HOT), (two, HOT)]
            async with asyncio.TaskGroup() as group:
                for worker, user in writers:
                    group.create_task(load.write(worker, user))
                await asyncio.sleep(seconds / 3)
                await primary.node.kill()
                killed, before = time.monotonic(), load.count
                await asyncio.sleep(0.5)
                await replica.fetch("SELECT pg_promote()")
                promoted = time.monotonic()
                await asyncio.sleep(seconds * 2 / 3)
                load.stop()
        after = sum(1 for moment in load.times if moment > promoted)
        checks.say(
            f"{before} writes acknowledged, then kill -9 of the primary; promoted "
            f"{promoted - killed:.1f} s later; {after} more acknowledged"
        )
        async with Worker("reader", url, folder) as reader:
            missing, doubled = await load.missing_and_doubled(reader)
    checks.check(
        "the load goes on by itself after the promotion",
        before > 0 and after > 0 and load.longest_silence() < LONGEST_SILENCE,
        f"longest silence {load.longest_silence():.1f} s",
    )
    checks.check("no write was refused", not load.refused, _said(load.refused))
    checks.check("no acknowledged write is lost", missing == 0, f"{missing} of {load.count}")
    checks.check("none was made twice", doubled == 0, f"{doubled} of {load.count}")


def _said(refused: list[str]) -> str:
    return "none" if not refused else f"{len(refused)}, first: {refused[0]}"
