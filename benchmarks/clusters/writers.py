"""Writers on all three nodes of a Galera cluster at once.

One process a node. Each writes to scopes of its own, all three to one hot scope, and what one node
acknowledged is looked for on another at once. Then a node is killed, whose process goes on with
the next host of its URL.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from benchmarks.clusters.checks import Checks
from benchmarks.clusters.galera import DATABASE, GaleraNode, galera_cluster
from benchmarks.clusters.load import Load, Worker

#: Scopes that each process writes to, beside the one that all do.
SCOPES = 3
HOT = "hot"


async def run(checks: Checks, folder: Path, seconds: float) -> None:
    """Write for `seconds` on three nodes, then for half as long while one of them dies."""
    async with AsyncExitStack() as stack:
        nodes = await stack.enter_async_context(galera_cluster())
        size = await nodes[0].status("cluster_size")
        checks.say(f"{size} nodes: {', '.join(f':{node.port}' for node in nodes)}")
        workers = [
            await stack.enter_async_context(Worker(f"on{number + 1}", _url(nodes, number), folder))
            for number in range(len(nodes))
        ]
        await _open(checks, workers)
        await _write(checks, nodes, workers, seconds)
        await _lose_a_node(checks, nodes, workers, seconds / 2)


def _url(nodes: Sequence[GaleraNode], first: int) -> str:
    """All nodes, from one on: the first that answers is used."""
    hosts = ",".join(f"127.0.0.1:{node.port}" for node in (*nodes[first:], *nodes[:first]))
    return f"mysql://root@{hosts}/{DATABASE}"


async def _open(checks: Checks, workers: Sequence[Worker]) -> None:
    """An empty database is opened on all nodes at once."""
    answers = await asyncio.gather(
        *(worker.ask("open", HOT) for worker in workers), return_exceptions=True
    )
    failed = [str(answer) for answer in answers if isinstance(answer, BaseException)]
    checks.check(
        "three processes open an empty database on three nodes at once",
        not failed,
        failed[0] if failed else "open",
    )


async def _write(
    checks: Checks, nodes: Sequence[GaleraNode], workers: Sequence[Worker], seconds: float
) -> None:
    load = Load()
    missed: Counter[str] = Counter()

    async def look(number: int) -> None:
        """Write on one node, recall on the next."""
        writer, reader = workers[number], workers[(number + 1) % len(workers)]
        while time.monotonic() < until:
            content = await load.write_one(writer, HOT)
            missed["looked"] += 1
            missed["missed"] += content not in await reader.ask("recall", HOT, content)

    until = time.monotonic() + seconds
    before = await _conflicts(nodes)
    async with asyncio.TaskGroup() as group:
        for number, worker in enumerate(workers):
            group.create_task(look(number))
            for scope in range(SCOPES):
                group.create_task(load.write(worker, f"{worker.name}of{scope}"))
        await asyncio.sleep(seconds)
        load.stop()
    conflicts = await _conflicts(nodes) - before
    checks.say(f"{load.count} writes acknowledged, {conflicts} conflicts between nodes retried")
    checks.check(
        "what one node acknowledged is recalled at once on another",
        missed["looked"] > 0 and missed["missed"] == 0,
        f"{missed['looked'] - missed['missed']} of {missed['looked']}",
    )
    await _settle(checks, "", load, workers)


async def _lose_a_node(
    checks: Checks, nodes: Sequence[GaleraNode], workers: Sequence[Worker], seconds: float
) -> None:
    load = Load()
    async with asyncio.TaskGroup() as group:
        for worker in workers:
            group.create_task(load.write(worker, f"{worker.name} later"))
            group.create_task(load.write(worker, "hot later"))
        await asyncio.sleep(seconds / 4)
        await nodes[-1].node.kill()
        killed = time.monotonic()
        await asyncio.sleep(seconds)
        load.stop()
    after = sum(1 for moment in load.times if moment > killed)
    checks.check(
        "a node dies: the load goes on by itself",
        after > 0,
        f"{after} more writes, longest silence {load.longest_silence():.1f} s",
    )
    await _settle(checks, "a node dies: ", load, workers)


async def _settle(checks: Checks, prefix: str, load: Load, workers: Sequence[Worker]) -> None:
    """Nothing refused, lost or doubled, whichever process is asked."""
    refused = "none" if not load.refused else f"{len(load.refused)}, first: {load.refused[0]}"
    checks.check(f"{prefix}no write was refused", not load.refused, refused)
    found = [await load.missing_and_doubled(worker) for worker in workers]
    checks.check(
        f"{prefix}nothing is lost or doubled on any node",
        all(each == (0, 0) for each in found),
        f"{load.count} writes, missing {[m for m, _ in found]}, doubled {[d for _, d in found]}",
    )


async def _conflicts(nodes: Sequence[GaleraNode]) -> int:
    """Transactions that a node gave up because another was first."""
    names = ("local_cert_failures", "local_bf_aborts")
    return sum([int(await node.status(name)) for node in nodes for name in names])
