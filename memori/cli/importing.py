"""The verb `import`: files of conversations in, with progress and a way to stop."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import time
from collections.abc import Callable, Generator
from pathlib import Path

from memori.api import AsyncMemori
from memori.cli.moving import show_copied
from memori.cli.output import ExitCode, Output, amount
from memori.cli.progress import ProgressLine, stop_on_interrupt
from memori.errors import InvalidArgument, MemoriError
from memori.model import as_json
from memori.transfer.conversations import BadLine
from memori.transfer.exports import export_format
from memori.transfer.importer import ImportReport, Progress, import_files

_SHOWN_BAD_LINES = 10
_PRIVATE = 0o600


async def import_(memori: AsyncMemori, args: argparse.Namespace, out: Output) -> ExitCode:
    """Import files; bad lines are reported and do not stop it, Ctrl-C does after a batch."""
    for name in args.files:
        # Before anything is written, so that a typing error in the third name costs nothing.
        with Path(name).open("rb"):  # noqa: ASYNC230  # nothing else runs yet
            pass
    exports = [name for name in args.files if export_format(Path(name)) is not None]
    if exports:
        return await _import_export(memori, exports[0], args, out)
    if args.all:
        raise InvalidArgument("--all is for the files of `memori export`")
    display = _ImportLine(out.err, shown=out.err.isatty() and not args.quiet)
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        stopped = stack.enter_context(stop_on_interrupt())
        on_bad_line = stack.enter_context(_bad_line_file(args.errors)) if args.errors else None
        stack.callback(display.clear)
        try:
            report = await import_files(
                memori,
                args.files,
                format=args.format,
                session_id=args.session,
                progress=display.update,
                on_bad_line=on_bad_line,
                stopped=stopped,
            )
        except MemoriError:
            display.clear()
            out.note(f"{display.stored:,} new turns are in; running it again continues")
            raise
    if out.as_json:
        out.object(report)
    else:
        _show(report, time.monotonic() - began, out, errors_in=args.errors)
    return _status(report)


async def _import_export(
    memori: AsyncMemori, name: str, args: argparse.Namespace, out: Output
) -> ExitCode:
    """Import what `memori export` wrote."""
    if len(args.files) > 1:
        raise InvalidArgument(f"{name} is an export; import it by itself")
    if args.format or args.session:
        raise InvalidArgument(f"{name} is an export, which knows its format and sessions")
    display = ProgressLine(out.err, shown=out.err.isatty() and not args.quiet)
    with contextlib.ExitStack() as stack:
        stopped = stack.enter_context(stop_on_interrupt())
        stack.callback(display.clear)
        report = await memori.import_export(
            name, everyone=args.all, progress=display.copied, stopped=stopped
        )
    return show_copied(report, out)


def _status(report: ImportReport) -> ExitCode:
    if report.interrupted:
        return ExitCode.INTERRUPTED
    if not report.turns_stored and not report.duplicates:
        return ExitCode.NOTHING
    return ExitCode.PARTIAL if report.bad_line_count else ExitCode.DONE


def _show(report: ImportReport, seconds: float, out: Output, *, errors_in: str | None) -> None:
    for line in report.bad_lines[:_SHOWN_BAD_LINES]:
        out.error(f"{line.file}:{line.line}: {line.reason}")
    hidden = report.bad_line_count - _SHOWN_BAD_LINES
    if hidden > 0:
        where = f"all are in {errors_in}" if errors_in else "--errors FILE writes all of them"
        out.error(f"... and {hidden:,} more that could not be kept; {where}")
    rate = (report.turns_stored + report.duplicates) / max(seconds, 1e-3)
    out.say(
        f"{amount(report.turns_stored, 'new turn')} in {amount(report.sessions, 'session')} from "
        f"{amount(len(report.files), 'file')} in {seconds:.1f} s ({rate:,.0f} turns/s)"
    )
    rest = {
        "already there": report.duplicates,
        "kept out of recall until `memori review` approves them": report.quarantined,
        "left out as instructions to a model": report.left_out.get("instruction", 0),
        "left out as empty": report.left_out.get("empty", 0),
        "not kept (bad)": report.bad_line_count,
    }
    for what, number in rest.items():
        if number:
            out.say(f"{number:,} {what}")
    if report.interrupted:
        out.note("interrupted: what is in is whole; run the same command again to continue")
    if report.turns_stored:
        out.note(f"take it back with `memori undo {report.import_id}`")


class _ImportLine(ProgressLine):
    """The progress of an import, which remembers its counts."""

    stored = 0

    def update(self, progress: Progress) -> None:
        """Draw how far it is."""
        self.stored = progress.turns_stored
        self.draw(lambda seconds: _text(progress, seconds))


def _text(progress: Progress, seconds: float) -> str:
    place = f"{progress.offset / 1e6:,.1f} MB"
    if progress.size:
        place = f"{min(progress.offset / progress.size, 1):4.0%}"
    parts = [
        f"{Path(progress.file).name} {place}",
        f"{progress.turns_done:,} turns",
        f"{progress.turns_done / max(seconds, 1e-3):,.0f}/s",
    ]
    if progress.bad_lines:
        parts.append(f"{progress.bad_lines:,} bad")
    return "  ".join(parts)


@contextlib.contextmanager
def _bad_line_file(name: str) -> Generator[Callable[[BadLine], None]]:
    """A file, readable by its owner only, that takes bad lines as JSON Lines."""

    def private(path: str, flags: int) -> int:
        return os.open(path, flags, _PRIVATE)

    with open(name, "w", encoding="utf-8", opener=private) as stream:
        yield lambda line: print(json.dumps(as_json(line)), file=stream)
