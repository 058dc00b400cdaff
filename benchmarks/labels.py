"""What a labelled conversation is: its turns, and questions with the turns that answer them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, field_validator


class LabelledFileError(Exception):
    """A labelled file cannot be used; the message names file, line and reason."""


class LabelledTurn(BaseModel):
    """One message: `id` is unique in its conversation, `at` aware or None."""

    id: str
    session: str
    text: str
    speaker: str | None = None
    at: datetime | None = None

    @field_validator("at")
    @classmethod
    def _aware(cls, at: datetime | None) -> datetime | None:
        return at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at


class LabelledQuestion(BaseModel):
    """One question, the ids of the turns that answer it, and when it is asked; None is a minute
    after the conversation."""

    question: str
    category: str
    evidence: tuple[str, ...] = ()
    asked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation ready to be asked. `owner` is one name per set of turns: two files that
    share their turns share it, and the turns are stored once. `counted`, where it is given, says by
    turn id as which session the measures over sessions count a turn; others they pass over."""

    id: str
    owner: str
    turns: tuple[LabelledTurn, ...]
    questions: tuple[LabelledQuestion, ...]
    counted: Mapping[str, str] | None = None

    @property
    def sessions(self) -> dict[str, str]:
        """Session of each turn id."""
        return {turn.id: turn.session for turn in self.turns}

    @property
    def last_at(self) -> datetime | None:
        """Time of the latest turn, None when no turn has one."""
        return max((turn.at for turn in self.turns if turn.at is not None), default=None)

    @property
    def missing_evidence(self) -> tuple[str, ...]:
        """Evidence ids that no turn has, each once, in the order of the questions."""
        known = {turn.id for turn in self.turns}
        named = dict.fromkeys(e for q in self.questions for e in q.evidence)
        return tuple(e for e in named if e not in known)


@dataclass(frozen=True, slots=True)
class LabelledFile:
    """All conversations of one file; `name` is the file's stem.

    `haystacks` says that each conversation serves one question and none is shared, so that one
    at a time is kept: iterating reads the file. There the measures over sessions matter.
    """

    name: str
    path: Path
    conversations: Collection[Conversation]
    haystacks: bool = False
