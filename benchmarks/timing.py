"""Timing on a machine that does other things: subjects take turns in short blocks.

A floor measured a minute before its subject is measured on another machine, in effect. Here
every subject does a few calls, then the next one, and the order rotates, so that whatever
slows the machine down slows all of them alike and ratios stay true.
"""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Timing:
    """How long the calls of one subject took, in milliseconds.

    `cpu` is the processor time of this process, all its threads, per call: unlike the others it
    does not grow when the machine is busy. What other processes do is not in it.
    """

    calls: int
    p50: float
    p95: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Subject(Generic[T]):
    """Something to time: `block` makes one call per item and returns the seconds of each."""

    name: str
    block: Callable[[Sequence[T]], Awaitable[list[float]]]
    items: Sequence[T]


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (0..1) of the values do not exceed."""
    if not values:
        raise ValueError("no values")
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def in_loop(call: Callable[[T], Awaitable[Any]]) -> Callable[[Sequence[T]], Awaitable[list[float]]]:
    """A block of awaited calls."""

    async def block(items: Sequence[T]) -> list[float]:
        seconds: list[float] = []
        for item in items:
            started = time.perf_counter()
            await call(item)
            seconds.append(time.perf_counter() - started)
        return seconds

    return block


def blocking(call: Callable[[T], Any]) -> Callable[[Sequence[T]], Awaitable[list[float]]]:
    """A block of plain calls. They hold the event loop meanwhile, so nothing else runs in it:
    whoever is called must have a thread of its own, or need none."""

    async def block(items: Sequence[T]) -> list[float]:
        seconds: list[float] = []
        for item in items:
            started = time.perf_counter()
            call(item)
            seconds.append(time.perf_counter() - started)
        return seconds

    return block


async def alternate(subjects: Sequence[Subject[T]], *, block: int) -> Mapping[str, Timing]:
    """Time the subjects in turns of `block` calls, each over its own items.

    All have the same number of items. The first block of each only warms up (imports,
    statement caches, pages read) and is not counted, unless there is no other.
    """
    (count,) = {len(subject.items) for subject in subjects}
    taken: dict[str, list[float]] = {subject.name: [] for subject in subjects}
    spent = dict.fromkeys(taken, 0.0)
    for turn, start in enumerate(range(0, count, block)):
        offset = turn % len(subjects)
        for subject in (*subjects[offset:], *subjects[:offset]):
            before = time.process_time()
            seconds = await subject.block(subject.items[start : start + block])
            if turn > 0 or count <= block:
                spent[subject.name] += time.process_time() - before
                taken[subject.name].extend(seconds)
    return {
        name: Timing(
            len(values),
            percentile(values, 0.5) * 1000,
            percentile(values, 0.95) * 1000,
            spent[name] / len(values) * 1000,
        )
        for name, values in taken.items()
    }
