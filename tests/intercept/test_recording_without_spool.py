"""Neither the database nor the spool can be written: exchanges are held, and recorded once."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import openai
import pytest
from conftest import TestDatabase
from intercepted import Enable, chat, locked, said, until

from benchmarks.provider import Provider
from memori import Memori
from memori.intercept import recording
from memori.intercept.spool import Exchange, Held, Spool

pytest_plugins = ["intercept_fixtures"]
REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def in_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file where the spool's folder would be."""
    monkeypatch.setattr(recording, "_RETRY_FIRST", 0.1)
    monkeypatch.setenv("MEMORI_DATABASE__BUSY_TIMEOUT", "0.2")
    path = tmp_path / "in the way"
    path.touch()
    monkeypatch.setenv("MEMORI_INTERCEPT__SPOOL", str(path / "spool"))
    return path


def _held(memori: Memori) -> int:
    return len(memori._interceptor()._recorder._held)


def _asked(memori: Memori) -> list[str]:
    return [content for role, content in said(memori) if role == "user"]


def _exchange(number: int, size: int = 10) -> Exchange:
    return Exchange(
        operation_id=f"{number:04}",
        namespace="default",
        user_id="default",
        session_id="s",
        agent_id=None,
        turns=({"role": "user", "content": "x" * size},),
    )


