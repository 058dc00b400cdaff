"""Who is in short-term memory: within a budget, with as few changes as will do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from memori.promote.score import Scored
from memori.text.content import content_words

_STRONGEST = 2
#: Fewer words of content are too few to say the same as another.
_FEWEST_WORDS = 2


@dataclass(frozen=True, slots=True)
class Limits:
    """What short-term memory may hold.

    Attributes:
        memories: how many at most.
        tokens: of all their lines together.
        enters: the score a memory needs to enter.
        margin: what is in counts as so much better than it is, so that it does not leave and come
            back with every small change.
    """

    memories: int
    tokens: int
    enters: float
    margin: float


@dataclass(frozen=True, slots=True)
class Place:
    """How short-term memory has a memory by now: in it, or kept out of it.

    Attributes:
        member: whether it is in.
        score: when it was last looked at.
        entered_at: since when it is in.
        held_until: until then it stays as it is, because a person took a run back.
        operation_id: the run, or the undoing of one, that put it so.
        kind: what it was taken for; "" where that is not known.
    """

    member: bool
    score: float
    entered_at: datetime | None
    held_until: datetime | None
    operation_id: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a memory is in from now on, whether it was, and why."""

    scored: Scored
    inside: bool
    was: Place | None
    reason: str

    @property
    def was_inside(self) -> bool:
        """Whether it was in before."""
        return self.was is not None and self.was.member


def choose(
    scored: Iterable[Scored], places: Mapping[int, Place], limits: Limits, now: datetime
) -> list[Verdict]:
    """Decide on every memory that was considered.

    Args:
        scored: the memories.
        places: what short-term memory knows of them, by memory number.
        limits: what it may hold.
        now: the time of the decision.

    Returns:
        A verdict each: those inside first, by rank.
    """
    inside: list[Verdict] = []
    outside: list[Verdict] = []
    count = tokens = 0
    said: list[tuple[frozenset[str], str]] = []
    for each in _ranked(scored, places, limits.margin, now):
        memory = each.memory
        was = places.get(memory.memory_no)
        held = _held(was, now)
        member = was is not None and was.member
        fits = count < limits.memories and tokens + memory.tokens <= limits.tokens
        needed = limits.enters - (limits.margin if member else 0.0)
        if memory.barred:
            enters, reason = False, memory.barred
        elif memory.pinned:
            enters, reason = True, "it is pinned"
        elif held is not None:
            enters = member
            done = "brought back" if member else "taken out"
            reason = f"a person's undo has {done}; it stays so until {held:%Y-%m-%d}"
        elif each.score < needed:
            enters, reason = False, f"its score {each.score:.2f} is under {needed:.2f}"
        elif not fits:
            enters, reason = False, f"others matter more than its score {each.score:.2f}"
        elif (better := _said_by(memory.text, said)) is not None:
            enters, reason = False, f"it says no more than {better}"
        else:
            enters, reason = True, f"score {each.score:.2f}: {strongest(each.parts)}"
        if enters:
            said.append((frozenset(content_words(memory.text)), memory.id))
            count, tokens = count + 1, tokens + memory.tokens
        (inside if enters else outside).append(Verdict(each, enters, was, reason))
    return inside + outside


def _said_by(text: str, said: Sequence[tuple[frozenset[str], str]]) -> str | None:
    """The id of a memory that says all of this and perhaps more."""
    words = frozenset(content_words(text))
    if len(words) < _FEWEST_WORDS:
        return None
    return next((memory_id for more, memory_id in said if words <= more), None)


def strongest(parts: Mapping[str, float]) -> str:
    """The parts that gave most, in words."""
    order = sorted(parts, key=lambda name: -parts[name])
    return " and ".join(order[:_STRONGEST])


def _ranked(
    scored: Iterable[Scored], places: Mapping[int, Place], margin: float, now: datetime
) -> Sequence[Scored]:
    def rank(each: Scored) -> tuple[bool, bool, float, datetime, str]:
        was = places.get(each.memory.memory_no)
        stays = was is not None and was.member
        held = stays and _held(was, now) is not None
        better = round(each.score + (margin if stays else 0.0), 6)
        return not each.memory.pinned, not held, -better, each.memory.said_at, each.memory.id

    return sorted(scored, key=rank)


def _held(place: Place | None, now: datetime) -> datetime | None:
    if place is None or place.held_until is None or place.held_until <= now:
        return None
    return place.held_until
