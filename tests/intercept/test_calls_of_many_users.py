"""Scopes: whose a call is, in threads, tasks, streams and forks, with several objects."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest
from conftest import TestDatabase
from intercepted import Enable, said, turns_of

from benchmarks.provider import Provider
from memori import Memori, ScopeError

pytest_plugins = ["intercept_fixtures"]
REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
async def async_client(provider: Provider) -> AsyncIterator[openai.AsyncOpenAI]:
    """An async client of the loopback provider."""
    async with openai.AsyncOpenAI(api_key="test", base_url=provider.url) as client:
        yield client


def _given(content: str, **more: Any) -> Any:
    return {"model": "m", "messages": [{"role": "user", "content": content}], **more}


def test_each_user_is_sent_and_recorded_under_their_own_name(
    client: openai.OpenAI, provider: Provider, enable: Enable
) -> None:
    memori = enable(conscious_ingest=True)
    for user in ("ana", "ben"):
        with memori.scope(user_id=user):
            client.chat.completions.create(**_given(f"I am {user}"))
    for user, other in (("ana", "ben"), ("ben", "ana")):
        with memori.scope(user_id=user):
            client.chat.completions.create(**_given("Who am I?"))
        sent = json.dumps(provider.bodies[-1])
        assert f"I am {user}" in sent
        assert f"I am {other}" not in sent
        assert len(said(memori, user_id=user)) == 4
    assert said(memori) == []


def test_sessions_never_span_users(client: openai.OpenAI, enable: Enable) -> None:
    memori = enable()
    ids: set[str | None] = set()
    for user in ("ana", "ben"):
        with memori.scope(user_id=user):
            client.chat.completions.create(**_given("Hello"))
        ids |= {turn.session_id for turn in turns_of(memori, user_id=user)}
    assert len(ids) == 2
    with memori.scope("ana", session_id="s"), memori.scope("ben"):
        client.chat.completions.create(**_given("Hello"))
    assert "s" not in {session.id for session in memori.sessions(user_id="ben").items}


def test_attribution_lasts_until_its_block_or_its_task_ends(
    client: openai.OpenAI, enable: Enable
) -> None:
    memori = enable()
    with memori.attribution("ana", "helper", "s1"):
        client.chat.completions.create(**_given("One"))
        with memori.attribution(agent_id="planner", human=False):
            client.chat.completions.create(**_given("Plan it"))

    async def task(user: str) -> None:
        memori.attribution(user)
        await asyncio.sleep(0.01)
        client.chat.completions.create(**_given(f"I am {user}"))

    async def main() -> None:
        await asyncio.gather(task("ben"), task("cleo"))

    asyncio.run(main())
    turns = turns_of(memori, user_id="ana")
    assert [(turn.agent_id, turn.source) for turn in turns] == [
        ("helper", "user"),
        ("helper", "assistant"),
        ("planner", "agent"),
        ("planner", "assistant"),
    ]
    assert {turn.session_id for turn in turns} == {"s1"}
    assert said(memori, user_id="ben")[0][1] == "I am ben"
    assert said(memori, user_id="cleo")[0][1] == "I am cleo"


def test_what_is_not_a_persons_is_not_said_lately(
    client: openai.OpenAI, provider: Provider, enable: Enable
) -> None:
    memori = enable(conscious_ingest=True)
    with memori.attribution(human=False):
        client.chat.completions.create(**_given("Split the task into steps"))
    client.chat.completions.create(**_given("Hello"))
    assert len(provider.bodies[1]["messages"]) == 1


@pytest.mark.anyio
async def test_fifty_tasks_of_fifty_users_do_not_mix(
    async_client: openai.AsyncOpenAI, provider: Provider, enable: Enable
) -> None:
    memori = enable(conscious_ingest=True)

    async def user(number: int) -> None:
        with memori.scope(user_id=f"user-{number}"):
            stream = await async_client.chat.completions.create(
                **_given(f"My number is {number}.", stream=True)
            )
            async for _ in stream:
                await asyncio.sleep(0)
            await async_client.chat.completions.create(**_given(f"Again, {number}?"))

    await asyncio.gather(*(user(number) for number in range(50)))
    for number in range(50):
        found = said(memori, user_id=f"user-{number}")
        assert [content for role, content in found if role == "user"] == [
            f"My number is {number}.",
            f"Again, {number}?",
        ]
        assert len(found) == 4
    for body in provider.bodies:
        if len(body["messages"]) == 2:
            notes, question = (message["content"] for message in body["messages"])
            mine = question.removeprefix("Again, ").removesuffix("?")
            assert f'"My number is {mine}."' in notes
            assert notes.count("My number is") == 1


def test_a_thread_without_a_scope_is_nobodys(
    client: openai.OpenAI,
    provider: Provider,
    enable: Enable,
    caplog: pytest.LogCaptureFixture,
) -> None:
    memori = enable()
    with (
        caplog.at_level(logging.WARNING, "memori"),
        memori.scope(user_id="ana"),
        ThreadPoolExecutor(2) as pool,
    ):
        for _ in range(3):
            pool.submit(client.chat.completions.create, **_given("Hello")).result()
    assert said(memori) == []
    assert said(memori, user_id="ana") == []
    assert memori.status().left_alone == {"no scope": 3}
    assert [record.getMessage() for record in caplog.records if "scope" in record.message][1:] == []


def test_where_scopes_are_used_a_call_without_a_user_is_nobodys(
    client: openai.OpenAI, provider: Provider, enable: Enable
) -> None:
    memori = enable(conscious_ingest=True)
    memori.remember("The default user lives in Porto", pinned=True)
    with memori.scope(user_id="alice"):
        client.chat.completions.create(**_given("Hello"))
    memori.flush()
    for nobody in (
        memori.scope(user_id=None),
        memori.scope(user_id=""),
        memori.scope(user_id="  "),
        memori.scope(session_id="s"),
        memori.attribution(agent_id="planner", human=False),
    ):
        with nobody:
            client.chat.completions.create(**_given("Hello"))
    assert "Porto" not in json.dumps(provider.bodies)
    assert said(memori) == []
    with pytest.raises(ScopeError):
        memori.context_for([{"role": "user", "content": "Hello"}], user_id="")


def test_where_the_settings_name_a_user_an_agent_may_call_for_them(
    client: openai.OpenAI, enable: Enable
) -> None:
    memori = enable(user_id="ana")
    with memori.scope(user_id="ben"):
        client.chat.completions.create(**_given("I am Ben"))
    with memori.attribution(agent_id="planner"):
        client.chat.completions.create(**_given("Plan the day"))
    assert said(memori)[0] == ("user", "Plan the day")


def test_a_stream_is_recorded_where_it_began(client: openai.OpenAI, enable: Enable) -> None:
    memori = enable()
    with memori.scope(user_id="ana"):
        stream = client.chat.completions.create(**_given("Hello", stream=True))
    with memori.scope(user_id="ben"):
        for _ in stream:
            pass
    assert len(said(memori, user_id="ana")) == 2
    assert said(memori, user_id="ben") == []


def test_several_enabled_objects_need_a_scope_to_choose_one(
    client: openai.OpenAI,
    provider: Provider,
    enable: Enable,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    one = enable()
    two = enable(database_connect=f"sqlite:///{tmp_path / 'two.db'}")
    with caplog.at_level(logging.WARNING, "memori"):
        client.chat.completions.create(**_given("Hello"))
        client.chat.completions.create(**_given("Hello"))
    assert len(caplog.records) == 1
    assert "several" in caplog.text
    assert said(one) == said(two) == []
    with two.scope(user_id="ana"):
        client.chat.completions.create(**_given("Hello"))
    assert said(one, user_id="ana") == []
    assert len(said(two, user_id="ana")) == 2
    two.disable()


def test_a_required_user_that_is_missing_leaves_the_call_alone(
    client: openai.OpenAI, enable: Enable
) -> None:
    memori = enable(require_scope=True)
    client.chat.completions.create(**_given("Hello"))
    assert memori.status().left_alone == {"no user": 1}
    with memori.scope(user_id="ana"):
        client.chat.completions.create(**_given("Hello"))
    assert len(said(memori, user_id="ana")) == 2


_FORK = """
import os, sys
from memori import Memori
from openai import OpenAI
memori = Memori(sys.argv[1], conscious_ingest=True)
memori.enable()
client = OpenAI()
def ask(text):
    client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}])
