"""Whose memory a database holds: listing scopes, renaming their users, erasing them."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, func, or_, select, update

from memori.model import Scope, ScopeSummary
from memori.store import maintenance
from memori.store.catalogue import scoped_tables
from memori.store.database import Database
from memori.store.paging import delete_some
from memori.store.scopes import OWNED
from memori.store.tables import memories, scopes, sessions, turns

#: Begins the namespace of a scope that is being erased; its user is empty.
MARK = "erase:"
#: Rows deleted in one transaction, so that writers wait for none of them long.
BATCH_ROWS = 2_000


def list_scopes(
    connection: Connection,
    after: tuple[str, str] | None,
    limit: int,
    *,
    user_id: str | None = None,
    namespace: str | None = None,
) -> list[ScopeSummary]:
    """Scopes by user, then namespace, with their counts.

    Args:
        connection: a snapshot.
        after: user and namespace of the last one seen.
        limit: how many at most.
        user_id: only this user's.
        namespace: only this namespace's.
    """
    c = scopes.c
    statement = select(scopes).where(OWNED).order_by(c.user_id, c.namespace).limit(limit)
    if user_id is not None:
        statement = statement.where(c.user_id == user_id)
    if namespace is not None:
        statement = statement.where(c.namespace == namespace)
    if after is not None:
        user, name = after
        statement = statement.where(
            or_(c.user_id > user, and_(c.user_id == user, c.namespace > name))
        )
    return [_summary(connection, row) for row in connection.execute(statement).fetchall()]


def _summary(connection: Connection, row: Row[Any]) -> ScopeSummary:
    def count(column: ColumnElement[Any], *conditions: ColumnElement[bool]) -> int:
        return connection.execute(
            select(func.count()).where(column == row.scope_id, *conditions)
        ).scalar_one()

    m, t = memories.c, turns.c
    last = [
        connection.execute(select(func.max(column)).where(scope_id == row.scope_id)).scalar_one()
        for column, scope_id in ((m.recorded_at, m.scope_id), (t.recorded_at, t.scope_id))
    ]
    return ScopeSummary(
        namespace=row.namespace,
        user_id=row.user_id,
        memories=count(m.scope_id, m.forgotten_at.is_(None)),
        turns=count(t.scope_id, t.forgotten_at.is_(None)),
        sessions=count(sessions.c.scope_id),
        forgotten=count(m.scope_id, m.forgotten_at.is_not(None))
        + count(t.scope_id, t.forgotten_at.is_not(None)),
        created_at=row.created_at,
        last_write_at=max((at for at in last if at is not None), default=None),
    )


def scopes_of(connection: Connection, user_id: str, namespace: str | None) -> dict[int, Scope]:
    """The scopes of a user, or the one of them in a namespace, by number."""
    wanted = scopes.c.user_id == user_id
    if namespace is not None:
        wanted &= scopes.c.namespace == namespace
    found = connection.execute(
        select(scopes.c.scope_id, scopes.c.namespace).where(wanted, OWNED).order_by("namespace")
    )
    return {row.scope_id: Scope(row.namespace, user_id) for row in found}


def rename(connection: Connection, numbers: Mapping[int, Scope], new_user_id: str) -> list[str]:
    """Give scopes another user.

    Returns:
        The namespaces that the new user has already; if there are any, nothing was done.
    """
    theirs = scopes_of(connection, new_user_id, None)
    taken = {scope.namespace for number, scope in theirs.items() if number not in numbers}
    in_the_way = sorted(taken & {scope.namespace for scope in numbers.values()})
    if not in_the_way:
        connection.execute(
            update(scopes)
            .where(scopes.c.scope_id.in_(sorted(numbers)), OWNED)
            .values(user_id=new_user_id)
        )
    return in_the_way


def hide_scopes(connection: Connection, numbers: Iterable[int], user_id: str) -> None:
    """Take the names of scopes away, as far as they are still this user's."""
    for number in sorted(numbers):
        same = select(scopes.c.scope_id).where(
            scopes.c.scope_id == number, scopes.c.user_id == user_id
        )
        if connection.execute(same).first() is not None:
            hide_scope(connection, number)


def hide_scope(connection: Connection, scope_id: int) -> None:
    """Take a scope's name away, so that nobody finds it; `erase_step` deletes what is left."""
    connection.execute(
        update(scopes)
        .where(scopes.c.scope_id == scope_id)
        .values(namespace=f"{MARK}{secrets.token_hex(16)}", user_id="")
    )


def hidden_scopes(connection: Connection, mark: str = MARK) -> Sequence[int]:
    """Scopes without a name: those whose erasure was not finished, or whose copy was not."""
    c = scopes.c
    return (
        connection.execute(
            select(c.scope_id).where(
                c.user_id == "", c.namespace >= mark, c.namespace < mark[:-1] + ";"
            )
        )
        .scalars()
        .all()
    )


async def erase_hidden(database: Database, mark: str = MARK) -> int:
    """Finish what an interruption left of erasures (or remove unfinished copies); how many."""
    numbers = await database.read(partial(hidden_scopes, mark=mark))
    for scope_id in numbers:
        while await database.write(partial(erase_step, scope_id=scope_id)):
            pass
    return len(numbers)


def erase_step(connection: Connection, scope_id: int) -> dict[str, int]:
    """Delete some rows of a scope without a name; how many by table, empty when it is gone."""
    for table in reversed(scoped_tables()):
        gone = delete_some(connection, table, scope_id, BATCH_ROWS)
        if gone:
            return {table.name: gone}
    connection.execute(delete(scopes).where(scopes.c.scope_id == scope_id))
    maintenance.ask_for_scrub(connection)
    return {}
