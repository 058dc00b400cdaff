"""A scope that arrives from elsewhere: written under a name no verb can ask for, then shown.

Until `show` gives it its name, nobody reads half of it or writes to it, and a copy that was
killed finds here how far it came.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, Table, func, select, update

from memori.model import Scope
from memori.store import index, items, scopes
from memori.store.catalogue import RowSum, Values, key_of, moved_columns, owned_tables
from memori.store.owners import hide_scope
from memori.store.paging import all_rows
from memori.store.tables import operations
from memori.store.tables import scopes as scope_rows

#: Begins the namespace of a scope that is being copied here; its user is empty.
MARK = "copy:"
_READ_ROWS = 1_000


def staging_name(scope: Scope, digest_key: bytes) -> Scope:
    """What a scope is called while it arrives: the same whenever it is copied again."""
    names = f"{len(scope.namespace)}:{scope.namespace}{scope.user_id}".encode()
    digest = hashlib.blake2b(names, key=digest_key, digest_size=16).hexdigest()
    return Scope(f"{MARK}{digest}", "")


def begin(connection: Connection, scope: Scope, digest_key: bytes, created_at: datetime) -> int:
    """The number of the arriving scope, made or found again."""
    name = staging_name(scope, digest_key)
    known = scopes.find_scope(connection, name)
    if known is None:
        known = scopes.make_scope(connection, name, digest_key, created_at)
    return known.scope_id


def insert_rows(
    connection: Connection, scope_id: int, table: Table, rows: Sequence[Values]
) -> None:
    """Write rows of one table in one transaction, and with items what the index holds of them."""
    if _is_there(connection, scope_id, table, rows[-1]):
        return  # an earlier run of this transaction was committed after all
    placed = [{**values, "scope_id": scope_id} for values in rows]
    if table not in items.ITEM_TABLES:
        connection.execute(table.insert(), placed)
        return
    terms = [items.terms_of(table, values) for values in rows]
    for row, found in zip(placed, terms, strict=True):
        row["length"] = sum(found.values())
    connection.execute(table.insert(), placed)
    shown = [
        (items.place_of(table, values), found, items.labels_of(table, values))
        for values, found in zip(rows, terms, strict=True)
        if items.is_indexed(values)
    ]
    state = scopes.read_index_state(connection, scope_id)
    index.add_items(connection, scope_id, state, [(place, found) for place, found, _ in shown])
    index.insert_labels(connection, scope_id, [(place, pairs) for place, _, pairs in shown])


def _is_there(connection: Connection, scope_id: int, table: Table, values: Values) -> bool:
    key = key_of(table)
    same = [column == values[column.name] for column in key]
    found = select(key[0]).where(table.c.scope_id == scope_id, *same)
    return connection.execute(found).first() is not None


def sum_rows(connection: Connection, scope_id: int) -> dict[str, RowSum]:
    """Count and checksum of everything a scope owns, by table."""
    return {table.name: _sum(connection, scope_id, table) for table in owned_tables()}


def _sum(connection: Connection, scope_id: int, table: Table) -> RowSum:
    found = RowSum()
    for rows in all_rows(connection, table, scope_id, _READ_ROWS, moved_columns(table)):
        found.add(table, rows)
    return found


def last_write(connection: Connection, scope_id: int) -> tuple[int, int]:
    """Tells whether a scope was written to: how many operations it has, and the latest."""
    o = operations.c
    count, latest = connection.execute(
        select(func.count(), func.max(o.number)).where(o.scope_id == scope_id)
    ).one()
    return int(count), int(latest or 0)


def show(
    connection: Connection,
    staged: int,
    scope: Scope,
    replaces: int | None,
    unchanged_since: tuple[int, int] | None,
) -> bool:
    """Give an arrived scope its name, in place of an earlier state of it if there is one.

    Args:
        connection: in a write transaction.
        staged: the number of the arrived scope.
        scope: its name.
        replaces: the number of the scope that has the name now; it is left to be erased.
        unchanged_since: its `last_write` when it was compared.

    Returns:
        False when somebody wrote under this name meanwhile; then nothing was done.
    """
    there = scopes.find_scope(connection, scope)
    if there is not None and there.scope_id == staged:
        return True  # an earlier run of this transaction was committed after all
    if (there and there.scope_id) != replaces:
        return False
    if there is not None:
        if last_write(connection, there.scope_id) != unchanged_since:
            return False
        hide_scope(connection, there.scope_id)
    connection.execute(
        update(scope_rows)
        .where(scope_rows.c.scope_id == staged)
        .values(namespace=scope.namespace, user_id=scope.user_id)
    )
    return True
