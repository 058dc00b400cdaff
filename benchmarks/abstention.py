"""Does recall know when it has nothing? Questions of one conversation, asked of another's memory.

A `foreign` question should be answered with nothing, an `own` one with something. Which
conversation is the stranger is fixed: the next one of those that were loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from benchmarks.answers import Answer
from benchmarks.labels import LabelledFile
from benchmarks.methods import Method


@dataclass(frozen=True, slots=True)
class Abstention:
    """One file: how many questions, and the shares of own ones answered and of foreign ones
    answered with nothing (None where there is no other conversation)."""

    file: str
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
    place = {conversation.owner: number for number, conversation in enumerate(everyone)}
    found: list[Abstention] = []
    for file in shared:
        own = [bool(a.ranked) for a in answers if (a.file, a.method) == (file.name, method.name)]
        left: list[bool] = []
        for conversation in file.conversations if len(everyone) > 1 else ():
            stranger = everyone[(place[conversation.owner] + 1) % len(everyone)]
            for question in conversation.questions:
                if question.evidence:
                    left.append(not await method.ask(stranger, question, limit))
        if own:
            foreign = sum(left) / len(left) if left else None
            found.append(Abstention(file.name, len(own), sum(own) / len(own), foreign))
    return found
