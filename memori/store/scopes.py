"""Scopes: from the exact bytes of namespace and user to the integer that leads every key."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, bindparam, exists, func, or_, select

from memori.model import Scope
from memori.store.prepared import Prepared, Row
from memori.store.tables import scope_counts, scopes, vector_scopes
from memori.text.analyser import ANALYSER_GENERATION

_KEY_BYTES = 32
#: Scopes that belong to somebody. One without a user is being copied here or erased: no verb can
#: name it, since an empty user is refused.
OWNED = scopes.c.user_id != ""
_COUNT_WRITE = scopes.update().values(writes=scopes.c.writes + 1)
_INDEX_STATE = (
    scopes.c.index_generation,
    scopes.c.building_generation,
    exists().where(vector_scopes.c.scope_id == scopes.c.scope_id).label("embedded"),
)


class _Way:
    """A way to name a scope: reading its number and key by it, and holding it."""

    _count = Prepared(_COUNT_WRITE.where(scopes.c.scope_id == bindparam("scope")))

    def __init__(self, *named: ColumnElement[bool]) -> None:
        wanted = scopes.c.scope_id, scopes.c.digest_key, scopes.c.paused_until, *_INDEX_STATE
        found = select(*wanted).where(*named)
        self._read = Prepared(found)
        self._lock = Prepared(found.with_for_update())
        self._take = Prepared(_COUNT_WRITE.where(*named).returning(*wanted))

    def run(self, connection: Connection, values: Mapping[str, Any], hold: bool) -> list[Row]:
        """Number and key; held, the row is changed and not only locked.

        Galera finds a conflict between two of its nodes in what was changed, and a replica shows
        by the number of writes which of them it has. SQLite has neither, and one lock.
        """
        if not hold or connection.dialect.name == "sqlite":
            return self._read.run(connection, values)
        if connection.dialect.update_returning:
            return self._take.run(connection, values)
        found = self._lock.run(connection, values)
        if found:
            self._count.run(connection, {"scope": found[0][0]})
        return found


_BY_NAME = _Way(scopes.c.namespace == bindparam("namespace"), scopes.c.user_id == bindparam("user"))
_BY_NUMBER = _Way(scopes.c.scope_id == bindparam("scope"), OWNED)
_STATE = Prepared(select(*_INDEX_STATE).where(scopes.c.scope_id == bindparam("scope")))
_TO_READ = Prepared(
    select(
        scopes.c.scope_id,
        func.coalesce(scope_counts.c.item_count, 0),
        func.coalesce(scope_counts.c.term_count, 0),
        scopes.c.paused_until,
    )
    .outerjoin(scope_counts, scope_counts.c.scope_id == scopes.c.scope_id)
    .where(
        scopes.c.namespace == bindparam("namespace"),
        scopes.c.user_id == bindparam("user"),
    )
)
_COUNTS = Prepared(
    select(scope_counts.c.item_count, scope_counts.c.term_count).where(
        scope_counts.c.scope_id == bindparam("scope")
    )
)


class IndexState(NamedTuple):
    """What a write of an item has to reach.

    `generations` are the one recall reads, and the one being built if there is one; `embedded`
    says that the scope has vectors.
    """

    generations: tuple[int, ...]
    embedded: bool


class KnownScope(NamedTuple):
    """A scope's number here, and the key of its digests, which goes with it wherever it is copied.

    A number is good for one transaction: another process may rename or erase the scope. So is
    `index_state`, and only where the scope is held.
    """

    scope_id: int
    digest_key: bytes
    index_state: IndexState
    paused_until: datetime | None = None


def find_scope(connection: Connection, scope: Scope, *, hold: bool = False) -> KnownScope | None:
    """The scope's number and key, None when nothing was ever written to it.

    Args:
        connection: in a transaction.
        scope: its names.
        hold: let no other transaction write to it until this one ends. A write does this first:
            what it finds (the last number, a duplicate, what an undo takes back) then stays true
            until it commits, as on SQLite, where one lock holds all writers. Other scopes go on.
    """
    named = {"namespace": scope.namespace, "user": scope.user_id}
    return _known(_BY_NAME.run(connection, named, hold))


def read_scope(connection: Connection, scope_id: int, *, hold: bool = False) -> KnownScope | None:
    """The scope of this number, None when it is gone; `hold` as in `find_scope`."""
    return _known(_BY_NUMBER.run(connection, {"scope": scope_id}, hold))


def find_counted(
    connection: Connection, scope: Scope
) -> tuple[int, int, int, datetime | None] | None:
    """What a reader needs of a scope: its number, the totals of `read_counts`, and until when it
    pauses; None as in `find_scope`."""
    named = {"namespace": scope.namespace, "user": scope.user_id}
    found = _TO_READ.run(connection, named)
    return (found[0][0], found[0][1], found[0][2], found[0][3]) if found else None


class Mark(NamedTuple):
    """How far a scope is on one server: `writes` counts the transactions that held it."""

    scope_id: int
    created_at: datetime
    writes: int


def read_marks(connection: Connection, wanted: Sequence[Scope]) -> dict[Scope, Mark]:
    """How far each of these scopes is; one that is not there is left out."""
    named = [(scopes.c.namespace == s.namespace) & (scopes.c.user_id == s.user_id) for s in wanted]
    found = connection.execute(
        select(
            scopes.c.namespace,
            scopes.c.user_id,
            scopes.c.scope_id,
            scopes.c.created_at,
            scopes.c.writes,
        ).where(or_(*named))
    )
    return {Scope(row[0], row[1]): Mark(*row[2:]) for row in found}


def _known(found: Sequence[tuple[Any, ...]]) -> KnownScope | None:
    if not found:
        return None
    scope_id, key, paused_until, *state = found[0]
    return KnownScope(scope_id, bytes.fromhex(key), _index_state(*state), paused_until)


def read_index_state(connection: Connection, scope_id: int) -> IndexState:
    """What a write of an item has to reach in this scope, owned or not."""
    [state] = _STATE.run(connection, {"scope": scope_id})
    return _index_state(*state)


def _index_state(active: int, building: int | None, embedded: bool) -> IndexState:
    written = (active,) if building in (None, active) else (active, building)
    return IndexState(written, bool(embedded))


def ensure_scope(connection: Connection, scope: Scope, now: datetime) -> KnownScope:
    """The scope's number and key, made if it is new; held until the transaction ends."""
    known = find_scope(connection, scope, hold=True)
    if known is not None:
        return known
    key = secrets.token_bytes(_KEY_BYTES)
    return make_scope(connection, scope, key, now)


def make_scope(
    connection: Connection, scope: Scope, digest_key: bytes, created_at: datetime
) -> KnownScope:
    """A new scope without rows."""
    inserted: Any = connection.execute(
        scopes.insert().values(
            namespace=scope.namespace,
            user_id=scope.user_id,
            digest_key=digest_key.hex(),
            index_generation=ANALYSER_GENERATION,
            created_at=created_at,
        )
    ).inserted_primary_key
    scope_id: int = inserted[0]
    connection.execute(scope_counts.insert().values(scope_id=scope_id, item_count=0, term_count=0))
    return KnownScope(scope_id, digest_key, IndexState((ANALYSER_GENERATION,), embedded=False))


def is_there(connection: Connection) -> bool:
    """Whether any scope is there; the least that can be asked."""
    return connection.execute(select(scopes.c.scope_id).limit(1)).first() is not None


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
