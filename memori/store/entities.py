"""Whom and what memories are about: names as they were written, and what else they are called.

Which memories are about whom is in `labels`, for those that were learnt and those that were
remembered alike; a row here adds the spelling and the other name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    delete,
    exists,
    func,
    or_,
    select,
    union,
    update,
)

from memori.model import Entity, Relation
from memori.store import relations as related
from memori.store.index import label_value
from memori.store.operations import Write
from memori.store.rows import in_offset, sources_of
from memori.store.scopes import KnownScope, read_scope
from memori.store.tables import MEMORY_SHELF, entities, labels, memories, relations

FIELD = "entity"
#: The predicates that give somebody another name.
NAMES = frozenset({"is called", "is also called"})
_c = entities.c


def note(w: Write, names: Sequence[str]) -> tuple[str, ...]:
    """Note how names are written; with them, the names that those stand for.

    Args:
        w: the write under way.
        names: whom a memory is about.
    """
    kept = dict.fromkeys(names)
    for name in names:
        label = label_value(name)
        row = w.connection.execute(
            select(_c.alias_of).where(_c.scope_id == w.scope_id, _c.label == label)
        ).one_or_none()
        if row is None:
            w.connection.execute(
                entities.insert().values(scope_id=w.scope_id, label=label, name=name)
            )
        elif row.alias_of is not None:
            kept[_name(w.connection, w.scope_id, row.alias_of)] = None
    return tuple(kept)


def call(w: Write, name: str, of: str) -> None:
    """Note that one is also called by another name; `name` must be noted."""
    label = label_value(of)
    if label != label_value(name):
        w.connection.execute(
            update(entities)
            .where(_c.scope_id == w.scope_id, _c.label == label_value(name))
            .values(alias_of=label)
        )


def listed(connection: Connection, scope_id: int, limit: int) -> tuple[Entity, ...]:
    """Entities, those of most memories first, each with its other names."""
    value = labels.c.value
    rows = connection.execute(
        select(value, func.count().label("number"))
        .where(labels.c.scope_id == scope_id, labels.c.field == FIELD)
        .group_by(value)
        .order_by(func.count().desc(), value)
        .limit(limit)
    ).fetchall()
    known = {
        row.label: row
        for row in connection.execute(select(entities).where(_c.scope_id == scope_id))
    }
    found: list[Entity] = []
    for row in rows:
        noted = known.get(row.value)
        others = {each.name for each in known.values() if each.alias_of == row.value}
        if noted is not None and noted.alias_of is not None:
            others.add(_name(connection, scope_id, noted.alias_of))
        name = row.value if noted is None else noted.name
        number = _count_about(connection, scope_id, row.value) if others else row.number
        found.append(Entity(name=name, aliases=tuple(sorted(others)), memories=number))
    return tuple(found)


def about(connection: Connection, scope_id: int, label: str) -> CompoundSelect[Any]:
    """Selects the numbers of the memories about somebody: labelled with, or saying something of,
    any of the names. Hidden memories are not labelled, but may say something."""
    known = read_scope(connection, scope_id)
    names = _names(connection, scope_id, label)
    of_them = [label_value(name) for name in names]
    keys = [] if known is None else [related.name_key(known.digest_key, name) for name in names]
    labelled = select(labels.c.seq).where(
        labels.c.scope_id == scope_id,
        labels.c.field == FIELD,
        labels.c.value.in_(of_them),
        labels.c.session_no == MEMORY_SHELF,
    )
    return union(
        labelled, select(relations.c.memory_no).where(relations.c.scope_id == scope_id, _of(keys))
    )


def asker(
    connection: Connection, scope_id: int, label: str
) -> Callable[[int, Sequence[str]], bool]:
    """Says of a memory, by its number and its entities, whether it is about somebody; also of
    hidden ones."""
    names = {label_value(name) for name in _names(connection, scope_id, label)}
    numbers = set(connection.execute(about(connection, scope_id, label)).scalars())
    return lambda number, of: number in numbers or not names.isdisjoint(map(label_value, of))


def _count_about(connection: Connection, scope_id: int, label: str) -> int:
    m = memories.c
    return connection.execute(
        select(func.count()).where(
            m.scope_id == scope_id,
            m.memory_no.in_(about(connection, scope_id, label)),
            m.forgotten_at.is_(None),
            m.quarantined.is_(False),
        )
    ).scalar_one()


def _of(keys: Sequence[str]) -> ColumnElement[bool]:
    return or_(relations.c.subject_key.in_(keys), relations.c.object_key.in_(keys))


def relations_of(
    connection: Connection,
    known: KnownScope,
    name: str,
    limit: int,
    *,
    include_superseded: bool = False,
) -> tuple[Relation, ...]:
    """What visible memories say of somebody, or of whom they say it, oldest first."""
    c, m = relations.c, memories.c
    names = _names(connection, known.scope_id, label_value(name)) | {name}
    keys = [related.name_key(known.digest_key, each) for each in names]
    conditions = [
        m.scope_id == known.scope_id,
        m.forgotten_at.is_(None),
        m.quarantined.is_(False),
        _of(keys),
    ]
    if not include_superseded:
        conditions.append(m.superseded_by.is_(None))
    rows = connection.execute(
        select(relations, m.id, m.valid_from, m.valid_from_offset, m.superseded_by, m.metadata)
        .join(memories, (m.scope_id == c.scope_id) & (m.memory_no == c.memory_no))
        .where(*conditions)
        .order_by(c.memory_no)
        .limit(limit)
    ).fetchall()
    sources = sources_of(connection, known.scope_id, [row.memory_no for row in rows])
    return tuple(
        Relation(
            subject=row.subject,
            predicate=row.predicate,
            object=row.object,
            memory_id=row.id,
            sources=tuple(turn.id for turn in sources.get(row.memory_no, ())),
            since=in_offset(row.valid_from, row.valid_from_offset),
            superseded_by=row.superseded_by,
            uncertain=row.metadata.get("uncertain") is True,
        )
        for row in rows
    )


def drop_unused(w: Write) -> None:
    """Forget the names that no memory is about any more."""
    used = exists().where(
        labels.c.scope_id == w.scope_id, labels.c.field == FIELD, labels.c.value == _c.label
    )
    w.connection.execute(delete(entities).where(_c.scope_id == w.scope_id, ~used))


def _names(connection: Connection, scope_id: int, label: str) -> set[str]:
    """Every name of the one who is called this; a name counts as long as a memory gives it."""
    here = _c.scope_id == scope_id
    given = exists().where(
        labels.c.scope_id == scope_id, labels.c.field == FIELD, labels.c.value == _c.label
    )
    stands_for = connection.execute(
        select(_c.alias_of).where(here, _c.label == label, given)
    ).scalar_one_or_none()
    root = stands_for or label
    others = connection.execute(select(_c.name).where(here, _c.alias_of == root, given)).scalars()
    return {_name(connection, scope_id, each) for each in (label, root)} | set(others)


def _name(connection: Connection, scope_id: int, label: str) -> str:
    found = select(_c.name).where(_c.scope_id == scope_id, _c.label == label)
    return connection.execute(found).scalar_one_or_none() or label
