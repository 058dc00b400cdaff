"""Asking: every question of every file to every method, and the figures of the answers."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.labels import Conversation, LabelledFile, LabelledQuestion
from benchmarks.measures import SESSION_DEPTH, Summary, score_question, summarise
from benchmarks.methods import Method
from benchmarks.report import Progress


@dataclass(frozen=True, slots=True)
class Answer:
    """One question answered by one method: its measures, and the seconds it took."""

    file: str
    conversation: str
    category: str
    question: str
    method: str
    ranked: tuple[str, ...]
    scores: Mapping[str, float]
    seconds: float


@dataclass(frozen=True, slots=True)
class Group:
    """One row of the report: a method over all questions of a file, or of one category."""

    file: str
    category: str | None
    method: str
    summary: Summary
    milliseconds: float


async def answer_all(
    files: Sequence[LabelledFile], methods: Sequence[Method], limit: int, progress: Progress
) -> list[Answer]:
    """Load every conversation into every method and ask its questions, in order."""
    answers: list[Answer] = []
    for file in files:
        # Ten sessions are found only among many hits, which cost time elsewhere for nothing.
        depth = SESSION_DEPTH if file.haystacks else 0
        for place, conversation in enumerate(file.conversations, start=1):
            where = f"{conversation.id} ({place} of {len(file.conversations)}"
            progress.say(f"{file.name}: loading {where}, {len(conversation.turns)} turns)")
            asked = [question for question in conversation.questions if question.evidence]
            if file.haystacks and not asked:
                continue
            for method in methods:
                await method.load(conversation)
            progress.say(f"{file.name}: asking {where}, {len(asked)} questions)")
            for question in asked:
                for method in methods:
                    answers.append(
                        await _answer(file.name, conversation, question, method, limit, depth)
                    )
            if file.haystacks:
                for method in methods:
                    await method.release(conversation)
    progress.clear()
    return answers


async def _answer(
    file: str,
    conversation: Conversation,
    question: LabelledQuestion,
    method: Method,
    limit: int,
    depth: int,
) -> Answer:
    started = time.perf_counter()
    ranked = await method.ask(conversation, question, max(limit, depth))
    seconds = time.perf_counter() - started
    scores = score_question(
        ranked, question.evidence, conversation.sessions, limit, depth, conversation.counted
    )
    return Answer(
        file,
        conversation.id,
        question.category,
        question.question,
        method.name,
        tuple(ranked),
        scores,
        seconds,
    )


def group(answers: Sequence[Answer]) -> list[Group]:
    """Rows of the report: each file as a whole, then by category; methods side by side."""
    methods = list(dict.fromkeys(a.method for a in answers))
    rows: list[Group] = []
    for file in dict.fromkeys(a.file for a in answers):
        of_file = [a for a in answers if a.file == file]
        categories = sorted({a.category for a in of_file})
        # A single category is the file over again.
        for category in (None, *(categories if len(categories) > 1 else ())):
            for method in methods:
                chosen = [
                    a
                    for a in of_file
                    if a.method == method and (category is None or a.category == category)
                ]
                rows.append(
                    Group(
                        file,
                        category,
                        method,
                        summarise([a.scores for a in chosen]),
                        median(a.seconds for a in chosen) * 1000,
                    )
                )
    return rows
