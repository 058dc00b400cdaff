"""The tables of a scope as its owner may look at them: columns, and rows by page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, Connection, Table, or_, select
from sqlalchemy.types import TypeDecorator

from memori.model import as_json
from memori.store.catalogue import key_of, scoped_tables
from memori.store.entities import FIELD
from memori.store.paging import rows_after
from memori.store.tables import entities, labels, memories, relations

#: What is of use to the program alone: numbers and digests that say nothing to a reader.
_INTERNAL = frozenset(
    {"scope_id", "digest", "payload_hash", "content_hash", "active_hash", "token", "length"}
)
#: Earlier wordings, also of what was forgotten since; the history of a memory shows them.
_ELSEWHERE = frozenset({"before", "payload"})
#: Columns that hold what somebody said, and are left out where it is not to be read.
_SAID = (
    *("content", "tags", "entities", "metadata"),
    *("label", "name", "alias_of", "subject", "predicate", "object", "topic"),
    *("subject_key", "object_key"),
)
Row = dict[str, Any]


def shown_tables() -> tuple[Table, ...]:
    """The tables that carry a scope, by name."""
    return tuple(sorted(scoped_tables(), key=lambda table: table.name))


def shown_columns(table: Table) -> tuple[Column[Any], ...]:
    """The columns a reader sees, in the order of the table."""
    return tuple(column for column in table.columns if column.name not in _INTERNAL | _ELSEWHERE)


def kind_of(column: Column[Any]) -> str:
    """What a column holds, in one word that is the same on every database."""
    return _python_type(column).__name__


def _python_type(column: Column[Any]) -> type:
    kind = column.type
    plain = kind.impl_instance if isinstance(kind, TypeDecorator) else kind
    return plain.python_type


def key_kinds(table: Table) -> tuple[type, ...]:
    """What the columns of its key are, inside a scope."""
    return tuple(_python_type(column) for column in key_of(table))


def read_rows(
    connection: Connection, table: Table, scope_id: int, after: Sequence[Any] | None, limit: int
) -> tuple[list[Row], tuple[Any, ...] | None]:
    """Rows in the order of their key.

    Args:
        connection: a snapshot.
        table: one of `shown_tables`.
        scope_id: the owner.
        after: the key of the last row seen.
        limit: how many at most.

    Returns:
        The rows, and the key of the last one where there are more.
    """
    found = rows_after(connection, table, scope_id, after, limit + 1)
    unread = _unreadable(connection, table, scope_id, found[:limit])
    rows = [_row(table, values, number in unread) for number, values in enumerate(found[:limit])]
    if len(found) <= limit:
        return rows, None
    last = found[limit - 1]
    return rows, tuple(last[column.name] for column in key_of(table))


def _unreadable(
    connection: Connection, table: Table, scope_id: int, found: Sequence[Row]
) -> set[int]:
    """Which of these rows say what only a memory says that is forgotten or quarantined."""
    if table is relations:
        numbers = {row["memory_no"] for row in found}
        hidden = connection.execute(
            select(memories.c.memory_no).where(
                memories.c.scope_id == scope_id,
                memories.c.memory_no.in_(numbers),
                or_(memories.c.forgotten_at.is_not(None), memories.c.quarantined.is_(True)),
            )
        ).scalars()
        gone = set(hidden)
        return {number for number, row in enumerate(found) if row["memory_no"] in gone}
    if table is entities:
        # A memory that is hidden has no labels.
        names = {row["label"] for row in found} | {row["alias_of"] for row in found} - {None}
        shown = connection.execute(
            select(labels.c.value)
            .where(labels.c.scope_id == scope_id, labels.c.field == FIELD)
            .where(labels.c.value.in_(names))
            .distinct()
        ).scalars()
        known = set(shown)
        return {
            number
            for number, row in enumerate(found)
            if known.isdisjoint((row["label"], row["alias_of"]))
        }
    return set()


def _row(table: Table, values: Row, unread: bool) -> Row:
    """A row as JSON values, without what is not to be read."""
    shown: Row = {}
    for column in shown_columns(table):
        value = values[column.name]
        shown[column.name] = f"{len(value)} bytes" if isinstance(value, bytes) else as_json(value)
    hidden = (
        "forgotten"
        if unread or values.get("forgotten_at") is not None
        else "quarantined"
        if values.get("quarantined")
        else None
    )
    if hidden is not None:
        shown |= {name: None for name in _SAID if name in shown}
        shown["hidden"] = hidden
    return shown
