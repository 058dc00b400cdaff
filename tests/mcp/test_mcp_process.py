"""The server as a process: how it starts, what it writes where, how it ends."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from server_process import StartServer, environment

pytest_plugins = ["mcp_fixtures"]

#: Runs the command with every import of database code reported on stderr.
WATCHED = """
import sys
class Watch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("sqlalchemy", "aiosqlite", "alembic", "numpy", "openai"):
            sys.stderr.write(f"IMPORTED {name}\\n")
        if name in ("memori.api", "memori.store.sqlite"):
            sys.stderr.write(f"IMPORTED {name}\\n")
sys.meta_path.insert(0, Watch())
from memori_mcp.cli import main
raise SystemExit(main())
"""

#: Runs the command with code that prints where it should not, before and during a call.
NOISY = """
import os, sys
import memori.api
remember = memori.api.AsyncMemori.remember
async def noisy(self, *args, **kwargs):
    print("print in a call")
    os.write(1, b"write in a call\\n")
    os.system("echo child in a call")
    return await remember(self, *args, **kwargs)
memori.api.AsyncMemori.remember = noisy
import memori_mcp.server
create_server = memori_mcp.server.create_server
def noisy_create(*args, **kwargs):
    print("print at start")
    return create_server(*args, **kwargs)
memori_mcp.server.create_server = noisy_create
import atexit
atexit.register(print, "print at exit")
from memori_mcp.cli import main
raise SystemExit(main())
"""


def test_no_database_code_is_imported_before_initialize_is_answered(
    start_server: StartServer,
) -> None:
    server = start_server(command=[sys.executable, "-c", WATCHED])
    server.initialize()
    server.ask("tools/list")
    assert "IMPORTED" not in server.errors()
    server.call("remember", content="Pixel is a cat.")
    assert "IMPORTED memori.api" in server.errors()
    assert "IMPORTED sqlalchemy" in server.errors()
    assert server.close() == 0


def test_stdout_carries_nothing_but_protocol(start_server: StartServer) -> None:
    server = start_server(command=[sys.executable, "-c", NOISY])
    server.initialize()
    assert server.call("remember", content="Pixel is a cat.")["isError"] is False
    assert server.process.stdin is not None
    server.process.stdin.close()
    assert server.process.stdout is not None
    assert server.process.stdout.read() == b""
    assert server.process.wait(10) == 0
    for noise in ("print in a call", "write in a call", "child in a call", "print at start"):
        assert noise in server.errors()


def test_an_ordinary_run_writes_nothing_to_stderr(start_server: StartServer) -> None:
    server = start_server()
    server.initialize()
    server.call("remember", content="Pixel is a cat.")
    server.call("remember", content="Pixel is a cat.", importance=7)
    server.call("recall", query="cat")
    assert server.close() == 0
    assert server.errors() == ""


def test_a_server_that_cannot_answer_hooks_serves_all_the_same(
    start_server: StartServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / ("too long for a socket " * 6)
    folder.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    server = start_server()
    server.initialize()
    assert server.call("remember", content="Pixel is a cat.")["isError"] is False
    assert server.close() == 0
    assert "hooks are not answered" in server.errors()
    assert "Traceback" not in server.errors()


def test_stored_text_never_reaches_the_log(start_server: StartServer) -> None:
    server = start_server("--log-level", "debug")
    server.initialize()
    server.call("remember", content="Pixel is a quadruped.")
    server.call("recall", query="quadruped")
    server.call("remember", content="Pixel is a quadruped.", category="quadruped")
    server.close()
    assert "quadruped" not in server.errors()


@pytest.mark.parametrize("ending", ["eof", "SIGTERM", "SIGINT"])
def test_an_ending_is_quick_clean_and_leaves_everything_written(
    start_server: StartServer, tmp_path: Path, ending: str
) -> None:
    server = start_server()
    server.initialize()
    kept = server.call("remember", content="Pixel is a cat.")["structuredContent"]["id"]
    begun = time.monotonic()
    if ending == "eof":
        assert server.close() == 0
    else:
        os.kill(server.process.pid, signal.Signals[ending])
        assert server.process.wait(10) == 0
    assert time.monotonic() - begun < 3
    assert server.errors() == ""
    # SQLite removes its log when the last connection is closed as it should be.
    assert not (tmp_path / "memori.db-wal").exists()
    later = start_server()
    later.initialize()
    assert later.call("recall", query="cat")["structuredContent"]["items"][0]["id"] == kept


@pytest.mark.parametrize("ending", ["eof", "SIGTERM", "SIGINT"])
def test_an_ending_does_not_wait_for_a_slow_call(
    start_server: StartServer, tmp_path: Path, ending: str
) -> None:
    server = start_server()
    server.initialize()
    server.call("remember", content="Pixel is a cat.")
    other = sqlite3.connect(tmp_path / "memori.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        server.request("tools/call", {"name": "remember", "arguments": {"content": "Waiting."}})
        time.sleep(0.5)
        begun = time.monotonic()
        if ending == "eof":
            assert server.close() == 0
        else:
            os.kill(server.process.pid, signal.Signals[ending])
            assert server.process.wait(10) == 0
        assert time.monotonic() - begun < 9
    finally:
        other.execute("ROLLBACK")
        other.close()
    assert "Traceback" not in server.errors()


@pytest.mark.parametrize("ending", ["eof", "SIGTERM", "SIGINT"])
def test_a_write_under_way_at_the_end_is_finished_and_answered(
    start_server: StartServer, tmp_path: Path, ending: str
) -> None:
    server = start_server()
    server.initialize()
    server.call("remember", content="Pixel is a cat.")
    other = sqlite3.connect(tmp_path / "memori.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    number = server.request("tools/call", {"name": "remember", "arguments": {"content": "Late."}})
    time.sleep(0.3)
    if ending == "eof":
        assert server.process.stdin is not None
        server.process.stdin.close()
    else:
        os.kill(server.process.pid, signal.Signals[ending])
    time.sleep(0.2)
    other.execute("ROLLBACK")
    other.close()
    answer = server.read()
    assert answer["id"] == number
    assert answer["result"]["structuredContent"]["status"] == "stored"
    assert server.process.wait(10) == 0


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_during_the_start_ends_it_without_a_traceback(
    start_server: StartServer, name: str
) -> None:
    server = start_server()
    time.sleep(0.6)
    os.kill(server.process.pid, signal.Signals[name])
    assert server.process.wait(10) == 0
    assert server.errors() == ""


def test_a_client_that_sends_everything_and_hangs_up_gets_its_answers(
    start_server: StartServer,
) -> None:
    server = start_server()
    server.request(
        "initialize",
        {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "tests", "version": "1"},
        },
    )
    server.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
    for n in range(5):
        arguments = {"content": f"Fact {n}."}
        server.request("tools/call", {"name": "remember", "arguments": arguments})
    assert server.process.stdin is not None
    server.process.stdin.close()
    answers = [server.read() for _ in range(6)]
    assert {answer["id"] for answer in answers} == {1, 2, 3, 4, 5, 6}
    assert all("result" in answer for answer in answers)
    assert server.process.wait(10) == 0


def test_a_client_that_reads_late_gets_every_answer(start_server: StartServer) -> None:
    server = start_server()
    server.initialize()
    for n in range(20):
        server.call("remember", content=f"Fact {n} of many. " + "word " * 300)
    asked = {
        server.request("tools/call", {"name": "search_memories", "arguments": {"limit": 20}})
        for _ in range(40)
    }
    time.sleep(1.0)  # by now the answers, some 20 kB each, have filled the pipe
    answers = [server.read() for _ in asked]
    assert {answer["id"] for answer in answers} == asked
    assert all(len(answer["result"]["structuredContent"]["items"]) == 20 for answer in answers)
    assert server.close() == 0


def test_requests_may_come_from_a_file_without_a_last_line_end(tmp_path: Path) -> None:
    requests = [
        {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "initialize",
            "params": {
                "protocolVersion": "2025-06-18",
                "capabilities": {},
                "clientInfo": {"name": "tests", "version": "1"},
            },
        },
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {
            "jsonrpc": "2.0",
            "id": 2,
            "method": "tools/call",
            "params": {"name": "remember", "arguments": {"content": "Pixel is a cat."}},
        },
    ]
    script = tmp_path / "requests.jsonl"
    script.write_text("\n".join(map(json.dumps, requests)))
    answers = tmp_path / "answers.jsonl"
    with script.open() as source, answers.open("w") as sink:
        ended = subprocess.run(
            [sys.executable, "-m", "memori_mcp", "--database", f"sqlite:///{tmp_path / 'm.db'}"],
            env=environment() | {"HOME": str(tmp_path)},
            stdin=source,
            stdout=sink,
            timeout=60,
            check=True,
        )
    assert ended.returncode == 0
    read = {answer["id"]: answer for answer in map(json.loads, answers.read_text().splitlines())}
    assert read[2]["result"]["structuredContent"]["status"] == "stored"


def test_a_client_that_is_gone_is_no_crash(start_server: StartServer) -> None:
    server = start_server()
    server.initialize()
    assert server.process.stdout is not None
    server.process.stdout.close()
    server.request("tools/call", {"name": "remember", "arguments": {"content": "Unread."}})
    time.sleep(1.5)
    assert server.close() == 0
    assert "Traceback" not in server.errors()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--database", "mongodb://x"], "mongodb"),
        (["--database", "not a url"], "sqlite:///"),
        (["--user", ""], "memory.user_id (from argument): is empty"),
        (["--namespace", " "], "memory.namespace (from argument): is empty"),
        (["--read-namespace", "n" * 129], "read_namespaces"),
        (["--config", "/nowhere/memori.toml"], "/nowhere/memori.toml does not exist"),
    ],
)
def test_a_bad_configuration_is_one_line_and_exit_code_2(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    ended = _run(tmp_path, *arguments)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert said in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert ended.stderr.startswith("memori-mcp: ")


def test_a_bad_variable_is_named(tmp_path: Path) -> None:
    ended = _run(tmp_path, variables={"MEMORI_DATABASE__BUSY_TIMEOUT": "soon"})
    assert ended.returncode == 2
    assert "database.busy_timeout (from environment)" in ended.stderr


def test_the_options_stand_before_or_after_serve(tmp_path: Path) -> None:
    for arguments in (["--user", "", "serve"], ["serve", "--user", ""]):
        assert "memory.user_id (from argument): is empty" in _run(tmp_path, *arguments).stderr


def test_version_and_help_are_for_people(tmp_path: Path) -> None:
    assert _run(tmp_path, "--version").stdout.startswith("memori-mcp ")
    shown = _run(tmp_path, "--help").stdout
    for word in ("--database", "--user", "--namespace", "--read-namespace", "demo", "serve"):
        assert word in shown


def _run(
    folder: Path, *arguments: str, variables: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "memori_mcp", *arguments],
        cwd=folder,
        env=environment() | {"HOME": str(folder)} | (variables or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_client_of_the_old_protocol_hears_of_its_first_change(start_server: StartServer) -> None:
    server = start_server()
    server.initialize()
    server.ask("resources/subscribe", {"uri": "memori://working-context"})
    server.call("remember", content="Ana lives in Porto")
    told = server.read()
    assert told["method"] == "notifications/resources/updated"
    assert told["params"]["uri"] == "memori://working-context"
    assert server.close() == 0
