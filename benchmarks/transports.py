"""Transports beside a bare SDK server on the same one: single calls, many clients at once, idle
clients, and the time from starting a server to its first useful answer.

`python -m benchmarks.transports` runs this part of `benchmarks.speed` alone.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from benchmarks.calls import ASYNC, BLOCK, LIMIT, USER, Plan, corpus_for, fill
from benchmarks.places import Files
from benchmarks.processes import (
    ROOT,
    HandServer,
    Listening,
    ServerFailed,
    cpu_seconds,
    echo_command,
    resident_bytes,
    server_command,
    server_environment,
)
from benchmarks.report import Progress, table
from benchmarks.targets import Target, render_targets
from benchmarks.timing import Subject, Timing, alternate, in_loop, percentile
from memori import AsyncMemori

TRANSPORTS = ("stdio", "http", "sse")
SHARED = ("http", "sse")
BARE, OURS = "bare SDK server", "memori-mcp"
ECHO, BOTH = "echo", f"echo, then {ASYNC}"
CLIENTS = (1, 8, 32)
IDLE_CLIENTS = 64
#: Rounds in which the servers take turns with many clients.
ROUNDS = 4
#: What a recall may cost beyond that transport's echo and the in-process recall, in milliseconds.
EXCESS_MS = 0.5
#: Seconds from the start of a server to its first recall, beyond a bare server's first echo.
FIRST_ANSWER_S = 1.5
#: One client of a benchmark comes more often than one of people's.
_UNLIMITED = {"MEMORI_HTTP__REQUESTS_PER_MINUTE": "1000000000"}


@dataclass(frozen=True, slots=True)
class Crowd:
    """So many clients at once; `cpu` is the server's, in milliseconds a call."""

    transport: str
    server: str
    clients: int
    per_second: float
    p50: float
    p95: float
    cpu: float | None


@dataclass(frozen=True, slots=True)
class Idle:
    """Resident bytes of a server after a first client's call, and with idle clients besides."""

    transport: str
    server: str
    clients: int
    before: int
    after: int

    @property
    def each(self) -> float:
        """Bytes of one idle client."""
        return (self.after - self.before) / self.clients


@dataclass(frozen=True, slots=True)
class First:
    """Seconds from the start of a server to the answer of its first call: clock, processor."""

    transport: str
    server: str
    wall: float
    cpu: float | None


@dataclass(frozen=True, slots=True)
class Measured:
    """Everything of this part."""

    memories: int
    calls: dict[str, dict[str, Timing]]
    crowds: list[Crowd]
    idle: list[Idle]
    first: list[First]


async def measure(
    database: str, memories: int, plan: Plan, starts: int, progress: Progress
) -> Measured:
    """Measure at a database that holds so many memories of the benchmark's user."""
    queries = corpus_for(memories, plan).queries
    calls: dict[str, dict[str, Timing]] = {}
    crowds: list[Crowd] = []
    idle: list[Idle] = []
    async with AsyncMemori(database, user_id=USER, settings=plan.settings(database)) as memori:
        for transport in TRANSPORTS:
            progress.say(f"recall over {transport}")
            calls[transport] = await _single(transport, database, queries, plan, memori)
    for transport in SHARED:
        progress.say(f"many clients over {transport}")
        crowds += await _crowds(transport, database, queries, plan)
        progress.say(f"idle clients over {transport}")
        idle += [
            await _idle(transport, server, command, queries, plan)
            for server, command in _servers(transport, database)
        ]
    first = await _first(database, queries[0], plan, starts, progress)
    progress.clear()
    return Measured(memories, calls, crowds, idle, first)


def _servers(transport: str, database: str) -> list[tuple[str, list[str]]]:
    return [
        (BARE, echo_command(transport)),
        (OURS, server_command(database, USER, transport)),
    ]


def _environment(plan: Plan) -> dict[str, str]:
    return server_environment({**plan.environment, **_UNLIMITED})


@asynccontextmanager
async def _started(
    transport: str, command: Sequence[str], plan: Plan
) -> AsyncGenerator[tuple[Callable[[], AbstractAsyncContextManager[Client]], Listening | None]]:
    """A server, as what makes clients of it; over stdio each client is a server of its own."""
    if transport == "stdio":
        parameters = StdioServerParameters(
            command=command[0], args=list(command[1:]), env=dict(plan.environment), cwd=ROOT
        )
        yield lambda: Client(stdio_client(parameters, errlog=sys.stderr)), None
        return
    with Listening(command, _environment(plan)) as server:
        url = await server.address()
        if transport == "sse":
            yield (
                lambda: Client(sse_client(url, httpx_client_factory=_http_client), mode="legacy"),
                server,
            )
        else:
            yield lambda: _over_http(url), server


