"""`--hooks`: Claude Code's hooks come, work as they are written, and go, ours alone."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from installs import COMMAND, Person

from memori import Memori
from memori_mcp.install.host_hooks import find_handlers, find_hook_host, handler
from memori_mcp.install.launch import Launch
from memori_mcp.install.machine import Machine

pytest_plugins = ["install_fixtures"]

EVENTS = {
    "SessionStart": "session-start",
    "UserPromptSubmit": "user-prompt",
    "PreCompact": "pre-compact",
    "Stop": "stop",
}
OTHERS = """{
  // my hooks
  "hooks": {
    "Stop": [
      {"hooks": [{"type": "command", "command": "say done"}]} // loud
    ],
    "PreToolUse": [{"matcher": "Bash", "hooks": [{"type": "command", "command": "check"}]}]
  },
  "model": "opus"
}
"""


def _settings(person: Person) -> Path:
    return person.home / ".claude" / "settings.json"


def _hooks(path: Path) -> dict[str, list[dict[str, Any]]]:
    """What Claude Code runs, by event."""
    said = json.loads(path.read_text())["hooks"]
    return {
        name: [each for group in groups for each in group["hooks"]] for name, groups in said.items()
    }


def test_four_hooks_are_written_with_the_options_of_the_entry(person: Person) -> None:
    person.did("install", "claude-code", "--hooks", "--user", "anna", "--database", person.database)
    found = _hooks(_settings(person))
    assert list(found) == list(EVENTS)
    for name, event in EVENTS.items():
        (each,) = found[name]
        assert each["type"] == "command"
        words = shlex.split(each["command"])
        assert words[:3] == [str(COMMAND), "hook", event]
        assert words[3:] == ["--user", "anna", "--database", person.database]


def test_a_hook_as_it_is_written_tells_a_session_what_is_known(person: Person) -> None:
    person.did("install", "claude-code", "--hooks", "--database", person.database)
    with Memori(person.database) as memori:
        memori.remember("Anna's boat is called Otto", pinned=True)
    (each,) = _hooks(_settings(person))["SessionStart"]
    done = subprocess.run(
        ["/bin/sh", "-c", each["command"]],
        input=json.dumps({"session_id": "s", "cwd": "/", "source": "startup"}),
        env={},
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    said = json.loads(done.stdout)["hookSpecificOutput"]
    assert said["hookEventName"] == "SessionStart"
    assert "called Otto" in said["additionalContext"]


def test_hooks_of_others_stay_and_everything_comes_back(person: Person) -> None:
    path = _settings(person)
    path.parent.mkdir()
    path.write_text(OTHERS)
    person.did("install", "claude-code", "--hooks")
    assert "// my hooks" in path.read_text()
    assert "// loud" in path.read_text()
    person.did("uninstall", "claude-code")
    assert path.read_text() == OTHERS
    assert not person.file("claude-code").exists()


def test_only_ours_are_taken_out_of_what_was_changed_since(person: Person) -> None:
    path = _settings(person)
    path.parent.mkdir()
    path.write_text(OTHERS.replace("// my hooks", "").replace("// loud", ""))
    person.did("install", "claude-code", "--hooks")
    said = json.loads(path.read_text())
    # Another program puts its own beside ours, in our group and in a group of its own.
    said["hooks"]["SessionStart"][0]["hooks"].append({"type": "command", "command": "hello"})
    said["hooks"]["Stop"].append({"hooks": [{"type": "command", "command": "memori-like hook x"}]})
    path.write_text(json.dumps(said, indent=4))
    person.did("uninstall", "claude-code")
    left = {name: [each["command"] for each in found] for name, found in _hooks(path).items()}
    assert left == {
        "Stop": ["say done", "memori-like hook x"],
        "PreToolUse": ["check"],
        "SessionStart": ["hello"],
    }


def test_a_second_install_changes_nothing_and_a_new_option_reaches_the_hooks(
    person: Person,
) -> None:
    person.did("install", "claude-code", "--hooks")
    before = _settings(person).read_bytes()
    assert person.did("install", "claude-code", "--hooks").count("nothing to change") == 2
    assert _settings(person).read_bytes() == before
    person.did("install", "claude-code", "--user", "anna")
    for found in _hooks(_settings(person)).values():
        (each,) = found
        assert each["command"].endswith(" --user anna")


def test_hooks_can_go_alone(person: Person) -> None:
    person.did("install", "claude-code", "--hooks")
    person.did("uninstall", "claude-code", "--hooks")
    assert not _settings(person).exists()
    assert "memori" in person.file("claude-code").read_text()


def test_without_hooks_none_are_written(person: Person) -> None:
    person.did("install", "claude-code")
    assert not _settings(person).exists()


def test_a_projects_hooks_are_in_its_settings_that_nobody_shares(person: Person) -> None:
    project = person.home / "boat"
    (project / ".git").mkdir(parents=True)
    person.did("install", "claude-code", "--project", "--hooks", cwd=project)
    path = project / ".claude" / "settings.local.json"
    for found in _hooks(path).values():
        words = shlex.split(found[0]["command"])
        assert words[words.index("--namespace") + 1].startswith("project:boat-")
        assert words[-2:] == ["--personal-namespace", "default"]
    assert not _settings(person).exists()
    person.did("uninstall", "claude-code", "--folder", str(project))
    assert [each for each in person.home.rglob("*") if each.is_file()] == []


@pytest.mark.parametrize("text", ['{"hooks": []}', '{"hooks": {"Stop": {}}}'])
def test_settings_of_another_form_are_left_as_they_are(person: Person, text: str) -> None:
    path = _settings(person)
    path.parent.mkdir()
    path.write_text(text)
    assert "left as it is" in person.refused("install", "claude-code", "--hooks")
    assert path.read_text() == text
    assert not person.file("claude-code").exists()


def test_on_windows_no_shell_stands_between(tmp_path: Path) -> None:
    windows = Machine("windows", "C:\\Users\\Anna B")
    launch = Launch("C:\\Users\\Anna B\\.local\\bin\\memori-mcp.exe")
    made = handler(launch, "stop", ("--user", "anna"), windows)
    assert made["command"] == launch.command
    assert made["args"] == ["hook", "stop", "--user", "anna"]
    from memori_mcp.install.config_file import ConfigFile

    file = ConfigFile(tmp_path / "s.json", "json", None).put(("hooks", "Stop"), [{"hooks": [made]}])
    assert find_handlers(file, find_hook_host("claude-code")) == {"stop": made}


def test_a_projects_hooks_take_the_place_of_those_of_all_projects(person: Person) -> None:
    project = person.home / "boat"
    (project / ".git").mkdir(parents=True)
    (project / "src").mkdir()
    own = ("--database", person.database)
    person.did("install", "claude-code", "--hooks", *own)
    with Memori(person.database) as memori:
        memori.remember("Anna's boat is called Otto", pinned=True)
    said = person.did("install", "claude-code", "--project", *own, cwd=project)
    assert "add --hooks" in said
    assert "Otto" in _start(_settings(person), project / "src")
    said = person.did("install", "claude-code", "--project", "--hooks", *own, cwd=project)
    assert "add --hooks" not in said
    assert _start(_settings(person), project / "src") == ""
    assert "Otto" in _start(project / ".claude" / "settings.local.json", project / "src")
    assert "Otto" in _start(_settings(person), person.home)


def _start(settings: Path, cwd: Path) -> str:
    """What the hook of a session's start says."""
    return subprocess.run(
        shlex.split(_hooks(settings)["SessionStart"][0]["command"]),
        input=json.dumps({"session_id": uuid4().hex, "cwd": str(cwd), "source": "startup"}),
        env={"XDG_RUNTIME_DIR": str(settings.parent)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout


def test_codex_has_the_same_hooks_in_a_file_of_its_own(person: Person) -> None:
    said = person.did("install", "codex", "--hooks", "--user", "anna")
    assert "Codex asks you to look at the hooks before it runs them: /hooks" in said
    found = _hooks(person.home / ".codex" / "hooks.json")
    assert list(found) == list(EVENTS)
    for name, event in EVENTS.items():
        words = shlex.split(found[name][0]["command"])
        assert words == [str(COMMAND), "hook", event, "--user", "anna"]
    person.did("uninstall", "codex")
    assert [each for each in person.home.rglob("*") if each.is_file()] == []
