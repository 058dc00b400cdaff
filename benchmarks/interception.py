"""What interception adds to a call: `python -m benchmarks.interception`, a part of
`benchmarks.speed` too.

One process calls a loopback server (benchmarks/provider.py, a process of its own) through the
openai library: with a client nobody looks at, and with clients registered at `Memori` objects that
inject the working context, what is recalled, or both, and record every exchange. The clients take
turns (see timing.py). A program does something with an answer before it asks again: there are 10 ms
between two calls. What is recalled at once, without a pause, waits for the recording of the call
before; that is timed, too. The target is the issue's: the median call gains at most 4 ms plus
three times the query floor.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Generator, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.calls import BLOCK, FLOOR, LIMIT, USER, fill
from benchmarks.places import Files, Place
from benchmarks.report import Progress, surroundings, table
from benchmarks.synthetic import Corpus, generate
from benchmarks.targets import Target, render_targets
from benchmarks.timing import Subject, Timing, alternate, blocking
from memori import AsyncMemori, Memori

PLAIN = "without memori"
MODES: dict[str, dict[str, Any]] = {
    "conscious_ingest": {"conscious_ingest": True},
    "auto_ingest": {"auto_ingest": True},
    "both": {"conscious_ingest": True, "auto_ingest": True},
}
#: Seconds between two calls; no part of what is timed.
PAUSE = 0.01
AT_ONCE = "{}, at once"
#: Milliseconds, and query floors, that the median call may gain.
GAIN_MS = 4.0
GAIN_FLOORS = 3.0


def targets_of(timings: dict[str, Timing]) -> list[Target]:
    """What each mode may cost beyond the call without it."""
    limit = GAIN_MS + GAIN_FLOORS * timings[FLOOR].p50
    return [
        Target(
            f"{name}: gain of the median call, ms", timings[name].p50 - timings[PLAIN].p50, limit
        )
        for name in MODES
    ]


async def measure(
    place: Place, memories: int, samples: int, progress: Progress
) -> dict[str, Timing]:
    """Times of a call by client, and of the query floor, on a database of its own."""
    calls = samples + BLOCK
    corpus = generate(memories, queries=(2 * len(MODES) + 2) * calls)
    database = place.new_database("interception")
    async with AsyncMemori(database, user_id=USER) as memori:
        await fill(memori, corpus.memories, progress)
    progress.say(f"{memories} memories: intercepted calls")
    async with AsyncExitStack() as stack:
        floors = await stack.enter_async_context(place.floors(database, corpus.memories, LIMIT))
        url = stack.enter_context(_provider())
        questions = _shares(corpus, calls)
        subjects: list[Subject[str]] = [
            Subject(FLOOR, floors.search, next(questions)),
            Subject(PLAIN, _pausing(_caller(url)), next(questions)),
        ]
        for name, flags in MODES.items():
            memori = Memori(database, user_id=USER, session_id=name, **flags)
            stack.callback(memori.close)
            memori.open()
            call = _caller(url, memori)
            subjects.append(Subject(name, _pausing(call), next(questions)))
            subjects.append(Subject(AT_ONCE.format(name), blocking(call), next(questions)))
        timings = dict(await alternate(subjects, block=BLOCK))
    progress.clear()
    return timings


def render(timings: dict[str, Timing]) -> str:
    """The table of calls, each beside the call without memori."""
    plain = timings[PLAIN].p50
    return table(
        ["client", "calls", "p50 ms", "p95 ms", "x without", "CPU ms"],
        [
            [
                name,
                str(timing.calls),
                f"{timing.p50:.2f}",
                f"{timing.p95:.2f}",
                "" if name == FLOOR else f"{timing.p50 / plain:.2f}",
                f"{timing.cpu:.2f}",
            ]
            for name, timing in timings.items()
        ],
    )


def _shares(corpus: Corpus, calls: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(corpus.queries), calls):
        yield corpus.queries[start : start + calls]


def _pausing(call: Callable[[str], Any]) -> Callable[[Sequence[str]], Awaitable[list[float]]]:
    """Each call by itself, with a pause after it."""
    timed = blocking(call)

    async def block(items: Sequence[str]) -> list[float]:
        taken: list[float] = []
        for item in items:
            taken += await timed([item])
            time.sleep(PAUSE)  # noqa: ASYNC251  # the program's own thread rests, memori's does not
        return taken

    return block


def _caller(url: str, memori: Memori | None = None) -> Callable[[str], Any]:
    from openai import OpenAI

    client = OpenAI(api_key="test", base_url=url)
    if memori is not None:
        memori.register(client)

    def call(question: str) -> Any:
        return client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": question}]
        )

    return call


@contextmanager
def _provider() -> Generator[str]:
    command = [sys.executable, "-m", "benchmarks.provider", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


def main() -> None:
    """The command line."""
    made = argparse.ArgumentParser(prog="python -m benchmarks.interception", description=__doc__)
    made.add_argument("--memories", type=int, default=10_000, help="of one user (default: 10000)")
    made.add_argument("--samples", type=int, default=200, help="counted calls of each client")
    made.add_argument("--json", type=Path, metavar="OUT", help="also write everything here")
    arguments = made.parse_args()
    with (
        TemporaryDirectory(prefix="memori-interception-") as folder,
        Files(Path(folder), "full") as place,
    ):
        timings = asyncio.run(measure(place, arguments.memories, arguments.samples, Progress()))
    print(render(timings), end="\n\n")
    targets = targets_of(timings)
    print(render_targets(f"target at {arguments.memories} memories", targets))
    if arguments.json:
        report = {
            "benchmark": "interception",
            "surroundings": surroundings(),
            "memories": arguments.memories,
            "calls": {name: asdict(timing) for name, timing in timings.items()},
            "targets": [{**asdict(target), "met": target.met} for target in targets],
        }
        arguments.json.write_text(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
