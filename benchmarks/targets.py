"""What the figures are held to: ratios to floors of the same run, not times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.calls import ASYNC, BOTH, CONTEXT, FLOOR, RECALL, REMEMBER, STDIO, Row
from benchmarks.report import table
from benchmarks.starts import BARE, FILLED, NEW, StartRow
from benchmarks.timing import Timing

#: Recall and remember in process, p50, in floors.
TIMES_FLOOR = 4.0
#: Milliseconds a call over stdio may take beyond the echo and the in-process call together.
STDIO_EXCESS_MS = 0.5
#: Processor time until `initialize` is answered, in bare servers.
TIMES_BARE_START = 1.2
#: Seconds from there to the answer of the first tool call.
FIRST_CALL_S = 1.5


@dataclass(frozen=True, slots=True)
class Target:
    """One thing that is wanted: `value` is to be at most `limit`."""

    name: str
    value: float
    limit: float

    @property
    def met(self) -> bool:
        """Whether it held in this run."""
        return self.value <= self.limit


def by_subject(rows: Sequence[Row], memories: int, verb: str) -> Mapping[str, Timing]:
    """Timings of one verb, by subject."""
    return {r.subject: r.timing for r in rows if r.memories == memories and r.verb == verb}


def excess(timings: Mapping[str, Timing]) -> float | None:
    """Milliseconds (p50) of the call over stdio beyond an echo and the in-process call, timed as
    one; None without."""
    if STDIO not in timings:
        return None
    return timings[STDIO].p50 - timings[BOTH].p50


def call_targets(rows: Sequence[Row], memories: int) -> list[Target]:
    """The targets of calls, at one number of memories."""
    targets: list[Target] = []
    for verb in (RECALL, REMEMBER):
        timings = by_subject(rows, memories, verb)
        ratio = timings[ASYNC].p50 / timings[FLOOR].p50
        targets.append(Target(f"{verb} in process / floor, p50", ratio, TIMES_FLOOR))
    for verb in (RECALL, CONTEXT, REMEMBER):
        beyond = excess(by_subject(rows, memories, verb))
        if beyond is not None:
            name = f"{verb} over stdio - (echo + in process), p50 ms"
            targets.append(Target(name, beyond, STDIO_EXCESS_MS))
    return targets


def start_targets(rows: Sequence[StartRow]) -> list[Target]:
    """The targets of cold start."""
    servers = {row.server: row for row in rows}
    targets: list[Target] = []
    for name in (NEW, FILLED):
        row = servers[name]
        targets.append(
            Target(
                f"CPU to initialize, {name} / bare", row.cpu / servers[BARE].cpu, TIMES_BARE_START
            )
        )
        if row.first_call is not None:
            targets.append(Target(f"first call, {name}, s", row.first_call, FIRST_CALL_S))
    return targets


def render_targets(title: str, targets: Sequence[Target]) -> str:
    """The table of targets; `title` heads their names."""
    rows = [
        [t.name, f"{t.value:.2f}", f"{t.limit:.2f}", "met" if t.met else "MISSED"] for t in targets
    ]
    return table([title, "value", "at most", ""], rows)
