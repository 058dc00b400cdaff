"""`memori-mcp demo` as a newcomer runs it, and the conversation it brings along."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

from server_process import environment

from memori_mcp.demo import CONVERSATION, QUERIES


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "memori_mcp", "demo", *arguments],
        cwd=folder,
        env=environment() | {"HOME": str(folder), "TMPDIR": str(folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_demo_recalls_in_a_new_process_what_an_earlier_one_stored(tmp_path: Path) -> None:
    ended = _run(tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stderr == ""
    assert "> remember" in ended.stdout
    assert "> recall" in ended.stdout
    path = re.search(r'sqlite3 "([^"]+)"', ended.stdout)
    assert path is not None
    assert Path(path[1]).is_relative_to(tmp_path)
    with sqlite3.connect(path[1]) as connection:
        for query in QUERIES:
            assert query in ended.stdout
            assert connection.execute(query).fetchall()
    connection.close()


def test_the_demo_can_be_run_again_on_the_same_database(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'again.db'}"
    first, second = (_run(tmp_path, "--database", database) for _ in range(2))
    assert first.returncode == 0, first.stdout + first.stderr
    assert second.returncode == 0, second.stdout + second.stderr
    assert "21 of them new" in first.stdout
    assert "0 of them new" in second.stdout


def test_the_demo_says_when_its_database_is_no_database(tmp_path: Path) -> None:
    ended = _run(tmp_path, "--database", "mongodb://x")
    assert ended.returncode == 2
    assert "mongodb" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_bundled_conversation_is_three_sessions_of_two_named_people() -> None:
    text = (files("memori_mcp") / CONVERSATION).read_text(encoding="utf-8")
    turns = [json.loads(line) for line in text.splitlines()]
    assert len(turns) == 21
    assert len({turn["session"] for turn in turns}) == 3
    assert {turn["speaker"] for turn in turns} == {"Nadia", "Oskar"}
    assert len({turn["id"] for turn in turns}) == len(turns)
