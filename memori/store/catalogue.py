"""What each table is to a scope, and the form of its rows that is the same on every database.

A scope *owns* the rows of most tables; they move with it. The *derived* tables and columns are
made from those by the analyser, the embedder and promotion; they are made anew wherever a scope
arrives. What hosts did with a scope (`activity`) is of the database it lies in, and stays behind.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import Column, Table

from memori.store.tables import (
    activity,
    labels,
    metadata,
    postings,
    promotions,
    scope_counts,
    scopes,
    vector_queue,
    vector_scopes,
    vectors,
)
from memori.store.types import UtcDateTime

_DERIVED = frozenset(
    {scope_counts, postings, labels, vector_scopes, vectors, vector_queue, promotions, activity}
)
#: Made from other columns by the analyser, in whichever table.
_DERIVED_COLUMNS = frozenset({"length"})
_SUM_BYTES = 16
Values = Mapping[str, Any]
"""A row by column: what Python makes of it, without the scope's number."""


@cache
def scoped_tables() -> tuple[Table, ...]:
    """Every table whose rows belong to a scope, those referred to first; not `scopes` itself."""
    return tuple(
        table
        for table in metadata.sorted_tables
        if table is not scopes and scopes.c.scope_id.name in table.c
    )


@cache
def owned_tables() -> tuple[Table, ...]:
    """The tables whose rows move with a scope, those referred to first."""
    return tuple(table for table in scoped_tables() if not is_derived(table))


def is_derived(table: Table) -> bool:
    """Whether a table's rows are made from others, or say nothing outside their database."""
    return table in _DERIVED


@cache
def key_of(table: Table) -> tuple[Column[Any], ...]:
    """The columns that name a row inside its scope."""
    return tuple(column for column in table.primary_key if column.name != "scope_id")


@cache
def moved_columns(table: Table) -> tuple[Column[Any], ...]:
    """The columns of an owned table that move with a scope."""
    left = {"scope_id", *_DERIVED_COLUMNS}
    return tuple(column for column in table.columns if column.name not in left)


@cache
def _times(table: Table) -> frozenset[str]:
    return frozenset(c.name for c in moved_columns(table) if isinstance(c.type, UtcDateTime))


def to_record(table: Table, values: Values) -> dict[str, Any]:
    """A row as JSON values: times are UTC with microseconds, everything else is as stored."""
    times = _times(table)
    return {
        column.name: _written(values[column.name]) if column.name in times else values[column.name]
        for column in moved_columns(table)
    }


def from_record(table: Table, record: Mapping[str, Any]) -> dict[str, Any]:
    """The row of a record.

    Raises:
        ValueError: the record has other fields than the table, or a time that is none.
    """
    names = {column.name for column in moved_columns(table)}
    if names != set(record):
        wrong = ", ".join(sorted(names ^ set(record)))
        raise ValueError(f"a row of {table.name} with other fields than this program's: {wrong}")
    times = _times(table)
    return {
        name: _read(value) if name in times and value is not None else value
        for name, value in record.items()
    }


def _written(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="microseconds")


def _read(text: Any) -> datetime:
    moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    if moment is None or moment.tzinfo is None:
        raise ValueError(f"{text!r} is not a time with its zone")
    return moment


@dataclass(slots=True)
class RowSum:
    """Count and checksum of rows, the same in whatever order they come."""

    count: int = 0
    total: int = 0

    def add(self, table: Table, rows: Iterable[Values]) -> None:
        """Count rows in."""
        for values in rows:
            text = json.dumps(
                to_record(table, values), sort_keys=True, ensure_ascii=False, separators=(",", ":")
            )
            data = text.encode("utf-8", "surrogatepass")
            row = hashlib.blake2b(data, digest_size=_SUM_BYTES, person=table.name.encode()[:16])
            self.count += 1
            self.total = (self.total + int.from_bytes(row.digest(), "big")) % (1 << 8 * _SUM_BYTES)

    @property
    def checksum(self) -> str:
        """The sum of the rows' digests, in hexadecimal."""
        return f"{self.total:0{2 * _SUM_BYTES}x}"
