"""Reading the files that recall quality is measured on.

A file of LongMemEval is read by `longmemeval.py`. Any other has one conversation a line:
`{"id", "turns": [{"id", "session", "speaker", "at", "text"}], "questions": [{"question",
"category", "evidence": [turn ids]}]}`. `at` is ISO 8601, without zone it is taken as UTC, or
null. A conversation without turns names the file that has them by `same_turns_as`: the file given
alongside, or the one of that name in the same folder.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ValidationError

from benchmarks.labels import (
    Conversation,
    LabelledFile,
    LabelledFileError,
    LabelledQuestion,
    LabelledTurn,
)
from benchmarks.longmemeval import Haystacks, is_longmemeval


class _Line(BaseModel):
    id: str
    turns: tuple[LabelledTurn, ...] = ()
    same_turns_as: str | None = None
    questions: tuple[LabelledQuestion, ...] = ()


def read_labelled_files(paths: Sequence[Path]) -> tuple[LabelledFile, ...]:
    """Read the files, in the order given, with borrowed turns filled in.

    Raises LabelledFileError when a file cannot be read or parsed, turns cannot be found, or two
    files have the same name, by which their conversations are told apart.
    """
    stems = [path.stem for path in paths]
    for path in paths:
        if stems.count(path.stem) > 1:
            raise LabelledFileError(f"{path}: two of the files given have this name")
    haystacks = {path: Haystacks(path) for path in paths if is_longmemeval(path)}
    lines = {path: _read_lines(path) for path in paths if path not in haystacks}
    return tuple(
        LabelledFile(path.stem, path, haystacks[path], haystacks=True)
        if path in haystacks
        else LabelledFile(path.stem, path, tuple(_resolve(path, lines[path], lines)))
        for path in paths
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
