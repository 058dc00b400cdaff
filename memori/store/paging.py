"""Rows of one scope in the order of their key, a bounded number at a time.

"After this key" is asked as one plain range for each column of the key, the last first:
`a = 1 AND b = 2 AND c > 3`, then `a = 1 AND b > 2`, then `a > 1`. Every database answers each of
these from the index; one condition for all of them most would answer with a scan.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, CursorResult, Table, and_, delete, select

from memori.store.catalogue import key_of

Key = Sequence[Any]


def rows_after(
    connection: Connection,
    table: Table,
    scope_id: int,
    after: Key | None,
    limit: int,
    columns: Sequence[ColumnElement[Any]] | None = None,
    where: Sequence[ColumnElement[bool]] = (),
) -> list[dict[str, Any]]:
    """The next rows of a scope.

    Args:
        connection: a snapshot.
        table: any table led by `scope_id`.
        scope_id: the owner.
        after: the key of the last row seen, None to begin.
        limit: how many rows at most; fewer are the last ones.
        columns: what to read, by default the whole row.
        where: further conditions.
    """
    key = key_of(table)
    base = select(*(columns or (table,))).where(table.c.scope_id == scope_id, *where).order_by(*key)
    found: list[dict[str, Any]] = []
    for condition in _ranges(key, after, below=False):
        statement = base.limit(limit - len(found))
        if condition is not None:
            statement = statement.where(condition)
        found += _dicts(connection.execute(statement))
        if len(found) >= limit:
            break
    return found


def all_rows(
    connection: Connection,
    table: Table,
    scope_id: int,
    limit: int,
    columns: Sequence[ColumnElement[Any]] | None = None,
    where: Sequence[ColumnElement[bool]] = (),
) -> Iterator[list[dict[str, Any]]]:
    """All rows of a scope in the order of their key, `limit` at a time; `columns` hold the key."""
    names = [column.name for column in key_of(table)]
    after: Key | None = None
    while True:
        rows = rows_after(connection, table, scope_id, after, limit, columns, where)
        if rows:
            yield rows
        if len(rows) < limit:
            return
        after = [rows[-1][name] for name in names]


def _dicts(result: CursorResult[Any]) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in result.mappings()]


def delete_some(connection: Connection, table: Table, scope_id: int, limit: int) -> int:
    """Delete the first rows of a scope; how many, 0 when none were left."""
    key = key_of(table)
    # A table with one row a scope has no key besides it.
    end = (
        key
        and connection.execute(
            select(*key).where(table.c.scope_id == scope_id).order_by(*key).offset(limit).limit(1)
        ).first()
    )
    gone = 0
    for condition in _ranges(key, tuple(end) if end else None, below=True):
        statement = delete(table).where(table.c.scope_id == scope_id)
        if condition is not None:
            statement = statement.where(condition)
        gone += connection.execute(statement).rowcount
    return gone


def _ranges(
    key: Sequence[Column[Any]], end: Key | None, *, below: bool
) -> Iterator[ColumnElement[bool] | None]:
    """The ranges above (or below) a key; None is everything."""
    if end is None:
        yield None
        return
    for depth in range(len(key) - 1, -1, -1):
        same = [column == value for column, value in zip(key[:depth], end, strict=False)]
        column, value = key[depth], end[depth]
        yield and_(*same, column < value if below else column > value)
