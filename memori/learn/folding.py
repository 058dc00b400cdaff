"""Where a new statement goes among what is known: repeats are folded into one memory with more
evidence, what contradicts takes the place of the older, and what is in doubt stands beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row

from memori.evaluate.statements import say_the_same
from memori.intake import NewMemory
from memori.learn.learnt import Learnt, Relation
from memori.model import Receipt
from memori.store import entities, memories, relations
from memori.store.operations import Write

#: Two statements with at least this share of their words in common are one.
_SAME_SHARE = 0.85
#: Relations of which one object cannot have both.
_OPPOSITES = {"likes": "dislikes", "dislikes": "likes"}
#: Relations that may hold for one object only, or for several: what comes second is marked.
_PERHAPS_SINGLE = frozenset({"works at", "is from"})


@dataclass(frozen=True, slots=True)
class Kept:
    """A statement ready to be written: what the agent made, and what may be stored of it."""

    learnt: Learnt
    new: NewMemory


def keep(w: Write, kept: Kept) -> Receipt | None:
    """Write a statement, or fold it into what says it already.

    Returns:
        The receipt; None when it was forgotten here, and stays forgotten.
    """
    new, learnt = kept.new, kept.learnt
    if memories.is_tombstoned(w, memories.memory_digest(w, new.key)):
        return None
    if new.quarantined:
        return memories.remember(w, new)
    new = replace(new, entities=entities.note(w, new.entities))
    if learnt.relation is None:
        return _keep_plain(w, new)
    receipt = _keep_relation(w, new, learnt, learnt.relation)
    if learnt.relation.predicate == entities.NAMED and not learnt.uncertain:
        entities.call(w, learnt.relation.object, learnt.relation.subject)
    # A repetition keeps the relation of what it repeats; what has ended holds none any more.
    if receipt.id is not None and not learnt.ended:
        said = learnt.relation
        relations.link(w, receipt.id, said.subject, said.predicate, said.object)
    return receipt


def _keep_plain(w: Write, new: NewMemory) -> Receipt:
    for row in relations.alike(w, new.terms):
        if say_the_same(row.content, new.content, _SAME_SHARE):
            return memories.confirm(w, new, row)
    return memories.remember(w, new)


def _keep_relation(w: Write, new: NewMemory, learnt: Learnt, said: Relation) -> Receipt:
    known = relations.current_on(w, relations.topic_of(w, said.subject, said.predicate))
    key = relations.name_key(w.digest_key, said.object)
    same = [row for row in known if row.object_key == key]
    if learnt.ended:
        return _replace(w, new, same)
    if same:
        return memories.confirm(w, new, same[-1])
    against = [*_contrary(w, said, key), *(known if said.single else ())]
    if learnt.uncertain and against:
        return _put_beside(w, new, against)
    if against:
        return _replace(w, new, against)
    if known and said.predicate in _PERHAPS_SINGLE:
        return _put_beside(w, new, known)
    return _keep_plain(w, new)


def _contrary(w: Write, said: Relation, key: str) -> list[Row[Any]]:
    opposite = _OPPOSITES.get(said.predicate)
    if opposite is None:
        return []
    known = relations.current_on(w, relations.topic_of(w, said.subject, opposite))
    return [row for row in known if row.object_key == key]


def _replace(w: Write, new: NewMemory, olds: Sequence[Row[Any]]) -> Receipt:
    """Write a statement in the place of others, or behind the one that was said later."""
    later = [row for row in olds if _since(row) > _said(new, w)]
    if not later:
        return memories.remember(w, replace(new, supersedes=tuple(row.id for row in olds)))
    receipt = memories.remember(w, new)
    row = memories.find(w.connection, w.scope_id, receipt.id or "")
    if row is None or receipt.status != "stored":
        return receipt
    memories.retire(w, row, by=later[0].id, since=_since(later[0]))
    return replace(
        receipt, reason=f"stored as what held before {later[0].id}, which was said later"
    )


def _put_beside(w: Write, new: NewMemory, others: Sequence[Row[Any]]) -> Receipt:
    marked = {**new.metadata, "uncertain": True, "beside": [row.id for row in others]}
    return memories.remember(w, replace(new, metadata=marked))


def _since(row: Row[Any]) -> datetime:
    return (row.valid_from or row.recorded_at).astimezone(UTC)


def _said(new: NewMemory, w: Write) -> datetime:
    return (new.valid_from or w.now).astimezone(UTC)
