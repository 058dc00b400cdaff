"""Host hooks: are they installed, and did the last one deliver?"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from memori.cli.watching import describe_hook
from memori.errors import ConfigurationError
from memori.hooks.outcomes import read_last
from memori.hooks.place import Place, find_place, shared_folder
from memori_mcp.doctor.findings import Finding, finding, note, ok
from memori_mcp.install.clients import find_client
from memori_mcp.install.config_file import ConfigFile
from memori_mcp.install.host_hooks import HOOK_HOSTS, HookHost, find_handlers
from memori_mcp.install.machine import Machine

_OPTIONS = {
    "--database": "database",
    "--namespace": "namespace",
    "--personal-namespace": "personal",
    "--user": "user_id",
}
#: Reasons that are no fault: nothing was to be shown.
_FINE = ("", "nothing found", "abstained", "nothing new", "paused", "incognito", "excluded")
_REMEDIES = {
    "no server": "see above whether the client's server starts; a hook asks the one beside it, "
    "with the same database, user and namespace",
    "time limit": "a busy machine, or a server that had just started; if it stays so, see `memori "
    "activity --kind injection`",
}


def check_hooks(folder: Path | None) -> Iterator[Finding]:
    """The hooks in the settings of each host that has some.

    Args:
        folder: whose project's settings are looked at, too.
    """
    machine, any_at_all = Machine.here(), False
    for client, host in HOOK_HOSTS.items():
        for project in (None, *([] if folder is None else [machine.path(str(folder))])):
            path = host.location(machine, project)
            try:
                handlers = find_handlers(ConfigFile.read(path, find_client(client).syntax), host)
            except ConfigurationError as error:
                yield finding(f"hooks {client}", str(error), "correct that file")
                continue
            if handlers:
                any_at_all = True
                yield from _check(client, host, path, handlers)
    if not any_at_all:
        yield note(
            "hooks",
            "none is installed: memory comes when the model asks for it",
            "`memori-mcp install claude-code --hooks` installs them",
        )


def _check(
    client: str, host: HookHost, path: Path, handlers: Mapping[str, Any]
) -> Iterator[Finding]:
    check = f"hooks {client}"
    missing = [event for event in host.events if event not in handlers]
    if missing:
        yield finding(
            check,
            f"{path} lacks {', '.join(missing)}",
            f"run: memori-mcp install {client} --hooks",
        )
    shared = shared_folder()
    if shared is None:
        yield note(check, "hooks and servers share no folder here: session-start alone works")
        return
    last = read_last(shared, _place(next(iter(handlers.values()))).key)
    if last is None:
        yield note(check, f"{path} has them; none has run so far", "start a session and look again")
    elif last.reason in _FINE:
        yield ok(check, f"the last one: {describe_hook(last)}")
    else:
        remedy = _REMEDIES.get(last.reason, "run it by hand, as docs/hooks.md shows")
        yield finding(check, f"the last one: {describe_hook(last)}", remedy)


def _place(handler: Mapping[str, Any]) -> Place:
    """Whose memory a hook is about, as it says itself."""
    words = shlex.split(str(handler.get("command", "")))
    arguments: Sequence[Any] = handler.get("args", words[1:])
    words = [str(each) for each in arguments]
    given: dict[str, str | None] = {}
    for flag, value in pairwise(words):
        if flag in _OPTIONS:
            given[_OPTIONS[flag]] = value
    environ = {key: value for key, value in os.environ.items() if not key.startswith("MEMORI_")}
    return find_place(given, environ, Path.cwd())
