"""The Quick Start, in processes of its own, as a program would have it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.provider import Provider

pytest_plugins = ["intercept_fixtures"]
REPOSITORY = Path(__file__).resolve().parents[2]
HEAD = """
from memori import Memori
from openai import OpenAI

memori = Memori(conscious_ingest=True)
memori.enable()
client = OpenAI()
"""
FIRST = HEAD + (
    'client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", '
    '"content": "I\'m building a FastAPI project"}])\n'
)
SECOND = (
    'client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", '
    '"content": "Help me add authentication"}])\n'
)


def _run(program: str, folder: Path, provider: Provider, **more: str) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY),
        "OPENAI_BASE_URL": provider.url,
        "OPENAI_API_KEY": "test",
        "MEMORI_INTERCEPT__TIME_LIMIT": "20",
        **more,
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")


def _sent(provider: Provider, number: int) -> str:
    return json.dumps(provider.bodies[number]["messages"])


def test_the_second_call_knows_the_first_without_a_pause(
    tmp_path: Path, provider: Provider
) -> None:
    _run(FIRST + SECOND, tmp_path, provider)
    assert len(provider.bodies) == 2
    assert "FastAPI" in _sent(provider, 1)
    assert (tmp_path / "memori.db").stat().st_mode & 0o777 == 0o600


def test_the_second_call_in_a_new_process_knows_the_first(
    tmp_path: Path, provider: Provider
) -> None:
    _run(FIRST, tmp_path, provider)  # which ends right after its call
    _run(HEAD + SECOND, tmp_path, provider)
    assert "FastAPI" in _sent(provider, 1)


def test_the_first_call_of_a_process_reads_nothing_for_the_first_time(
    tmp_path: Path, provider: Provider
) -> None:
    _run(FIRST, tmp_path, provider)
    program = """
import sys
from memori import Memori
memori = Memori(conscious_ingest=True, auto_ingest=True)
memori.enable()
before = set(sys.modules)
assert "FastAPI" in memori.context_for([{"role": "user", "content": "Help me"}])
assert set(sys.modules) == before, set(sys.modules) - before
"""
    _run(program, tmp_path, provider)


def test_disabled_it_is_a_program_without_memory(tmp_path: Path, provider: Provider) -> None:
    _run(FIRST + "memori.disable()\n" + SECOND + SECOND, tmp_path, provider)
    assert [len(body["messages"]) for body in provider.bodies] == [1, 1, 1]


@pytest.mark.parametrize("library", ["openai", "anthropic", "litellm"])
def test_enabling_imports_no_library_the_program_has_not_imported(
    library: str, tmp_path: Path, provider: Provider
) -> None:
    program = f"""
import sys
from memori import Memori
memori = Memori(conscious_ingest=True)
memori.enable()
memori.record([{{"content": "hello"}}])
assert {library!r} not in sys.modules
assert "httpx" not in sys.modules and "httpx2" not in sys.modules
memori.disable()
"""
    _run(program, tmp_path, provider)


def test_a_library_imported_after_enabling_is_seen(tmp_path: Path, provider: Provider) -> None:
    program = """
import importlib.util, sys
from memori import Memori
memori = Memori(conscious_ingest=True)
memori.enable()
assert importlib.util.find_spec("openai") is not None and "openai" not in sys.modules
assert memori.status().clients == ()
from openai import OpenAI
import openai
assert type(openai.__spec__.loader).__name__ == "SourceFileLoader"
assert "exec_module" not in vars(openai.__spec__.loader)
assert memori.status().clients == ("openai",)
client = OpenAI()
"""
    _run(program + SECOND, tmp_path, provider)
    _run(HEAD + SECOND, tmp_path, provider)
    assert "Help me add authentication" in json.dumps(provider.bodies[1]["messages"][0])


def test_an_asynchronous_program_loses_nothing_either(tmp_path: Path, provider: Provider) -> None:
    program = """
import asyncio
from memori import Memori
from openai import AsyncOpenAI

async def main():
    async with Memori(conscious_ingest=True) as memori, AsyncOpenAI() as client:
        await asyncio.to_thread(memori.enable)
        await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "I'm building a FastAPI project"}]
        )

asyncio.run(main())
"""
    _run(program, tmp_path, provider)
    _run(HEAD + SECOND, tmp_path, provider)
    assert "FastAPI" in _sent(provider, 1)


def test_a_program_that_hangs_up_while_the_answer_streams_loses_nothing(
    tmp_path: Path, provider: Provider
) -> None:
    program = (
        HEAD
        + """
stream = client.chat.completions.create(
    model="m", stream=True, messages=[{"role": "user", "content": "Count to a hundred"}]
)
next(stream), next(stream)
keep = stream
"""
    )
    _run(program, tmp_path, provider)
    _run(HEAD + SECOND, tmp_path, provider)
    assert "Count to a hundred" in _sent(provider, -1)
