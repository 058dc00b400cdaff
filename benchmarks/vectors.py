"""Vector search in one owner's memory: `python -m benchmarks.vectors [--vectors 100000]`.

A scope is filled with random vectors through the store, and questions are compared with all of
them as a recall does: state read, cache kept, cosines, the nearest chosen. Beside it stands the
floor: numpy's product of a float32 matrix that is in memory already, and the choice of the
nearest. Random vectors cost what real ones do.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import get_args

import numpy as np
from sqlalchemy import Connection

from benchmarks.report import Progress, table
from memori.config import DatabaseSettings
from memori.embed.storage import Storage, pack
from memori.model import Scope
from memori.recall.candidates import NEAREST
from memori.recall.meaning import Meaning, VectorCache
from memori.store import scopes, vectors
from memori.store.database import Database, make_database
from memori.store.tables import vectors as vector_rows

GENERATION = "benchmark"
_FILL = 2_000
MEGABYTE = 1 << 20


async def fill(database: Database, count: int, size: int, storage: Storage) -> int:
    """A scope with so many vectors; its number."""
    from datetime import UTC, datetime

    now = datetime.now(UTC)
    name = Scope("benchmark", storage)
    known = await database.write(lambda c: scopes.ensure_scope(c, name, now))
    await database.write(partial(vectors.begin, scope_id=known.scope_id, generation=GENERATION))
    chance = np.random.default_rng(7)
    for start in range(0, count, _FILL):
        numbers = chance.standard_normal((min(_FILL, count - start), size)).astype(np.float32)
        numbers /= np.linalg.norm(numbers, axis=1, keepdims=True)
        rows = [
            {
                "scope_id": known.scope_id,
                "session_no": 1 + (start + at) // 100,
                "seq": (start + at) % 100,
                "generation": GENERATION,
                "added": 1,
                "vector": blob,
            }
            for at, blob in enumerate(pack(numbers, storage))
        ]
        await database.write(lambda c, rows=rows: c.execute(vector_rows.insert(), rows) and None)
    advance = partial(vectors.advance, scope_id=known.scope_id, generation=GENERATION)
    while await database.write(advance):
        pass
    return known.scope_id


async def measure(
    database: Database, scope_id: int, storage: Storage, size: int, cache_mb: int, samples: int
) -> tuple[float, list[float], int]:
    """Milliseconds of the first question, of each later one, and the bytes the cache holds."""
    cache = VectorCache(cache_mb * MEGABYTE)
    chance = np.random.default_rng(11)
    times: list[float] = []
    for _ in range(samples + 1):
        question = chance.standard_normal(size).astype(np.float32)
        question /= np.linalg.norm(question)
        meaning = Meaning({GENERATION: question}, {GENERATION: storage}, cache)

        def ask(connection: Connection, meaning: Meaning = meaning) -> list[int]:
            nearness = meaning.near(connection, scope_id)
            assert nearness is not None
            return nearness.nearest(NEAREST)

        started = time.perf_counter()
        await database.read(ask)
        times.append((time.perf_counter() - started) * 1000)
    return times[0], times[1:], cache.size


def floor(count: int, size: int, samples: int) -> list[float]:
    """Milliseconds of numpy alone."""
    chance = np.random.default_rng(7)
    matrix = chance.standard_normal((count, size)).astype(np.float32)

    def ask() -> None:
        found = matrix @ matrix[0]
        np.argpartition(-found, NEAREST)[:NEAREST].tolist()

    return [_timed(ask) for _ in range(samples)]


def _timed(run: Callable[[], None]) -> float:
    started = time.perf_counter()
    run()
    return (time.perf_counter() - started) * 1000


async def run(arguments: argparse.Namespace) -> None:
    """Fill, ask, print."""
    progress = Progress()
    rows: list[list[str]] = []
    storages: Sequence[Storage] = get_args(Storage)
    with TemporaryDirectory(prefix="memori-vectors-") as folder:
        for storage in storages:
            url = f"sqlite:///{Path(folder) / storage}.db"
            database = make_database(DatabaseSettings(connection_string=url))
            await database.open()
            progress.say(f"{storage}: storing {arguments.vectors} vectors")
            scope_id = await fill(database, arguments.vectors, arguments.size, storage)
            for cache_mb in (arguments.cache_mb, 1):
                first, times, held = await measure(
                    database, scope_id, storage, arguments.size, cache_mb, arguments.samples
                )
                rows.append(_row(f"{storage}, cache {cache_mb} MB", times, first, held))
            await database.close()
    progress.clear()
    rows.append(_row("numpy, float32", floor(arguments.vectors, arguments.size, arguments.samples)))
    print(table(["", "p50 ms", "p95 ms", "first ms", "held MB"], rows, labels=1))
    print(f"\n{arguments.vectors:,} vectors of {arguments.size} numbers, one owner.")


def _row(name: str, times: Sequence[float], first: float = 0.0, held: int = 0) -> list[str]:
    slow = quantiles(times, n=20)[-1]
    return [name, f"{median(times):.1f}", f"{slow:.1f}", f"{first:.0f}", f"{held / MEGABYTE:.1f}"]


def parser() -> argparse.ArgumentParser:
    """The command line of `python -m benchmarks.vectors`."""
    made = argparse.ArgumentParser(prog="python -m benchmarks.vectors", description=__doc__)
    made.add_argument("--vectors", type=int, default=100_000, help="how many (default: 100000)")
    made.add_argument("--size", type=int, default=256, help="numbers a vector (default: 256)")
    made.add_argument("--samples", type=int, default=30, help="questions (default: 30)")
    made.add_argument("--cache-mb", type=int, default=64, help="bound of the cache (default: 64)")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    asyncio.run(run(parser().parse_args(argv)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
