"""Verbs that move memory: export, copy, backup."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Generator
from pathlib import Path

from memori.api import AsyncMemori
from memori.cli.output import ExitCode, Output, amount
from memori.cli.progress import ProgressLine, stop_on_interrupt
from memori.config import DatabaseSettings, Settings
from memori.model import Exported, ExportFormat
from memori.store.url import mask_password
from memori.transfer.copying import CopyProgress, CopyReport
from memori.transfer.databases import Chosen, copy_database

_STATUS = {
    "copied": "copied and checked",
    "updated": "brought up to date and checked",
    "present": "was there already",
}
_ENDINGS: dict[str, ExportFormat] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".md": "markdown",
    ".markdown": "markdown",
}


async def export(memori: AsyncMemori, args: argparse.Namespace, out: Output) -> ExitCode:
    """Write one scope, or all, to a file."""
    with long_work(args, out) as (progress, stopped):
        done = await memori.export(
            args.file,
            format=format_of(args.format, args.file),
            everyone=args.all,
            include_forgotten=args.include_forgotten,
            force=args.force,
            progress=progress,
            stopped=stopped,
        )
    return show_exported(done, out)


async def backup(memori: AsyncMemori, args: argparse.Namespace, out: Output) -> ExitCode:
    """Copy the whole database into a SQLite file."""
    with long_work(args, out) as (progress, stopped):
        done = await memori.backup(args.file, force=args.force, progress=progress, stopped=stopped)
    if out.as_json:
        out.object(done)
        return ExitCode.DONE
    out.say(f"{done.file}: {amount(done.scopes, 'scope')}, {done.size_bytes / 1e6:,.1f} MB")
    out.note(f"it opens as it is: memori --database sqlite:///{done.file} stats")
    return ExitCode.DONE


async def copy(settings: Settings, args: argparse.Namespace, out: Output) -> ExitCode:
    """Copy scopes from one database to another."""

    def at(url: str) -> DatabaseSettings:
        # A replica that the settings name is one of the configured database, not of these.
        given = {"connection_string": url, "read_connection_string": None}
        return settings.database.model_copy(update=given)

    chosen = Chosen(user_id=getattr(args, "user", None), namespace=getattr(args, "namespace", None))
    with long_work(args, out) as (progress, stopped):
        report = await copy_database(
            at(args.source), at(args.target), chosen=chosen, progress=progress, stopped=stopped
        )
    if not report.scopes and not report.interrupted and not out.as_json:
        out.note(f"nothing to copy in {mask_password(args.source)}")
    return show_copied(report, out)


@contextlib.contextmanager
def long_work(
    args: argparse.Namespace, out: Output
) -> Generator[tuple[Callable[[CopyProgress], None], Callable[[], bool]]]:
    """A line that shows how far a copy is, and a Ctrl-C that ends it between two steps."""
    display = ProgressLine(out.err, shown=out.err.isatty() and not args.quiet)
    with stop_on_interrupt() as stopped:
        try:
            yield display.copied, stopped
        finally:
            display.clear()


def format_of(given: ExportFormat | None, file: str) -> ExportFormat:
    """The format asked for, or the one the file's name says."""
    return given or _ENDINGS.get(Path(file).suffix.lower(), "sqlite")


def show_exported(done: Exported, out: Output) -> ExitCode:
    """Say what is in an exported file and how to use it."""
    if out.as_json:
        out.object(done)
        return ExitCode.DONE
    counts = [
        amount(done.rows.get(table, 0), one, many)
        for table, one, many in (
            ("memories", "memory", "memories"),
            ("turns", "turn", "turns"),
            ("sessions", "session", "sessions"),
        )
    ]
    out.say(f"{done.file}: {', '.join(counts)} ({done.format}, {done.size_bytes / 1e6:,.1f} MB)")
    if done.format == "sqlite":
        out.note(f"it opens as it is: memori --database sqlite:///{done.file} users list")
    elif done.format == "jsonl":
        out.note(f"bring it in elsewhere with: memori import {done.file}")
    return ExitCode.DONE


def show_copied(report: CopyReport, out: Output) -> ExitCode:
    """Say what a copy did, scope by scope."""
    status = ExitCode.DONE if report.scopes else ExitCode.NOTHING
    if report.interrupted:
        status = ExitCode.INTERRUPTED
    if out.as_json:
        out.object(report)
        return status
    if report.scopes:
        out.table(
            ("USER", "NAMESPACE", "MEMORIES", "TURNS", "STATUS"),
            [
                (
                    scope.user_id,
                    scope.namespace,
                    f"{scope.rows['memories']:,}" if scope.rows else "",
                    f"{scope.rows['turns']:,}" if scope.rows else "",
                    _STATUS[scope.status],
                )
                for scope in report.scopes
            ],
        )
    if report.interrupted:
        out.note("interrupted: what is listed is whole; run the same command again to continue")
    return status
