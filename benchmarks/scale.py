"""Speed as one owner's memory grows, and as owners grow many: `python -m benchmarks.scale`.

One database is filled with turns through `record`, and recall and record are timed at each size
beside the floors of the same run; another holds many owners and is asked beside one that holds
a single one. See README.md beside this file for the columns. Only the ratios mean something on
another machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.calls import ASYNC, BLOCK, FLOOR, LIMIT, RECALL, RECORD, USER, Plan
from benchmarks.conversations import read_labelled_files
from benchmarks.floors import InsertFloor, QueryFloor
from benchmarks.growing import Shape, Speech, shape_of
from benchmarks.labels import LabelledFileError
from benchmarks.owners import OwnersRow, measure_owners
from benchmarks.processes import ServerFailed
from benchmarks.report import Progress, surroundings, table
from benchmarks.starts import measure_footprint
from benchmarks.targets import Target, render_targets
from benchmarks.timing import Subject, Timing, alternate, blocking, in_loop
from memori import AsyncMemori, MemoriError, Turn

#: Recalls a process has answered when its memory is read.
RECALLS_BEFORE_MEMORY = 50
MEGABYTE = 1_000_000
COMMON = "recall, common words"
#: Recall in floors, p50, from this many turns on.
TIMES_FLOOR = {1_000_000: 2.0, 100_000: 3.0}
#: What a question of common words may take, in recalls.
TIMES_RECALL = 2.0
#: What a recall may take among many owners, in recalls of an owner alone.
TIMES_ALONE = 1.2


@dataclass(frozen=True, slots=True)
class Size:
    """One owner's memory at one size: times by verb and subject, and what it takes.

    `rate` is turns recorded a second while it was filled up to here, `disk` and `floor_disk`
    bytes of the files, `peak` the most resident bytes of a process that opened it and recalled.
    """

    turns: int
    timings: dict[str, dict[str, Timing]]
    rate: float
    disk: int
    floor_disk: int
    peak: int


async def measure_sizes(
    folder: Path, sizes: Sequence[int], shape: Shape, plan: Plan, progress: Progress
) -> list[Size]:
    """Fill one database up to each size in turn, and measure there."""
    speech = Speech(shape)
    database = f"sqlite:///{folder / 'memori.db'}"
    measured: list[Size] = []
    async with AsyncExitStack() as stack:
        ours = await stack.enter_async_context(
            AsyncMemori(database, user_id=USER, settings=plan.settings(database))
        )
        inserts = stack.enter_context(InsertFloor(folder / "rows.db", plan.durability))
        query = stack.enter_context(
            QueryFloor([], path=folder / "texts.db", durability=plan.durability)
        )
        for turns in sizes:
            rate = await _fill(ours, speech, turns, inserts, query, progress)
            progress.say(f"{turns} turns: measuring")
            timings = await _time(ours, speech, inserts, query, plan)
            footprint = measure_footprint(
                database, [*speech.questions(RECALLS_BEFORE_MEMORY)], plan
            )
            measured.append(
                Size(
                    turns=turns,
                    timings=timings,
                    rate=rate,
                    disk=_bytes(folder / "memori.db"),
                    floor_disk=_bytes(folder / "texts.db"),
                    peak=footprint.peak,
                )
            )
    progress.clear()
    return measured


async def _fill(
    ours: AsyncMemori,
    speech: Speech,
    turns: int,
    inserts: InsertFloor,
    query: QueryFloor,
    progress: Progress,
) -> float:
    """Record until there are so many turns; how many a second. The floors get the same texts."""
    before, spent = speech.turns, 0.0
    for session, said in speech.sessions(turns):
        started = time.perf_counter()
        await _record(ours, said, session)
        spent += time.perf_counter() - started
        texts = [turn.content for turn in said]
        inserts.insert(texts)
        query.add(texts)
        progress.say(f"recording {speech.turns} of {turns} turns")
    return (speech.turns - before) / spent if spent else 0.0


async def _record(ours: AsyncMemori, said: Sequence[Turn], session: str) -> None:
    for receipt in await ours.record(said, session_id=session):
        if receipt.status != "stored":
            raise ServerFailed(f"a write was answered {receipt.status}: {receipt.reason}")


async def _time(
    ours: AsyncMemori, speech: Speech, inserts: InsertFloor, query: QueryFloor, plan: Plan
) -> dict[str, dict[str, Timing]]:
    """Reads before writes; no question is asked of memori twice."""
    asked, common = speech.questions(plan.calls), speech.common_questions(plan.calls)
    aside = Speech(speech.shape, seed=speech.turns)
    exchanges = [aside.session(2) for _ in range(plan.calls)]

    def floor(text: str) -> object:
        return query.search(text, LIMIT)

    async def recall(text: str) -> None:
        await ours.recall(text, limit=LIMIT)

    subjects: dict[str, list[Subject[Any]]] = {
        verb: [Subject(FLOOR, blocking(floor), texts), Subject(ASYNC, in_loop(recall), texts)]
        for verb, texts in ((RECALL, asked), (COMMON, common))
    }
    subjects[RECORD] = [
        Subject(
            FLOOR,
            blocking(lambda said: inserts.insert([turn.content for turn in said])),
            exchanges,
        ),
        Subject(
            ASYNC, in_loop(lambda said: _record(ours, said, f"aside {speech.turns}")), exchanges
        ),
    ]
    return {verb: dict(await alternate(pair, block=BLOCK)) for verb, pair in subjects.items()}


def _bytes(file: Path) -> int:
    """The file and its write-ahead log."""
    files = (file, file.with_name(file.name + "-wal"))
    return sum(each.stat().st_size for each in files if each.exists())


def render_sizes(sizes: Sequence[Size]) -> str:
    """Times at each size, then what the memory takes."""
    header = [
        "verb / subject",
        "turns",
        "calls",
        "p50 ms",
        "p95 ms",
        "x floor",
        "CPU ms",
        "x floor",
    ]
    rows: list[list[str]] = []
    for size in sizes:
        for verb, timings in size.timings.items():
            for subject, timing in timings.items():
                rows.append(
                    [
                        f"{verb}: {subject}",
                        f"{size.turns}",
                        f"{timing.calls}",
                        f"{timing.p50:.2f}",
                        f"{timing.p95:.2f}",
                        f"{timing.p50 / timings[FLOOR].p50:.2f}",
                        f"{timing.cpu:.2f}",
                        f"{timing.cpu / timings[FLOOR].cpu:.2f}",
                    ]
                )
    taken = table(
        ["turns", "recorded / s", "disk MB", "floor MB", "bytes a turn", "peak RSS MB"],
        [
            [
                f"{size.turns}",
                f"{size.rate:.0f}",
                f"{size.disk / MEGABYTE:.1f}",
                f"{size.floor_disk / MEGABYTE:.1f}",
                f"{size.disk / size.turns:.0f}",
                f"{size.peak / MEGABYTE:.1f}",
            ]
            for size in sizes
        ],
    )
    return f"{table(header, rows)}\n\n{taken}"


def render_owners(row: OwnersRow) -> str:
    """Many owners beside one."""
    return table(
        ["recall of one owner", "calls", "p50 ms", "p95 ms", "x alone"],
        [
            [name, f"{t.calls}", f"{t.p50:.2f}", f"{t.p95:.2f}", f"{t.p50 / row.alone.p50:.2f}"]
            for name, t in (
                (f"alone, {row.memories} memories", row.alone),
                (f"among {row.owners} owners of as many", row.among),
            )
        ],
    )


def targets(sizes: Sequence[Size], owners: OwnersRow | None) -> list[Target]:
    """What the ratios are held to."""
    held: list[Target] = []
    for size in sizes:
        recall, common = size.timings[RECALL], size.timings[COMMON]
        limit = next((x for turns, x in TIMES_FLOOR.items() if size.turns >= turns), None)
        if limit is not None:
            name = f"recall / floor, p50, {size.turns} turns"
            held.append(Target(name, recall[ASYNC].p50 / recall[FLOOR].p50, limit))
            name = f"recall of common words / recall, p50, {size.turns} turns"
            held.append(Target(name, common[ASYNC].p50 / recall[ASYNC].p50, TIMES_RECALL))
    if owners is not None:
        name = f"recall among {owners.owners} owners / alone, p50"
        held.append(Target(name, owners.among.p50 / owners.alone.p50, TIMES_ALONE))
    return held


def parser() -> argparse.ArgumentParser:
    """The command line of `python -m benchmarks.scale`."""
    made = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    made.add_argument(
        "--turns",
        type=_counts,
        default=(1_000, 10_000, 100_000),
        metavar="N,N",
        help="numbers of turns of one owner to measure at (default: 1000,10000,100000)",
    )
    made.add_argument("--samples", type=_positive, default=100, help="counted calls of each kind")
    made.add_argument(
        "--source", type=Path, metavar="FILE", help="labelled file to take shape and words from"
    )
    made.add_argument(
        "--owners", type=int, default=0, metavar="N", help="also measure among N owners (0: not)"
    )
    made.add_argument(
        "--each", type=_positive, default=100, metavar="N", help="memories of each owner (100)"
    )
    made.add_argument(
        "--durability",
        choices=("full", "process"),
        default="full",
        help="of memori and of the floors (default: full)",
    )
    made.add_argument(
        "--folder", type=Path, help="where the databases lie while it runs (default: temporary)"
    )
    made.add_argument("--json", type=Path, metavar="OUT", help="also write everything here")
    return made


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def _counts(text: str) -> tuple[int, ...]:
    return tuple(sorted({_positive(part) for part in text.split(",")}))


def run(arguments: argparse.Namespace) -> None:
    """Measure and print. Raises LabelledFileError, MemoriError, ServerFailed and OSError."""
    plan = Plan(arguments.samples, arguments.durability, stdio=False)
    progress = Progress()
    shape = Shape()
    if arguments.source is not None:
        (file,) = read_labelled_files([arguments.source])
        shape = shape_of(file)
    owners: OwnersRow | None = None
    with TemporaryDirectory(prefix="memori-scale-", dir=arguments.folder) as root:
        sizes = asyncio.run(measure_sizes(Path(root), arguments.turns, shape, plan, progress))
    print(render_sizes(sizes), end="\n\n", flush=True)  # the owners take long
    if arguments.owners:
        with TemporaryDirectory(prefix="memori-owners-", dir=arguments.folder) as root:
            owners = asyncio.run(
                measure_owners(Path(root), arguments.owners, arguments.each, plan, progress)
            )
        print(render_owners(owners), end="\n\n")
    held = targets(sizes, owners)
    if held:
        print(render_targets("target", held))
    if arguments.json is not None:
        report = {
            "benchmark": "scale",
            "surroundings": surroundings(),
            "settings": {
                **asdict(plan),
                "limit": LIMIT,
                "block": BLOCK,
                "source": arguments.source and arguments.source.name,
            },
            "sizes": [asdict(size) for size in sizes],
            "owners": owners and asdict(owners),
            "targets": [{**asdict(target), "met": target.met} for target in held],
        }
        arguments.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 when it measured (targets met or not), 1 when it could not."""
    arguments = parser().parse_args(argv)
    try:
        run(arguments)
    except (LabelledFileError, MemoriError, ServerFailed, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
