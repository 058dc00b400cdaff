"""Cursors: where a page ended, as an opaque text that reveals and grants nothing."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from memori.errors import InvalidArgument
from memori.model import Scope


def write_key(at: datetime, item_id: str) -> str:
    """After the item of this time and id."""
    return _write([at.isoformat(), item_id])


def read_key(cursor: str | None) -> tuple[datetime, str] | None:
    """What `write_key` wrote."""
    value = _read(cursor)
    return None if value is None else (_time(value[0]), _typed(value[1], str))


def write_session(active: datetime, session_no: int) -> str:
    """After the session of this number, last active then."""
    return _write([active.isoformat(), session_no])


def read_session(cursor: str | None) -> tuple[datetime, int] | None:
    """What `write_session` wrote."""
    value = _read(cursor)
    return None if value is None else (_time(value[0]), _typed(value[1], int))


def write_seq(seq: int) -> str:
    """After this turn of a session."""
    return _write([seq, "seq"])


def read_seq(cursor: str | None) -> int:
    """What `write_seq` wrote; -1 for the beginning."""
    value = _read(cursor)
    return -1 if value is None else _typed(value[0], int)


def write_offset(offset: int, asked: str) -> str:
    """After so many hits of the search with this digest."""
    return _write([offset, asked])


def read_offset(cursor: str | None, asked: str) -> int:
    """What `write_offset` wrote; refuses the cursor of another search."""
    value = _read(cursor)
    if value is None:
        return 0
    if value[1] != asked:
        raise InvalidArgument("the cursor belongs to another search; start without a cursor")
    return max(0, _typed(value[0], int))


def digest(query: str, chosen: Any, scopes: Sequence[Scope]) -> str:
    """Tells one search from another, whatever the time of asking."""
    filters = {name: str(getattr(chosen, name)) for name in chosen.__slots__ if name != "now"}
    text = json.dumps([query, filters, [[s.namespace, s.user_id] for s in scopes]], sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def _write(value: list[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _read(cursor: str | None) -> list[Any] | None:
    if cursor is None:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        value = json.loads(base64.urlsafe_b64decode(padded.encode()))
    except (ValueError, binascii.Error):
        raise _bad() from None
    if not isinstance(value, list) or len(value) != 2:  # pyright: ignore[reportUnknownArgumentType]  # any JSON
        raise _bad()
    return value  # pyright: ignore[reportUnknownVariableType]  # each reader checks its entries


def _time(value: Any) -> datetime:
    try:
        return datetime.fromisoformat(_typed(value, str))
    except ValueError:
        raise _bad() from None


def _typed(value: Any, kind: type[Any]) -> Any:
    if not isinstance(value, kind):
        raise _bad()
    return value


def _bad() -> InvalidArgument:
    return InvalidArgument("the cursor is damaged; start again without a cursor")
