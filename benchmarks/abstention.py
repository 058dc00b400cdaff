"""Does recall know when it has nothing? Questions of one conversation, asked of another's memory.

A `foreign` question should be answered with nothing, an `own` one with something. Which
conversation is the stranger is fixed: the next one of those that were loaded in which none of the
same people speak, since a question about somebody may be answered wherever they speak.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from benchmarks.answers import Answer
from benchmarks.labels import Conversation, LabelledFile
from benchmarks.methods import Method

#: Speakers that are no people: everybody has one.
_ROLES = {"user", "assistant"}


@dataclass(frozen=True, slots=True)
class Abstention:
    """One file by one method: how many questions, and the shares of own ones answered and of
    foreign ones answered with nothing (None where there is no other conversation)."""

    file: str
    method: str
    questions: int
    own_answered: float
    foreign_left: float | None


def share_error(share: float, of: int) -> float:
    """The standard error of a share of so many."""
    return sqrt(share * (1 - share) / of)


async def measure_abstention(
    files: Sequence[LabelledFile], answers: Sequence[Answer], method: Method, limit: int
) -> list[Abstention]:
    """Ask every question of a stranger's memory; `answers` say how the own one did."""
    shared = [file for file in files if not file.haystacks]
    everyone = list({c.owner: c for file in shared for c in file.conversations}.values())
    found: list[Abstention] = []
    for file in shared:
        own = [bool(a.ranked) for a in answers if (a.file, a.method) == (file.name, method.name)]
        left: list[bool] = []
        for conversation in file.conversations:
            stranger = _stranger(conversation, everyone)
            for question in conversation.questions:
                if question.evidence and stranger is not None:
                    left.append(not await method.ask(stranger, question, limit))
        if own:
            foreign = sum(left) / len(left) if left else None
            shares = (sum(own) / len(own), foreign)
            found.append(Abstention(file.name, method.name, len(own), *shares))
    return found


def all_together(found: Sequence[Abstention]) -> Abstention:
    """Several files as one, by one method."""
    questions = sum(each.questions for each in found)
    left = [each.foreign_left * each.questions for each in found if each.foreign_left is not None]
    return Abstention(
        "all",
        found[0].method,
        questions,
        sum(each.own_answered * each.questions for each in found) / questions,
        sum(left) / questions if len(left) == len(found) else None,
    )


def _stranger(conversation: Conversation, everyone: Sequence[Conversation]) -> Conversation | None:
    """The next conversation, round and round, that shares no named speaker; None without one."""
    at = next(n for n, other in enumerate(everyone) if other.owner == conversation.owner)
    here = _people(conversation)
    others = (*everyone[at + 1 :], *everyone[:at])
    return next((other for other in others if here.isdisjoint(_people(other))), None)


def _people(conversation: Conversation) -> set[str]:
    return {turn.speaker for turn in conversation.turns if turn.speaker} - _ROLES
