"""A program that ends right after its call loses nothing, and does not wait for a provider."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.provider import Provider
from memori import Memori

_PROGRAM = """
import sys, time
from memori import Memori, ProviderConfig
from openai import OpenAI
database, url, agent = sys.argv[1:]
config = ProviderConfig.from_custom(agent, model="slow") if agent else None
memori = Memori(database, provider_config=config)
memori.enable()
client = OpenAI(api_key="k", base_url=url)
said = [{"role": "user", "content": "My name is Ana and I live in Porto"}]
client.chat.completions.create(model="m", messages=said)
if agent:
    try:
        memori.flush(1.5)
    except TimeoutError:
        print("flush ended", flush=True)
print("done", time.time(), flush=True)
"""
#: What a program may take to end, with some room for a busy machine.
_SECONDS = 3.0


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes a request and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"


def _run(database: str, provider: Provider, agent: str) -> tuple[str, float]:
    """What the program says, and how long it took to end after its last line."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _PROGRAM, database, provider.url, agent],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    ended = time.time()
    assert done.stderr == ""
    return done.stdout, ended - float(done.stdout.split()[-1])


def _contents(database: str) -> set[str]:
    with Memori(database) as memori:
        memori.learn()
        assert memori.jobs() == ()
        return {hit.text for hit in memori.search(kind="memory").items}


def test_what_is_not_learnt_at_the_end_is_learnt_by_the_next_process(
    provider: Provider, tmp_path: Path
) -> None:
    database = f"sqlite:///{tmp_path}/memori.db"
    _, seconds = _run(database, provider, "")
    assert seconds < _SECONDS
    assert _contents(database) == {"The user is called Ana", "The user lives in Porto"}


def test_a_program_ends_in_time_also_when_the_provider_hangs(
    provider: Provider, silent: str, tmp_path: Path
) -> None:
    database = f"sqlite:///{tmp_path}/memori.db"
    said, seconds = _run(database, provider, silent)
    assert said.startswith("flush ended")
    assert seconds < _SECONDS
    assert _contents(database) == {"The user is called Ana", "The user lives in Porto"}


_IN_A_FUNCTION = """
import sys
from memori import Memori
from openai import OpenAI

def main():
    database, url, way = sys.argv[1:]
    memori = Memori(database)
    client = OpenAI(api_key="k", base_url=url)
    memori.enable() if way == "enable" else memori.register(client)
    said = [{"role": "user", "content": "My name is Ana and I live in Porto"}]
    client.chat.completions.create(model="m", messages=said)
    return client

client = main()
"""


@pytest.mark.parametrize("way", ["enable", "register"])
def test_an_object_nobody_keeps_any_more_loses_nothing_either(
    provider: Provider, tmp_path: Path, way: str
) -> None:
    database = f"sqlite:///{tmp_path}/memori.db"
    # `register` opens the database with the first call, which may wait for it here.
    patient = os.environ | {"MEMORI_INTERCEPT__TIME_LIMIT": "20"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _IN_A_FUNCTION, database, provider.url, way],
        capture_output=True,
        text=True,
        timeout=60,
        env=patient,
        check=True,
    )
    assert done.stderr == ""
    assert _contents(database) == {"The user is called Ana", "The user lives in Porto"}
