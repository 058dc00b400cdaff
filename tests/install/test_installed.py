"""Which entries of memori a machine's clients have."""

from __future__ import annotations

from pathlib import Path

import pytest

from memori_mcp.install.entries import installed, is_memori
from memori_mcp.install.machine import Machine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine("linux", str(tmp_path / "home of Ana"))


def _write(machine: Machine, name: str, text: str) -> Path:
    path = Path(machine.home) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_entries_of_every_form_are_found_whoever_wrote_them(machine: Machine) -> None:
    _write(
        machine,
        ".claude.json",
        """{"mcpServers": {"memori": {"command": "/opt/bin/memori-mcp", "args": ["--user", "ana"]},
        "other": {"command": "npx"}}, "projects": {"/src/boat": {"mcpServers": {"brain":
        {"command": "python", "args": ["-m", "memori_mcp"]}}}, "/src/shop": {}}}""",
    )
    _write(machine, ".codex/config.toml", "[mcp_servers.memory]\ncommand = '/x/memori-mcp'\n")
    _write(
        machine,
        ".config/opencode/opencode.jsonc",
        '{"mcp": {"m": {"type": "local", "command": ["uvx", "memori-mcp"], // mine\n'
        '"environment": {"A": "b"}}}}',
    )
    _write(
        machine,
        ".config/zed/settings.json",
        '{"context_servers": {"z": {"command": {"path": "C:\\\\memori-mcp.EXE", "args": []}}}}',
    )
    found = [(each.client, each.name, each.command, each.project) for each in installed(machine)]
    assert found == [
        ("claude-code", "memori", "/opt/bin/memori-mcp", None),
        ("claude-code", "brain", "python", "/src/boat"),
        ("zed", "z", "C:\\memori-mcp.EXE", None),
        ("codex", "memory", "/x/memori-mcp", None),
        ("opencode", "m", "uvx", None),
    ]
    assert installed(machine)[0].args == ("--user", "ana")
    assert installed(machine)[-1].env == {"A": "b"}


def test_a_file_that_cannot_be_read_is_a_problem_and_no_error(machine: Machine) -> None:
    path = _write(machine, ".cursor/mcp.json", '{"mcpServers": }')
    (found,) = installed(machine)
    assert (found.client, found.file, found.command) == ("cursor", path, "")
    assert found.problem is not None
    assert "line 1, column 16" in found.problem


def test_the_files_of_a_project_are_looked_at_when_it_is_named(machine: Machine) -> None:
    project = Path(machine.home) / "boat"
    _write(machine, "boat/.vscode/mcp.json", '{"servers": {"memori": {"command": "memori-mcp"}}}')
    assert installed(machine) == []
    (found,) = installed(machine, str(project))
    assert (found.client, found.project) == ("vscode", str(project))


def test_the_home_folder_as_a_project_shows_nothing_twice(machine: Machine) -> None:
    _write(machine, ".cursor/mcp.json", '{"mcpServers": {"memori": {"command": "memori-mcp"}}}')
    assert len(installed(machine, machine.home)) == 1


def test_nothing_installed_is_nothing(machine: Machine) -> None:
    assert installed(machine) == []


@pytest.mark.parametrize("command", ["npx", "/usr/bin/memori", "memori-mcp-old", ""])
def test_other_servers_are_not_ours(command: str) -> None:
    assert not is_memori(command, ["-y", "other"])
