"""Where each client keeps its file, on each platform."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import pytest

from memori.errors import ConfigurationError
from memori_mcp.install.clients import CLIENTS, find_client
from memori_mcp.install.installing import new_file
from memori_mcp.install.machine import Machine
from memori_mcp.install.options import ServerOptions, check_options
from memori_mcp.install.project import find_project

LINUX = Machine("linux", "/home/änna b")
MACOS = Machine("macos", "/Users/änna b")
WINDOWS = Machine(
    "windows",
    "C:\\Users\\Änna B",
    "D:\\work",
    {"APPDATA": "C:\\Users\\Änna B\\AppData\\Roaming"},
)
SETTINGS = "Library/Application Support"
PLACES = {
    "claude-desktop": (
        ".config/Claude/claude_desktop_config.json",
        f"{SETTINGS}/Claude/claude_desktop_config.json",
        "AppData/Roaming/Claude/claude_desktop_config.json",
    ),
    "claude-code": (".claude.json",) * 3,
    "cursor": (".cursor/mcp.json",) * 3,
    "vscode": (
        ".config/Code/User/mcp.json",
        f"{SETTINGS}/Code/User/mcp.json",
        "AppData/Roaming/Code/User/mcp.json",
    ),
    "windsurf": (".codeium/windsurf/mcp_config.json",) * 3,
    "zed": (
        ".config/zed/settings.json",
        ".config/zed/settings.json",
        "AppData/Roaming/Zed/settings.json",
    ),
    "codex": (".codex/config.toml",) * 3,
    "gemini-cli": (".gemini/settings.json",) * 3,
    "opencode": (".config/opencode/opencode.json",) * 3,
}


@pytest.mark.parametrize("client", CLIENTS)
def test_the_file_is_the_one_the_client_reads_on_each_platform(client: str) -> None:
    for machine, place in zip((LINUX, MACOS, WINDOWS), PLACES[client], strict=True):
        pure = PureWindowsPath if machine.platform == "windows" else PurePosixPath
        assert CLIENTS[client].file(machine) == pure(machine.home, place)


def test_variables_that_move_a_file_are_followed() -> None:
    machine = Machine(
        "linux",
        "/home/anna",
        environ={
            "XDG_CONFIG_HOME": "/cfg",
            "CODEX_HOME": "/codex",
            "CLAUDE_CONFIG_DIR": "/claude",
        },
    )
    found = {name: str(client.file(machine)) for name, client in CLIENTS.items()}
    assert found["zed"] == "/cfg/zed/settings.json"
    assert found["vscode"] == "/cfg/Code/User/mcp.json"
    assert found["codex"] == "/codex/config.toml"
    assert found["claude-code"] == "/claude/.claude.json"
    relative = Machine("linux", "/home/anna", environ={"XDG_CONFIG_HOME": "cfg"})
    assert str(CLIENTS["zed"].file(relative)) == "/home/anna/.config/zed/settings.json"


def test_the_packaged_claude_desktop_of_windows_has_a_folder_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Paths of Windows cannot be opened here: what is looked at is named by its own rules.
    roaming = tmp_path / "Packages" / "Claude_pzs8sxrjxfjjc" / "LocalCache" / "Roaming"
    roaming.mkdir(parents=True)
    monkeypatch.setattr(
        "memori_mcp.install.clients.Path", lambda path: tmp_path / PureWindowsPath(path).name
    )
    found = CLIENTS["claude-desktop"].file(WINDOWS)
    assert found.parts[-4:] == ("LocalCache", "Roaming", "Claude", "claude_desktop_config.json")
    assert "Claude_pzs8sxrjxfjjc" in str(found)


def test_opencode_is_given_the_file_that_is_there(tmp_path: Path) -> None:
    machine = Machine("linux", str(tmp_path))
    (tmp_path / ".config" / "opencode").mkdir(parents=True)
    (tmp_path / ".config" / "opencode" / "opencode.jsonc").touch()
    assert CLIENTS["opencode"].file(machine).name == "opencode.jsonc"


def test_a_projects_file_is_in_the_project_or_keyed_by_it() -> None:
    found = {}
    for name, client in CLIENTS.items():
        if client.project_file is not None:
            path, keys = client.location(LINUX, PurePosixPath("/src/boat"))
            found[name] = (str(path), *keys)
    assert found == {
        "claude-code": ("/home/änna b/.claude.json", "projects", "/src/boat", "mcpServers"),
        "cursor": ("/src/boat/.cursor/mcp.json", "mcpServers"),
        "vscode": ("/src/boat/.vscode/mcp.json", "servers"),
        "zed": ("/src/boat/.zed/settings.json", "context_servers"),
        "codex": ("/src/boat/.codex/config.toml", "mcp_servers"),
        "gemini-cli": ("/src/boat/.gemini/settings.json", "mcpServers"),
        "opencode": ("/src/boat/opencode.json", "mcp"),
    }
    _, keys = find_client("claude-code").location(WINDOWS, PureWindowsPath("D:\\src\\boat"))
    assert keys == ("projects", "D:/src/boat", "mcpServers")


def test_a_database_of_windows_is_checked_by_the_rules_of_windows() -> None:
    whole = ServerOptions(database="sqlite:///D:/Änna/m.db")
    assert check_options(whole, WINDOWS) == whole
    with pytest.raises(ConfigurationError, match=r"write sqlite:///D:/work/m\.db"):
        check_options(ServerOptions(database="sqlite:///m.db"), WINDOWS)


def test_a_project_has_a_name_that_stays_and_is_its_own(tmp_path: Path) -> None:
    homes = [tmp_path / one / "my boat!" for one in ("a", "b")]
    for each in homes:
        (each / ".git").mkdir(parents=True)
        (each / "deep" / "er").mkdir(parents=True)
    first, second = (find_project(str(each), "/home/x") for each in homes)
    assert first.namespace.startswith("project:my-boat-")
    assert first.namespace != second.namespace
    below = find_project(str(homes[0] / "deep" / "er"), "/home/x")
    assert (below.root, below.namespace) == (homes[0], first.namespace)
    assert len(find_project(str(tmp_path), "/home/x").namespace) < 128


def test_a_work_tree_of_git_is_the_project_it_was_made_from(tmp_path: Path) -> None:
    (tmp_path / "boat" / ".git" / "worktrees" / "fix").mkdir(parents=True)
    (tmp_path / "boat" / ".git" / "worktrees" / "fix" / "commondir").write_text("../..\n")
    (tmp_path / "fix").mkdir()
    gitdir = tmp_path / "boat" / ".git" / "worktrees" / "fix"
    (tmp_path / "fix" / ".git").write_text(f"gitdir: {gitdir}\n")
    made = find_project(str(tmp_path / "fix"), "/home/x")
    assert (made.root, made.home) == (tmp_path / "fix", tmp_path / "boat")
    assert made.namespace == find_project(str(tmp_path / "boat"), "/home/x").namespace


def test_a_home_folder_is_no_project(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is no project"):
        find_project(str(tmp_path), str(tmp_path))
    with pytest.raises(ConfigurationError, match="no such folder"):
        find_project(str(tmp_path / "none"), str(tmp_path))


@pytest.mark.parametrize("client", CLIENTS)
def test_a_command_of_windows_is_written_so_that_it_is_read_again(
    client: str,
) -> None:
    command = 'C:\\Users\\Änna "B"\\new tools\\memori-mcp.exe'
    args = ("--database", "sqlite:///C:/Users/Änna/\t.db")
    text = new_file(CLIENTS[client], "memori", command, args)
    said: Any = (tomllib if CLIENTS[client].syntax == "toml" else json).loads(text)
    for key in (*CLIENTS[client].keys, "memori"):
        said = said[key]
    assert CLIENTS[client].read(said) == (command, args, {})
