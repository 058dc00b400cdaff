"""Column types that mean the same on every database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, String
from sqlalchemy.types import TypeDecorator

ID_CHARS = 36
HASH_CHARS = 32


class UtcDateTime(TypeDecorator[datetime]):
    """An instant in UTC with microseconds. Aware in Python, naive UTC in the table."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a naive time: its zone would be a guess."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without zone reached the store")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Say the zone again that the table leaves out."""
        return None if value is None else value.replace(tzinfo=UTC)


def exact_text(length: int) -> String:
    """A name, id, term or hash: compared byte for byte, never padded or folded."""
    return String(length)