@asynccontextmanager
async def _over_http(url: str) -> AsyncGenerator[Client]:
    async with (
        _http_client() as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        yield client


def _http_client(
    headers: dict[str, str] | None = None,
    timeout: httpx2.Timeout | None = None,
    auth: httpx2.Auth | None = None,
) -> httpx2.AsyncClient:
    """An HTTP client that does not read the certificates of the world, which takes 100 ms."""
    return httpx2.AsyncClient(
        headers=headers,
        auth=auth,
        timeout=timeout or httpx2.Timeout(30, read=600),
        verify=False,  # it is loopback, without TLS
    )


def _asks(client: Client, server: str) -> Callable[[str], Awaitable[None]]:
    """One call: an echo of the bare server, a recall of ours."""

    async def echo(text: str) -> None:
        await client.call_tool("echo", {"text": text})

    async def recall(text: str) -> None:
        result = await client.call_tool("recall", {"query": text, "limit": LIMIT})
        if result.is_error:
            raise ServerFailed(f"recall: {result.content}")

    return echo if server == BARE else recall


async def _single(
    transport: str, database: str, queries: Sequence[str], plan: Plan, memori: AsyncMemori
) -> dict[str, Timing]:
    async with AsyncExitStack() as stack:
        ask: dict[str, Callable[[str], Awaitable[None]]] = {}
        for server, command in _servers(transport, database):
            make, _ = await stack.enter_async_context(_started(transport, command, plan))
            ask[server] = _asks(await stack.enter_async_context(make()), server)

        async def alone(text: str) -> None:
            await memori.recall(text, limit=LIMIT)

        async def both(text: str) -> None:
            await ask[BARE](text)
            await alone(text)

        asked, others = queries[: plan.calls], queries[plan.calls :]
        subjects: list[Subject[Any]] = [
            Subject(ASYNC, in_loop(alone), others),
            Subject(ECHO, in_loop(ask[BARE]), asked),
            Subject(BOTH, in_loop(both), others),
            Subject(OURS, in_loop(ask[OURS]), asked),
        ]
        return dict(await alternate(subjects, block=BLOCK))


async def _crowds(transport: str, database: str, queries: Sequence[str], plan: Plan) -> list[Crowd]:
    found: list[Crowd] = []
    async with AsyncExitStack() as stack:
        askers: dict[str, list[Callable[[str], Awaitable[None]]]] = {}
        pids: dict[str, int] = {}
        for server, command in _servers(transport, database):
            make, process = await stack.enter_async_context(_started(transport, command, plan))
            assert process is not None
            pids[server] = process.pid
            askers[server] = [
                _asks(await stack.enter_async_context(make()), server) for _ in range(max(CLIENTS))
            ]
            await askers[server][0](queries[0])
        for clients in CLIENTS:
            each = max(1, plan.samples // clients)
            seconds: dict[str, list[float]] = {server: [] for server in askers}
            whole, cpu = dict.fromkeys(askers, 0.0), dict.fromkeys(askers, 0.0)
            for number in range(ROUNDS + 1):  # the first one only warms up
                for server, asking in askers.items():
                    before, began = cpu_seconds(pids[server]), time.perf_counter()
                    taken = await _together(asking[:clients], queries, each)
                    after = cpu_seconds(pids[server])
                    if number > 0:
                        whole[server] += time.perf_counter() - began
                        cpu[server] += (after or 0.0) - (before or 0.0)
                        seconds[server] += taken
            for server, taken in seconds.items():
                found.append(
                    Crowd(
                        transport,
                        server,
                        clients,
                        len(taken) / whole[server],
                        percentile(taken, 0.5) * 1000,
                        percentile(taken, 0.95) * 1000,
                        cpu[server] / len(taken) * 1000 or None,
                    )
                )
    return found


async def _together(
    asking: Sequence[Callable[[str], Awaitable[None]]], queries: Sequence[str], each: int
) -> list[float]:
    """Every client asks so many questions, one after the other, all of them at once."""

    async def one(number: int, ask: Callable[[str], Awaitable[None]]) -> list[float]:
        taken: list[float] = []
        for turn in range(each):
            began = time.perf_counter()
            await ask(queries[(number * each + turn) % len(queries)])
            taken.append(time.perf_counter() - began)
        return taken

    done = await asyncio.gather(*(one(number, ask) for number, ask in enumerate(asking)))
    return [seconds for taken in done for seconds in taken]


async def _idle(
    transport: str, server: str, command: Sequence[str], queries: Sequence[str], plan: Plan
) -> Idle:
    """Clients that have connected, asked once, and listen, as hosts do."""
    async with AsyncExitStack() as stack:
        make, process = await stack.enter_async_context(_started(transport, command, plan))
        assert process is not None

        async def join(query: str) -> None:
            client = await stack.enter_async_context(make())
            await _asks(client, server)(query)
            if transport == "http":
                uris = ["memori://working-context"]
                await stack.enter_async_context(client.listen(resource_subscriptions=uris))

        for query in queries[:8]:  # what one client makes the server load is not the others'
            await join(query)
        before = resident_bytes(process.pid) or 0
        for number in range(IDLE_CLIENTS):
            await join(queries[number % len(queries)])
        await asyncio.sleep(1)
        after = resident_bytes(process.pid) or 0
        return Idle(transport, server, IDLE_CLIENTS, before, after)


async def _first(
    database: str, query: str, plan: Plan, starts: int, progress: Progress
) -> list[First]:
    taken: dict[tuple[str, str], list[First]] = {}
    for number in range(starts + 1):  # the first one only warms the machine's caches
        for transport in TRANSPORTS:
            progress.say(f"start to first answer {number} of {starts}: {transport}")
            for server, command in _servers(transport, database):
                found = await _to_first_answer(transport, server, command, query, plan)
                if number > 0:
                    taken.setdefault((transport, server), []).append(found)
    return [
        First(
            transport,
            server,
            median(run.wall for run in runs),
            None if any(run.cpu is None for run in runs) else median(run.cpu or 0 for run in runs),
        )
        for (transport, server), runs in taken.items()
    ]


async def _to_first_answer(
    transport: str, server: str, command: Sequence[str], query: str, plan: Plan
) -> First:
    began = time.perf_counter()
    if transport == "stdio":
        tool, argument = ("echo", "text") if server == BARE else ("recall", "query")
        with HandServer(command, _environment(plan)) as by_hand:
            by_hand.initialize()
            if not by_hand.alive:
                raise ServerFailed("the time to a first answer is measured where there is /proc")
            by_hand.call(tool, {argument: query})
            return First(transport, server, time.perf_counter() - began, by_hand.cpu())
    async with _started(transport, command, plan) as (make, process), make() as client:
        await _asks(client, server)(query)
        assert process is not None
        return First(transport, server, time.perf_counter() - began, cpu_seconds(process.pid))


def targets_of(measured: Measured) -> list[Target]:
    """What the figures are held to."""
    targets: list[Target] = []
    for transport, timings in measured.calls.items():
        beyond = timings[OURS].p50 - timings[BOTH].p50
        name = f"recall over {transport} - (echo + in process), p50 ms"
        targets.append(Target(name, beyond, EXCESS_MS))
    first = {(row.transport, row.server): row for row in measured.first}
    for transport in TRANSPORTS:
        beyond = first[transport, OURS].wall - first[transport, BARE].wall
        name = f"start to first recall over {transport} - bare to first echo, s"
        targets.append(Target(name, beyond, FIRST_ANSWER_S))
    return targets


def render(measured: Measured) -> str:
    """The tables."""
    calls = [
        [
            f"recall over {transport}: {subject}",
            str(timing.calls),
            f"{timing.p50:.3f}",
            f"{timing.p95:.3f}",
            f"{timing.p50 - timings[BOTH].p50:+.2f}" if subject == OURS else "",
        ]
        for transport, timings in measured.calls.items()
        for subject, timing in timings.items()
    ]
    crowds = [
        [
            f"{row.transport}: {row.server}",
            str(row.clients),
            f"{row.per_second:.0f}",
            f"{row.p50:.2f}",
            f"{row.p95:.2f}",
            "-" if row.cpu is None else f"{row.cpu:.2f}",
        ]
        for row in measured.crowds
    ]
    idle = [
        [
            f"{row.transport}: {row.server}",
            str(row.clients),
            f"{row.before / 1e6:.1f}",
            f"{row.after / 1e6:.1f}",
            f"{row.each / 1000:.0f}",
        ]
        for row in measured.idle
    ]
    first = [
        [
            f"{row.transport}: {row.server}",
            f"{row.wall:.2f}",
            "-" if row.cpu is None else f"{row.cpu:.2f}",
        ]
        for row in measured.first
    ]
    at = f"at {measured.memories} memories"
    tables = (
        (["one client", "calls", "p50 ms", "p95 ms", "excess ms"], calls),
        (["clients at once", "clients", "calls / s", "p50 ms", "p95 ms", "CPU ms"], crowds),
        (["idle clients", "clients", "RSS MB", "with them MB", "each kB"], idle),
        (["start to first answer", "wall s", "CPU s"], first),
    )
    return "\n\n".join(table([f"{head[0]}, {at}", *head[1:]], rows) for head, rows in tables)


def main(argv: Sequence[str] | None = None) -> int:
    """Run this part alone; 0 when it measured, 1 when it could not."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.transports", description=__doc__)
    parser.add_argument("--memories", type=int, default=10_000, help="stored (default: 10000)")
    parser.add_argument("--samples", type=int, default=200, help="counted calls of each kind")
    parser.add_argument("--starts", type=int, default=5, help="counted starts of each kind")
    given = parser.parse_args(argv)
    plan, progress = Plan(given.samples, "full", stdio=True), Progress()

    async def run(database: str) -> Measured:
        settings = plan.settings(database)
        async with AsyncMemori(database, user_id=USER, settings=settings) as memori:
            await fill(memori, corpus_for(given.memories, plan).memories, progress)
        return await measure(database, given.memories, plan, given.starts, progress)

    try:
        with (
            TemporaryDirectory(prefix="memori-transports-") as root,
            Files(Path(root), "full") as place,
        ):
            measured = asyncio.run(run(place.new_database("transports")))
    except (ServerFailed, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    print(render(measured), end="\n\n")
    print(render_targets(f"target at {given.memories} memories", targets_of(measured)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
