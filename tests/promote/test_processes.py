"""Five processes on one database: each scope is decided on once, also when the one that does it is
killed in the middle."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from conftest import TestDatabase

from memori import Memori

SCOPES = 6
#: Looks for what is due until its input ends, and says how often it decided. `slow` stops in the
#: middle of the first run, holding the lease, until it is killed.
PROGRAM = """
import sys, threading, time
from datetime import timedelta
from memori import Memori
from memori.promote import run
from memori.store import promotions

url, slow = sys.argv[1], sys.argv[2] == "slow"
promotions.LEASE = timedelta(seconds=2)
decide = run.decide

def stuck(*given):
    print("deciding", flush=True)
    time.sleep(600)

if slow:
    run.decide = stuck
memori = Memori(url)
memori.open()
print("ready", flush=True)
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
done = 0
while not ended.is_set():
    done += memori.promote_due()
    time.sleep(0.05)
memori.close()
print(done, flush=True)
"""


class Process:
    """One of the processes."""

    def __init__(self, url: str, kind: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", PROGRAM, url, kind],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        """The next line it prints."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def kill(self) -> None:
        """End it without any chance to tidy up."""
        self._process.kill()
        self._process.communicate()

    def end(self) -> int:
        """Close its input; how often it decided."""
        said, _ = self._process.communicate(timeout=60)
        assert self._process.returncode == 0
        return int(said.split()[-1])


@pytest.fixture
def started() -> Iterator[list[Process]]:
    """Processes that are gone when the test ends."""
    processes: list[Process] = []
    yield processes
    for process in processes:
        process.kill()


def _operations(memori: Memori, number: int) -> int:
    return len(memori.operations(verb="promote", user_id=f"user {number}"))


@pytest.mark.parametrize("killed", [False, True], ids=["together", "leader-killed"])
def test_each_scope_is_decided_on_once(
    shared_database: TestDatabase, started: list[Process], killed: bool
) -> None:
    with Memori(shared_database.url) as memori:
        for number in range(SCOPES):
            for rule in range(3):
                memori.remember(f"Rule {rule}", category="rule", user_id=f"user {number}")
        if killed:
            leader = Process(shared_database.url, "slow")
            started.append(leader)
            assert [leader.line(), leader.line()] == ["ready", "deciding"]
        workers = [Process(shared_database.url, "quick") for _ in range(5)]
        started += workers
        assert {worker.line() for worker in workers} == {"ready"}
        if killed:
            started[0].kill()
        deadline = time.monotonic() + 60
        while not all(_operations(memori, number) for number in range(SCOPES)):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        time.sleep(0.5)
        assert sum(worker.end() for worker in workers) == SCOPES
        for number in range(SCOPES):
            user = f"user {number}"
            assert _operations(memori, number) == 1
            found = memori.short_term(user_id=user)
            assert sorted(each.text for each in found) == ["Rule 0", "Rule 1", "Rule 2"]
            events = memori.history(found[0].id, user_id=user).events
            assert [event.action for event in events].count("promoted") == 1
        assert memori.verify().findings == ()
