"""Ids that sort by time and need no sequence: UUID version 7 (RFC 9562, section 5.7)."""

from __future__ import annotations

import os
import threading
import time

_lock = threading.Lock()
_last = 0
_last_number = 0


def new_id() -> str:
    """Make a UUIDv7 in its 36-character lower-case form.

    The 12 bits after the version and the top bits behind the variant count up within one
    millisecond (RFC 9562, section 6.2, method 1), so ids made by one process sort in the order
    they were made; the 48 lowest bits are random.
    """
    global _last
    tail = int.from_bytes(os.urandom(6), "big")
    with _lock:
        stamp = (time.time_ns() // 1_000_000) << 26
        _last = stamp if stamp > _last else _last + 1
        count = _last
    milliseconds = (count >> 26) & ((1 << 48) - 1)
    high, low = (count >> 14) & 0xFFF, count & 0x3FFF
    value = (milliseconds << 80) | (7 << 76) | (high << 64) | (2 << 62) | (low << 48) | tail
    digits = f"{value:032x}"
    parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
    return "-".join(parts)


def new_number() -> int:
    """Make a positive 63-bit integer that sorts by time: milliseconds, then a count.

    Numbers made by one process sort in the order they were made; two processes may make the
    same one within a millisecond.
    """
    global _last_number
    with _lock:
        _last_number = max(_last_number + 1, (time.time_ns() // 1_000_000) << 15)
        return _last_number


def _new_lock() -> None:
    """A forked child must not wait for a thread it does not have."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_lock)
