"""`memori` as a process of its own: streams, terminal, signals, exit status."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "memori.cli"]
Command = Callable[..., subprocess.CompletedProcess[str]]

needs_posix = pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal and signals")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("MEMORI_")},
        "PYTHONPATH": str(REPOSITORY),
        "MEMORI_DATABASE__CONNECTION_STRING": f"sqlite:///{tmp_path / 'memory.db'}",
        "HOME": str(tmp_path),
        "COLUMNS": "60",
        "TERM": "xterm",
    }


@pytest.fixture
def memori(environment: dict[str, str], tmp_path: Path) -> Command:
    def command(*argv: str, stdin: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *argv],
            input=stdin,
            capture_output=True,
            text=True,
            encoding="utf-8",
            env={**environment, **more},
            cwd=tmp_path,
            timeout=60,
            check=False,
        )

    return command


def on_terminal(
    argv: list[str], environment: dict[str, str], cwd: Path, typed: str = ""
) -> tuple[int, str]:
    """Run a command whose three streams are a terminal; its status and what was shown."""
    import pty

    master, slave = pty.openpty()
    os.write(master, typed.encode())
    process = subprocess.Popen(
        [*COMMAND, *argv], stdin=slave, stdout=slave, stderr=slave, env=environment, cwd=cwd
    )
    os.close(slave)
    shown = b""
    with contextlib.suppress(OSError):  # Linux ends a closed terminal with an error
        while part := os.read(master, 65536):
            shown += part
    os.close(master)
    return process.wait(timeout=60), shown.decode()


def test_one_process_stores_and_another_recalls(memori: Command) -> None:
    stored = memori("remember", "-", "--json", stdin="Ana likes green tea.")
    assert (stored.returncode, stored.stderr) == (0, "")
    assert json.loads(stored.stdout)["status"] == "stored"
    found = memori("recall", "Which tea?", "--json")
    assert found.returncode == 0
    assert json.loads(found.stdout)["items"][0]["text"] == "Ana likes green tea."


@pytest.mark.parametrize(
    ("argv", "status"),
    [
        (["stats"], 0),
        (["recall", "zeppelin"], 1),
        (["history", "nothing"], 1),
        (["recall"], 2),
        (["fly"], 2),
        ([], 2),
        (["stats", "--database", "oracle://somewhere"], 2),
        (["forget", "--session", "x"], 1),
    ],
)
def test_the_exit_status_says_how_it_went(memori: Command, argv: list[str], status: int) -> None:
    ran = memori(*argv)
    assert ran.returncode == status
    assert "Traceback" not in ran.stderr
    if status and argv:
        assert ran.stdout == ""
        assert ran.stderr.count("\n") == 1


def test_version_is_printed_without_opening_anything(memori: Command, tmp_path: Path) -> None:
    ran = memori("--version")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("memori ")
    assert not (tmp_path / "memory.db").exists()


@pytest.mark.parametrize("argv", [["--help"], ["recall", "--help"], ["path"]])
def test_help_imports_no_database(environment: dict[str, str], argv: list[str]) -> None:
    heavy = ["sqlalchemy", "aiosqlite", "alembic", "mcp", "Stemmer"]
    if "--help" in argv:
        heavy += ["pydantic", "asyncio"]
    code = (
        "import sys; from memori.cli import main\n"
        f"status = main({argv!r})\n"
        f"print(status, [name for name in {heavy!r} if name in sys.modules], file=sys.stderr)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert ran.stderr == "0 []\n"


def test_what_the_encoding_lacks_is_escaped_not_an_error(memori: Command) -> None:
    memori("remember", "Ana likes 茶 and ☕.")
    ran = memori("search", PYTHONIOENCODING="ascii")
    assert ran.returncode == 0
    assert "\\u8336" in ran.stdout


def test_a_reader_that_stops_reading_is_no_error(
    memori: Command, environment: dict[str, str], tmp_path: Path
) -> None:
    lines = "".join(json.dumps({"text": f"Number {n}. " + "word " * 400}) + "\n" for n in range(99))
    (tmp_path / "a.jsonl").write_text(lines, encoding="utf-8")
    memori("import", "a.jsonl")
    process = subprocess.Popen(
        [*COMMAND, "search", "--limit", "99"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        cwd=tmp_path,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(timeout=60) == 0
    process.stderr.close()


@needs_posix
def test_forget_asks_on_a_terminal_and_a_no_keeps_everything(
    memori: Command, environment: dict[str, str], tmp_path: Path
) -> None:
    memory_id = json.loads(memori("remember", "Ana likes tea.", "--json").stdout)["id"]
    status, shown = on_terminal(["forget", memory_id], environment, tmp_path, "n\n")
    assert status == 1
    assert "Ana likes tea." in shown
    assert "hide 1 item? [y/N]" in shown
    assert memori("recall", "tea").returncode == 0
    status, _ = on_terminal(["forget", memory_id], environment, tmp_path, "y\n")
    assert status == 0
    assert memori("recall", "tea").returncode == 1


@needs_posix
def test_tables_fit_the_terminal_and_colour_respects_no_color(
    memori: Command, environment: dict[str, str], tmp_path: Path
) -> None:
    memori("remember", "Ana likes " + "very " * 30 + "green tea.")
    _, shown = on_terminal(["search"], environment, tmp_path)
    assert "\x1b[1m" in shown
    _, plain = on_terminal(["search"], {**environment, "NO_COLOR": "1"}, tmp_path)
    assert "\x1b" not in plain
    assert all(len(line) <= 60 for line in plain.splitlines())
    assert "…" in plain


@needs_posix
def test_import_shows_progress_on_a_terminal(environment: dict[str, str], tmp_path: Path) -> None:
    lines = "".join(
        json.dumps({"session": f"s{n // 400}", "text": f"Number {n}."}) + "\n" for n in range(2000)
    )
    (tmp_path / "a.jsonl").write_text(lines, encoding="utf-8")
    status, shown = on_terminal(["import", "a.jsonl"], environment, tmp_path)
    assert status == 0
    assert "\ra.jsonl " in shown
    assert "2,000 new turns in 5 sessions" in shown
    _, quiet = on_terminal(["import", "a.jsonl", "--quiet"], environment, tmp_path)
    assert "\ra.jsonl " not in quiet


@needs_posix
def test_ctrl_c_ends_an_import_after_whole_batches(
    environment: dict[str, str], tmp_path: Path
) -> None:
    lines = "".join(
        json.dumps({"session": f"s{n // 400}", "text": f"Number {n} is said here."}) + "\n"
        for n in range(20_000)
    )
    (tmp_path / "a.jsonl").write_text(lines, encoding="utf-8")
    process = subprocess.Popen(
        [*COMMAND, "import", "a.jsonl", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        cwd=tmp_path,
    )
    deadline = time.monotonic() + 60
    while stored_turns(tmp_path) == 0:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    report = json.loads(out)
    assert report["interrupted"] is True
    assert b"Traceback" not in err
    assert stored_turns(tmp_path) == report["turns_stored"]
    assert report["turns_stored"] % 400 == 0
    assert 0 < report["turns_stored"] < 20_000


def stored_turns(folder: Path) -> int:
    """Turns in the database's file, none when there is no table yet."""
    with contextlib.closing(sqlite3.connect(folder / "memory.db", timeout=10)) as connection:
        try:
            return connection.execute("SELECT count(*) FROM turns").fetchone()[0]
        except sqlite3.OperationalError:
            return 0
