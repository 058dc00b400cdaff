"""Speed of memori beside its floors: `python -m benchmarks.speed`.

Calls in process, over stdio and of a model, cold start, memory; each beside its floor, measured in
the same run and in turns with it. See README.md beside this file for the columns, floors.py for the
floors. Times are this machine's; only the ratios mean something elsewhere.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import interception, promotion, transports
from benchmarks.calls import (
    ASYNC,
    BLOCK,
    BOTH,
    ECHO,
    FLOOR,
    LIMIT,
    STDIO,
    Plan,
    Row,
    corpus_for,
    measure,
)
from benchmarks.places import Files, Place, Server
from benchmarks.processes import ServerFailed
from benchmarks.report import Progress, surroundings, table
from benchmarks.starts import Footprint, StartRow, measure_footprint, measure_starts
from benchmarks.targets import (
    Target,
    by_subject,
    call_targets,
    excess,
    render_targets,
    start_targets,
)
from benchmarks.timing import Timing
from memori import ConfigurationError, MemoriError
from memori.store.url import parse_url

#: Recalls a process has answered when its memory is read.
RECALLS_BEFORE_MEMORY = 50
MEGABYTE = 1_000_000
#: Starts of each server on each transport, at most: there are six.
FEW_STARTS = 5


def render_calls(rows: Sequence[Row]) -> str:
    """The table of calls."""
    header = [
        "verb / subject",
        "memories",
        "calls",
        "p50 ms",
        "p95 ms",
        "x floor",
        "CPU ms",
        "x floor",
        "excess ms",
    ]
    cells: list[list[str]] = []
    for memories, verb in dict.fromkeys((r.memories, r.verb) for r in rows):
        timings = by_subject(rows, memories, verb)
        for subject, timing in timings.items():
            beyond = excess(timings) if subject == STDIO else None
            floor = timings[FLOOR]
            # Over stdio most of the work is another process's, which this time leaves out.
            alone = subject not in (STDIO, ECHO, BOTH)
            cells.append(
                [
                    f"{verb}: {subject}",
                    str(memories),
                    str(timing.calls),
                    f"{timing.p50:.3f}",
                    f"{timing.p95:.3f}",
                    f"{timing.p50 / floor.p50:.1f}",
                    f"{timing.cpu:.3f}" if alone else "",
                    f"{timing.cpu / floor.cpu:.1f}" if alone else "",
                    "" if beyond is None else f"{beyond:+.2f}",
                ]
            )
    return table(header, cells)


def render_starts(rows: Sequence[StartRow]) -> str:
    """The table of cold starts."""
    header = ["server", "starts", "CPU s", "wall s", "first call s", "RSS MB", "RSS used MB"]
    return table(
        header,
        [
            [
                row.server,
                str(row.starts),
                f"{row.cpu:.2f}",
                f"{row.wall:.2f}",
                _figure(row.first_call, 1, 3),
                _figure(row.rss, MEGABYTE, 1),
                _figure(row.rss_used, MEGABYTE, 1),
            ]
            for row in rows
        ],
    )


def _figure(value: float | None, unit: int, digits: int) -> str:
    return "-" if value is None else f"{value / unit:.{digits}f}"


def as_report(
    engine: str,
    plan: Plan,
    calls: Sequence[Row],
    intercepted: dict[str, Timing],
    starts: Sequence[StartRow],
    footprint: Footprint,
    targets: Sequence[tuple[int | None, Target]],
) -> dict[str, Any]:
    """Everything the run found, JSON-ready."""
    return {
        "benchmark": "speed",
        "surroundings": surroundings(),
        "database": engine,
        "settings": {**asdict(plan), "limit": LIMIT, "block": BLOCK},
        "calls": [asdict(row) for row in calls],
        "intercepted": {name: asdict(timing) for name, timing in intercepted.items()},
        "starts": [asdict(row) for row in starts],
        "footprint": asdict(footprint),
        "targets": [
            {"memories": memories, **asdict(target), "met": target.met}
            for memories, target in targets
        ],
    }


def parser() -> argparse.ArgumentParser:
    """The command line of `python -m benchmarks.speed`."""
    made = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    made.add_argument(
        "--memories",
        type=_counts,
        default=(1000, 10000),
        metavar="N,N",
        help="numbers of memories of one owner to measure at (default: 1000,10000)",
    )
    made.add_argument("--samples", type=_positive, default=200, help="counted calls of each kind")
    made.add_argument(
        "--starts", type=_positive, default=7, help="counted cold starts of each kind"
    )
    made.add_argument(
        "--durability",
        choices=("full", "process"),
        default="full",
        help="of memori and of the floors on SQLite; a server's is set there (default: full)",
    )
    made.add_argument(
        "--database",
        metavar="URL",
        help="a PostgreSQL, MySQL or MariaDB server, by the URL of any database there and an "
        "account that may create others: what is made is dropped (default: SQLite files)",
    )
    made.add_argument(
        "--in-process",
        action="store_true",
        help="leave out the servers: no transports, no interception, no cold start",
    )
    made.add_argument(
        "--promotion",
        action="store_true",
        help="also promotion at 1,000,000 memories of one owner and among 10,000 owners, on SQLite "
        "files (some minutes; python -m benchmarks.promotion alone takes other sizes)",
    )
    made.add_argument("--json", type=Path, metavar="OUT", help="also write everything here")
    return made


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def _counts(text: str) -> tuple[int, ...]:
    return tuple(_positive(part) for part in text.split(","))


def _place(arguments: argparse.Namespace, folder: str) -> Place:
    if arguments.database is None:
        return Files(Path(folder), arguments.durability)
    if parse_url(arguments.database).dialect == "sqlite":
        raise ConfigurationError(
            "--database names a server; SQLite is measured without it, on files of its own"
        )
    return Server(arguments.database)


def run(arguments: argparse.Namespace) -> None:
    """Measure and print. Raises MemoriError, ServerFailed and OSError."""
    plan = Plan(arguments.samples, arguments.durability, not arguments.in_process)
    progress = Progress()
    calls: list[Row] = []
    intercepted: dict[str, Timing] = {}
    starts: list[StartRow] = []
    reached: transports.Measured | None = None
    targets: list[tuple[int | None, Target]] = []
    with TemporaryDirectory(prefix="memori-speed-") as root, _place(arguments, root) as place:
        database, queries, engine = "", (), place.engine
        print(f"database: {engine}", end="\n\n")
        for memories in sorted(set(arguments.memories)):
            database = place.new_database(str(memories))
            rows = asyncio.run(measure(place, database, memories, plan, progress))
            queries = corpus_for(memories, plan).queries[:RECALLS_BEFORE_MEMORY]
            calls += rows
            targets += [(memories, target) for target in call_targets(rows, memories)]
        # The largest database is the last one filled.
        footprint = measure_footprint(database, queries, plan)
        if plan.stdio:
            most, few = max(arguments.memories), min(arguments.starts, FEW_STARTS)
            intercepted = asyncio.run(
                interception.measure(place, most, arguments.samples, progress)
            )
            targets += [(most, target) for target in interception.targets_of(intercepted)]
            starts = measure_starts(place, database, queries, plan, arguments.starts, progress)
            targets += [(None, target) for target in start_targets(starts)]
            reached = asyncio.run(transports.measure(database, most, plan, few, progress))
            targets += [(most, target) for target in transports.targets_of(reached)]
    promoted = None
    if arguments.promotion:
        promoted = promotion.measure(promotion.Sizes(), progress)
        targets += [(None, target) for target in promotion.targets_of(*promoted)]
    print(render_calls(calls), end="\n\n")
    if intercepted:
        print(interception.render(intercepted), end="\n\n")
    if starts:
        print(render_starts(starts), end="\n\n")
    if reached is not None:
        print(transports.render(reached), end="\n\n")
    print(render_footprint(footprint), end="\n\n")
    if promoted is not None:
        print(promotion.render(*promoted), end="\n\n")
    for memories in dict.fromkeys(memories for memories, _ in targets):
        held_to = [target for at, target in targets if at == memories]
        title = "target" if memories is None else f"target at {memories} memories"
        print(render_targets(title, held_to), end="\n\n")
    if arguments.json is not None:
        report = as_report(engine, plan, calls, intercepted, starts, footprint, targets)
        if reached is not None:
            report["transports"] = asdict(reached)
        if promoted is not None:
            report["promotion"] = promotion.as_report(*promoted)
        arguments.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def render_footprint(footprint: Footprint) -> str:
    """The memory of a process with the engine alone."""
    header = [f"{ASYNC} alone", "imported MB", "opened MB", "used MB", "peak MB"]
    values = (footprint.imported, footprint.opened, footprint.used, footprint.peak)
    return table(header, [["resident memory", *(_figure(v, MEGABYTE, 1) for v in values)]])


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 when it measured (targets met or not), 1 when it could not."""
    arguments = parser().parse_args(argv)
    try:
        run(arguments)
    except (MemoriError, ServerFailed, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
