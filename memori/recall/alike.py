"""Items of an answer that say the same: one hit, which lists the others as its sources.

Only what is surely the same is folded: the same content words in the same order, of the same
speaker, as memories and turns of different wording or with another number, name or negation are
not. A turn that speaks of a time is its own event whenever it is said.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

from memori.recall.rerank import Ranked, Row
from memori.text.analyser import split_words
from memori.text.content import content_words
from memori.text.dates import TIME_HINTS

Place = tuple[int, int]

#: Shorter sayings ("sounds good") are too little to be told apart by their words.
_FEWEST_WORDS = 3


def find_alike(ranked: Sequence[Ranked], rows: Mapping[Place, Row]) -> dict[Place, Place]:
    """By place of an item: the better one that says the same. Those without one are left out.

    Arguments:
        ranked: in their order.
        rows: what ranking read of each.
    """
    # The same words score alike, so that few texts need to be taken apart.
    level: dict[float | None, list[Place]] = {}
    for item in ranked:
        own = item.values.get("words")
        if own != 0:  # what holds no word of the question was found for those around it
            level.setdefault(own and round(own, 9), []).append((item.session_no, item.seq))
    twins: dict[Place, Place] = {}
    for places in level.values():
        first: dict[Hashable, Place] = {}
        for place in _resembling(places, rows) if len(places) > 1 else ():
            said = _said(rows[place])
            if said is not None and first.setdefault(said, place) != place:
                twins[place] = first[said]
    return twins


def _resembling(places: Sequence[Place], rows: Mapping[Place, Row]) -> list[Place]:
    """Those that share half of their words with another: a quick look before the thorough one."""
    words = [frozenset(rows[place].text.lower().split()) for place in places]
    like: set[int] = set()
    for at, one in enumerate(words):
        for other in range(at):
            if 2 * len(one & words[other]) >= min(len(one), len(words[other])):
                like |= {at, other}
    return [places[at] for at in sorted(like)]


def _said(row: Row) -> Hashable | None:
    """What is said, by whom; None for what stands for itself."""
    content = content_words(row.text)
    if len(content) < _FEWEST_WORDS:
        return None
    if row.kind == "turn" and not TIME_HINTS.isdisjoint(split_words(row.text)):
        return None
    return row.kind, row.speaker, row.role, content
