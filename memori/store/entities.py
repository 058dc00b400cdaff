"""Whom and what memories are about: names as they were written, and what else they are called.

Which memories are about whom is in `labels`, for those that were learnt and those that were
remembered alike; a row here adds the spelling and the other name.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, exists, func, or_, select, update

from memori.model import Entity, Relation
from memori.store import relations as related
from memori.store.index import label_value
from memori.store.operations import Write
from memori.store.rows import in_offset, sources_of
from memori.store.scopes import KnownScope
from memori.store.tables import entities, labels, memories, relations

FIELD = "entity"
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
        found.append(Entity(name=name, aliases=tuple(sorted(others)), memories=row.number))
    return tuple(found)


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
    keys = [related.name_key(known.digest_key, each) for each in _names(connection, known, name)]
    conditions = [
        m.scope_id == known.scope_id,
        m.forgotten_at.is_(None),
        m.quarantined.is_(False),
        or_(c.subject_key.in_(keys), c.object_key.in_(keys)),
    ]
    if not include_superseded:
        conditions.append(m.superseded_by.is_(None))
    rows = connection.execute(
        select(relations, m.id, m.valid_from, m.valid_from_offset, m.superseded_by)
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
        )
        for row in rows
    )


def drop_unused(w: Write) -> None:
    """Forget the names that no memory is about any more."""
    used = exists().where(
        labels.c.scope_id == w.scope_id, labels.c.field == FIELD, labels.c.value == _c.label
    )
    w.connection.execute(delete(entities).where(_c.scope_id == w.scope_id, ~used))


def _names(connection: Connection, known: KnownScope, name: str) -> set[str]:
    """A name and every other name of the same one."""
    label = label_value(name)
    here = _c.scope_id == known.scope_id
    stands_for = connection.execute(
        select(_c.alias_of).where(here, _c.label == label)
    ).scalar_one_or_none()
    root = stands_for or label
    others = connection.execute(select(_c.name).where(here, _c.alias_of == root)).scalars()
    return {name, _name(connection, known.scope_id, root), *others}


def _name(connection: Connection, scope_id: int, label: str) -> str:
    found = select(_c.name).where(_c.scope_id == scope_id, _c.label == label)
    return connection.execute(found).scalar_one_or_none() or label
