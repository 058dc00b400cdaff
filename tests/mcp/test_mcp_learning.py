"""Learning in a server process whose configuration asks for it."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from server_process import ServerProcess, StartServer

from memori import Memori, Memory

pytest_plugins = ["mcp_fixtures"]

SAID = "My name is Ana and I live in Porto"
LEARNT = {"The user is called Ana", "The user lives in Porto"}
#: Seconds until what is due must be learnt, and in which a server must have ended.
_PATIENCE, _ENDED = 20.0, 3.0


@pytest.fixture
def recorded(database_url: str) -> str:
    """A database with an exchange that is still to be learnt from."""
    with Memori(database_url) as memori:
        memori.record([{"role": "user", "content": SAID}], learn=True)
        assert len(memori.jobs()) == 1
    return database_url


@contextmanager
def _silent() -> Iterator[socket.socket]:
    """A server that takes a request and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(_PATIENCE)
        yield listening


def _config(tmp_path: Path, text: str) -> tuple[str, str]:
    file = tmp_path / "learning.toml"
    file.write_text(text, encoding="utf-8")
    return "--config", str(file)


def _found(server: ServerProcess) -> list[dict[str, Any]]:
    answer = server.call("search_memories")
    return answer["structuredContent"]["items"]


def test_a_recorded_turn_is_learnt_by_servers_once(
    start_server: StartServer, recorded: str, tmp_path: Path
) -> None:
    config = _config(tmp_path, "[learning]\nenabled = true\n")
    servers = [start_server(*config) for _ in range(2)]
    for server in servers:
        server.initialize()
    until = time.monotonic() + _PATIENCE
    # The first call opens the engine of each, and what is due is learnt behind it.
    while len({item["text"] for item in _found(servers[0]) + _found(servers[1])}) < len(LEARNT):
        assert time.monotonic() < until, [server.errors() for server in servers]
        time.sleep(0.1)
    assert [server.close() for server in servers] == [0, 0]
    with Memori(recorded) as memori:
        memories = [memori.get(hit.id) for hit in memori.search(kind="memory").items]
        assert {each.content for each in memories} == LEARNT
        assert {each.evidence for each in memories if isinstance(each, Memory)} == {1}
        assert memori.jobs() == ()


def test_a_server_that_was_not_asked_to_learns_nothing(
    start_server: StartServer, recorded: str
) -> None:
    server = start_server()
    server.initialize()
    assert _found(server) == []
    time.sleep(1.5)  # longer than a worker waits before its first look
    assert _found(server) == []
    assert server.close() == 0
    with Memori(recorded) as memori:
        [job] = memori.jobs()
        assert (job.state, job.attempts) == ("waiting", 0)


@pytest.mark.parametrize("end", ["hangup", "signal"])
def test_a_provider_that_hangs_keeps_no_server_from_ending(
    start_server: StartServer, recorded: str, tmp_path: Path, end: str
) -> None:
    with _silent() as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        agents = f'[agents]\nprovider = "custom"\nmodel = "slow"\nbase_url = "{url}"\n'
        server = start_server(*_config(tmp_path, f"[learning]\nenabled = true\n{agents}"))
        server.initialize()
        assert _found(server) == []
        connection, _ = listening.accept()  # the agent has asked, and is never answered
        with connection:
            assert b"POST /v1/chat/completions" in connection.recv(1024)
            assert _found(server) == []  # calls go on meanwhile
            began = time.monotonic()
            if end == "signal":
                server.process.send_signal(signal.SIGTERM)
                assert server.process.wait(10) == 0
            else:
                assert server.close() == 0
            assert time.monotonic() - began < _ENDED
    with Memori(recorded) as memori:
        [job] = memori.jobs()
        assert (job.state, job.attempts) == ("waiting", 0)  # given back: it was no try
        memori.learn()
        assert {hit.text for hit in memori.search(kind="memory").items} == LEARNT
