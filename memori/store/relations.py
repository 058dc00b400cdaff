"""What memories say of whom: by it a new statement finds the one it repeats or replaces.

A topic is the keyed digest of subject and predicate; the words themselves stand beside it, for
people, and go when the memory is purged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select

from memori.store import index, memories
from memori.store.operations import Write, keyed_digest
from memori.store.tables import MEMORY_SHELF, postings, relations
from memori.store.tables import memories as memory_rows
from memori.text.analyser import normalised_key

#: A term in more memories than this brings none together, and so many of the rarest are asked.
_COMMON, _RAREST = 50, 4
_ARTICLE = re.compile(r"^(?:an?|the|my|their|our)\s+")


def topic_of(w: Write, subject: str, predicate: str) -> str:
    """The digest of what a statement is about."""
    return w.digest("topic", _key(subject), _key(predicate))


def name_key(digest_key: bytes, name: str) -> str:
    """The digest of a subject or object, whatever its case and article."""
    return keyed_digest(digest_key, "named", _key(name))


@dataclass(frozen=True, slots=True)
class Said:
    """What one memory says of whom."""

    subject: str
    predicate: str
    object: str


def said_by(w: Write, memory_no: int) -> Said | None:
    """What a memory says of whom, as far as that was noted."""
    c = relations.c
    row = w.connection.execute(
        select(c.subject, c.predicate, c.object).where(
            c.scope_id == w.scope_id, c.memory_no == memory_no
        )
    ).one_or_none()
    return None if row is None else Said(row.subject, row.predicate, row.object)


def link(w: Write, memory_id: str, subject: str, predicate: str, object_name: str) -> None:
    """Note what a memory says of whom, unless that is noted."""
    row = memories.find(w.connection, w.scope_id, memory_id)
    if row is None:
        return
    c = relations.c
    known = select(c.memory_no).where(c.scope_id == w.scope_id, c.memory_no == row.memory_no)
    if w.connection.execute(known).first() is not None:
        return
    w.connection.execute(
        relations.insert().values(
            scope_id=w.scope_id,
            memory_no=row.memory_no,
            subject=subject,
            predicate=predicate,
            object=object_name,
            topic=topic_of(w, subject, predicate),
            subject_key=name_key(w.digest_key, subject),
            object_key=name_key(w.digest_key, object_name),
        )
    )


def current_on(w: Write, topic: str) -> Sequence[Row[Any]]:
    """The current memories on a topic, oldest first, each with its `object_key`."""
    c, m = relations.c, memory_rows.c
    return w.connection.execute(
        select(memory_rows, c.object_key)
        .join(relations, (c.scope_id == m.scope_id) & (c.memory_no == m.memory_no))
        .where(
            c.scope_id == w.scope_id,
            c.topic == topic,
            m.active_hash.is_not(None),
            m.quarantined.is_(False),
        )
        .order_by(m.memory_no)
    ).fetchall()


def alike(w: Write, terms: Mapping[str, int]) -> Sequence[Row[Any]]:
    """The current memories that share one of the rarest of these terms."""
    counted = index.count_postings(w.connection, w.scope_id, terms, most=_COMMON + 1)
    rare = sorted((count, term) for term, count in counted.items() if count <= _COMMON)
    wanted = [term for _, term in rare[:_RAREST]]
    if not wanted:
        return ()
    p, m = postings.c, memory_rows.c
    numbers = select(p.seq).where(
        p.scope_id == w.scope_id,
        p.index_generation.in_(w.index_state.generations),  # leads the key, before the term
        p.term.in_(wanted),
        p.session_no == MEMORY_SHELF,
    )
    return w.connection.execute(
        select(memory_rows)
        .where(
            m.scope_id == w.scope_id,
            m.memory_no.in_(numbers),
            m.active_hash.is_not(None),
            m.quarantined.is_(False),
        )
        .order_by(m.memory_no)
    ).fetchall()


def _key(text: str) -> str:
    return _ARTICLE.sub("", normalised_key(text))
