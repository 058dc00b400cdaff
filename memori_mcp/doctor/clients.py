"""The entries of memori in clients' files: does the command start as a client starts it, how fast,
and does it answer?"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar, cast

from memori_mcp.doctor.findings import Finding, finding, note, ok
from memori_mcp.install.entries import Installed, installed

T = TypeVar("T")
#: Seconds an entry's command has to answer.
LIMIT = 30.0
#: A command that takes longer is a finding, in milliseconds: a host may give up or go on without.
SLOW = 5_000
#: What a desktop program passes on: a person's shell is no part of it.
_KEPT = (
    *("HOME", "USER", "LOGNAME", "LANG", "TMPDIR", "XDG_RUNTIME_DIR", "XDG_DATA_HOME"),
    *("XDG_CONFIG_HOME", "SYSTEMROOT", "WINDIR", "APPDATA", "LOCALAPPDATA", "USERPROFILE", "TEMP"),
)
_PATH = "/usr/bin:/bin"
_HELLO = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "memori-mcp doctor", "version": "1"},
}


async def check_clients(folder: Path | None) -> AsyncIterator[Finding]:
    """Each entry in the files of all clients, started as its client does.

    Args:
        folder: whose project's files are looked at, too.
    """
    entries = installed(project=None if folder is None else str(folder))
    if not entries:
        yield note(
            "clients",
            "memori is in no client's settings here",
            "`memori-mcp install CLIENT` puts it there; `memori-mcp install --help` lists clients",
        )
    for entry in entries:
        yield await check_entry(entry)


async def check_entry(entry: Installed) -> Finding:
    """Start one entry's command, and ask it for its tools.

    Args:
        entry: as `installed` lists it.
    """
    check = f"client {entry.client}"
    if entry.problem is not None:
        return finding(check, f"{entry.file}: {entry.problem}", "correct that file")
    again = f"run: memori-mcp install {entry.client}"
    if entry.project is not None:
        again += " --project, in that folder"
    said = f"{entry.name} in {entry.file}"
    began = time.perf_counter()
    try:
        async with asyncio.timeout(LIMIT):
            first, tools = await _ask(entry)
    except TimeoutError:
        return finding(check, f"{said} did not answer within {LIMIT:g} s", again)
    except _Silent as silent:
        return finding(check, f"{said} does not answer: {silent}", again)
    except OSError as error:
        return finding(check, f"{said} does not start: {entry.command}: {error.strerror}", again)
    spent = (time.perf_counter() - began) * 1000
    answered = f"{said} answers after {first:.0f} ms, {tools} tools after {spent:.0f} ms"
    if first > SLOW:
        return finding(check, answered, "a slow disk or a busy machine; hosts may give up on it")
    return ok(check, answered)


class _Silent(Exception):
    pass


async def _ask(entry: Installed) -> tuple[float, int]:
    """Milliseconds until it answered `initialize`, and how many tools it has."""
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        entry.command,
        *entry.args,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=entry.project or Path("/").anchor or "/",
        env=_environment(entry.env),
        limit=2**22,
    )
    try:
        await _send(process, {"id": 1, "method": "initialize", "params": _HELLO})
        await _answer(process, 1)
        first = (time.perf_counter() - began) * 1000
        await _send(process, {"method": "notifications/initialized"})
        await _send(process, {"id": 2, "method": "tools/list", "params": {}})
        tools = (await _answer(process, 2)).get("tools", [])
        return first, len(tools)
    finally:
        await _end(process)


async def _send(process: asyncio.subprocess.Process, message: Mapping[str, Any]) -> None:
    to_it = _pipe(process.stdin)
    try:
        to_it.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        await to_it.drain()
    except (BrokenPipeError, ConnectionResetError):
        raise _Silent(await _last_words(process)) from None


async def _answer(process: asyncio.subprocess.Process, number: int) -> Mapping[str, Any]:
    from_it = _pipe(process.stdout)
    while line := await from_it.readline():
        try:
            said: Any = json.loads(line)
        except ValueError:
            raise _Silent("it writes something else than the protocol") from None
        if isinstance(said, dict) and cast("dict[str, Any]", said).get("id") == number:
            message = cast("dict[str, Any]", said)
            if "result" not in message:
                raise _Silent("it answers with an error")
            return message["result"]
    raise _Silent(await _last_words(process))


async def _last_words(process: asyncio.subprocess.Process) -> str:
    lines = (await _pipe(process.stderr).read()).decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "it ended without a word"


def _pipe(stream: T | None) -> T:
    if stream is None:
        raise _Silent("it has no pipes")
    return stream


async def _end(process: asyncio.subprocess.Process) -> None:
    """Hang up, and leave nothing behind."""
    _pipe(process.stdin).close()
    try:
        async with asyncio.timeout(5):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _environment(added: Mapping[str, str]) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    path = {"PATH": _PATH} if os.name == "posix" else {"PATH": os.environ.get("PATH", "")}
    return {**kept, **path, **added}
