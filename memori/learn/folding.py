"""Where a new statement goes among what is known: repeats are folded into one memory with more
evidence, what contradicts takes the place of the older, and what is in doubt stands beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row

from memori.evaluate.statements import say_always_and_never, say_the_same
from memori.intake import NewMemory, prepare_edit
from memori.learn.learnt import Learnt, Relation
from memori.model import Receipt
from memori.store import edits, entities, memories, relations
from memori.store.conflicts import BESIDE, UNCERTAIN
from memori.store.operations import Write

#: Two statements with at least this share of their words in common are one.
_SAME_SHARE = 0.85
#: Relations of which one object cannot have both; so are "always eats" and "never eats".
_OPPOSITES = {"likes": "dislikes", "dislikes": "likes"}
_ALWAYS, _NEVER = "always ", "never "
#: Relations that may hold for one object only, or for several: what comes second is marked.
_PERHAPS_SINGLE = frozenset({"works at", "is from"})
#: What has ended is noted under the name of what it ends.
_NO_LONGER = "no longer "
#: Relations that end another one.
_ENDS = {"lost their job": ("works at", "at ")}
_WHICHEVER = "job"
#: One thing before another: said with any of these it is the same, and turned round the opposite.
_PREFERS = frozenset({"prefers", "prefer"})
_RATHER = ("to", "over", "rather than", "instead of")
_ONE_BEFORE_THE_OTHER = re.compile(rf"(.+?)\s+(?:{'|'.join(_RATHER)})\s+(.+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Kept:
    """A statement ready to be written: what the agent made, and what may be stored of it."""

    learnt: Learnt
    new: NewMemory


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of the matter of a statement, oldest first: what says it already, what cannot
    hold beside it, and what may."""

    same: Sequence[Row[Any]] = ()
    against: Sequence[Row[Any]] = ()
    perhaps: Sequence[Row[Any]] = ()


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
        return _place(w, new, learnt, _known_in_words(w, new))
    said, ended = _ending(learnt.relation, ended=learnt.ended)
    known = _known_ended(w, said) if ended else _known_of(w, said)
    if not known.same:
        worded = _known_in_words(w, new, said)
        known = replace(known, same=worded.same, against=known.against or worded.against)
    receipt = _place(w, new, learnt, known)
    if said.predicate in entities.NAMES and not ended and not learnt.uncertain:
        entities.call(w, said.object, said.subject)
    # A repetition keeps the relation of what it repeats.
    if receipt.id is not None:
        predicate = _NO_LONGER + said.predicate if ended else said.predicate
        relations.link(w, receipt.id, said.subject, predicate, said.object)
    return receipt


def _ending(said: Relation, *, ended: bool) -> tuple[Relation, bool]:
    """The relation a statement is about, and whether that has ended."""
    ends = _ENDS.get(said.predicate)
    if ended or ends is None:
        return said, ended
    predicate, before = ends
    if not said.object.startswith(before):
        return said, False
    return replace(said, predicate=predicate, object=said.object.removeprefix(before)), True


def _known_of(w: Write, said: Relation) -> _Known:
    known = _current(w, said.subject, said.predicate)
    keys = _keys(w, said.object, *_said_otherwise(said.object))
    same = [row for row in known if row.object_key in keys]
    others = [row for row in known if row.object_key not in keys]
    against = [*_contrary(w, said, keys), *_with(_known_to_end(w, said), keys)]
    if said.single:
        against += others
    elif said.predicate in _PREFERS:
        against += _with(others, _keys(w, *_turned_round(said.object)))
    elif said.predicate in _ENDS and said.object == _WHICHEVER:
        ended = _current(w, said.subject, _ENDS[said.predicate][0])
        against += ended if len(ended) == 1 else ()
    return _Known(same, against, others if said.predicate in _PERHAPS_SINGLE else ())


def _known_ended(w: Write, said: Relation) -> _Known:
    keys = _keys(w, said.object)
    against = _with(_current(w, said.subject, said.predicate), keys)
    return _Known(_with(_known_to_end(w, said), keys), against)


def _known_in_words(w: Write, new: NewMemory, said: Relation | None = None) -> _Known:
    """What says the same in nearly the same words, or what is always where this is never."""
    same: list[Row[Any]] = []
    against: list[Row[Any]] = []
    for row in relations.alike(w, new.terms):
        if say_the_same(row.content, new.content, _SAME_SHARE, in_order=True):
            if said is None or not _of_others(w, row, said):
                same.append(row)
        elif say_always_and_never(row.content, new.content):
            against.append(row)
    return _Known(same[:1], against)


def _of_others(w: Write, row: Row[Any], said: Relation) -> bool:
    """Whether a memory is known to be about somebody or something else."""
    other = relations.said_by(w, row.memory_no)
    return other is not None and not (
        _same_name(w, other.subject, said.subject) and _same_name(w, other.object, said.object)
    )


def _same_name(w: Write, one: str, other: str) -> bool:
    return _keys(w, one) == _keys(w, other) or say_the_same(one, other, _SAME_SHARE, in_order=True)


