"""The verb `import`: files of conversations in, with progress and a way to stop."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TextIO

from memori.api import AsyncMemori
from memori.cli.output import ExitCode, Output, amount
from memori.cli.table import display_width
from memori.errors import MemoriError
from memori.model import as_json
from memori.transfer.conversations import BadLine
from memori.transfer.importer import ImportReport, Progress, import_files

_SHOWN_BAD_LINES = 10
_REDRAW_SECONDS = 0.1
_PRIVATE = 0o600


async def import_(memori: AsyncMemori, args: argparse.Namespace, out: Output) -> ExitCode:
    """Import files; bad lines are reported and do not stop it, Ctrl-C does after a batch."""
    for name in args.files:
        # Before anything is written, so that a typing error in the third name costs nothing.
        with Path(name).open("rb"):  # noqa: ASYNC230  # nothing else runs yet
            pass
    display = ProgressLine(out.err, shown=out.err.isatty() and not args.quiet)
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        stopped = stack.enter_context(_stop_on_interrupt())
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


class ProgressLine:
    """One line on the terminal that is drawn again and again.

    Args:
        stream: where to draw.
        shown: False to draw nothing and only remember the counts.
    """

    def __init__(self, stream: TextIO, *, shown: bool) -> None:
        self.stored = 0
        self._stream = stream
        self._shown = shown
        self._began = time.monotonic()
        self._drawn_at = 0.0
        self._width = 0

    def update(self, progress: Progress) -> None:
        """Draw how far it is, at most ten times a second."""
        self.stored = progress.turns_stored
        now = time.monotonic()
        if not self._shown or now - self._drawn_at < _REDRAW_SECONDS:
            return
        self._drawn_at = now
        text = self._text(progress, now - self._began)[: shutil.get_terminal_size().columns - 1]
        padding = " " * max(0, self._width - display_width(text))
        self._width = display_width(text)
        self._stream.write(f"\r{text}{padding}")
        self._stream.flush()

    def clear(self) -> None:
        """Take the line away."""
        if self._width:
            self._stream.write(f"\r{' ' * self._width}\r")
            self._stream.flush()
            self._width = 0

    def _text(self, progress: Progress, seconds: float) -> str:
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
def _stop_on_interrupt() -> Generator[Callable[[], bool]]:
    """Let the first Ctrl-C end the import after the batch under way, the second at once."""
    interrupts = 0

    def interrupt(signum: int, frame: object) -> None:
        nonlocal interrupts
        interrupts += 1
        if interrupts > 1:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield lambda: interrupts > 0
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _bad_line_file(name: str) -> Generator[Callable[[BadLine], None]]:
    """A file, readable by its owner only, that takes bad lines as JSON Lines."""

    def private(path: str, flags: int) -> int:
        return os.open(path, flags, _PRIVATE)

    with open(name, "w", encoding="utf-8", opener=private) as stream:
        yield lambda line: print(json.dumps(as_json(line)), file=stream)
