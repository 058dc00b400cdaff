"""Recall quality on labelled conversations: `python -m benchmarks.recall FILE...`.

Every conversation is loaded through memori's public API and every question asked through
`recall`; the plain FTS5 baseline answers the same questions in the same run. See README.md
beside this file for the columns.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.conversations import (
    Conversation,
    LabelledFile,
    LabelledFileError,
    LabelledQuestion,
    read_labelled_files,
)
from benchmarks.measures import MEASURES, Summary, score_question, summarise
from benchmarks.methods import MemoriMethod, Method, PlainFullText
from benchmarks.report import Progress, surroundings, table, warn
from memori import MemoriError

#: How many missing evidence ids a warning names.
NAMED_MISSING = 5


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
        for place, conversation in enumerate(file.conversations, start=1):
            progress.say(
                f"{file.name}: loading {conversation.id} "
                f"({place} of {len(file.conversations)}, {len(conversation.turns)} turns)"
            )
            for method in methods:
                await method.load(conversation)
            progress.say(
                f"{file.name}: asking {conversation.id} "
                f"({place} of {len(file.conversations)}, {len(conversation.questions)} questions)"
            )
            for question in conversation.questions:
                if question.evidence:
                    for method in methods:
                        answers.append(
                            await _answer(file.name, conversation, question, method, limit)
                        )
    progress.clear()
    return answers


async def _answer(
    file: str, conversation: Conversation, question: LabelledQuestion, method: Method, limit: int
) -> Answer:
    started = time.perf_counter()
    ranked = await method.ask(conversation, question.question, limit)
    seconds = time.perf_counter() - started
    scores = score_question(ranked, question.evidence, conversation.sessions, limit)
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


def render(groups: Sequence[Group], limit: int) -> str:
    """The table that is printed. Figures are per cent, but for the count and milliseconds."""
    names = [m.name for m in MEASURES if m.depth <= limit]
    header = ["file / category", "method", "questions"]
    for name in names:
        header += [name, "±"] if name == "recall@10" else [name]
    header.append("p50 ms")
    rows: list[list[str]] = []
    for g in groups:
        cells = [
            g.file if g.category is None else f"  {g.category}",
            g.method,
            str(g.summary.questions),
        ]
        for name in names:
            cells.append(f"{g.summary.means[name] * 100:.1f}")
            if name == "recall@10":
                cells.append(f"{g.summary.errors[name] * 100:.1f}")
        rows.append([*cells, f"{g.milliseconds:.2f}"])
    return table(header, rows, labels=2)


def label_warnings(files: Sequence[LabelledFile]) -> list[str]:
    """What is wrong with the labels: evidence that no turn has, questions without evidence."""
    found: list[str] = []
    for file in files:
        missing = [f"{c.id} {e}" for c in file.conversations for e in c.missing_evidence]
        if missing:
            named = ", ".join(missing[:NAMED_MISSING])
            more = ", ..." if len(missing) > NAMED_MISSING else ""
            found.append(
                f"{file.name}: {len(missing)} evidence ids are in no turn ({named}{more}); "
                "they count as not found"
            )
        skipped = skipped_questions(file)
        if skipped:
            found.append(f"{file.name}: {skipped} questions name no evidence and are skipped")
    return found


def skipped_questions(file: LabelledFile) -> int:
    """How many questions of the file cannot be scored."""
    return sum(not q.evidence for c in file.conversations for q in c.questions)


def as_report(
    files: Sequence[LabelledFile],
    groups: Sequence[Group],
    answers: Sequence[Answer],
    settings: Mapping[str, Any],
    receipts: Mapping[str, int],
) -> dict[str, Any]:
    """Everything the run found, JSON-ready; measures 0..1, times in milliseconds."""
    return {
        "benchmark": "recall",
        "surroundings": surroundings(),
        "settings": dict(settings),
        "files": [
            {
                "name": file.name,
                "conversations": len(file.conversations),
                "turns": sum(len(c.turns) for c in file.conversations),
                "questions": sum(len(c.questions) for c in file.conversations),
                "skipped": skipped_questions(file),
                "missing_evidence": [
                    {"conversation": c.id, "evidence": list(c.missing_evidence)}
                    for c in file.conversations
                    if c.missing_evidence
                ],
            }
            for file in files
        ],
        "receipts": dict(receipts),
        "results": [
            {
                "file": g.file,
                "category": g.category,
                "method": g.method,
                "questions": g.summary.questions,
                "measures": dict(g.summary.means),
                "standard_errors": dict(g.summary.errors),
                "p50_ms": g.milliseconds,
            }
            for g in groups
        ],
        "answers": [
            {
                "file": a.file,
                "conversation": a.conversation,
                "category": a.category,
                "question": a.question,
                "method": a.method,
                "ranked": list(a.ranked),
                "measures": dict(a.scores),
                "ms": a.seconds * 1000,
            }
            for a in answers
        ],
    }


def parser() -> argparse.ArgumentParser:
    """The command line of `python -m benchmarks.recall`."""
    made = argparse.ArgumentParser(prog="python -m benchmarks.recall", description=__doc__)
    made.add_argument("files", nargs="+", type=Path, metavar="FILE", help="labelled conversations")
    made.add_argument(
        "--database",
        metavar="URL",
        help="database to load into, in a new namespace that stays there "
        "(default: a temporary SQLite file)",
    )
    made.add_argument(
        "--limit", type=_positive, default=20, help="hits asked for per question (default: 20)"
    )
    made.add_argument("--json", type=Path, metavar="OUT", help="also write everything here")
    return made


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


async def run(arguments: argparse.Namespace) -> None:
    """Read, load, ask, print. Raises LabelledFileError and MemoriError."""
    files = read_labelled_files(arguments.files)
    for text in label_warnings(files):
        warn(text)
    ours = MemoriMethod(arguments.database)
    async with ours, PlainFullText() as baseline:
        answers = await answer_all(files, [ours, baseline], arguments.limit, Progress())
    unstored = {status: n for status, n in ours.receipts.items() if status != "stored"}
    if unstored:
        counts = ", ".join(f"{n} {status}" for status, n in unstored.items())
        warn(f"not every turn was stored: {counts}")
    if not answers:
        raise LabelledFileError("no question names evidence: nothing to measure")
    groups = group(answers)
    print(render(groups, arguments.limit))
    print(
        "\nTurn level, per cent, averaged over questions; ± is the standard error of recall@10; "
        "p50 ms is the time of one question."
    )
    if arguments.json is not None:
        settings = {
            "limit": arguments.limit,
            # The URL may hold a password; its scheme is what a figure depends on.
            "database": ours.settings.database.connection_string.split(":", 1)[0],
            "durability": ours.settings.database.durability,
        }
        report = as_report(files, groups, answers, settings, ours.receipts)
        arguments.json.write_text(
            json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 when it measured, 1 when it could not, 2 for wrong usage."""
    arguments = parser().parse_args(argv)
    try:
        asyncio.run(run(arguments))
    except (LabelledFileError, MemoriError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
