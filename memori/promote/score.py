"""How essential a memory is: a plain weighted sum of parts between 0 and 1.

    score = certainty * (0.30 importance + 0.25 category + 0.15 recency + 0.15 use
                         + 0.15 recurrence)

Each part is explained in docs/short-term-memory.md. Nothing here reads a clock or a database, so
the same memories at the same time score the same everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from memori.model import DEFAULT_TRUST
from memori.store.uses import decay, worth
from memori.text.kinds import kind_of

#: What each part gives at most; together 1.
WEIGHTS: Mapping[str, float] = {
    "importance": 0.30,
    "category": 0.25,
    "recency": 0.15,
    "use": 0.15,
    "recurrence": 0.15,
}
#: How much a category says about whether something is needed every time; `identity` is a fact
#: about who the user is, `decision` a fact or context that says what was decided.
CATEGORY_WORTH: Mapping[str, float] = {
    "identity": 1.0,
    "rule": 1.0,
    "preference": 0.7,
    "context": 0.6,
    "decision": 0.6,
    "skill": 0.5,
    "fact": 0.4,
}
#: How certain is at least what a person has confirmed: as what the user says.
CONFIRMED_CERTAINTY = DEFAULT_TRUST["user"]
_PLACES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Considered:
    """A memory that could be in short-term memory.

    Attributes:
        memory_no: its number in the scope.
        id: its id.
        text: its content.
        category: its category.
        importance: 0 to 1.
        confidence: 0 to 1.
        trust: 0 to 1.
        pinned: a person wants it in every working context.
        said_at: since when it holds, at most now, else when it was recorded.
        times_said: in how many conversations it was said, at least 1.
        used: how often it was used, older uses counting less, as of `used_at`.
        used_at: when it was last used.
        predicate: what it says of the user, where it is known.
        tokens: size of its line in a working context.
        confirmed: whether a person said that it is right.
        barred: why it must stay out; "" when it may enter.
    """

    memory_no: int
    id: str
    text: str
    category: str
    importance: float
    confidence: float
    trust: float
    pinned: bool
    said_at: datetime
    times_said: int
    used: float
    used_at: datetime | None
    predicate: str | None
    tokens: int
    confirmed: bool = False
    barred: str = ""

    @property
    def kind(self) -> str:
        """Its category, told apart further by what it says."""
        return kind_of(self.category, self.text, self.predicate)


@dataclass(frozen=True, slots=True)
class HalfLives:
    """Days after which recency, and what a use counts, is half."""

    recency: float
    use: float


@dataclass(frozen=True, slots=True)
class Scored:
    """A memory with its score and what each part gave to it."""

    memory: Considered
    score: float
    parts: Mapping[str, float]


def score_memory(memory: Considered, now: datetime, half_lives: HalfLives) -> Scored:
    """Score one memory.

    Args:
        memory: what is known of it.
        now: the time to score at.
        half_lives: in days.

    Returns:
        The score, 0 to 1, and its parts, which add up to it.
    """
    used = decay(memory.used, memory.used_at, now, half_lives.use)
    values = {
        "importance": memory.importance,
        "category": CATEGORY_WORTH[memory.kind],
        "recency": decay(1.0, memory.said_at, now, half_lives.recency),
        "use": worth(used),
        "recurrence": 1.0 - 1.0 / memory.times_said,
    }
    certainty = (memory.confidence + memory.trust) / 2
    if memory.confirmed:
        certainty = max(certainty, CONFIRMED_CERTAINTY)
    parts = {
        name: round(WEIGHTS[name] * value * certainty, _PLACES) for name, value in values.items()
    }
    return Scored(memory, round(sum(parts.values()), _PLACES), parts)
