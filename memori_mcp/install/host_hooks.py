"""The hooks of a host: put into its settings, found there, and taken out again, ours alone."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, cast

from memori.errors import ConfigurationError
from memori.hooks.place import PROJECT_HOOKS
from memori_mcp.install.config_file import ConfigFile
from memori_mcp.install.entries import is_memori
from memori_mcp.install.launch import Launch
from memori_mcp.install.machine import Machine

#: Seconds after which the host goes on without a hook; a hook answers long before.
_TIMEOUT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class HookHost:
    """A host whose hooks are known.

    Attributes:
        file: its settings for all projects.
        project_file: its settings of one project that are one person's alone.
        events: its name of each event of `memori hook`.
        first: what a person has to do before the host runs them.
    """

    file: Callable[[Machine], PurePath]
    project_file: Callable[[PurePath], PurePath]
    events: Mapping[str, str]
    first: str = ""

    def location(self, machine: Machine, project: PurePath | None) -> Path:
        """The file with the hooks."""
        return Path(self.file(machine) if project is None else self.project_file(project))


def _claude_code(machine: Machine) -> PurePath:
    return machine.folder("CLAUDE_CONFIG_DIR", ".claude") / "settings.json"


_EVENTS = {
    "session-start": "SessionStart",
    "user-prompt": "UserPromptSubmit",
    "pre-compact": "PreCompact",
    "stop": "Stop",
}
HOOK_HOSTS: Mapping[str, HookHost] = {
    "claude-code": HookHost(
        _claude_code,
        # Not settings.json, which is shared: the command is of this machine.
        lambda project: project / PROJECT_HOOKS["claude-code"],
        _EVENTS,
    ),
    "codex": HookHost(
        lambda machine: machine.folder("CODEX_HOME", ".codex") / "hooks.json",
        lambda project: project / PROJECT_HOOKS["codex"],
        _EVENTS,
        "Codex asks you to look at the hooks before it runs them: /hooks",
    ),
}


@dataclass(frozen=True, slots=True)
class _Found:
    """A hook of ours: where it is in the file, and the event it is for."""

    event: str
    group: int
    place: int
    alone: bool


def find_hook_host(client: str) -> HookHost:
    """The hooks of a client.

    Raises:
        ConfigurationError: it has none that are known.
    """
    found = HOOK_HOSTS.get(client)
    if found is None:
        raise ConfigurationError(
            f"--hooks: {client} has no hooks that memori knows; {', '.join(HOOK_HOSTS)} have"
        )
    return found


def handler(launch: Launch, event: str, args: Sequence[str], machine: Machine) -> dict[str, Any]:
    """What a host is told to run at an event."""
    words = [*launch.args, "hook", event, *args]
    if machine.platform == "windows":
        # Started without a shell: which one it would be there depends on what is installed.
        return {
            "type": "command",
            "command": launch.command,
            "args": words,
            "timeout": _TIMEOUT_SECONDS,
        }
    return {
        "type": "command",
        "command": shlex.join([launch.command, *words]),
        "timeout": _TIMEOUT_SECONDS,
    }


def put_hooks(file: ConfigFile, host: HookHost, handlers: Mapping[str, Any]) -> ConfigFile:
    """The file with one hook of ours at each event, and those of others as they were.

    Args:
        file: the host's settings.
        host: whose.
        handlers: what to run, by our name of the event.

    Raises:
        ConfigurationError: the file cannot be understood.
    """
    for event, wanted in handlers.items():
        name = host.events[event]
        ours = [each for each in _find(file, host) if each.event == name]
        if not ours:
            groups = file.get(("hooks", name))
            place = len(cast("list[Any]", groups)) if isinstance(groups, list) else 0
            if groups is None:
                file = file.put(("hooks", name), [{"hooks": [wanted]}])
            else:
                file = file.put(("hooks", name, place), {"hooks": [wanted]})
            continue
        for each in reversed(ours[1:]):
            file = _without(file, each)
        path = ("hooks", name, ours[0].group, "hooks", ours[0].place)
        if _at(file, ours[0]) != wanted:
            file = file.put(path, wanted)
    return file


def remove_hooks(file: ConfigFile, host: HookHost) -> ConfigFile:
    """The file without our hooks; a list that nothing is left in is taken out, too.

    Raises:
        ConfigurationError: the file cannot be understood.
    """
    found = _find(file, host)
    for each in reversed(found):
        file = _without(file, each)
    for name in dict.fromkeys(each.event for each in found):
        if file.get(("hooks", name)) == []:
            file = file.remove(("hooks", name))
    if found and file.get(("hooks",)) == {}:
        file = file.remove(("hooks",))
    return file


def find_handlers(file: ConfigFile, host: HookHost) -> dict[str, Any]:
    """Our hooks in a file, by our name of the event."""
    first: dict[str, _Found] = {}
    for each in _find(file, host):
        first.setdefault(each.event, each)
    return {event: _at(file, first[name]) for event, name in host.events.items() if name in first}


def _find(file: ConfigFile, host: HookHost) -> list[_Found]:
    hooks = file.get(("hooks",))
    found: list[_Found] = []
    for name in host.events.values():
        groups = cast("dict[str, Any]", hooks).get(name) if isinstance(hooks, dict) else None
        for number, group in enumerate(_list(groups)):
            inner = cast("dict[str, Any]", group).get("hooks") if isinstance(group, dict) else None
            handlers = _list(inner)
            found += [
                _Found(name, number, place, len(handlers) == 1)
                for place, each in enumerate(handlers)
                if _is_ours(each)
            ]
    return found


def _list(value: object) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []


def _is_ours(value: object) -> bool:
    said = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    command = said.get("command")
    if not isinstance(command, str):
        return False
    if "args" in said:
        words = [command, *map(str, _list(said["args"]))]
    else:
        try:
            words = shlex.split(command)
        except ValueError:
            return False
    return bool(words) and "hook" in words[1:] and is_memori(words[0], words[1:])


def _at(file: ConfigFile, found: _Found) -> Any:
    hooks: Any = file.get(("hooks", found.event))
    return hooks[found.group]["hooks"][found.place]


def _without(file: ConfigFile, found: _Found) -> ConfigFile:
    path: tuple[str | int, ...] = ("hooks", found.event, found.group)
    return file.remove(path if found.alone else (*path, "hooks", found.place))
