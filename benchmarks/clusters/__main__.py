"""What memori promises on clusters, tried on real ones: `python -m benchmarks.clusters RUN`.

Each run starts its servers on 127.0.0.1 in a folder of its own, as the account of the database
(postgres, mysql) when it is started by root, and removes them. The exit code is 0 only when every
check held.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.clusters import failover, replica, writers
from benchmarks.clusters.checks import Checks
from benchmarks.clusters.nodes import ClusterFailed

Run = Callable[[Checks, Path, float], Awaitable[None]]

RUNS: Mapping[str, Run] = {
    "postgres": replica.run,
    "failover": failover.run,
    "galera": writers.run,
}
#: A run that takes longer hangs.
LONGEST = 170.0


def parser() -> argparse.ArgumentParser:
    """The command line of `python -m benchmarks.clusters`."""
    made = argparse.ArgumentParser(
        prog="python -m benchmarks.clusters",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("run", choices=tuple(RUNS))
    made.add_argument(
        "--seconds", type=float, default=15.0, help="how long the load lasts (default: 15)"
    )
    return made


async def _bounded(run: Run, checks: Checks, seconds: float) -> None:
    with TemporaryDirectory(prefix="memori-workers-") as folder:
        async with asyncio.timeout(LONGEST):
            await run(checks, Path(folder), seconds)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 when every check held, 1 when one did not or none could be made."""
    arguments = parser().parse_args(argv)
    checks = Checks()
    began = time.monotonic()
    try:
        asyncio.run(_bounded(RUNS[arguments.run], checks, arguments.seconds))
    except TimeoutError:
        sys.stderr.write(f"error: not done within {LONGEST:g} s\n")
        return 1
    except (ClusterFailed, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    held = sum(check.held for check in checks.made)
    checks.say(f"{held} of {len(checks.made)} checks held, {time.monotonic() - began:.0f} s")
    return 0 if checks.all_held else 1


if __name__ == "__main__":
    sys.exit(main())
