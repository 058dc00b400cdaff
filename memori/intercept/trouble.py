"""What goes wrong with memory is said once, and not again each time it comes back soon."""

from __future__ import annotations

import logging
import threading
import time

_log = logging.getLogger("memori")
#: Seconds in which a kind of trouble that comes and goes is not said again.
_SAID_FOR = 600.0


class Troubles:
    """What is wrong now, by kind; safe to use from every thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now: dict[str, str] = {}
        self._said_at: dict[str, float] = {}

    def report(self, kind: str, what: str, cause: str = "") -> None:
        """Something of this kind went wrong; logged if neither it nor its cause was lately."""
        message = f"{what}: {cause}" if cause else what
        with self._lock:
            known = cause != "" and any(each.endswith(cause) for each in self._now.values())
            now = time.monotonic()
            said = now - self._said_at.get(kind, float("-inf")) < _SAID_FOR
            new = kind not in self._now and not known and not said
            self._now[kind] = message
            if new:
                self._said_at[kind] = now
        if new:
            _log.warning("memori: %s", message)

    def clear(self, kind: str) -> None:
        """It went well again."""
        if not self._now:
            return
        with self._lock:
            gone = self._now.pop(kind, None)
        if gone is not None:
            _log.info("memori: this is over: %s", gone)

    def now(self) -> tuple[str, ...]:
        """What is wrong now."""
        with self._lock:
            return tuple(self._now.values())
