"""Time of single calls: memori in process and over stdio, beside the floors.

For each number of memories one database is filled through `remember`; then each verb's
subjects take turns (see `timing.alternate`), all of them on that database and the same texts.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from benchmarks.floors import Durability
from benchmarks.places import Floors, Place
from benchmarks.processes import ROOT, ServerFailed, echo_command, server_command
from benchmarks.report import Progress
from benchmarks.synthetic import Corpus, generate
from benchmarks.timing import Subject, Timing, alternate, blocking, in_loop
from memori import AsyncMemori, Memori, Receipt, Settings
from memori.config import DatabaseSettings

FLOOR = "floor"
ASYNC = "AsyncMemori"
SYNC = "Memori"
ECHO = "echo over stdio"
BOTH = "echo, then AsyncMemori"
STDIO = "memori-mcp over stdio"

REMEMBER = "remember"
RECORD = "record"
RECALL = "recall"
CONTEXT = "working_context"

#: The user all measured memories belong to.
USER = "benchmark"
#: Hits asked for by a recall, rows by the query floor.
LIMIT = 10
#: Calls a subject makes before the next one takes its turn.
BLOCK = 10

T = TypeVar("T")
Exchange = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the report: how long a verb took one subject, with `memories` stored."""

    memories: int
    verb: str
    subject: str
    timing: Timing


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured: `samples` counted calls per verb and subject, and the doors."""

    samples: int
    durability: Durability
    stdio: bool

    @property
    def calls(self) -> int:
        """Calls per verb and subject, with those that only warm up."""
        return self.samples + BLOCK

    @property
    def environment(self) -> dict[str, str]:
        """What a server process is told beside its arguments."""
        return {"MEMORI_DATABASE__DURABILITY": self.durability}

    def settings(self, database: str) -> Settings:
        """Settings for a database, the same in process as the server's."""
        return Settings(
            database=DatabaseSettings(connection_string=database, durability=self.durability)
        )


def corpus_for(memories: int, plan: Plan) -> Corpus:
    """Texts for one number of memories. No query and no written text is used twice by memori,
    so that nothing it might keep from an earlier call helps it."""
    return generate(memories, queries=2 * plan.calls, spare=8 * plan.calls)


async def fill(memori: AsyncMemori, texts: Sequence[str], progress: Progress) -> None:
    """Remember the texts, one by one."""
    for number, text in enumerate(texts, start=1):
        _stored(await memori.remember(text))
        if number % 100 == 0:
            progress.say(f"storing {number} of {len(texts)} memories")


def _stored(*receipts: Receipt) -> None:
    """A refused write is quick and proves nothing: fail instead of timing it."""
    for receipt in receipts:
        if receipt.status != "stored":
            raise ServerFailed(f"a write was answered {receipt.status}: {receipt.reason}")


async def measure(
    place: Place, database: str, memories: int, plan: Plan, progress: Progress
) -> list[Row]:
    """Rows for one number of memories, which the database of that place holds afterwards."""
    corpus = corpus_for(memories, plan)
    async with AsyncExitStack() as stack:
        settings = plan.settings(database)
        ours = await stack.enter_async_context(
            AsyncMemori(database, user_id=USER, settings=settings)
        )
        await fill(ours, corpus.memories, progress)
        sync = await asyncio.to_thread(lambda: Memori(database, user_id=USER, settings=settings))
        stack.push_async_callback(asyncio.to_thread, sync.close)
        floors = await stack.enter_async_context(place.floors(database, corpus.memories, LIMIT))
        servers: _Servers | None = None
        if plan.stdio:
            progress.say("starting the servers")
            servers = await stack.enter_async_context(_servers(database, plan))
        rows: list[Row] = []
        for verb, subjects in _verbs(corpus, plan, ours, sync, floors, servers):
            progress.say(f"{memories} memories: {verb}")
            timings = await alternate(subjects, block=BLOCK)
            rows += [Row(memories, verb, name, timing) for name, timing in timings.items()]
    progress.clear()
    return rows


