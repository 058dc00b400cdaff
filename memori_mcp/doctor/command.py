"""The command: every check in turn, what each found, and an exit status for scripts."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from memori.cli.output import Output, use_safe_encoding
from memori.cli.progress import ProgressLine
from memori.cli.table import wrap
from memori.silence import working_folder
from memori_mcp.doctor.clients import check_clients
from memori_mcp.doctor.database import check_database, check_silence
from memori_mcp.doctor.findings import Finding
from memori_mcp.doctor.hooks import check_hooks
from memori_mcp.doctor.installation import check_interpreter, read_settings

FINE, FINDINGS, CONFIGURATION = 0, 1, 2
_MARKS = {"ok": "ok ", "note": "-- ", "finding": "!! ", "bad": "XX "}
_INDENT = "     "


def run(overrides: Mapping[str, Any], options: argparse.Namespace) -> int:
    """Look at everything, and say what was found.

    Args:
        overrides: settings that the command line gives.
        options: of the command.

    Returns:
        0 where all is well, 1 where something is to be done, 2 for a bad configuration.
    """
    use_safe_encoding()
    # What a check finds is said by it, once; the log says the same in other words.
    logging.getLogger("memori").setLevel(logging.CRITICAL)
    out = Output(as_json=options.json)
    found = asyncio.run(_look(overrides, options.config, out))
    levels = {each.level for each in found}
    status = CONFIGURATION if "bad" in levels else FINDINGS if "finding" in levels else FINE
    if out.as_json:
        out.object({"status": status, "findings": found})
    else:
        _sum_up(found, out)
    return status


async def _look(
    overrides: Mapping[str, Any], config_file: str | None, out: Output
) -> list[Finding]:
    progress = ProgressLine(out.err, shown=out.err.isatty() and not out.as_json)
    found: list[Finding] = []
    progress.draw(lambda _: "looking at the installation ...")
    async for each in _checks(overrides, config_file):
        found.append(each)
        if not out.as_json:
            progress.clear()
            _show(each, out)
        progress.draw(lambda _, last=each: f"after {last.check}: looking further ...")
    progress.clear()
    return found


async def _checks(overrides: Mapping[str, Any], config_file: str | None) -> AsyncIterator[Finding]:
    for each in check_interpreter():
        yield each
    collected, said = read_settings(overrides, config_file)
    for each in said:
        yield each
    if collected is not None:
        async for each in check_database(collected.settings):
            yield each
    for each in check_silence():
        yield each
    folder: Path | None = working_folder()
    async for each in check_clients(folder):
        yield each
    for each in check_hooks(folder):
        yield each


def _show(each: Finding, out: Output) -> None:
    style, mark = out.style, _MARKS[each.level]
    wide = style.width
    head = f"{each.check}: {each.text}"
    lines = [head] if wide is None else wrap(head, max(20, wide - len(_INDENT)))
    shown = mark if each.level in ("ok", "note") else style.bold(mark)
    out.say(f"{shown} {lines[0]}")
    for line in lines[1:]:
        out.say(f"{_INDENT}{line}")
    if each.remedy:
        rest = f"-> {each.remedy}"
        for line in [rest] if wide is None else wrap(rest, max(20, wide - len(_INDENT))):
            out.say(f"{_INDENT}{line}")


def _sum_up(found: list[Finding], out: Output) -> None:
    wrong = [each.check for each in found if each.level in ("finding", "bad")]
    out.out.flush()
    if wrong:
        out.note(f"to be done: {', '.join(dict.fromkeys(wrong))}")
    else:
        out.note("all is well")
    sys.stderr.flush()
