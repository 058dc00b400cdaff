"""The clients that can be installed into: where each keeps its servers, and in which form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Literal, cast

from memori.errors import ConfigurationError
from memori_mcp.install.machine import Machine

#: What a client calls the server, unless it is told another name.
NAME = "memori"

Shape = Literal["plain", "typed", "zed", "listed"]


@dataclass(frozen=True, slots=True)
class Client:
    """One client.

    Attributes:
        id: as given to the command.
        title: as its makers call it.
        file: its file for all projects.
        project_file: its file for one, below the project's folder; None where it has none.
        keys: where in the file the servers are.
        shape: how an entry is written.
        syntax: of the file.
        reload: what makes it read the file again.
    """

    id: str
    title: str
    file: Callable[[Machine], PurePath]
    project_file: Callable[[Machine, PurePath], PurePath] | None
    keys: tuple[str, ...]
    shape: Shape
    reload: str
    syntax: Literal["json", "toml"] = "json"
    #: Whether the file for one project is that for all, with the project's folder as a key.
    keyed_by_project: bool = False

    def location(self, machine: Machine, project: PurePath | None) -> tuple[Path, tuple[str, ...]]:
        """The file, and the keys that lead to the servers in it.

        Args:
            machine: whose paths.
            project: the folder of a project; None for all projects.

        Raises:
            ConfigurationError: the client knows no projects.
        """
        if project is None:
            return Path(self.file(machine)), self.keys
        if self.project_file is None:
            raise ConfigurationError(
                f"{self.title} has one file for all projects: leave --project out, or name a "
                "namespace with --namespace"
            )
        keys = ("projects", _key(machine, project)) if self.keyed_by_project else ()
        return Path(self.project_file(machine, project)), (*keys, *self.keys)

    def entry(self, command: str, args: Sequence[str]) -> dict[str, Any]:
        """The entry of a server that is started by this command."""
        if self.shape == "listed":
            return {"type": "local", "command": [command, *args], "enabled": True}
        plain = {"command": command, "args": list(args)}
        return {"type": "stdio", **plain} if self.shape == "typed" else plain

    def read(self, entry: object) -> tuple[str, tuple[str, ...], Mapping[str, str]]:
        """Command, arguments and environment of an entry, whoever wrote it; "" for what is none."""
        if not isinstance(entry, Mapping):
            return "", (), {}
        said = cast("Mapping[str, Any]", entry)
        command, args = said.get("command"), said.get("args")
        if isinstance(command, list):
            words = [str(word) for word in cast("list[object]", command)]
            command, args = (words[0] if words else ""), words[1:]
        elif isinstance(command, Mapping):  # an older form of Zed's
            older = cast("Mapping[str, Any]", command)
            command, args = older.get("path"), older.get("args")
        listed = cast("list[object]", args) if isinstance(args, list) else []
        env = said.get("environment" if self.shape == "listed" else "env")
        named: Mapping[str, object] = (
            cast("Mapping[str, object]", env) if isinstance(env, Mapping) else {}
        )
        return (
            command if isinstance(command, str) else "",
            tuple(str(each) for each in listed),
            {name: str(value) for name, value in named.items()},
        )


def _key(machine: Machine, project: PurePath) -> str:
    """A project's folder as Claude Code writes it, with slashes on Windows too."""
    return project.as_posix() if machine.platform == "windows" else str(project)


def _claude_desktop(machine: Machine) -> PurePath:
    name = ("Claude", "claude_desktop_config.json")
    usual = machine.application_settings.joinpath(*name)
    if machine.platform != "windows":
        return usual
    # Since 2026 its installer makes a package, whose programs see a folder of their own here.
    packages = Path(machine.folder("LOCALAPPDATA", "AppData", "Local") / "Packages")
    found = sorted(packages.glob("Claude_*/LocalCache/Roaming"))
    return machine.path(str(found[0]), *name) if found else usual


def _claude_code(machine: Machine) -> PurePath:
    return machine.folder("CLAUDE_CONFIG_DIR") / ".claude.json"


def _zed(machine: Machine) -> PurePath:
    if machine.platform == "windows":
        return machine.application_settings / "Zed" / "settings.json"
    return machine.xdg_settings / "zed" / "settings.json"


def _opencode(machine: Machine) -> PurePath:
    return _either(machine.xdg_settings / "opencode")


def _either(folder: PurePath) -> PurePath:
    """opencode reads both; the one that is there is the one a person looks at."""
    commented = folder / "opencode.jsonc"
    return commented if Path(commented).is_file() else folder / "opencode.json"


CLIENTS: Mapping[str, Client] = {
    client.id: client
    for client in (
        Client(
            "claude-desktop",
            "Claude Desktop",
            _claude_desktop,
            None,
            ("mcpServers",),
            "plain",
            "Quit Claude Desktop and start it again",
        ),
        Client(
            "claude-code",
            "Claude Code",
            _claude_code,
            lambda machine, project: _claude_code(machine),
            ("mcpServers",),
            "typed",
            "Start a new session; /mcp shows the server",
            keyed_by_project=True,
        ),
        Client(
            "cursor",
            "Cursor",
            lambda machine: machine.at_home(".cursor", "mcp.json"),
            lambda machine, project: project / ".cursor" / "mcp.json",
            ("mcpServers",),
            "plain",
            "Cursor starts it by itself; Settings, MCP shows the server",
        ),
        Client(
            "vscode",
            "VS Code",
            lambda machine: machine.application_settings / "Code" / "User" / "mcp.json",
            lambda machine, project: project / ".vscode" / "mcp.json",
            ("servers",),
            "typed",
            "Run the command «MCP: List Servers» and start memori",
        ),
        Client(
            "windsurf",
            "Windsurf",
            lambda machine: machine.at_home(".codeium", "windsurf", "mcp_config.json"),
            None,
            ("mcpServers",),
            "plain",
            "Press Refresh in Cascade's list of MCP servers",
        ),
        Client(
            "zed",
            "Zed",
            _zed,
            lambda machine, project: project / ".zed" / "settings.json",
            ("context_servers",),
            "zed",
            "Zed starts it by itself; the agent's settings show the server",
        ),
        Client(
            "codex",
            "Codex",
            lambda machine: machine.folder("CODEX_HOME", ".codex") / "config.toml",
            lambda machine, project: project / ".codex" / "config.toml",
            ("mcp_servers",),
            "plain",
            "Start a new session; /mcp shows the server",
            syntax="toml",
        ),
        Client(
            "gemini-cli",
            "Gemini CLI",
            lambda machine: machine.at_home(".gemini", "settings.json"),
            lambda machine, project: project / ".gemini" / "settings.json",
            ("mcpServers",),
            "plain",
            "Start a new session; /mcp shows the server",
        ),
        Client(
            "opencode",
            "opencode",
            _opencode,
            lambda machine, project: _either(project),
            ("mcp",),
            "listed",
            "Start a new session",
        ),
    )
}


def find_client(name: str) -> Client:
    """The client of an id.

    Raises:
        ConfigurationError: there is none.
    """
    found = CLIENTS.get(name)
    if found is None:
        raise ConfigurationError(f"no client {name!r}; there are {', '.join(CLIENTS)}")
    return found
