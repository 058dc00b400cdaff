"""Checking a whole database, and mending what can be made again from the rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

from sqlalchemy import Connection, select

from memori.model import Scope
from memori.store import check_items, check_references, check_vectors, owners, reindex, staging
from memori.store.database import Database
from memori.store.findings import Findings
from memori.store.scopes import OWNED, read_scope
from memori.store.tables import scopes

ScopeNumbers = dict[int, Scope]


def list_numbers(
    connection: Connection, user_id: str | None, namespace: str | None
) -> ScopeNumbers:
    """The scopes to check, by number."""
    c = scopes.c
    statement = select(c.scope_id, c.namespace, c.user_id).where(OWNED).order_by(c.scope_id)
    if user_id is not None:
        statement = statement.where(c.user_id == user_id)
    if namespace is not None:
        statement = statement.where(c.namespace == namespace)
    return {
        row.scope_id: Scope(row.namespace, row.user_id) for row in connection.execute(statement)
    }


async def check(
    database: Database,
    numbers: ScopeNumbers,
    now: datetime,
    *,
    whole: bool,
    progress: Callable[[int, int], None] | None = None,
) -> Findings:
    """Check scopes, each in a snapshot of its own.

    Args:
        database: open; others may go on writing.
        numbers: the scopes.
        now: what time it is.
        whole: also look for what belongs to no scope.
        progress: called with how many scopes are done, and how many items.
    """
    found = Findings()
    for done, (scope_id, scope) in enumerate(numbers.items()):
        if progress is not None:
            progress(done, found.items)
        await database.read(
            partial(_check_scope, scope_id=scope_id, scope=scope, found=found, now=now)
        )
    if whole:
        await database.read(partial(_check_leftovers, found=found))
        await database.read(partial(check_references.check_owners, found=found))
    return found


async def repair(database: Database, found: Findings, *, whole: bool) -> tuple[str, ...]:
    """Mend what can be mended; what was done, in words."""
    done = {what: len(steps) for what, steps in found.mends.items()}
    for steps in found.mends.values():
        for step in steps:
            await database.write(step)
    for scope_id in await database.read(reindex.scopes_behind):
        while await database.write(partial(reindex.step, scope_id=scope_id)):
            pass
    for mark in (owners.MARK, staging.MARK) if whole else ():
        if removed := await owners.erase_hidden(database, mark):
            done["leftovers removed"] = done.get("leftovers removed", 0) + removed
    return tuple(f"{what} ({count})" for what, count in done.items())


def _check_scope(
    connection: Connection, scope_id: int, scope: Scope, found: Findings, now: datetime
) -> None:
    known = read_scope(connection, scope_id)
    if known is None:
        return  # erased meanwhile
    check_references.check_scope(connection, scope_id, scope, found)
    check_items.check_scope(connection, known, scope, found, now)
    check_vectors.check_scope(connection, scope_id, scope, found)


def _check_leftovers(connection: Connection, found: Findings) -> None:
    for mark, problem in (
        (owners.MARK, "its erasure was not finished"),
        (staging.MARK, "a copy of it was not finished: run the copy again, or have it removed"),
    ):
        for scope_id in owners.hidden_scopes(connection, mark):
            found.add("leftover", None, f"scopes {scope_id}", problem, repairable=True)
