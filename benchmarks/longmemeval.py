"""LongMemEval's official files (Wu et al., ICLR 2025): `longmemeval_s`, `_m` and `_oracle`.

A JSON array of questions, each with a history of its own: `haystack_sessions` are lists of
`{role, content, has_answer}`, beside `haystack_session_ids` and `haystack_dates`. What counts is
what the project's own retrieval evaluation counts: evidence are the user's turns that hold the
answer; questions without any, and those whose id says that they have no answer (`_abs`), are
skipped. That evaluation indexes the user's turns alone; here the assistant's are memory too, may
take a place among turns, and are passed over where sessions are measured. There, a turn of an
answering session that holds no answer counts as of another session, as in that evaluation.

The larger files are gigabytes, so one question at a time is read.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from pydantic import BaseModel, ValidationError

from benchmarks.labels import Conversation, LabelledFileError, LabelledQuestion, LabelledTurn

#: In the id of a question that its history cannot answer.
ABSTENTION_MARK = "_abs"
#: In the id of a session that answers.
ANSWER_MARK = "answer"
_DATE = "%Y/%m/%d (%a) %H:%M"
_CHUNK_CHARS = 1 << 22


class _Said(BaseModel):
    role: str
    content: str
    has_answer: bool | None = None


class _Entry(BaseModel):
    question_id: str
    question_type: str
    question: str
    question_date: str
    haystack_dates: tuple[str, ...]
    haystack_session_ids: tuple[str, ...]
    haystack_sessions: tuple[tuple[_Said, ...], ...]


def is_longmemeval(path: Path) -> bool:
    """Whether the file holds an array, as LongMemEval's do, and not a conversation a line."""
    try:
        with path.open(encoding="utf-8") as stream:
            return stream.read(64).lstrip("\ufeff \t\r\n").startswith("[")
    except (OSError, UnicodeDecodeError):
        return False


class Haystacks(Collection[Conversation]):
    """The questions of a file, each a conversation; every iteration reads it anew.

    Raises LabelledFileError when the file is not what it should be, already when made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._count = sum(1 for _ in self)

    def __len__(self) -> int:
        return self._count

    def __contains__(self, item: object) -> bool:
        return any(item == conversation for conversation in self)

    def __iter__(self) -> Iterator[Conversation]:
        try:
            with self._path.open(encoding="utf-8") as stream:
                for number, raw in enumerate(_elements(stream), start=1):
                    yield self._conversation(_Entry.model_validate(raw), number)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise LabelledFileError(f"{self._path}: {place}: {first['msg']}") from error
        except (OSError, UnicodeDecodeError, ValueError) as error:
            raise LabelledFileError(f"{self._path}: {error}") from error

    def _conversation(self, entry: _Entry, number: int) -> Conversation:
        sessions, dates = entry.haystack_session_ids, entry.haystack_dates
        if not len(sessions) == len(dates) == len(entry.haystack_sessions):
            raise ValueError(f"question {number} has not one id and one date for each session")
        turns: list[LabelledTurn] = []
        evidence: list[str] = []
        counted: dict[str, str] = {}
        taken: set[str] = set()
        for session, date, said in zip(sessions, dates, entry.haystack_sessions, strict=True):
            name = _unused(session, taken)
            at = _time(date)
            for place, turn in enumerate(said, start=1):
                turn_id = f"{name}_{place}"
                turns.append(
                    LabelledTurn(
                        id=turn_id, session=name, text=turn.content, speaker=turn.role, at=at
                    )
                )
                if turn.role != "user":
                    continue
                if turn.has_answer:
                    evidence.append(turn_id)
                beside = ANSWER_MARK in session and not turn.has_answer
                counted[turn_id] = f"{name}, no answer" if beside else name
        if ABSTENTION_MARK in entry.question_id:
            evidence = []
        question = LabelledQuestion(
            question=entry.question,
            category=entry.question_type,
            evidence=tuple(evidence),
            asked_at=_time(entry.question_date),
        )
        owner = f"{self._path.stem}/{entry.question_id}"
        # An empty turn is nothing to remember.
        said_something = tuple(turn for turn in turns if turn.text.strip())
        return Conversation(entry.question_id, owner, said_something, (question,), counted)


def _elements(stream: TextIO) -> Iterator[object]:
    """The elements of a JSON array, of which one at a time is held."""
    decoder = json.JSONDecoder()
    text = stream.read(_CHUNK_CHARS).lstrip("\ufeff \t\r\n")[1:]
    while True:
        text = text.lstrip(" \t\r\n,")
        if text.startswith("]"):
            return
        try:
            value, end = decoder.raw_decode(text)
        except json.JSONDecodeError as error:
            more = stream.read(max(_CHUNK_CHARS, len(text)))
            if not more:
                raise ValueError(f"not JSON: {error}") from error
            text += more
            continue
        yield value
        text = text[end:]


def _time(text: str) -> datetime:
    """A time as the files write it; no zone is given, so it is taken as UTC."""
    return datetime.strptime(text, _DATE).replace(tzinfo=UTC)


def _unused(name: str, taken: set[str]) -> str:
    """The name, with a number behind it when the history has it already."""
    chosen, number = name, 1
    while chosen in taken:
        number += 1
        chosen = f"{name} {number}"
    taken.add(chosen)
    return chosen
