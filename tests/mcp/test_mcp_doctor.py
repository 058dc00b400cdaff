"""`memori-mcp doctor`, as a person or a script runs it, in a home of its own."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from server_process import environment

from memori import Memori


class Home:
    """A person's home folder, and commands given in it."""

    def __init__(self, folder: Path, runtime: Path) -> None:
        self.folder = folder
        self.database = folder / ".local" / "share" / "memori" / "memori.db"
        folder.mkdir()
        self.env = environment() | {
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(runtime),
            "XDG_DATA_HOME": str(folder / ".local" / "share"),
            "XDG_CONFIG_HOME": str(folder / ".config"),
        }
        self.env.pop("CLAUDE_CONFIG_DIR", None)

    def run(
        self, *words: str, env: dict[str, str] | None = None, asked: str = ""
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "memori_mcp", *words],
            input=asked,
            capture_output=True,
            text=True,
            env=self.env | (env or {}),
            cwd=self.folder,
            timeout=120,
            check=False,
        )

    def doctor(
        self, status: int, *options: str, env: dict[str, str] | None = None
    ) -> dict[str, list[dict[str, Any]]]:
        """What was found, by check."""
        done = self.run("doctor", "--json", *options, env=env)
        said = json.loads(done.stdout)
        assert (done.returncode, said["status"]) == (status, status), done.stdout + done.stderr
        found: dict[str, list[dict[str, Any]]] = {}
        for each in said["findings"]:
            found.setdefault(each["check"], []).append(each)
        return found

    def add_client(self, command: list[str]) -> None:
        """An entry in Claude Code's settings, as `install` writes it."""
        entry = {"type": "stdio", "command": command[0], "args": command[1:], "env": self.added}
        path = self.folder / ".claude.json"
        path.write_text(json.dumps({"mcpServers": {"memori": entry}}), encoding="utf-8")

    @property
    def added(self) -> dict[str, str]:
        return {"PYTHONPATH": self.env["PYTHONPATH"]}


@pytest.fixture
def home(tmp_path: Path, runtime_folder: Path) -> Home:
    return Home(tmp_path / "ana", runtime_folder)


def test_all_is_well_before_anything_is_there(home: Home) -> None:
    found = home.doctor(0)
    assert "is not there yet" in found["database"][0]["text"]
    assert "mcp " in found["versions"][0]["text"]
    assert f"{sys.version_info.major}.{sys.version_info.minor}" in found["interpreter"][0]["text"]
    assert "install" in found["clients"][0]["remedy"]
    assert not home.database.exists(), "looking makes nothing"


def test_a_working_installation_is_seen_to_work(home: Home) -> None:
    home.run("remember", "Ana sails on Sundays")
    home.add_client([sys.executable, "-m", "memori_mcp"])
    found = home.doctor(0)
    for check in ("database", "round trip", "embedder", "learning", "place", "file modes"):
        assert found[check][0]["level"] == "ok", check
    client = found["client claude-code"][0]
    assert client["level"] == "ok"
    assert "answers after" in client["text"]
    assert "6 tools" in client["text"]
    with Memori(f"sqlite:///{home.database}") as memori:
        assert [each.namespace for each in memori.users().items] == ["default"], "it left nothing"
        assert memori.stats().memories == 1


def test_on_a_terminal_it_is_told_in_words(home: Home) -> None:
    done = home.run("doctor")
    assert done.returncode == 0
    assert "ok  interpreter: Python" in done.stdout
    assert done.stderr == "all is well\n"
    home.add_client([str(home.folder / "gone" / "memori-mcp")])
    done = home.run("doctor")
    assert done.returncode == 1
    assert "!!  client claude-code" in done.stdout
    assert "-> run: memori-mcp install claude-code" in done.stdout
    assert done.stderr == "to be done: client claude-code\n"


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("import sys; sys.exit('no such module')", "no such module"),
        ("print('Welcome!')", "something else than the protocol"),
        ("pass", "it ended without a word"),
    ],
)
def test_a_command_that_does_not_answer_is_a_finding(home: Home, program: str, said: str) -> None:
    script = home.folder / "memori-mcp"
    script.write_text(f"#!{sys.executable}\n{program}\n", encoding="utf-8")
    script.chmod(0o700)
    home.add_client([str(script)])
    client = home.doctor(1)["client claude-code"][0]
    assert said in client["text"]
    assert client["remedy"] == "run: memori-mcp install claude-code"