def _verbs(
    corpus: Corpus,
    plan: Plan,
    ours: AsyncMemori,
    sync: Memori,
    floors: Floors,
    servers: _Servers | None,
) -> list[tuple[str, list[Subject[Any]]]]:
    """Each verb with its subjects. Reads come before writes: they see `memories` and no more."""
    n = plan.calls
    asked, tasks = corpus.queries[:n], corpus.queries[n:]
    spare = [corpus.spare[i * n : (i + 1) * n] for i in range(8)]

    async def remember(text: str) -> None:
        _stored(await ours.remember(text))

    async def record(exchange: Exchange) -> None:
        _stored(*await ours.record(_messages(exchange), session_id="measured"))

    exchanges = list(zip(spare[3], spare[4], strict=True))
    verbs: list[tuple[str, list[Subject[Any]]]] = [
        (
            RECALL,
            [
                Subject(FLOOR, floors.search, asked),
                Subject(ASYNC, in_loop(lambda text: ours.recall(text, limit=LIMIT)), asked),
                Subject(SYNC, blocking(lambda text: sync.recall(text, limit=LIMIT)), asked),
            ],
        ),
        (
            CONTEXT,
            [
                Subject(FLOOR, floors.search, tasks),
                Subject(ASYNC, in_loop(lambda text: ours.working_context(text)), tasks),
                Subject(SYNC, blocking(lambda text: sync.working_context(text)), tasks),
            ],
        ),
        (
            REMEMBER,
            [
                Subject(FLOOR, floors.insert, [(text,) for text in spare[0]]),
                Subject(ASYNC, in_loop(remember), spare[0]),
                Subject(SYNC, blocking(lambda text: _stored(sync.remember(text))), spare[1]),
            ],
        ),
        (
            RECORD,
            [
                Subject(FLOOR, floors.insert, exchanges),
                Subject(ASYNC, in_loop(record), exchanges),
                Subject(
                    SYNC,
                    blocking(lambda exchange: _stored(*sync.record(_messages(exchange)))),
                    list(zip(spare[5], spare[6], strict=True)),
                ),
            ],
        ),
    ]
    if servers is not None:
        tools: dict[str, _Tool] = {
            RECALL: _Tool(
                lambda text: servers.call("recall", query=text, limit=LIMIT),
                asked,
                lambda text: ours.recall(text, limit=LIMIT),
                asked,
            ),
            CONTEXT: _Tool(
                lambda text: servers.call("get_working_context", task=text),
                tasks,
                lambda text: ours.working_context(text),
                tasks,
            ),
            REMEMBER: _Tool(
                lambda text: servers.call("remember", content=text), spare[2], remember, spare[7]
            ),
        }
        for verb, subjects in verbs:
            if verb in tools:
                tool = tools[verb]
                both = in_loop(servers.after_echo(tool.alone))
                subjects.append(Subject(ECHO, in_loop(servers.echo), tool.items))
                subjects.append(Subject(BOTH, both, tool.alone_items))
                subjects.append(Subject(STDIO, in_loop(tool.call), tool.items))
    return verbs


@dataclass(frozen=True, slots=True)
class _Tool:
    """A tool call over stdio, and the same verb in process, each with its texts."""

    call: Callable[[str], Awaitable[None]]
    items: Sequence[str]
    alone: Callable[[str], Awaitable[object]]
    alone_items: Sequence[str]


def _messages(exchange: Exchange) -> list[dict[str, str]]:
    """A question and its answer as an application would hand them over."""
    asked, answered = exchange
    return [
        {"role": "user", "content": asked},
        {"role": "assistant", "content": answered},
    ]


class _Servers:
    """The SDK's clients of both servers, connected over stdio."""

    def __init__(self, ours: Client, bare: Client) -> None:
        self._ours = ours
        self._bare = bare

    async def call(self, tool: str, **arguments: Any) -> None:
        result = await self._ours.call_tool(tool, arguments)
        if result.is_error:
            raise ServerFailed(f"{tool}: {result.content}")

    async def echo(self, text: str) -> None:
        await self._bare.call_tool("echo", {"text": text})

    def after_echo(
        self, alone: Callable[[str], Awaitable[object]]
    ) -> Callable[[str], Awaitable[None]]:
        """An echo followed by a call in process, as one: what the call over stdio is held to.

        In a loop of nothing else a call runs on warm caches that no server has, whose protocol
        code runs between any two calls.
        """

        async def both(text: str) -> None:
            await self.echo(text)
            await alone(text)

        return both


@asynccontextmanager
async def _servers(database: str, plan: Plan) -> AsyncGenerator[_Servers]:
    async with (
        _client(server_command(database, USER), plan) as ours,
        _client(echo_command(), plan) as bare,
    ):
        yield _Servers(ours, bare)


def _client(command: Sequence[str], plan: Plan) -> Client:
    parameters = StdioServerParameters(
        command=command[0], args=list(command[1:]), env=plan.environment, cwd=ROOT
    )
    # The SDK's default is the stderr of when it was imported.
    return Client(stdio_client(parameters, errlog=sys.stderr))
