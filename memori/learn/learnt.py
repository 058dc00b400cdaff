"""What the memory agent is given, and what it makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from memori.model import Category, Source

#: Who "I" is when a turn has no speaker: the subject of relations, and how a memory begins.
USER, THE_USER = "user", "The user"


class Unavailable(Exception):
    """The agent cannot work at the moment; `str()` says why, without anything that was said.

    Args:
        said: why.
        tokens: what the attempt cost all the same.
    """

    def __init__(self, said: str, tokens: int = 0) -> None:
        super().__init__(said)
        self.tokens = tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One turn to learn from."""

    id: str
    text: str
    role: str = "user"
    speaker: str | None = None
    source: Source = "user"
    trust: float = 0.9
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """What a statement says of whom: `(user, lives in, Lisbon)`.

    `single` is True when there can be one object at a time, so that another one replaces it.
    """

    subject: str
    predicate: str
    object: str
    single: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """One statement made from turns.

    Attributes:
        content: the statement, in the third person.
        category: what kind of statement.
        importance: 0 to 1.
        confidence: 0 to 1.
        turns: ids of the turns that say so.
        relation: what it says of whom, if that is known.
        entities: names it is about.
        ended: it says that its relation no longer holds.
        uncertain: it was said with a doubt, so it replaces nothing.
    """

    content: str
    category: Category
    importance: float
    confidence: float
    turns: tuple[str, ...]
    relation: Relation | None = None
    entities: tuple[str, ...] = ()
    ended: bool = False
    uncertain: bool = False


@dataclass(frozen=True, slots=True)
class Extracted:
    """What an agent made of turns, and the tokens it took."""

    learnt: tuple[Learnt, ...] = ()
    tokens: int = 0

    def __add__(self, more: Extracted) -> Extracted:
        return Extracted(self.learnt + more.learnt, self.tokens + more.tokens)


class Agent(Protocol):
    """Makes statements of turns."""

    name: str
    """Kept with each memory it made."""
    local: bool
    """Whether it answers at once and asks nobody."""

    def cost(self, heard: Sequence[Heard]) -> int:
        """Tokens that learning from these turns will take, about."""
        ...

    async def extract(self, heard: Sequence[Heard]) -> Extracted:
        """The statements worth keeping in turns of one conversation, in order.

        Raises:
            Unavailable: it cannot work at the moment; the turns are for a later try.
        """
        ...
