"""Scopes: from the exact bytes of namespace and user to the integer that leads every key."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from memori.model import Scope
from memori.store.prepared import Prepared
from memori.store.tables import scope_counts, scopes
from memori.text.analyser import ANALYSER_GENERATION

_FIND = select(scopes.c.scope_id).where(
    scopes.c.namespace == bindparam("namespace"), scopes.c.user_id == bindparam("user")
)
_COUNTS = Prepared(
    select(func.sum(scope_counts.c.item_count), func.sum(scope_counts.c.term_count)).where(
        scope_counts.c.scope_id == bindparam("scope")
    )
)
#: One counter row a scope; a database with concurrent writers of one scope would use several.
_SHARD = 0


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
    connection.execute(
        scope_counts.insert().values(scope_id=scope_id, shard=_SHARD, item_count=0, term_count=0)
    )
    return scope_id


def add_to_counts(connection: Connection, scope_id: int, items: int, tokens: int) -> None:
    """Move the owner's statistics by so many indexed items and terms (may be negative)."""
    _ADD.run(
        connection,
        {"scope": scope_id, "of_shard": _SHARD, "more_items": items, "more_tokens": tokens},
    )


_ADD = Prepared(
    scope_counts.update()
    .where(
        scope_counts.c.scope_id == bindparam("scope"),
        scope_counts.c.shard == bindparam("of_shard"),
    )
    .values(
        item_count=scope_counts.c.item_count + bindparam("more_items"),
        term_count=scope_counts.c.term_count + bindparam("more_tokens"),
    )
)


def read_counts(connection: Connection, scope_id: int) -> tuple[int, int]:
    """The owner's statistics: indexed items and the sum of their lengths in terms."""
    [(items, tokens)] = _COUNTS.run(connection, {"scope": scope_id})
    return int(items or 0), int(tokens or 0)
