"""The rows that say what hosts did with a scope: the newest are kept, older ones make room."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, select

from memori.activity import Activity
from memori.store.scopes import read_scope
from memori.store.tables import activity

#: Rows of a scope that are kept.
KEPT = 5_000

_c = activity.c


def add(connection: Connection, scope_id: int, entries: Sequence[Activity]) -> None:
    """Write entries, and let the oldest make room.

    Args:
        connection: in a writing transaction.
        scope_id: whose.
        entries: in the order they came.
    """
    if read_scope(connection, scope_id, hold=True) is None:
        return  # erased meanwhile
    connection.execute(
        activity.insert(),
        [
            {
                "scope_id": scope_id,
                "id": entry.id,
                "at": entry.at,
                "kind": entry.kind,
                "host": entry.host,
                "ids": list(entry.ids),
                "tokens": entry.tokens,
                "reason": entry.reason,
            }
            for entry in entries
        ],
    )
    last = connection.execute(
        select(_c.id)
        .where(_c.scope_id == scope_id)
        .order_by(_c.id.desc())
        .offset(KEPT - 1)
        .limit(1)
    ).scalar_one_or_none()
    if last is not None:
        connection.execute(delete(activity).where(_c.scope_id == scope_id, _c.id < last))


def newest(
    connection: Connection, scope_id: int, kind: str | None, before: str | None, limit: int
) -> list[Activity]:
    """Entries of a scope, the newest first.

    Args:
        connection: a snapshot.
        scope_id: whose.
        kind: only these.
        before: the id of the last one seen.
        limit: how many at most.
    """
    statement = select(activity).where(_c.scope_id == scope_id)
    if kind is not None:
        statement = statement.where(_c.kind == kind)
    if before is not None:
        statement = statement.where(_c.id < before)
    rows = connection.execute(statement.order_by(_c.id.desc()).limit(limit))
    return [_entry(row) for row in rows]


def _entry(row: Row[Any]) -> Activity:
    return Activity(
        id=row.id,
        at=row.at,
        kind=row.kind,
        host=row.host,
        ids=tuple(row.ids),
        tokens=row.tokens,
        reason=row.reason,
    )
