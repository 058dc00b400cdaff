"""Whether what one row says of another is there: the foreign keys, which other programs may have
left unchecked, and the references that no foreign key guards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    ForeignKeyConstraint,
    Table,
    and_,
    delete,
    exists,
    func,
    select,
    update,
)

from memori.model import Scope
from memori.store import retention
from memori.store.catalogue import is_derived, key_of, scoped_tables
from memori.store.findings import Findings, row_name
from memori.store.tables import (
    events,
    jobs,
    memories,
    memory_versions,
    operations,
    scopes,
    sessions,
    tombstones,
    turns,
)

#: Rows named of one kind of broken reference in one scope.
_NAMED = 100


class _Reference(NamedTuple):
    """A column that names a row of a table by its id, since `since`; `unless` says when it need
    not be there."""

    table: Table
    column: str
    since: str
    target: Table
    id: str
    unless: ColumnElement[bool] | None = None


def _references() -> Iterator[_Reference]:
    """What is referred to by id.

    A purge removes memories, and says so in an event; one that was due writes no operation.
    """
    for table, column, since in (
        (memories, "operation_id", "recorded_at"),
        (turns, "operation_id", "recorded_at"),
        (memory_versions, "operation_id", "changed_at"),
        (tombstones, "operation_id", "at"),
        (jobs, "operation_id", "created_at"),
        (memories, "forgotten_by", "forgotten_at"),
        (turns, "forgotten_by", "forgotten_at"),
        (operations, "undone_by", "at"),
    ):
        yield _Reference(table, column, since, operations, "operation_id")
    yield _Reference(
        events, "operation_id", "at", operations, "operation_id", events.c.action == "purged"
    )
    for column, since in (("superseded_by", "retired_at"), ("supersedes", "recorded_at")):
        named = memories.c[column]
        known = exists().where(events.c.scope_id == memories.c.scope_id, events.c.item_id == named)
        yield _Reference(memories, column, since, memories, "id", known)


def check_scope(connection: Connection, scope_id: int, scope: Scope, found: Findings) -> None:
    """Check every reference inside one scope."""
    for table in scoped_tables():
        for constraint in table.foreign_key_constraints:
            if constraint.referred_table is not scopes:
                _check_key(connection, scope_id, scope, table, constraint, found)
    gone = retention.history_gone(connection, scope_id)
    for reference in _references():
        # Of what is older than the history, a rule may have deleted what is named.
        old = None if gone is None else reference.table.c[reference.since] <= gone[0]
        _check_id(connection, scope_id, scope, reference, old, found)
    _check_order(connection, scope_id, scope, found)


def check_owners(connection: Connection, found: Findings) -> None:
    """Find rows of scopes that are not there."""
    for table in scoped_tables():
        there = exists().where(scopes.c.scope_id == table.c.scope_id)
        lost = select(table.c.scope_id).where(~there).distinct().limit(_NAMED)
        for scope_id in connection.execute(lost).scalars().all():
            derived = is_derived(table)
            found.add(
                "reference",
                None,
                row_name(table.name, scope_id),
                f"rows of scope number {scope_id}, which is not there",
                repairable=derived,
            )
            if derived:
                found.mend(
                    "index rows of nobody deleted",
                    None,
                    lambda c, table=table, scope_id=scope_id: _delete_lost(c, table, scope_id),
                )


def _delete_lost(connection: Connection, table: Table, scope_id: int) -> None:
    there = exists().where(scopes.c.scope_id == scope_id)
    connection.execute(delete(table).where(table.c.scope_id == scope_id, ~there))


def _check_key(
    connection: Connection,
    scope_id: int,
    scope: Scope,
    table: Table,
    constraint: ForeignKeyConstraint,
    found: Findings,
) -> None:
    parent = constraint.referred_table
    pairs = [(element.parent, element.column) for element in constraint.elements]
    there = exists().where(*(parent_column == column for column, parent_column in pairs))
    given = and_(*(column.is_not(None) for column, _ in pairs))
    broken = connection.execute(
        select(*key_of(table)).where(table.c.scope_id == scope_id, given, ~there).limit(_NAMED)
    )
    for key in broken:
        problem = f"refers to a row of {parent.name} that is not there"
        found.add("reference", scope, row_name(table.name, *key), problem)


def _check_id(
    connection: Connection,
    scope_id: int,
    scope: Scope,
    reference: _Reference,
    old: ColumnElement[bool] | None,
    found: Findings,
) -> None:
    table = reference.table
    column = table.c[reference.column]
    target = reference.target.alias("target")
    there = exists().where(target.c.scope_id == scope_id, target.c[reference.id] == column)
    conditions = [table.c.scope_id == scope_id, column.is_not(None), ~there]
    conditions += [~allowed for allowed in (reference.unless, old) if allowed is not None]
    broken = connection.execute(
        select(*key_of(table), column.label("named")).where(*conditions).limit(_NAMED)
    )
    for row in broken:
        *key, named = row
        problem = f"{reference.column} names {named}, which is not there"
        found.add("reference", scope, row_name(table.name, *key), problem)


def _check_order(connection: Connection, scope_id: int, scope: Scope, found: Findings) -> None:
    """A session's next number must be free."""
    s, t = sessions.c, turns.c
    last = (
        select(func.max(t.seq))
        .where(t.scope_id == s.scope_id, t.session_no == s.session_no)
        .scalar_subquery()
    )
    behind = and_(s.scope_id == scope_id, s.next_seq <= last)
    for row in connection.execute(select(s.session_no, s.next_seq).where(behind)):
        found.add(
            "order",
            scope,
            row_name("sessions", row.session_no),
            f"its next turn would be number {row.next_seq}, which is taken",
            repairable=True,
        )
        found.mend(
            "turn numbers of sessions set",
            scope_id,
            lambda c, number=row.session_no: _number_again(c, scope_id, number),
        )


def _number_again(connection: Connection, scope_id: int, session_no: int) -> None:
    t, s = turns.c, sessions.c
    last = connection.execute(
        select(func.max(t.seq)).where(t.scope_id == scope_id, t.session_no == session_no)
    ).scalar_one()
    connection.execute(
        update(sessions)
        .where(s.scope_id == scope_id, s.session_no == session_no, s.next_seq <= last)
        .values(next_seq=last + 1)
    )