def test_what_cannot_be_spooled_is_held_and_recorded_once_in_order(
    client: openai.OpenAI,
    enable: Enable,
    file_database: TestDatabase,
    in_the_way: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    memori = enable()
    memori.flush()
    with locked(file_database):
        for words in ("One", "Two", "Three"):
            chat(client, words)
        until(lambda: _held(memori) == 3)
        until(lambda: memori.status().pending == 3)
        status = memori.status()
        assert (status.recorded, status.spooled) == (0, 0)
        assert any("spool fails" in trouble for trouble in status.troubles)
    until(lambda: memori.status().pending == 0)
    assert _asked(memori) == ["One", "Two", "Three"]
    assert memori.status().recorded == 3
    assert memori.status().troubles == ()
    assert sum("the spool" in record.getMessage() for record in caplog.records) == 1


def test_what_is_held_goes_to_the_spool_as_soon_as_that_works(
    client: openai.OpenAI, enable: Enable, file_database: TestDatabase, in_the_way: Path
) -> None:
    memori = enable()
    memori.flush()
    with locked(file_database):
        for words in ("One", "Two"):
            chat(client, words)
        until(lambda: _held(memori) == 2)
        in_the_way.unlink()
        until(lambda: memori.status().spooled == 2)
        until(lambda: memori.status().pending == 0)
        assert not any("spool" in trouble for trouble in memori.status().troubles)
    until(lambda: memori.status().spooled == 0)
    assert _asked(memori) == ["One", "Two"]
    assert memori.status().troubles == ()


def test_what_is_held_is_spooled_at_the_end_where_that_works_by_then(
    client: openai.OpenAI,
    enable: Enable,
    file_database: TestDatabase,
    in_the_way: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recording, "_RETRY_FIRST", 60.0)
    memori = enable()
    memori.flush()
    with locked(file_database):
        chat(client, "One")
        until(lambda: _held(memori) == 1)
        in_the_way.unlink()
        memori.close()
    assert len(list((in_the_way / "spool").iterdir())) == 1
    again = enable()
    until(lambda: again.status().spooled == 0)
    assert _asked(again) == ["One"]


def test_what_is_lost_is_counted_and_said(
    client: openai.OpenAI,
    enable: Enable,
    file_database: TestDatabase,
    in_the_way: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    memori = enable()
    memori.flush()
    memori._interceptor()._recorder._held = Held(most=1)
    with locked(file_database):
        for words in ("One", "Two", "Three"):
            chat(client, words)
            memori.flush()
        until(lambda: memori.status().pending == 1)
        [lost] = [each for each in memori.status().troubles if each.startswith("exchanges lost")]
        assert lost.startswith("exchanges lost: 2:")
        memori.close()
    assert [each for each in memori.status().troubles if each.startswith("exchanges lost")] == [
        "exchanges lost: 3: memori was closed while nothing could be written"
    ]
    assert sum("exchanges lost" in record.getMessage() for record in caplog.records) == 1


def test_what_is_held_has_a_number_and_a_size() -> None:
    held = Held(most=3, size=100_000)
    for number in range(5):
        held.add(_exchange(number))
        held.add(_exchange(number))
    assert ([each.operation_id for each in held], held.lost) == (["0002", "0003", "0004"], 2)
    held.add(_exchange(9, size=97_000))
    assert ([each.operation_id for each in held], held.lost) == (["0009"], 5)
    held.drop("0009")
    held.add(_exchange(7, size=97_000))
    assert (len(held), held.lost) == (1, 5)
    held.add(_exchange(8, size=200_000))
    assert (len(held), held.lost) == (0, 7)


def test_a_full_disk_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(number: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    spool = Spool(tmp_path)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        spool.keep(_exchange(1))
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_taken_out_of_the_spool_is_recorded_once(
    client: openai.OpenAI,
    enable: Enable,
    file_database: TestDatabase,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recording, "_RETRY_FIRST", 0.1)
    monkeypatch.setenv("MEMORI_DATABASE__BUSY_TIMEOUT", "0.2")
    memori = enable()
    memori.flush()
    with monkeypatch.context() as patched:

        def refuse(self: Spool, operation_id: str) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

        patched.setattr(Spool, "drop", refuse)
        with locked(file_database):
            chat(client, "One")
            until(lambda: memori.status().spooled == 1)
        until(lambda: any("spool" in trouble for trouble in memori.status().troubles))
        time.sleep(0.5)
        assert memori.status().recorded == 1
    until(lambda: memori.status().spooled == 0)
    until(lambda: memori.status().troubles == ())
    assert memori.status().recorded == 1
    assert _asked(memori) == ["One"]


def test_an_exchange_that_is_never_taken_does_not_keep_the_others(
    enable: Enable, file_database: TestDatabase
) -> None:
    spool = Spool(Path(f"{file_database.path}.spool"))
    spool.keep(_exchange(1))
    spool.keep(_exchange(2))
    first = spool.folder / "0001.json"
    first.write_text(json.dumps({**json.loads(first.read_text()), "user_id": ""}))
    memori = enable()
    until(lambda: memori.status().spooled == 1)
    assert _asked(memori) == ["x" * 10]
    assert any("user_id is empty" in trouble for trouble in memori.status().troubles)


_FORK = """
import os, subprocess, sys, time
from memori import Memori
from openai import OpenAI
memori = Memori(sys.argv[1])
memori.enable()
client = OpenAI()
def ask(text):
    client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}])
def until(condition):
    for _ in range(1000):
        if condition():
            return
        time.sleep(0.02)
    sys.exit("it took too long")
memori.flush()
hold = (
    "import sqlite3, sys; holder = sqlite3.connect(sys.argv[1], isolation_level=None);"
    "holder.execute('BEGIN IMMEDIATE'); print('held', flush=True); sys.stdin.read()"
)
holder = subprocess.Popen(
    [sys.executable, "-c", hold, sys.argv[1].removeprefix("sqlite:///")],
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
)
holder.stdout.readline()
ask("held by the parent")
held = lambda: len(memori._interceptor()._recorder._held)
until(held)
ask("under way in the parent")
until(lambda: memori.status().pending == 2)
before = memori.status().pending
pid = os.fork()
if pid == 0:
    holder.stdin.close()
    status = memori.status()
    print(before, status.pending, status.recorded, held(), flush=True)
    client = OpenAI()  # two processes cannot share one open connection
    ask("from the child")
    until(lambda: memori.status().recorded)
    memori.flush()
    print(memori.status().recorded, flush=True)
    sys.exit(0)
holder.communicate()
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
until(lambda: not memori.status().pending)
print(memori.status().recorded, memori.stats().turns)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork is POSIX")
def test_a_child_does_not_record_what_its_parent_has_under_way(
    file_database: TestDatabase, provider: Provider, in_the_way: Path
) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY),
        "OPENAI_BASE_URL": provider.url,
        "OPENAI_API_KEY": "test",
        "MEMORI_DATABASE__BUSY_TIMEOUT": "0.5",
        "MEMORI_INTERCEPT__TIME_LIMIT": "20",
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", _FORK, file_database.url],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "2 0 0 0\n1\n0\n2 6\n", done.stderr
