"""Cold start and memory: the server against a bare one, and the engine in a process alone."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.calls import LIMIT, USER, Plan
from benchmarks.places import Place
from benchmarks.processes import (
    ROOT,
    HandServer,
    ServerFailed,
    Start,
    echo_command,
    server_command,
    server_environment,
)
from benchmarks.report import Progress

BARE = "bare SDK server"
NEW = "memori-mcp, new database"
FILLED = "memori-mcp, filled database"


@dataclass(frozen=True, slots=True)
class StartRow:
    """Medians over the starts of one server.

    `cpu` and `wall` are seconds until `initialize` is answered, `first_call` the seconds of the
    tool call after it, `rss` bytes then and `rss_used` after a round of recalls; None where the
    platform does not tell.
    """

    server: str
    starts: int
    cpu: float
    wall: float
    first_call: float | None
    rss: float | None
    rss_used: float | None


@dataclass(frozen=True, slots=True)
class Footprint:
    """Resident bytes of a process that only holds the engine: after `import memori`, with the
    database open, and after a round of recalls; the last is the most it ever had."""

    imported: int
    opened: int
    used: int
    peak: int


@dataclass(frozen=True, slots=True)
class _Run:
    start: Start
    first_call: float | None
    rss_used: int | None


def measure_starts(
    place: Place, database: str, queries: Sequence[str], plan: Plan, starts: int, progress: Progress
) -> list[StartRow]:
    """Start each server `starts` times in turn, after one uncounted round.

    The first call is a `remember` where the database is new and a `recall` where it is filled.
    """
    new = iter(range(starts + 1))

    def bare() -> _Run:
        return _run(echo_command(), plan, ("echo", "text", queries[:1]), [])

    def fresh() -> _Run:
        url = place.new_database(f"new{next(new)}")
        return _run(server_command(url, USER), plan, ("remember", "content", queries[:1]), queries)

    def filled() -> _Run:
        return _run(server_command(database, USER), plan, ("recall", "query", queries[:1]), queries)

    servers: dict[str, Callable[[], _Run]] = {BARE: bare, NEW: fresh, FILLED: filled}
    runs: dict[str, list[_Run]] = {name: [] for name in servers}
    for number in range(starts + 1):
        for name, start in servers.items():
            progress.say(f"cold start {number} of {starts}: {name}")
            run = start()
            if number > 0:
                runs[name].append(run)
    progress.clear()
    return [_row(name, taken) for name, taken in runs.items()]


def _run(
    command: Sequence[str], plan: Plan, first: tuple[str, str, Sequence[str]], later: Sequence[str]
) -> _Run:
    with HandServer(command, server_environment(plan.environment)) as server:
        start = server.initialize()
        if not server.alive:
            return _Run(start, None, None)
        tool, argument, (value,) = first
        first_call = server.call(tool, {argument: value})
        for query in later:
            server.call("recall", {"query": query, "limit": LIMIT})
        return _Run(start, first_call, server.rss())


def _row(name: str, runs: Sequence[_Run]) -> StartRow:
    return StartRow(
        name,
        len(runs),
        median(run.start.cpu for run in runs),
        median(run.start.wall for run in runs),
        _median([run.first_call for run in runs]),
        _median([run.start.rss for run in runs]),
        _median([run.rss_used for run in runs]),
    )


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def measure_footprint(database: str, queries: Sequence[str], plan: Plan) -> Footprint:
    """Open the database in a new process, ask the queries there, and say what that took."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.footprint", database, USER, str(LIMIT)],
        input="\n".join(queries),
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=ROOT,
        env=server_environment(plan.environment),
        check=False,
    )
    if done.returncode != 0:
        raise ServerFailed(f"the footprint process failed: {done.stderr.strip()}")
    return Footprint(**json.loads(done.stdout))
