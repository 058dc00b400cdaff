"""Items of an answer that say the same: one hit, which lists the others as its sources.

Only what is surely the same is folded: the same content words in the same order, of the same
speaker, as memories and turns of different wording or with another number, name or negation are
not. A turn that speaks of a time is its own event whenever it is said.

Where there are vectors, a memory is folded too that says another one's words in their order and
more, when the additions change neither the meaning nor what could be checked. Nearness of meaning
alone is no sign: to the embedders, "sold the house" is as near to "bought the house" as a
paraphrase is, so each must not have a word that the other lacks.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from itertools import combinations

from memori.recall.rerank import Ranked, Row
from memori.text.analyser import split_words
from memori.text.content import DIRECTIONS, NEGATIONS, carrying_words, content_words
from memori.text.dates import TIME_HINTS

Place = tuple[int, int]

#: Shorter sayings ("sounds good") are too little to be told apart by their words.
_FEWEST_WORDS = 3

#: Additions after which a statement no longer says the same.
_HEDGES = frozenset(
    """
    almost nearly hardly barely rarely seldom scarcely sometimes once former formerly used might may
    maybe perhaps possibly could would should consider considers considered want wants wanted hope
    hopes hoped try tries tried plan plans planned planning intend intends stop stops stopped quit
    quits refuse refuses refused deny denies denied avoid avoids pretend pretends forgot only except
    one two three four five six seven eight nine ten eleven twelve dozen hundred thousand half
    """.split()
)
#: Memories whose vectors are at least this near mean the same, if their words allow it: above it
#: there are mostly pairs that do, for wordllama and for MiniLM.
SAME_MEANING = 0.95


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


def find_enlarged(places: Sequence[Place], rows: Mapping[Place, Row]) -> list[tuple[Place, Place]]:
    """Pairs of memories of which one may only say the other in more words, by their words.

    Arguments:
        places: of memories, in their order.
        rows: what ranking read of each.

    Returns each pair in that order; whether they mean the same is for their vectors to say.
    """
    said = [(place, _content(rows[place].text)) for place in _resembling(places, rows)]
    return [
        (better, worse)
        for (better, one), (worse, other) in combinations(said, 2)
        if _enlarges(*sorted((one, other), key=len))
    ]


def _content(text: str) -> list[tuple[str, bool]]:
    """Content words in their order: the stem of each, and whether, added, it changes the rest."""
    capital = [piece for piece in text.split()[1:] if any(map(str.isupper, piece))]
    names = frozenset(word for piece in capital for word in split_words(piece))
    return [
        (stemmed, word in names or _changes_meaning(word)) for word, stemmed in carrying_words(text)
    ]


def _changes_meaning(word: str) -> bool:
    """Whether a number, a time, or what denies or limits what is said."""
    return any(map(str.isdigit, word)) or any(
        word in words for words in (NEGATIONS, DIRECTIONS, _HEDGES, TIME_HINTS)
    )


def _enlarges(shorter: Sequence[tuple[str, bool]], longer: Sequence[tuple[str, bool]]) -> bool:
    """Whether the longer one says the shorter one's words in their order, and harmless others."""
    wanted = [term for term, _ in shorter]
    if len(wanted) < _FEWEST_WORDS:
        return False
    said = 0
    for term, changing in longer:
        if said < len(wanted) and term == wanted[said]:
            said += 1
        elif changing:
            return False
    return said == len(wanted)
