"""Every example runs as it stands, against the loopback provider."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from client_libraries import need

from benchmarks.provider import Provider
from memori import Memori

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLES = REPOSITORY / "examples"
USERS = 50


@pytest.fixture
def provider() -> Iterator[Provider]:
    """A server that speaks the wire formats on loopback."""
    with Provider() as started:
        yield started


def _environment(provider: Provider) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY),
        "OPENAI_BASE_URL": provider.url,
        "OPENAI_API_KEY": "test",
        "MEMORI_INTERCEPT__TIME_LIMIT": "20",
    }


def _run(name: str, folder: Path, provider: Provider, typed: str = "") -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / name)],
        cwd=folder,
        env=_environment(provider),
        input=typed,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def _sent(provider: Provider, number: int) -> str:
    return json.dumps(provider.bodies[number]["messages"])


def test_the_list_of_examples_is_complete() -> None:
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    for file in EXAMPLES.glob("*.py"):
        assert f"[{file.name}]({file.name})" in listed


def test_basic_usage(tmp_path: Path, provider: Provider) -> None:
    assert "Noted: Help me add authentication" in _run("basic_usage.py", tmp_path, provider)
    assert "FastAPI" in _sent(provider, 1)
    _run("basic_usage.py", tmp_path, provider)
    assert "Help me add authentication" in _sent(provider, 2)


def test_personal_assistant(tmp_path: Path, provider: Provider) -> None:
    typed = "My bicycle is green\nWhat next?\n"
    assert "Noted: What next?" in _run("personal_assistant.py", tmp_path, provider, typed)
    again = _run("personal_assistant.py", tmp_path, provider, "Hello\nforget green bicycle\n")
    assert "My bicycle is green" in _sent(provider, 2)
    assert "(forgot 0)" not in again


def test_memory_retrieval(tmp_path: Path, provider: Provider) -> None:
    provider.arguments = {"query": "bicycle colour"}
    assert "Noted: What colour" in _run("memory_retrieval.py", tmp_path, provider)
    assert "bicycle is green" in provider.bodies[1]["messages"][-1]["content"]


def test_advanced_configuration(tmp_path: Path, provider: Provider) -> None:
    printed = _run("advanced_configuration.py", tmp_path, provider)
    assert "memory.namespace = 'examples', from my_settings.toml" in printed
    assert "intercept.auto_ingest = True, from update_setting" in printed
    with Memori(f"sqlite:///{tmp_path / 'memori.db'}", user_id="alice") as memori:
        assert memori.stats().turns == 0
        kept = memori.search(kind="turn", namespace="examples").items
        assert sorted((hit.role, hit.source) for hit in kept) == sorted(
            [
                ("user", "agent"),
                ("assistant", "assistant"),
                ("user", "user"),
                ("assistant", "assistant"),
            ]
        )


def test_simple_multi_user(tmp_path: Path, provider: Provider) -> None:
    printed = _run("simple_multi_user.py", tmp_path, provider).splitlines()[-2:]
    assert "bees" in printed[0]
    assert "bees" not in printed[1]
    assert "bees" in _sent(provider, 1)
    assert "bees" not in _sent(provider, 3)


@pytest.fixture
def service(tmp_path: Path, provider: Provider) -> Iterator[str]:
    """The web service, as its documentation starts it."""
    need("fastapi")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "examples.fastapi_multi_user:app"]
    with subprocess.Popen(
        [*command, "--port", str(port), "--log-level", "warning"],
        cwd=tmp_path,
        env=_environment(provider),
    ) as process:
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 60
        while True:
            try:
                _get(f"{address}/openapi.json")
                break
            except urllib.error.URLError:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        yield address
        process.terminate()
        assert process.wait(30) in (0, -15)


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return json.load(answer) if "json" in answer.headers["content-type"] else answer.read()


def _say(address: str, text: str, session: str | None = None) -> str:
    request = urllib.request.Request(
        address,
        data=json.dumps({"text": text, "session": session}).encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read().decode()


def test_fifty_concurrent_users_of_a_web_service_find_their_own_lines_and_no_others(
    service: str, provider: Provider, tmp_path: Path
) -> None:
    assert b"swagger" in _get(f"{service}/docs")
    assert "/users/{user}/chat" in _get(f"{service}/openapi.json")["paths"]

    def user(number: int) -> None:
        mine = f"{service}/users/user-{number}"
        _say(f"{mine}/chat", f"My locker is number {number}.", "one")
        streamed = _say(f"{mine}/chat/stream", f"And my shoes are {number} too.")
        assert streamed == f"Noted: And my shoes are {number} too."
        _say(f"{mine}/chat", f"What is mine, {number}?", "two")

    with ThreadPoolExecutor(USERS) as pool:
        list(pool.map(user, range(USERS)))
    for number in range(USERS):
        deadline = time.monotonic() + 30
        while len(lines := _get(f"{service}/users/user-{number}/memory")["lines"]) < 6:
            assert time.monotonic() < deadline, lines
            time.sleep(0.05)
        assert len(lines) == 6
        assert all(f" {number}" in line for line in lines)
    for body in provider.bodies:
        *notes, question = [message["content"] for message in body["messages"]]
        if question.startswith("What is mine"):
            number = question.removeprefix("What is mine, ").removesuffix("?")
            assert f"My locker is number {number}." in notes[0]
            assert notes[0].count("My locker") == 1
    with Memori(f"sqlite:///{tmp_path / 'memori.db'}") as memori:
        assert memori.stats().turns == 0
