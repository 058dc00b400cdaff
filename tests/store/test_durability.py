"""What a receipt called stored is there after the process was killed."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time

import pytest
from conftest import TestDatabase

from memori import AsyncMemori

pytestmark = pytest.mark.anyio

_WRITER = """
import sys
from memori import Memori
m = Memori(sys.argv[1])
m.open()
print("ready", flush=True)
for number in range(100_000):
    if number % 3:
        receipt = m.remember(f"the mark is {sys.argv[2]}x{number}")
    else:
        [receipt] = m.record([{"content": f"the mark was {sys.argv[2]}x{number}"}], session_id="s")
    print(receipt.id, flush=True)
"""


async def test_every_acknowledged_write_survives_kill_9(shared_database: TestDatabase) -> None:
    acknowledged: list[str] = []
    for life in range(2):
        writer = subprocess.Popen(
            [sys.executable, "-c", _WRITER, shared_database.url, f"life{life}"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        time.sleep(random.uniform(0.2, 0.6))
        writer.send_signal(signal.SIGKILL)
        printed = writer.stdout.read().splitlines(keepends=True)
        writer.wait()
        writer.stdout.close()
        acknowledged += [line.strip() for line in printed if line.endswith("\n")]
    assert acknowledged
    async with AsyncMemori(shared_database.url) as memori:
        contents = {item_id: (await memori.get(item_id)).content for item_id in acknowledged}
        for item_id in random.sample(acknowledged, min(20, len(acknowledged))):
            [hit, *_] = await memori.recall(contents[item_id].split()[-1])
            assert hit.text == contents[item_id]
        stats = await memori.stats()
        # The last write of each life may have been committed without being acknowledged.
        assert len(acknowledged) <= stats.memories + stats.turns <= len(acknowledged) + 2
