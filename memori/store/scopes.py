"""Scopes: from the exact bytes of namespace and user to the integer that leads every key."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select

from memori.model import Scope
from memori.store.prepared import Prepared
from memori.store.tables import scope_counts, scopes
from memori.text.analyser import ANALYSER_GENERATION

_FIND = select(scopes.c.scope_id).where(
    scopes.c.namespace == bindparam("namespace"), scopes.c.user_id == bindparam("user")
)
_COUNTS = Prepared(
    select(scope_counts.c.item_count, scope_counts.c.term_count).where(
        scope_counts.c.scope_id == bindparam("scope")
    )
)
_HOLD = Prepared(
    select(scopes.c.scope_id).where(scopes.c.scope_id == bindparam("scope")).with_for_update()
)


def find_scope(connection: Connection, scope: Scope) -> int | None:
    """The scope's number, None when nothing was ever written to it."""
    return connection.execute(
        _FIND, {"namespace": scope.namespace, "user": scope.user_id}
    ).scalar_one_or_none()


def ensure_scope(connection: Connection, scope: Scope, now: datetime) -> int:
    """The scope's number, made if it is new."""
    known = find_scope(connection, scope)
    if known is not None:
        return known
    inserted: Any = connection.execute(
        scopes.insert().values(
            namespace=scope.namespace,
            user_id=scope.user_id,
            index_generation=ANALYSER_GENERATION,
            created_at=now,
        )
    ).inserted_primary_key
    scope_id: int = inserted[0]
    connection.execute(scope_counts.insert().values(scope_id=scope_id, item_count=0, term_count=0))
    return scope_id


def hold_scope(connection: Connection, scope_id: int) -> None:
    """Let no other transaction write to this scope until this one ends; must come first.

    What a write finds (the last number, a duplicate, what an undo takes back) then stays true
    until it commits, as on SQLite, where one lock holds all writers. Other scopes go on.
    """
    if connection.dialect.name != "sqlite":
        _HOLD.run(connection, {"scope": scope_id})


def add_to_counts(connection: Connection, scope_id: int, items: int, tokens: int) -> None:
    """Move the owner's statistics by so many indexed items and terms (may be negative)."""
    _ADD.run(connection, {"scope": scope_id, "more_items": items, "more_tokens": tokens})


_ADD = Prepared(
    # One row a scope is no hotter than the scope: its writers come one after the other anyway.
    scope_counts.update()
    .where(scope_counts.c.scope_id == bindparam("scope"))
    .values(
        item_count=scope_counts.c.item_count + bindparam("more_items"),
        term_count=scope_counts.c.term_count + bindparam("more_tokens"),
    )
)


def read_counts(connection: Connection, scope_id: int) -> tuple[int, int]:
    """The owner's statistics: indexed items and the sum of their lengths in terms."""
    found = _COUNTS.run(connection, {"scope": scope_id})
    return (found[0][0], found[0][1]) if found else (0, 0)
