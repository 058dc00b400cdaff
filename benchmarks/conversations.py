"""Labelled conversations: reading the files that recall quality is measured on.

One conversation a line: `{"id", "turns": [{"id", "session", "speaker", "at", "text"}],
"questions": [{"question", "category", "evidence": [turn ids]}]}`. `at` is ISO 8601, without
zone it is taken as UTC, or null. A conversation without turns names the file that has them by
`same_turns_as`: the file given alongside, or the one of that name in the same folder.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ValidationError, field_validator


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
    """One question, and the ids of the turns that answer it."""

    question: str
    category: str
    evidence: tuple[str, ...] = ()


class _Line(BaseModel):
    id: str
    turns: tuple[LabelledTurn, ...] = ()
    same_turns_as: str | None = None
    questions: tuple[LabelledQuestion, ...] = ()


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation ready to be asked. `owner` is one name per set of turns: two files that
    share their turns share it, and the turns are stored once."""

    id: str
    owner: str
    turns: tuple[LabelledTurn, ...]
    questions: tuple[LabelledQuestion, ...]

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
    """All conversations of one file; `name` is the file's stem."""

    name: str
    path: Path
    conversations: tuple[Conversation, ...]


def read_labelled_files(paths: Sequence[Path]) -> tuple[LabelledFile, ...]:
    """Read the files, in the order given, with borrowed turns filled in.

    Raises LabelledFileError when a file cannot be read or parsed, turns cannot be found, or two
    files have the same name, by which their conversations are told apart.
    """
    stems = [path.stem for path in paths]
    for path in paths:
        if stems.count(path.stem) > 1:
            raise LabelledFileError(f"{path}: two of the files given have this name")
    lines = {path: _read_lines(path) for path in paths}
    return tuple(
        LabelledFile(path.stem, path, tuple(_resolve(path, own, lines)))
        for path, own in lines.items()
    )


def _read_lines(path: Path) -> list[_Line]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LabelledFileError(f"{path}: {error}") from error
    parsed: list[_Line] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            conversation = _Line.model_validate(json.loads(line))
        except json.JSONDecodeError as error:
            raise LabelledFileError(f"{path}:{number}: not JSON: {error}") from error
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise LabelledFileError(f"{path}:{number}: {place}: {first['msg']}") from error
        ids = {turn.id for turn in conversation.turns}
        if len(ids) != len(conversation.turns):
            raise LabelledFileError(f"{path}:{number}: two turns of {conversation.id} share an id")
        parsed.append(conversation)
    if not parsed:
        raise LabelledFileError(f"{path}: holds no conversation")
    return parsed


def _resolve(
    path: Path, own: Sequence[_Line], given: Mapping[Path, Sequence[_Line]]
) -> Iterator[Conversation]:
    """Conversations of one file, those without turns borrowing them."""
    for line in own:
        if line.turns:
            yield Conversation(line.id, f"{path.stem}/{line.id}", line.turns, line.questions)
            continue
        lender = line.same_turns_as
        if lender is None:
            raise LabelledFileError(f"{path}: {line.id} has neither turns nor same_turns_as")
        # Path(...).name: the label names a file, it must not lead out of the folder.
        stem = Path(lender).name.removesuffix(".jsonl")
        source = next((p for p in given if p.stem == stem), path.with_name(f"{stem}.jsonl"))
        candidates = given.get(source)
        if candidates is None:
            candidates = _read_lines(source)
        turns = next((c.turns for c in candidates if c.id == line.id and c.turns), None)
        if turns is None:
            raise LabelledFileError(f"{path}: no turns for {line.id} in {source}")
        yield Conversation(line.id, f"{stem}/{line.id}", turns, line.questions)
