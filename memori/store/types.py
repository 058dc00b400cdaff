"""Column types that mean the same on every database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect, String, Text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.types import TypeDecorator, TypeEngine

ID_CHARS = 36
HASH_CHARS = 32
KEY_CHARS = 64


class UtcDateTime(TypeDecorator[datetime]):
    """An instant in UTC with microseconds: aware in Python and on PostgreSQL, else naive UTC."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The type with microseconds of each database."""
        if dialect.name == "mysql":
            from sqlalchemy.dialects.mysql import DATETIME

            return DATETIME(fsp=6)
        return DateTime(timezone=dialect.name == "postgresql")

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a naive time: its zone would be a guess."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without zone reached the store")
        instant = value.astimezone(UTC)
        return instant if dialect.name == "postgresql" else instant.replace(tzinfo=None)

    def bind_processor(self, dialect: Dialect) -> Any:
        """Text for SQLite, as SQLAlchemy writes it but in one step: a write has five times."""
        return _as_text if dialect.name == "sqlite" else super().bind_processor(dialect)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Say the zone again that the table leaves out."""
        return None if value is None else value.replace(tzinfo=UTC)


def _as_text(value: datetime | None) -> str | None:
    if value is None:
        return None
    if value.tzinfo is None:
        raise ValueError("a time without zone reached the store")
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


class ExactText(TypeDecorator[str]):
    """A name, id, term or hash: compared and sorted byte for byte, never padded or folded."""

    impl = String
    cache_ok = True

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.length = length

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The collation of each database that looks at nothing but the bytes."""
        if dialect.name == "mysql":
            from sqlalchemy.dialects.mysql import VARCHAR

            maria = getattr(dialect, "is_mariadb", False)
            collation = "utf8mb4_nopad_bin" if maria else "utf8mb4_0900_bin"
            return VARCHAR(self.length, charset="utf8mb4", collation=collation)
        return String(self.length, collation="C" if dialect.name == "postgresql" else None)


def exact_text(length: int) -> ExactText:
    """A name, id, term or hash of up to so many characters."""
    return ExactText(length)


class Body(TypeDecorator[str]):
    """Text of any length: MySQL's TEXT ends at 64 KB, where a turn may hold 1 MB."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The long text of each database."""
        if dialect.name == "mysql":
            from sqlalchemy.dialects.mysql import MEDIUMTEXT

            return MEDIUMTEXT(charset="utf8mb4", collation="utf8mb4_bin")
        return Text()


class JsonValue(TypeDecorator[Any]):
    """A JSON value, kept as it was written."""

    impl = JSON
    cache_ok = True

    def __init__(self) -> None:
        super().__init__()

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Text on MySQL, whose own type sorts keys and rounds large numbers."""
        return _TextualJson() if dialect.name == "mysql" else JSON()

    def bind_processor(self, dialect: Dialect) -> Any:
        """As JSON does it, and quicker for the empty values that most rows hold."""
        encode = super().bind_processor(dialect)
        if encode is None:
            return None
        empty = {list: encode([]), dict: encode({})}

        def process(value: Any) -> Any:
            return encode(value) if value or type(value) not in empty else empty[type(value)]

        return process

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        """As JSON does it, and quicker for the empty values that most rows hold."""
        decode = super().result_processor(dialect, coltype)
        if decode is None:
            return None

        def process(value: Any) -> Any:
            if value == "[]":
                return []
            return {} if value == "{}" else decode(value)

        return process


class _TextualJson(JSON):
    """JSON in a text column."""


@compiles(_TextualJson, "mysql")
def _textual(element: Any, compiler: Any, **options: Any) -> str:  # pyright: ignore[reportUnusedFunction]
    return "LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