def test_without_a_database_the_rest_is_looked_at(home: Home) -> None:
    home.add_client([sys.executable, "-m", "memori_mcp"])
    found = home.doctor(1, "--database", "postgresql://ana:secret@127.0.0.1:1/memory")
    assert found["database"][0]["level"] == "finding"
    assert found["database"][0]["remedy"]
    assert found["client claude-code"][0]["level"] == "ok"
    assert "secret" not in json.dumps(found)


@pytest.mark.parametrize(
    ("env", "check"),
    [
        ({"MEMORI_DATABASE__POOL_SIZE": "many"}, "settings"),
        ({"MEMORI_CONFIG_PATH": "/nowhere/memori.toml"}, "settings"),
        ({"MEMORI_DATABASE__CONNECTION_STRING": "oracle://somewhere"}, "settings"),
        ({"MEMORI_LEARNING__ENTITIES": "no_such_pipeline"}, "settings"),
    ],
)
def test_a_bad_configuration_is_2_and_the_rest_is_looked_at(
    home: Home, env: dict[str, str], check: str
) -> None:
    home.add_client([sys.executable, "-m", "memori_mcp"])
    found = home.doctor(2, env=env)
    assert [each["level"] for each in found[check]][-1] == "bad"
    assert found["client claude-code"][0]["level"] == "ok"


@pytest.mark.skipif(os.name != "posix", reason="files have no modes there")
def test_files_that_others_can_read_and_synchronised_folders_are_findings(home: Home) -> None:
    folder = home.folder / "Dropbox"
    folder.mkdir()
    url = f"sqlite:///{folder / 'memori.db'}"
    home.run("remember", "Ana sails", "--database", url)
    (folder / "memori.db").chmod(0o644)
    found = home.doctor(1, "--database", url)
    assert "Dropbox synchronises" in found["place"][0]["text"]
    assert found["file modes"][0]["remedy"] == f"run: chmod 600 {folder / 'memori.db'}"


def test_a_pause_and_an_incognito_session_are_said(home: Home) -> None:
    home.run("remember", "Ana sails")
    home.run("pause", "--for", "1h")
    found = home.doctor(0, env={"MEMORI_INCOGNITO": "1"})
    assert found["pause"][0]["remedy"] == "to end it: memori resume"
    assert "MEMORI_INCOGNITO" in found["silence"][0]["text"]


@pytest.mark.skipif(os.name != "posix", reason="there is no local socket")
def test_a_hook_that_did_not_deliver_is_a_finding(home: Home) -> None:
    home.run("remember", "Ana sails")
    settings = home.folder / ".claude" / "settings.json"
    settings.parent.mkdir()
    said = {
        name: [{"hooks": [{"type": "command", "command": f"/opt/memori-mcp hook {event}"}]}]
        for name, event in (
            ("SessionStart", "session-start"),
            ("UserPromptSubmit", "user-prompt"),
            ("PreCompact", "pre-compact"),
            ("Stop", "stop"),
        )
    }
    settings.write_text(json.dumps({"hooks": said}), encoding="utf-8")
    assert "none has run so far" in home.doctor(0)["hooks claude-code"][0]["text"]
    home.run("hook", "user-prompt", asked=json.dumps({"session_id": "s", "prompt": "boats"}))
    hooks = home.doctor(1)["hooks claude-code"][0]
    assert "no server" in hooks["text"]
    assert "server" in hooks["remedy"]
    del said["Stop"]
    settings.write_text(json.dumps({"hooks": said}), encoding="utf-8")
    assert "lacks stop" in home.doctor(1)["hooks claude-code"][0]["text"]


def test_dead_jobs_and_a_hidden_database_are_findings(home: Home) -> None:
    home.run("remember", "Ana sails")
    with Memori(f"sqlite:///{home.database}") as memori:
        memori.record([{"content": "My dog is called Rex"}], session_id="s", learn=True)
    with sqlite3.connect(home.database) as connection:
        connection.execute("UPDATE jobs SET state = 'dead'")
    assert "memori jobs --retry" in home.doctor(1)["learning"][0]["remedy"]
    home.database.write_bytes(b"this is no database" * 100)
    assert home.doctor(1)["database"][0]["level"] == "finding"
