"""What people ask about a scope itself: one item, its history, sessions, operations, counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, MetaData, Row, and_, func, or_, select, text
from sqlalchemy.schema import CreateIndex, CreateTable

from memori.errors import NotFound
from memori.model import Event, History, LearningStats, Memory, Operation, Session, Turn
from memori.store import jobs, memories, promotions, retention, rows, spending, tables
from memori.store.naming import own_name
from memori.store.tables import events, memory_versions, operations, sessions
from memori.store.tables import memories as memory_rows
from memori.store.tables import turns as turn_rows

#: Separates a group's id from the number of each of its operations, and what a group is called.
GROUP_MARK = ":"
GROUP_VERB = "import"
#: What `operations` can be asked for.
VERBS = tuple(
    (
        "remember record learn update forget restore undo release promote profile confirm rename "
        "retain pause resume settle " + GROUP_VERB
    ).split()
)


def find_turn(connection: Connection, scope_id: int, turn_id: str) -> tuple[Row[Any], str] | None:
    """The row of one turn and the id of its session."""
    row = connection.execute(
        select(turn_rows).where(turn_rows.c.scope_id == scope_id, turn_rows.c.id == turn_id)
    ).one_or_none()
    if row is None:
        return None
    return row, rows.session_names(connection, scope_id, {row.session_no})[row.session_no]


def get_item(
    connection: Connection, scope_id: int, namespace: str, item_id: str
) -> Memory | Turn | None:
    """One memory or turn, None when this scope has no such id.

    Raises:
        NotFound: it is there but forgotten.
    """
    memory = memories.find(connection, scope_id, item_id)
    if memory is not None:
        _refuse_forgotten(memory)
        sources = rows.source_ids(connection, scope_id, memory.memory_no)
        return rows.to_memory(memory, namespace, sources)
    turn = find_turn(connection, scope_id, item_id)
    if turn is None:
        return None
    _refuse_forgotten(turn[0])
    return rows.to_turn(*turn)


def history_of(
    connection: Connection, scope_id: int, namespace: str, item_id: str
) -> History | None:
    """Every version of a memory (or the one of a turn) and their events, oldest first.

    The content of what is forgotten stays hidden here too.
    """
    memory = memories.find(connection, scope_id, item_id)
    if memory is not None:
        chain = _chain(connection, scope_id, memory)
        versions: list[Memory | Turn] = []
        for row in chain:
            versions += _versions(connection, scope_id, namespace, row)
        return History(
            versions=tuple(versions),
            events=_events(connection, scope_id, [row.id for row in chain]),
        )
    turn = find_turn(connection, scope_id, item_id)
    if turn is not None:
        row, session_id = turn
        shown = rows.to_turn(row, session_id)
        if row.forgotten_at is not None:
            shown = _without_content(shown)
        return History(
            versions=(shown,),
            events=_events(connection, scope_id, [row.id], (session_id, row.operation_id)),
        )
    left = _events(connection, scope_id, [item_id])
    return History(versions=(), events=left) if left else None


def list_sessions(
    connection: Connection, scope_id: int, after: tuple[datetime, int] | None, limit: int
) -> list[tuple[Row[Any], Session]]:
    """Sessions with visible turns, most recently active first."""
    c, t = sessions.c, turn_rows.c
    active = func.coalesce(c.last_at, c.recorded_at)
    counted = (
        select(t.session_no, func.count().label("turns"))
        .where(t.scope_id == scope_id, t.forgotten_at.is_(None), t.quarantined.is_(False))
        .group_by(t.session_no)
        .subquery()
    )
    statement = (
        select(sessions, counted.c.turns, active.label("active"))
        .join(counted, counted.c.session_no == c.session_no)
        .where(c.scope_id == scope_id)
        .order_by(active.desc(), c.session_no.desc())
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(
            or_(active < after[0], and_(active == after[0], c.session_no < after[1]))
        )
    return [
        (
            row,
            Session(
                id=row.session_id,
                turns=row.turns,
                started_at=row.started_at,
                last_at=row.last_at,
                agent_id=row.agent_id,
            ),
        )
        for row in connection.execute(statement)
    ]


def list_operations(
    connection: Connection, scope_id: int, verb: str | None, limit: int
) -> tuple[Operation, ...]:
    """The newest operations first; the numbered records of one import are one operation."""
    o = operations.c
    statement = select(operations).where(o.scope_id == scope_id)
    if verb is not None:
        statement = statement.where(o.verb == ("record" if verb == GROUP_VERB else verb))
    groups: dict[str, list[Row[Any]]] = {}
    for row in connection.execute(statement.order_by(o.number.desc(), o.at.desc())):
        whole = row.operation_id.partition(GROUP_MARK)[0] if row.verb == "record" else None
        grouped = whole is not None and whole != row.operation_id
        if (verb == GROUP_VERB and not grouped) or (verb == "record" and grouped):
            continue
        name = whole if grouped and whole is not None else row.operation_id
        if name not in groups and len(groups) == limit:
            break
        groups.setdefault(name, []).append(row)
    return tuple(_operation(name, parts) for name, parts in groups.items())


def _operation(name: str, parts: Sequence[Row[Any]]) -> Operation:
    """One operation, or the parts of a group as one."""
    newest = parts[0]
    summary, verb = _summary(newest), newest.verb
    if name != newest.operation_id:
        sessions_named = {row.answer["session_id"] for row in parts}
        total = sum(row.answer["total"] for row in parts)
        summary, verb = f"{total} turn(s) of {len(sessions_named)} session(s)", GROUP_VERB
    return Operation(
        id=name,
        verb=verb,
        at=newest.at,
        actor=newest.actor,
        summary=summary,
        undone=all(row.undone_by is not None for row in parts),
    )


def count_rows(connection: Connection, scope_id: int, now: datetime) -> dict[str, Any]:
    """Counts of a scope, by the field names of `Stats`."""
    m, t = memory_rows.c, turn_rows.c
    current = and_(m.forgotten_at.is_(None), m.superseded_by.is_(None), m.quarantined.is_(False))
    by_category: dict[str, int] = {
        row.category: row.number
        for row in connection.execute(
            select(m.category, func.count().label("number"))
            .where(m.scope_id == scope_id, current)
            .group_by(m.category)
            .order_by(m.category)
        )
    }

    def count(column: Any, *conditions: Any) -> int:
        return connection.execute(
            select(func.count()).select_from(column.table).where(*conditions)
        ).scalar_one()

    queue = jobs.count(connection, now, scope_id)
    tokens, capped = spending.spent(connection, now, scope_id)
    here, seen = m.scope_id == scope_id, m.forgotten_at.is_(None)
    said = and_(t.scope_id == scope_id, t.forgotten_at.is_(None))
    span = connection.execute(
        select(func.min(m.recorded_at), func.max(m.recorded_at)).where(here, seen)
    ).one()
    turn_span = connection.execute(select(func.min(t.at), func.max(t.at)).where(said)).one()
    firsts = [at for at in (span[0], turn_span[0]) if at is not None]
    lasts = [at for at in (span[1], turn_span[1]) if at is not None]
    return {
        "memories": sum(by_category.values()),
        "memories_by_category": by_category,
        "superseded": count(m.id, here, seen, m.superseded_by.is_not(None)),
        "quarantined": count(m.id, here, seen, m.quarantined.is_(True))
        + count(t.id, said, t.quarantined.is_(True)),
        "forgotten": count(m.id, here, m.forgotten_at.is_not(None))
        + count(t.id, t.scope_id == scope_id, t.forgotten_at.is_not(None)),
        "turns": count(t.id, said, t.quarantined.is_(False)),
        "sessions": connection.execute(
            select(func.count(t.session_no.distinct())).where(said, t.quarantined.is_(False))
        ).scalar_one(),
        "oldest": min(firsts, default=None),
        "newest": max(lasts, default=None),
        "learning": LearningStats(queue.waiting, queue.dead, tokens, capped),
        "promotion": promotions.stats(connection, scope_id),
        "tokens": spending.by_day(connection, scope_id),
    }


def list_quarantined(
    connection: Connection, scope_id: int, namespace: str, limit: int
) -> tuple[Memory | Turn, ...]:
    """What a person has to look at, newest first."""
    m, t = memory_rows.c, turn_rows.c
    held = connection.execute(
        select(memory_rows)
        .where(m.scope_id == scope_id, m.quarantined.is_(True), m.forgotten_at.is_(None))
        .order_by(m.memory_no.desc())
        .limit(limit)
    ).fetchall()
    said = connection.execute(
        select(turn_rows)
        .where(t.scope_id == scope_id, t.quarantined.is_(True), t.forgotten_at.is_(None))
        .order_by(t.recorded_at.desc(), t.id.desc())
        .limit(limit)
    ).fetchall()
    names = rows.session_names(connection, scope_id, {row.session_no for row in said})
    found: list[Memory | Turn] = [rows.to_memory(row, namespace) for row in held]
    found += [rows.to_turn(row, names[row.session_no]) for row in said]
    return tuple(found[:limit])


def read_schema(connection: Connection) -> str:
    """The CREATE statements of the database as they are."""
    if connection.dialect.name == "sqlite":
        found = connection.execute(
            text(
                "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL "
                "ORDER BY CASE type WHEN 'table' THEN 0 ELSE 1 END, name"
            )
        ).scalars()
    else:
        # A server keeps no text of them: say again what it describes.
        made, ours = MetaData(), {own_name(connection, name) for name in tables.metadata.tables}
        made.reflect(connection, only=lambda name, _: name in ours)
        parts = [CreateTable(table) for table in made.sorted_tables]
        parts += [
            CreateIndex(index)
            for table in made.sorted_tables
            for index in sorted(table.indexes, key=lambda each: str(each.name))
        ]
        found = [str(part.compile(dialect=connection.dialect)).strip() for part in parts]
    return "\n".join(f"{statement};" for statement in found)


def _refuse_forgotten(row: Row[Any]) -> None:
    if row.forgotten_at is not None:
        raise NotFound(
            f"{row.id} was forgotten on {row.forgotten_at:%Y-%m-%d}; "
            f"bring it back with: memori restore {row.id}"
        )


def _chain(connection: Connection, scope_id: int, row: Row[Any]) -> list[Row[Any]]:
    """All versions of a memory by supersession, oldest first."""
    older: list[Row[Any]] = []
    seen = {row.id}
    edge = [row.id]
    m = memory_rows.c
    while edge:
        found = connection.execute(
            select(memory_rows).where(m.scope_id == scope_id, m.superseded_by.in_(edge))
        ).fetchall()
        fresh = [each for each in found if each.id not in seen]
        seen.update(each.id for each in fresh)
        older += fresh
        edge = [each.id for each in fresh]
    newer: list[Row[Any]] = []
    following = row.superseded_by
    while following is not None and following not in seen:
        seen.add(following)
        after = memories.find(connection, scope_id, following)
        if after is None:
            break
        newer.append(after)
        following = after.superseded_by
    return sorted([*older, row, *newer], key=lambda each: each.memory_no)


def _versions(
    connection: Connection, scope_id: int, namespace: str, row: Row[Any]
) -> Sequence[Memory]:
    v = memory_versions.c
    earlier = connection.execute(
        select(memory_versions)
        .where(v.scope_id == scope_id, v.memory_no == row.memory_no)
        .order_by(v.number)
    ).fetchall()
    sources = rows.source_ids(connection, scope_id, row.memory_no)
    now = rows.to_memory(row, namespace, sources)
    if row.forgotten_at is not None:
        return [_without_content(now)]
    return [*(rows.as_it_was(now, version.before) for version in earlier), now]


def _without_content(item: Any) -> Any:
    hidden: dict[str, Any] = {"content": "", "metadata": {}}
    if isinstance(item, Memory):
        hidden |= {"tags": (), "entities": ()}
    return replace(item, **hidden)


def _events(
    connection: Connection,
    scope_id: int,
    item_ids: Sequence[str],
    recorded: tuple[str, str] | None = None,
) -> tuple[Event, ...]:
    """Events of these items; `recorded` adds the one by which a turn's session took it in."""
    e = events.c
    wanted: Any = e.item_id.in_(item_ids)
    if recorded is not None:
        session_id, operation_id = recorded
        wanted = or_(wanted, and_(e.item_id == session_id, e.operation_id == operation_id))
    found = connection.execute(
        select(events).where(e.scope_id == scope_id, wanted).order_by(e.at, e.id)
    )
    return tuple(
        Event(
            id=row.id,
            at=row.at,
            action=row.action,
            item_kind=row.item_kind,
            item_id=row.item_id,
            operation_id=row.operation_id,
            actor=row.actor,
            reason=row.reason,
            detail=row.detail,
        )
        for row in found
    )


def _summary(row: Row[Any]) -> str:
    answer = row.answer
    if row.verb == "record":
        return f"{answer['total']} turn(s) of session {answer['session_id']}"
    if row.verb == "learn":
        return f"{len(answer)} statement(s) learnt"
    if row.verb == "forget":
        hidden = len(answer["memories"]) + len(answer["turns"])
        return f"{hidden} item(s) {'purged' if answer['purged'] else 'hidden'}"
    if row.verb == promotions.RUN:
        return f"{answer['in']} into short-term memory, {answer['out']} out, {answer['kept']} kept"
    if row.verb == "confirm":
        return f"{len(answer['ids'])} confirmed"
    if row.verb == retention.VERB:
        return f"{answer['items']} {answer['kind']} row(s) deleted by rule"
    if row.verb in ("undo", "restore"):
        return answer["reason"]
    if row.verb == "pause":
        until = answer["until"]
        return "paused" if until is None else f"paused until {until[:16].replace('T', ' ')} UTC"
    if row.verb == "resume":
        return "resumed"
    if row.verb == "rename":
        return "the user was given another name"
    return f"{answer['status']} {answer['id']}"
