"""Recall quality on labelled conversations: `python -m benchmarks.recall FILE...`.

Every conversation is loaded through memori's public API and every question asked through
`recall`; the plain FTS5 baseline answers the same questions in the same run, and with `--compare`
other methods do. See README.md beside this file for the columns.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.ablation import SHOWN, Worth, ablations, worth
from benchmarks.abstention import Abstention, measure_abstention
from benchmarks.answers import Answer, Group, answer_all, group
from benchmarks.compared import PACKAGED, Packaged, compared_methods, installed
from benchmarks.conversations import read_labelled_files
from benchmarks.labels import LabelledFile, LabelledFileError
from benchmarks.methods import MemoriMethod, Method, PlainFullText
from benchmarks.recall_tables import (
    render_ablation,
    render_abstention,
    render_sessions,
    render_turns,
)
from benchmarks.report import Progress, surroundings, warn
from memori import MemoriError

#: How many missing evidence ids a warning names.
NAMED_MISSING = 5


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
    made.add_argument(
        "--compare",
        action="store_true",
        help="also BM25; and memori, embedding only and rank fusion with each embedder",
    )
    made.add_argument(
        "--embedders",
        type=_embedders,
        metavar="NAME,...",
        help=f"--compare with these: {', '.join(PACKAGED)} (default: the installed ones), or none; "
        "a configured one is always compared",
    )
    made.add_argument(
        "--ablate", action="store_true", help="also memori without each of its signals"
    )
    made.add_argument(
        "--set",
        action="append",
        type=setting_argument,
        metavar="KEY=VALUE",
        help="a setting of memori, e.g. embedding.provider=wordllama; may be repeated",
    )
    made.add_argument("--json", type=Path, metavar="OUT", help="also write everything here")
    return made


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def _embedders(text: str) -> list[Packaged]:
    chosen = [] if text == "none" else text.split(",")
    found: list[Packaged] = [name for name in PACKAGED if name in chosen]
    if len(found) < len(chosen):
        raise argparse.ArgumentTypeError(f"{text!r} is not none, or some of {', '.join(PACKAGED)}")
    return found


def setting_argument(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or "." not in key:
        raise argparse.ArgumentTypeError(f"{text!r} is not section.name=value")
    return key, value


async def run(arguments: argparse.Namespace) -> None:
    """Read, load, ask, print. Raises LabelledFileError and MemoriError."""
    files = read_labelled_files(arguments.files)
    for text in label_warnings(files):
        warn(text)
    ours = MemoriMethod(arguments.database, dict(arguments.set or ()))
    others: list[Method] = []
    if arguments.compare or arguments.embedders is not None:
        chosen = installed() if arguments.embedders is None else arguments.embedders
        others = compared_methods(ours, chosen)
    removed = ablations(ours) if arguments.ablate else []
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(ours)
        baseline = await stack.enter_async_context(PlainFullText())
        for method in others:
            await stack.enter_async_context(method)
        methods = [ours, baseline, *others, *removed]
        answers = await answer_all(files, methods, arguments.limit, Progress())
        if not answers:
            raise LabelledFileError("no question names evidence: nothing to measure")
        abstained = [
            found
            for method in methods
            if isinstance(method, MemoriMethod)
            for found in await measure_abstention(files, answers, method, arguments.limit)
        ]
    unstored = {status: n for status, n in ours.receipts.items() if status != "stored"}
    if unstored:
        counts = ", ".join(f"{n} {status}" for status, n in unstored.items())
        warn(f"not every turn was stored: {counts}")
    without = {method.name for method in removed}
    groups = group([answer for answer in answers if answer.method not in without])
    found = _worths(answers, ours.name, without)
    _show(groups, abstained, found, arguments)
    if arguments.json is not None:
        settings = {
            "limit": arguments.limit,
            # The URL may hold a password; its scheme is what a figure depends on.
            "database": ours.settings.database.connection_string.split(":", 1)[0],
            "durability": ours.settings.database.durability,
        }
        report = as_report(files, groups, answers, settings, ours.receipts)
        report["abstention"] = [asdict(each) for each in abstained]
        report["ablation"] = [asdict(each) for each in found]
        arguments.json.write_text(
            json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )


def _worths(answers: Sequence[Answer], whole: str, without: Collection[str]) -> list[Worth]:
    """What each signal adds, file by file."""
    scores: dict[tuple[str, str], list[Mapping[str, float]]] = {}
    for answer in answers:
        scores.setdefault((answer.file, answer.method), []).append(answer.scores)
    return [
        worth(
            file,
            method,
            measure,
            [each[measure] for each in scores[file, whole]],
            [each[measure] for each in found],
        )
        for (file, method), found in scores.items()
        if method in without
        for measure in SHOWN
        if measure in found[0]
    ]


def _show(
    groups: Sequence[Group],
    abstained: Sequence[Abstention],
    found: Sequence[Worth],
    arguments: argparse.Namespace,
) -> None:
    print(render_turns(groups, arguments.limit))
    print(
        "\nTurn level, per cent, averaged over questions; ± is the standard error; p50 ms is the "
        "time of one question."
    )
    sessions = render_sessions(groups, arguments.limit)
    if sessions is not None:
        print(f"\n{sessions}\n\nSession level, as LongMemEval's own evaluation takes it.")
    if abstained:
        print(f"\n{render_abstention(abstained)}")
        print(
            "\nown: answered with anything; foreign: asked of another conversation's memory and "
            "answered with nothing."
        )
    if found:
        print(f"\n{render_ablation(found)}")
        print("\nPoints lost when the signal's weight is 0; ± is the standard error of that.")


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