ask("parent first")
children = []
for number in range(3):
    pid = os.fork()
    if pid == 0:
        client = OpenAI()  # two processes cannot share one open connection
        ask(f"child {number}")
        ask(f"child {number} again")
        sys.exit(0)
    children.append(pid)
ask("parent last")
codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
memori.close()
with Memori(sys.argv[1]) as memori:
    print(codes, memori.stats().turns, memori.stats().sessions)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork is POSIX")
def test_forked_workers_inject_and_record_in_sessions_of_their_own(
    file_database: TestDatabase, provider: Provider
) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY),
        "OPENAI_BASE_URL": provider.url,
        "OPENAI_API_KEY": "test",
        "MEMORI_INTERCEPT__TIME_LIMIT": "20",
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", _FORK, file_database.url],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("[0, 0, 0] 16 4\n", "")
    sent = {body["messages"][-1]["content"]: len(body["messages"]) for body in provider.bodies}
    assert sent.pop("parent first") == 1
    assert list(sent.values()) == [2] * 7


def test_new_sessions_and_namespaces_of_a_scope(client: openai.OpenAI, enable: Enable) -> None:
    memori: Memori = enable()
    with memori.scope("ana", namespace="work", session_id="given"):
        client.chat.completions.create(**_given("Hello"))
    assert said(memori, user_id="ana") == []
    assert turns_of(memori, user_id="ana", namespace="work")[0].session_id == "given"
    with memori.scope("ana"):
        started = memori.new_session()
        client.chat.completions.create(**_given("Hello"))
    assert turns_of(memori, user_id="ana")[0].session_id == started
