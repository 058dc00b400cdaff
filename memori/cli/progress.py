"""What a long command shows while it works, and how Ctrl-C ends it between two steps."""

from __future__ import annotations

import contextlib
import shutil
import signal
import time
from collections.abc import Callable, Generator
from typing import TextIO

from memori.cli.table import display_width
from memori.transfer.copying import CopyProgress

_REDRAW_SECONDS = 0.1


class ProgressLine:
    """One line on the terminal that is drawn again and again.

    Args:
        stream: where to draw.
        shown: False to draw nothing.
    """

    def __init__(self, stream: TextIO, *, shown: bool) -> None:
        self._stream = stream
        self._shown = shown
        self._began = time.monotonic()
        self._drawn_at = 0.0
        self._width = 0

    def draw(self, text: Callable[[float], str]) -> None:
        """Draw a text made from the seconds since the beginning, at most ten times a second."""
        now = time.monotonic()
        if not self._shown or now - self._drawn_at < _REDRAW_SECONDS:
            return
        self._drawn_at = now
        line = text(now - self._began)[: shutil.get_terminal_size().columns - 1]
        padding = " " * max(0, self._width - display_width(line))
        self._width = display_width(line)
        self._stream.write(f"\r{line}{padding}")
        self._stream.flush()

    def copied(self, progress: CopyProgress) -> None:
        """Draw how far a copy is."""
        self.draw(lambda seconds: _copy_text(progress, seconds))

    def clear(self) -> None:
        """Take the line away."""
        if self._width:
            self._stream.write(f"\r{' ' * self._width}\r")
            self._stream.flush()
            self._width = 0


def _copy_text(progress: CopyProgress, seconds: float) -> str:
    share = progress.rows_done / max(progress.rows, 1)
    rate = progress.rows_done / max(seconds, 1e-3)
    parts = [f"{min(share, 1):4.0%}", progress.table, f"{progress.rows_done:,} rows"]
    if progress.scopes > 1:
        parts.insert(0, f"scope {progress.scope_number:,} of {progress.scopes:,}")
    else:
        parts.append(f"{rate:,.0f}/s")
    return "  ".join(parts)


@contextlib.contextmanager
def stop_on_interrupt() -> Generator[Callable[[], bool]]:
    """Let the first Ctrl-C end the work after the step under way, the second at once."""
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
