"""What of memori is installed in which client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path, PurePath, PureWindowsPath
from typing import Any, cast

from memori.errors import ConfigurationError
from memori_mcp.install.clients import CLIENTS, Client
from memori_mcp.install.config_file import ConfigFile
from memori_mcp.install.machine import Machine

_COMMAND = "memori-mcp"


@dataclass(frozen=True, slots=True)
class Installed:
    """An entry of memori in a client's file, whoever wrote it.

    Attributes:
        client: id of the client.
        title: its name.
        file: the file.
        keys: what leads to the entry in it; the last is its name.
        command: what the client starts.
        args: with what.
        env: the environment that the entry adds.
        project: the folder of the project it is for; None where it is for all.
        problem: why the file could not be read; there is no command then.
    """

    client: str
    title: str
    file: Path
    keys: tuple[str, ...] = ()
    command: str = ""
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    project: str | None = None
    problem: str | None = None

    @property
    def name(self) -> str:
        """What the client calls the server."""
        return self.keys[-1] if self.keys else ""


def installed(machine: Machine | None = None, project: str | None = None) -> list[Installed]:
    """The entries of memori in the files of all clients.

    Args:
        machine: whose files; this machine's unless given.
        project: a folder whose own files are looked at, too.

    Returns:
        One for each entry, in the order of `CLIENTS`, and one with a `problem` for each file that
        cannot be read. Nothing is started, and nothing is written.
    """
    machine = machine or Machine.here()
    found: list[Installed] = []
    for client in CLIENTS.values():
        places: list[PurePath | None] = [None]
        if project is not None and client.project_file is not None and not client.keyed_by_project:
            places.append(machine.path(project))
        usual, _ = client.location(machine, None)
        for place in places:
            path, _ = client.location(machine, place)
            if place is not None and path == usual:
                continue  # the home folder was named
            try:
                file = ConfigFile.read(path, client.syntax)
                found += in_file(client, file, None if place is None else str(place))
            except ConfigurationError as error:
                found.append(Installed(client.id, client.title, path, problem=str(error)))
    return found


def is_memori(command: str, args: Sequence[str]) -> bool:
    """Whether a command starts this server, directly or by a runner such as uvx."""
    stem = PureWindowsPath(command).name.casefold().removesuffix(".exe")
    if stem == _COMMAND:
        return True
    words = list(args)
    return _COMMAND in words or ("-m", "memori_mcp") in pairwise(words)


def in_file(client: Client, file: ConfigFile, project: str | None = None) -> list[Installed]:
    """The entries of memori in one file of a client.

    Args:
        client: whose.
        file: its file.
        project: the project the file is of; None for all.

    Raises:
        ConfigurationError: the file cannot be understood.
    """
    said = file.values
    found = list(_among(client, file.path, said, client.keys, project))
    folders = said.get("projects") if client.keyed_by_project else None
    if isinstance(folders, dict):
        for folder in cast("dict[str, Any]", folders):
            below = ("projects", folder, *client.keys)
            found += _among(client, file.path, said, below, folder)
    return found


def _among(
    client: Client,
    path: Path,
    said: Mapping[str, Any],
    keys: tuple[str, ...],
    project: str | None,
) -> Iterator[Installed]:
    servers: Any = said
    for key in keys:
        servers = (
            cast("Mapping[str, Any]", servers).get(key) if isinstance(servers, Mapping) else None
        )
    if not isinstance(servers, Mapping):
        return
    for name, entry in cast("Mapping[str, Any]", servers).items():
        command, args, env = client.read(entry)
        if command and is_memori(command, args):
            yield Installed(
                client.id, client.title, path, (*keys, name), command, args, env, project
            )