def _contrary(w: Write, said: Relation, keys: frozenset[str]) -> list[Row[Any]]:
    opposite = _opposite(said.predicate)
    return [] if opposite is None else _with(_current(w, said.subject, opposite), keys)


def _opposite(predicate: str) -> str | None:
    for one, other in ((_ALWAYS, _NEVER), (_NEVER, _ALWAYS)):
        if predicate.startswith(one):
            return other + predicate.removeprefix(one)
    return _OPPOSITES.get(predicate)


def _known_to_end(w: Write, said: Relation) -> Sequence[Row[Any]]:
    return _current(w, said.subject, _NO_LONGER + said.predicate)


def _current(w: Write, subject: str, predicate: str) -> Sequence[Row[Any]]:
    return relations.current_on(w, relations.topic_of(w, subject, predicate))


def _with(rows: Sequence[Row[Any]], keys: frozenset[str]) -> list[Row[Any]]:
    return [row for row in rows if row.object_key in keys]


def _keys(w: Write, *names: str) -> frozenset[str]:
    return frozenset(relations.name_key(w.digest_key, name) for name in names)


def _said_otherwise(name: str) -> Iterator[str]:
    """`Python over Java` for `Python to Java`."""
    match = _ONE_BEFORE_THE_OTHER.fullmatch(name)
    if match is not None:
        yield from (f"{match[1]} {rather} {match[2]}" for rather in _RATHER)


def _turned_round(name: str) -> Iterator[str]:
    """`Java to Python` for `Python to Java`."""
    match = _ONE_BEFORE_THE_OTHER.fullmatch(name)
    if match is not None:
        yield from (f"{match[2]} {rather} {match[1]}" for rather in _RATHER)


def _place(w: Write, new: NewMemory, learnt: Learnt, known: _Known) -> Receipt:
    """Write a statement among what is known, or let what says it already stand for it."""
    said = _said(new, w)
    # What was said later holds, unless that was said in doubt or is trusted less.
    later = [row for row in known.against if _since(row) > said]
    holds = [row for row in later if not _is_uncertain(row) and row.trust >= new.trust]
    doubted = learnt.uncertain or any(_trust(w, row) > new.trust for row in known.against)
    if known.same:
        row = known.same[-1]
        doubted_itself = _is_uncertain(row)
        if doubted or later or (doubted_itself and (known.perhaps or row.trust > new.trust)):
            return memories.confirm(w, new, row)
        if doubted_itself:
            _mark(w, row, None)
        return memories.confirm(w, new, row, [old for old in known.against if old.id != row.id])
    if holds and not learnt.uncertain:
        return _put_behind(w, new, holds[0])
    if doubted and known.against:
        return memories.remember(w, _beside(new, known.against))
    if later:
        receipt = _replace(w, new, [row for row in known.against if row not in later])
        for row in later:
            _mark(w, row, receipt.id)
        return receipt
    if known.perhaps:
        new = _beside(new, known.perhaps)
    return _replace(w, new, known.against)


def _replace(w: Write, new: NewMemory, olds: Sequence[Row[Any]]) -> Receipt:
    return memories.remember(w, replace(new, supersedes=tuple(row.id for row in olds)))


def _put_behind(w: Write, new: NewMemory, later: Row[Any]) -> Receipt:
    """Write a statement as what held before the one that was said later."""
    receipt = memories.remember(w, new)
    row = memories.find(w.connection, w.scope_id, receipt.id or "")
    if row is None or receipt.status != "stored":
        return receipt
    memories.retire(w, row, by=later.id, since=_since(later))
    return replace(receipt, reason=f"stored as what held before {later.id}, which was said later")


def _beside(new: NewMemory, others: Sequence[Row[Any]]) -> NewMemory:
    marked = {**new.metadata, UNCERTAIN: True, BESIDE: [row.id for row in others]}
    return replace(new, metadata=marked)


def _mark(w: Write, row: Row[Any], beside: str | None) -> None:
    """Mark a memory as uncertain beside another, or with None as certain: a version more."""
    left = {key: value for key, value in row.metadata.items() if key not in (UNCERTAIN, BESIDE)}
    if beside is not None:
        left |= {UNCERTAIN: True, BESIDE: [*row.metadata.get(BESIDE, ()), beside]}
    edits.update(w, row.id, prepare_edit({"metadata": left}, zone=UTC), UTC)


def _is_uncertain(row: Row[Any]) -> bool:
    return row.metadata.get(UNCERTAIN) is True


def _trust(w: Write, row: Row[Any]) -> float:
    """How far a memory is trusted: what was said again, as far as who is trusted most said so."""
    again = memories.most_trusted_source(w, row.memory_no) if row.evidence > 1 else None
    return row.trust if again is None else max(row.trust, again)


def _since(row: Row[Any]) -> datetime:
    return (row.valid_from or row.recorded_at).astimezone(UTC)


def _said(new: NewMemory, w: Write) -> datetime:
    return (new.valid_from or w.now).astimezone(UTC)
