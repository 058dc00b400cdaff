"""The memory of a process that does nothing but recall.

`python -m benchmarks.footprint DATABASE USER LIMIT`, a question on each line of standard input;
prints resident bytes as JSON. Run by `benchmarks.speed`.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import sys
from pathlib import Path

from benchmarks.processes import resident_bytes
from memori import AsyncMemori

_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)


def resident() -> int:
    """Resident bytes now; where only the most so far is known, that."""
    now = resident_bytes(os.getpid())
    return peak() if now is None else now


def peak() -> int:
    """The most resident bytes so far."""
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        status = ""
    # Linux lets a child's ru_maxrss begin with what its parent had; this begins with exec.
    if found := _PEAK.search(status):
        return int(found[1]) * 1024
    # Kilobytes everywhere but on macOS.
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


async def run(database: str, user: str, limit: int, queries: list[str]) -> dict[str, int]:
    """Open, ask, and note the memory on the way."""
    imported = resident()
    async with AsyncMemori(database, user_id=user) as memori:
        await memori.open()
        opened = resident()
        for query in queries:
            await memori.recall(query, limit=limit)
        return {"imported": imported, "opened": opened, "used": resident(), "peak": peak()}


if __name__ == "__main__":
    url, who, most = sys.argv[1:]
    print(json.dumps(asyncio.run(run(url, who, int(most), sys.stdin.read().split("\n")))))
