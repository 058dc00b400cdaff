"""What a learnt memory still says of whom once its words were changed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from memori.store import entities, memories, relations
from memori.store.index import label_value
from memori.store.operations import Write
from memori.store.relations import Said

_WORD = re.compile(r"[\w']+")
#: English words that turn a statement round.
_TURNING = frozenset(
    "no not never longer former formerly used don't doesn't isn't wasn't hardly maybe".split()
)
_MOST_WORDS = 14


def still_said(said: Said, before: str, after: str) -> Said | None:
    """The relation in the new words, None if it cannot be told.

    It is kept where only something else was changed, and gets the new object where only the object
    was ("lives in Lisbon" to "lives in Porto"). Other words before the object, or one that turns
    the statement round, make another statement.

    Args:
        said: the relation of the memory as it was.
        before: the memory's words.
        after: its new words.
    """
    start = before.casefold().find(said.object.casefold())
    if start < 0 or not after.casefold().startswith(before[:start].casefold()):
        return None
    new_words = set(_WORD.findall(after.casefold())) - set(_WORD.findall(before.casefold()))
    if not new_words.isdisjoint(_TURNING):
        return None
    tail = before[start + len(said.object) :].strip(" .!")
    rest = after[start:].strip(" .!")
    if re.match(rf"{re.escape(said.object)}(?!\w)", rest, re.IGNORECASE):
        return said
    if tail and not rest.endswith(tail):
        return None
    named = rest.removesuffix(tail).strip() if tail else rest
    if not named or len(named.split()) > _MOST_WORDS:
        return None
    return replace(said, object=named)


def renamed(names: Sequence[str], said: Said, now: Said) -> list[str]:
    """Whom a memory is about, with its new object in the place of the old."""
    old = label_value(said.object)
    return list(dict.fromkeys(now.object if label_value(each) == old else each for each in names))


def note(w: Write, memory_id: str, now: Said | None) -> bool:
    """Note what the new memory says of whom; that it is not known any more is an event.

    Returns:
        Whether anything is noted of it.
    """
    row = memories.find(w.connection, w.scope_id, memory_id)
    if row is None:
        return False
    if now is not None:
        relations.link(w, memory_id, now.subject, now.predicate, now.object)
        entities.note(w, row.entities)
        if now.predicate in entities.NAMES:
            entities.call(w, now.object, now.subject)
        return True
    if relations.said_by(w, row.memory_no) is not None:
        return True  # it was there already, and says something of its own
    reason = "whom its new words say something of is not known"
    w.event("changed", "memory", memory_id, reason=reason, detail={"fields": ["relation"]})
    return False
