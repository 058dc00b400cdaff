"""Whatever happens to the store, the call goes on; what could not be recorded is recorded later."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import openai
import pytest
from conftest import TestDatabase
from intercepted import Enable, chat, locked, said, until

from benchmarks.provider import Provider
from memori import AsyncMemori, Memori, loop
from memori.intercept import interceptor as interceptors
from memori.intercept import recording, session
from memori.intercept.trouble import Troubles
from memori.intercept.wire_chat import ChatCompletions
from memori.store import sqlite

pytest_plugins = ["intercept_fixtures"]
REPOSITORY = Path(__file__).resolve().parents[2]


def test_a_working_context_that_comes_too_late_for_one_call_is_sent_with_the_next(
    client: openai.OpenAI,
    provider: Provider,
    enable: Enable,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MEMORI_INTERCEPT__TIME_LIMIT", "0.2")
    memori = enable(conscious_ingest=True)
    memori.remember("Ana lives in Porto", pinned=True)
    taken: list[int] = []
    take = session._take

    async def slowly(*given: Any) -> Any:
        taken.append(1)
        await asyncio.sleep(0.5)
        return await take(*given)

    monkeypatch.setattr(session, "_take", slowly)
    chat(client)
    assert "Porto" not in json.dumps(provider.bodies[0])
    state = next(iter(memori._interceptor()._sessions.values()))
    until(lambda: bool(state.snapshot.text))
    monkeypatch.setattr(
        memori._interceptor(),
        "settings",
        memori.settings.intercept.model_copy(update={"time_limit": 20.0}),
    )
    chat(client, "And now?")
    assert "Porto" in json.dumps(provider.bodies[1])
    assert taken == [1]


def test_a_slow_store_costs_a_call_its_time_limit_and_no_more(
    client: openai.OpenAI,
    provider: Provider,
    enable: Enable,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("MEMORI_INTERCEPT__TIME_LIMIT", "0.15")
    memori = enable(conscious_ingest=True)
    memori.remember("Ana lives in Porto", pinned=True)
    chat(client)
    quick = AsyncMemori.context_mark

    async def slow(self: AsyncMemori, *args: Any, **named: Any) -> str:
        await asyncio.sleep(5)
        return await quick(self, *args, **named)

    monkeypatch.setattr(AsyncMemori, "context_mark", slow)
    with caplog.at_level(logging.WARNING, "memori"):
        for _ in range(2):
            begun = time.monotonic()
            chat(client)
            assert time.monotonic() - begun < 2
    assert [record.getMessage() for record in caplog.records] == [
        "memori: memory took longer than 0.15 s; the call goes on without it"
    ]
    assert memori.status().troubles
    monkeypatch.setattr(AsyncMemori, "context_mark", quick)
    monkeypatch.setattr(
        memori._interceptor(),
        "settings",
        memori.settings.intercept.model_copy(update={"time_limit": 20.0}),
    )
    chat(client)
    assert memori.status().troubles == ()
    assert len(provider.bodies[-1]["messages"]) == 2
    assert len(said(memori)) == 8


def test_a_call_that_stopped_waiting_leaves_nothing_half_done(
    client: openai.OpenAI, enable: Enable
) -> None:
    memori = enable(conscious_ingest=True, auto_ingest=True)
    memori.remember("Ana lives in Porto", pinned=True)
    chat(client)
    made, place = memori._interceptor(), memori._place_of(None)
    asked = ChatCompletions().read({"messages": [{"role": "user", "content": "And Ana?"}]})
    assert asked is not None

    async def ask_and_stop(steps: int) -> None:
        asking = asyncio.create_task(made.notes(place, asked))
        for _ in range(steps):
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait([asking])

    for steps in range(8):
        loop.run(ask_and_stop(steps))
        gc.collect()  # a coroutine that nobody waited for would warn, which is an error here


def test_trouble_that_comes_and_goes_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    troubles = Troubles()
    with caplog.at_level(logging.WARNING, "memori"):
        for _ in range(3):
            troubles.report("injection", "memory took too long")
            assert troubles.now() == ("memory took too long",)
            troubles.clear("injection")
            assert troubles.now() == ()
        troubles.report("recording", "an exchange could not be recorded")
    assert [record.getMessage() for record in caplog.records] == [
        "memori: memory took too long",
        "memori: an exchange could not be recorded",
    ]


def test_a_locked_store_is_read_and_what_it_cannot_take_is_spooled_and_recorded_later(
    client: openai.OpenAI,
    provider: Provider,
    enable: Enable,
    file_database: TestDatabase,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recording, "_RETRY_FIRST", 0.2)
    monkeypatch.setenv("MEMORI_DATABASE__BUSY_TIMEOUT", "0.2")
    monkeypatch.setenv("MEMORI_INTERCEPT__TIME_LIMIT", "2")
    memori = enable(conscious_ingest=True)
    memori.remember("Ana lives in Porto", pinned=True)
    with locked(file_database):
        chat(client, "One, my key is " + "sk-" + "proj-" + "a1B2" * 12)
        chat(client, "Two")
        assert len(provider.bodies[1]["messages"]) == 2
        until(lambda: memori.status().spooled == 2)
        assert "held by another process" in memori.status().troubles[0]
        spool = Path(f"{file_database.path}.spool")
        files = sorted(spool.iterdir())
        assert spool.stat().st_mode & 0o777 == 0o700
        assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
        assert "a1B2a1B2" not in "".join(file.read_text() for file in files)
    until(lambda: memori.status().spooled == 0)
    assert [content[:3] for role, content in said(memori) if role == "user"] == ["One", "Two"]
    assert memori.status().troubles == ()


def test_a_store_that_cannot_be_opened_is_no_reason_to_fail(
    client: openai.OpenAI,
    provider: Provider,
    enable: Enable,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(recording, "_RETRY_FIRST", 0.1)
    monkeypatch.setattr(interceptors, "_REOPEN_AFTER", 0.1)
    path = tmp_path / "broken.db"
    path.write_bytes(b"this is no database" * 100)
    with caplog.at_level(logging.WARNING, "memori"):
        memori = enable(database_connect=f"sqlite:///{path}")
        assert chat(client).choices[0].message.content == "Noted: Hello"
        chat(client)
        until(lambda: memori.status().spooled == 2)
    assert len(caplog.records) == 1
    assert "cannot be opened" in caplog.text
    assert any("cannot be opened" in trouble for trouble in memori.status().troubles)
    path.unlink()  # a person repairs it
    until(lambda: memori.status().spooled == 0)
    assert len(said(memori)) == 4
    chat(client)
    assert memori.status().troubles == ()


@pytest.mark.skipif(os.name != "posix", reason="an open file cannot be removed")
def test_a_database_that_is_deleted_while_open_is_made_again_and_no_exchange_is_lost(
    client: openai.OpenAI,
    enable: Enable,
    file_database: TestDatabase,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(recording, "_RETRY_FIRST", 0.1)
    monkeypatch.setattr(sqlite, "_SETTLED_AFTER", 60.0)
    memori = enable()
    chat(client, "One")
    memori.flush()
    for ending in ("", "-wal", "-shm"):
        Path(f"{file_database.path}{ending}").unlink()
    with caplog.at_level(logging.WARNING, "memori"):
        chat(client, "Two")
        chat(client, "Three")
        until(lambda: memori.status().spooled == 2)
    assert memori.status().recorded == 1
    assert ["was deleted or moved while" in each.getMessage() for each in caplog.records] == [True]
    assert any("deleted or moved" in trouble for trouble in memori.status().troubles)
    monkeypatch.setattr(sqlite, "_SETTLED_AFTER", 0.0)
    until(lambda: memori.status().spooled == 0)
    chat(client, "Four")
    assert [word for role, word in said(memori) if role == "user"] == ["Two", "Three", "Four"]
    assert memori.status().troubles == ()


def test_a_bug_in_memory_does_not_reach_the_caller(
    client: openai.OpenAI, provider: Provider, enable: Enable, monkeypatch: pytest.MonkeyPatch
) -> None:
    memori = enable(conscious_ingest=True)

    def broken(*args: Any, **named: Any) -> None:
        raise ZeroDivisionError("content nobody should see")

    monkeypatch.setattr(AsyncMemori, "working_context", broken)
    monkeypatch.setattr(AsyncMemori, "record", broken)
    assert chat(client).choices[0].message.content == "Noted: Hello"
    until(lambda: memori.status().spooled == 1)
    assert "nobody should see" not in str(memori.status().troubles)
    monkeypatch.undo()


_HANGING = """
import sys, time
from memori import Memori
from openai import OpenAI
memori = Memori(sys.argv[1], conscious_ingest=True)
memori.enable()
client = OpenAI()
import sqlite3
holder = sqlite3.connect(sys.argv[1].removeprefix("sqlite:///"), isolation_level=None)
holder.execute("BEGIN IMMEDIATE")
client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Before the end"}])
print(time.time(), flush=True)
"""


def test_a_program_that_ends_while_the_store_is_locked_ends_soon_and_loses_nothing(
    file_database: TestDatabase, provider: Provider, enable: Enable, client: openai.OpenAI
) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY),
        "OPENAI_BASE_URL": provider.url,
        "OPENAI_API_KEY": "test",
    }
    done = subprocess.run(
        [sys.executable, "-c", _HANGING, file_database.url],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    ended = time.time()
    assert done.returncode == 0, done.stderr
    assert ended - float(done.stdout) < 6  # three seconds, and a busy machine's share
    memori = enable(conscious_ingest=True)
    until(lambda: memori.status().spooled == 0)
    chat(client)
    assert "Before the end" in json.dumps(provider.bodies[-1])
    assert [role for role, _ in said(memori)] == ["user", "assistant"] * 2


def test_an_exchange_spooled_and_yet_written_is_recorded_once(
    client: openai.OpenAI,
    enable: Enable,
    file_database: TestDatabase,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recording, "_PATIENCE", 0.05)
    memori = enable()
    with locked(file_database):
        chat(client)
        until(lambda: memori.status().spooled == 1)
    until(lambda: memori.status().spooled == 0)
    assert len(said(memori)) == 2
    memori.close()
    again = enable()
    assert len(said(again)) == 2


def test_a_spool_file_that_cannot_be_read_is_put_aside(
    client: openai.OpenAI, enable: Enable, file_database: TestDatabase
) -> None:
    spool = Path(f"{file_database.path}.spool")
    spool.mkdir()
    (spool / "x.json").write_text("{")
    memori: Memori = enable()
    until(lambda: (spool / "x.unreadable").exists())
    chat(client)
    assert len(said(memori)) == 2
