"""Cursors: where a page ended, as an opaque text that reveals and grants nothing.

A cursor carries a digest of the list it belongs to, so one of another list is refused.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

from memori.errors import InvalidArgument
from memori.model import Scope

_MAX_CHARS = 512
_MAX_NUMBER = 1 << 62


def digest(scopes: Sequence[Scope], *asked: Any) -> str:
    """Tells one list from another: whose it is and what was asked, whatever the time of asking."""
    parts = (
        [[scope.namespace, scope.user_id] for scope in scopes],
        [_stable(each) for each in asked],
    )
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=6).hexdigest()


def write(asked: str, *values: datetime | str | int) -> str:
    """After the item with these keys, in the list with this digest."""
    plain = [each.isoformat() if isinstance(each, datetime) else each for each in values]
    text = json.dumps([asked, *plain])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_key(cursor: str | None, asked: str) -> tuple[datetime, str] | None:
    """A time and an id."""
    value = _read(cursor, asked, 2)
    if value is None:
        return None
    if not isinstance(value[1], str):
        raise _bad()
    return _time(value[0]), value[1]


def read_session(cursor: str | None, asked: str) -> tuple[datetime, int] | None:
    """A time and a number."""
    value = _read(cursor, asked, 2)
    return None if value is None else (_time(value[0]), _number(value[1]))


def read_names(cursor: str | None, asked: str) -> tuple[str, str] | None:
    """Two names."""
    value = _read(cursor, asked, 2)
    if value is None:
        return None
    if not all(isinstance(each, str) for each in value):
        raise _bad()
    return value[0], value[1]


def read_values(
    cursor: str | None, asked: str, kinds: Sequence[type]
) -> tuple[int | str, ...] | None:
    """A key of numbers and texts."""
    values = _read(cursor, asked, len(kinds))
    if values is None:
        return None
    if any(type(value) is not kind for value, kind in zip(values, kinds, strict=True)):
        raise _bad()
    return tuple(_number(value) if type(value) is int else value for value in values)


def read_number(cursor: str | None, asked: str, start: int) -> int:
    """A number; `start` without a cursor."""
    value = _read(cursor, asked, 1)
    return start if value is None else _number(value[0])


def _stable(value: Any) -> str:
    names = getattr(value, "__slots__", None)
    if names is None:
        return repr(value)
    return repr({name: getattr(value, name) for name in names if name != "now"})


def _read(cursor: str | None, asked: str, length: int) -> list[Any] | None:
    if cursor is None:
        return None
    if not isinstance(cast("object", cursor), str) or len(cursor) > _MAX_CHARS:
        raise _bad()
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        value: Any = json.loads(base64.b64decode(padded.encode(), b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        raise _bad() from None
    if not isinstance(value, list):
        raise _bad()
    entries = cast("list[Any]", value)
    if len(entries) != length + 1:
        raise _bad()
    if entries[0] != asked:
        raise InvalidArgument("the cursor belongs to another search; start without a cursor")
    return entries[1:]


def _time(value: Any) -> datetime:
    try:
        at = datetime.fromisoformat(value)
        if at.tzinfo is None:
            raise _bad()
        return at.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise _bad() from None


def _number(value: Any) -> int:
    if type(value) is not int or not 0 <= value < _MAX_NUMBER:
        raise _bad()
    return value


def _bad() -> InvalidArgument:
    return InvalidArgument("the cursor is damaged; start again without a cursor")
