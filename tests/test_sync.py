"""The synchronous face: from many threads, after a fork, inside a loop, and at exit."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import Clock, TestDatabase

from memori import Closed, Memori, NotFound, Turn, loop, sync

REPOSITORY = Path(__file__).resolve().parents[1]
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="fork is POSIX")


def _run(
    program: str, *arguments: str, warnings: str = "error"
) -> subprocess.CompletedProcess[str]:
    """Run a program in a fresh interpreter in which every warning is an error."""
    return subprocess.run(
        [sys.executable, "-W", warnings, "-c", program, *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )


def test_every_verb_works_without_a_loop(database: TestDatabase, clock: Clock) -> None:
    with Memori(database.url, clock=clock, user_id="ana") as memori:
        assert memori.engine.scope.user_id == "ana"
        first = memori.remember("Ana lives in Porto", tags=["home"])
        second = memori.update(str(first.id), content="Ana lives in Lisbon")
        receipts = memori.record([Turn(content="I moved")], session_id="talk")
        assert receipts[0].status == "stored"
        assert [hit.text for hit in memori.recall("Lisbon")] == ["Ana lives in Lisbon"]
        assert len(memori.search().items) == 2
        assert "Lisbon" in memori.working_context().text
        assert memori.get(str(second.id)).content == "Ana lives in Lisbon"
        assert len(memori.history(str(second.id)).versions) == 2
        assert memori.sessions().items[0].id == "talk"
        assert memori.turns("talk").items[0].content == "I moved"
        forgotten = memori.forget("talk")
        assert memori.undo(forgotten.operation_id).restored
        memori.forget(str(second.id))
        assert memori.restore(str(second.id)).restored
        assert len(memori.operations()) == 7
        assert memori.quarantined() == ()
        assert memori.stats().memories == 1
        assert "CREATE TABLE" in memori.schema()
        assert memori.maintain() == (0, 0)
        memori.flush(1)
        with pytest.raises(NotFound):
            memori.get("nothing")


def test_close_ends_it_and_may_be_repeated(database: TestDatabase) -> None:
    memori = Memori(database.url)
    memori.remember("Ana lives in Porto")
    memori.close()
    memori.close()
    with pytest.raises(Closed):
        memori.recall("Porto")
    with pytest.raises(Closed):
        memori.flush()
    never_opened = Memori(database.url)
    never_opened.close()


def test_many_threads_share_one_object(database: TestDatabase) -> None:
    with Memori(database.url) as memori, ThreadPoolExecutor(12) as pool:

        def work(number: int) -> bool:
            receipt = memori.remember(f"kitten number {number}")
            memori.record([{"content": f"turn {number}"}], session_id=f"s{number % 3}")
            return receipt.id in {hit.id for hit in memori.recall(f"kitten {number}", limit=100)}

        assert all(pool.map(work, range(60)))
        stats = memori.stats()
        assert (stats.memories, stats.turns, stats.sessions) == (60, 60, 3)


def test_many_threads_with_objects_of_their_own_share_one_database(
    shared_database: TestDatabase,
) -> None:
    def work(number: int) -> list[str]:
        with Memori(shared_database.url) as memori:
            return [memori.remember(f"note {number}/{each}").status for each in range(5)]

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(work, range(6))) == [["stored"] * 5] * 6
    with Memori(shared_database.url) as memori:
        assert memori.stats().memories == 30


def test_it_works_inside_a_running_event_loop(database: TestDatabase) -> None:
    async def main() -> int:
        with Memori(database.url) as memori:
            memori.remember("Ana lives in Porto")
            return len(memori.recall("Porto"))

    assert asyncio.run(main()) == 1
    assert asyncio.run(main()) == 1


def test_a_verb_on_the_engines_own_loop_is_an_error_and_no_deadlock(
    database: TestDatabase,
) -> None:
    with Memori(database.url) as memori:

        async def inside() -> None:
            memori.recall("Porto")

        with pytest.raises(RuntimeError, match="AsyncMemori"):
            loop.run(inside(), timeout=10)


def test_the_engine_runs_on_one_daemon_thread(database: TestDatabase) -> None:
    with Memori(database.url), Memori(database.url):
        threads = [thread for thread in threading.enumerate() if thread.name == "memori"]
        assert len(threads) == 1
        assert threads[0].daemon


def test_an_interrupted_wait_does_not_break_the_object(database: TestDatabase) -> None:
    with Memori(database.url) as memori:
        memori.open()
        with pytest.raises(TimeoutError):
            loop.run(asyncio.sleep(30), timeout=0.05)
        assert memori.remember("Ana lives in Porto").status == "stored"


#: From 3.12 on, Python warns of every fork of a process with threads.
_FORK_WARNING = "ignore::DeprecationWarning"
_FORK = """
import os, sys
from memori import Memori
memori = Memori(sys.argv[1])
memori.remember("from the parent")
children = []
for number in range(3):
    pid = os.fork()
    if pid == 0:
        try:
            for each in range(5):
                assert memori.remember(f"from child {number}, {each}").status == "stored"
            assert memori.recall("parent")
        except BaseException as error:
            print("child failed:", repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        if number:
            sys.exit(0)
        os._exit(0)
    children.append(pid)
for each in range(5):
    memori.remember(f"from the parent, {each}")
codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
memori.remember("after the children")
print(codes, memori.stats().memories)
memori.close()
"""


@needs_fork
def test_after_a_fork_parent_and_children_work_on(shared_database: TestDatabase) -> None:
    done = _run(_FORK, shared_database.url, warnings=_FORK_WARNING)
    assert done.stderr == ""
    assert done.stdout == "[0, 0, 0] 22\n"


_FORK_BUSY = """
import os, sys, threading
from memori import Memori
memori = Memori(sys.argv[1])
stop = threading.Event()

def write():
    number = 0
    while not stop.is_set():
        memori.remember(f"note {number}")
        number += 1

writers = [threading.Thread(target=write) for _ in range(3)]
for writer in writers: writer.start()
codes = []
for number in range(4):
    pid = os.fork()
    if pid == 0:
        memori.remember(f"child {number}")
        os._exit(0)
    codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
stop.set()
for writer in writers: writer.join()
print(codes)
"""


@needs_fork
def test_a_fork_in_the_middle_of_other_threads_writes_does_not_hang(
    shared_database: TestDatabase,
) -> None:
    done = _run(_FORK_BUSY, shared_database.url, warnings=_FORK_WARNING)
    assert (done.stdout, done.stderr, done.returncode) == ("[0, 0, 0, 0]\n", "", 0)


_STORED = """
import sys, time
from memori import Memori
m = Memori(sys.argv[1])
print(m.remember('Ana lives in Porto').status)
print(time.time(), flush=True)
"""
#: Programs that end without closing; each prints a status and the time at which it has done.
_ENDINGS = {
    "plain": _STORED,
    "exit": _STORED + "sys.exit(0)",
    "thread": _STORED
    + "import threading; threading.Thread(target=lambda: m.remember('late')).start()",
    "atexit": _STORED + "import atexit; atexit.register(lambda: print('last', flush=True))",
    "several": _STORED + "Memori('sqlite:///:memory:'); n = Memori('sqlite:///:memory:'); n.open()",
    "error": _STORED + "raise ValueError('mine')",
    "held": """
import sqlite3, sys, threading, time
from memori import Memori
m = Memori(sys.argv[1]); print(m.remember('Ana lives in Porto').status)
path = sys.argv[1].removeprefix('sqlite:///')
other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
other.execute('BEGIN IMMEDIATE')
threading.Thread(target=lambda: m.remember('never'), daemon=True).start()
time.sleep(0.3); print(time.time(), flush=True)
""",
    "async": """
import asyncio, sys, time
from memori import AsyncMemori
async def main():
    m = AsyncMemori(sys.argv[1])
    print((await m.remember('Ana lives in Porto')).status)
    print(time.time(), flush=True)
asyncio.run(main())
""",
}


@dataclass(frozen=True)
class Ended:
    """How a program ended, and how many seconds after it had done."""

    status: str
    errors: str
    code: int
    seconds: float
    url: str


@pytest.fixture(scope="module")
def endings(empty_file: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """Every program of `_ENDINGS`, run to its end; together they take as long as the slowest."""
    folder = tmp_path_factory.mktemp("endings")

    def end(name: str) -> Ended:
        path = folder / f"{name}.db"
        shutil.copy(empty_file, path)
        url = f"sqlite:///{path}"
        done = _run(_ENDINGS[name], url, warnings="default" if name == "async" else "error")
        ended = time.time()
        status, at, *_ = done.stdout.splitlines()
        return Ended(status, done.stderr, done.returncode, ended - float(at), url)

    with ThreadPoolExecutor(3) as pool:
        return dict(zip(_ENDINGS, pool.map(end, _ENDINGS), strict=True))


@pytest.mark.parametrize("name", ["plain", "exit", "thread", "atexit", "several"])
def test_a_program_that_forgets_to_close_ends_at_once_and_quietly(
    endings: dict[str, Ended], name: str
) -> None:
    ended = endings[name]
    assert (ended.status, ended.errors, ended.code) == ("stored", "", 0)
    assert ended.seconds < 3


@pytest.mark.parametrize("name", _ENDINGS)
def test_what_a_program_stored_before_it_ended_is_there(
    endings: dict[str, Ended], name: str
) -> None:
    with Memori(endings[name].url) as memori:
        assert "Ana lives in Porto" in [hit.text for hit in memori.recall("Porto")]


def test_a_program_that_dies_of_an_error_shows_that_error(endings: dict[str, Ended]) -> None:
    ended = endings["error"]
    assert ended.code == 1
    assert ended.errors.rstrip().endswith("ValueError: mine")
    assert ended.errors.count("Traceback") == 1


def test_an_exit_while_another_connection_holds_the_database_takes_little_over_3_seconds(
    endings: dict[str, Ended],
) -> None:
    assert endings["held"].seconds < 4.5


def test_an_async_object_left_open_does_not_hang_the_interpreter(
    endings: dict[str, Ended],
) -> None:
    ended = endings["async"]
    assert (ended.status, ended.code) == ("stored", 0)
    assert ended.seconds < 5


def test_many_objects_come_and_go_without_leaving_threads(shared_database: TestDatabase) -> None:
    with Memori(shared_database.url) as memori:
        memori.stats()
    before = threading.active_count()
    for _ in range(15):
        with Memori(shared_database.url) as memori:
            memori.remember("Ana lives in Porto")
    deadline = time.monotonic() + 5  # a thread that was told to end may take a moment
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= before


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (TimeoutError(), "it took longer than 2.5 seconds; another program may be writing to it"),
        (RuntimeError(), "RuntimeError"),
        (RuntimeError("the loop is gone"), "the loop is gone"),
    ],
)
def test_what_kept_a_database_open_at_exit_is_named(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    def fail(*_: object) -> None:
        raise error

    with Memori("sqlite:///:memory:") as memori:
        monkeypatch.setattr(sync, "_open", {memori})
        monkeypatch.setattr(memori, "close_within", fail)
        sync._close_all()
    assert [record.getMessage() for record in caplog.records] == [
        f"a memori database was not closed at exit: {said}"
    ]
