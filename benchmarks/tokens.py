"""Tokens sent with memori and without: `python -m benchmarks.tokens FILE...`.

Labelled conversations are replayed as a chat; each message of a person and each question is a
call. The table has what a call costs by each way of sending, and how often what answers a
question was in what was sent. See README.md beside this file for the columns.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.chats import Replay, Sent, Way
from benchmarks.conversations import read_labelled_files
from benchmarks.labels import LabelledFile, LabelledFileError
from benchmarks.measures import summarise
from benchmarks.recall import label_warnings, setting_argument
from benchmarks.report import Progress, surroundings, table, warn
from memori import MemoriError, Settings
from memori.config import amend_settings

WHOLE = Way("whole history")


def ways(window: int) -> tuple[Way, ...]:
    """What is compared; the first is what the others are measured against."""
    return (
        WHOLE,
        Way(f"last {window} messages", window),
        Way("memori, conscious", 1, "conscious"),
        Way("memori, auto", 1, "auto"),
        Way("memori, both", 1, "both"),
        Way(f"last {window} and memori, both", window, "both"),
    )


def measure(
    files: Sequence[LabelledFile], compared: Sequence[Way], settings: Settings, progress: Progress
) -> dict[str, dict[Way, list[Sent]]]:
    """Replay every conversation; by file and way, one `Sent` a conversation.

    A file that borrows its turns from another one counts only its questions.
    """
    results: dict[str, dict[Way, list[Sent]]] = {}
    with Replay(compared, settings) as replay:
        for file in files:
            found: dict[Way, list[Sent]] = {way: [] for way in compared}
            for number, conversation in enumerate(file.conversations, start=1):
                progress.say(f"{file.name}: {number} of {len(file.conversations)}")
                for way, sent in replay.run(conversation).items():
                    found[way].append(sent)
            results[file.name] = found
    progress.clear()
    return results


def summaries(results: dict[str, dict[Way, list[Sent]]]) -> list[dict[str, Any]]:
    """The rows of the table: shares 0 to 1, each figure with its standard error."""
    rows: list[dict[str, Any]] = []
    for name, found in results.items():
        whole = 0.0
        for way, sent in found.items():
            calls = summarise([{"tokens": cost} for each in sent for cost in each.calls])
            asked = summarise(
                [
                    {
                        "tokens": each.tokens,
                        "any": float(each.found > 0),
                        "all": float(each.found == 1),
                        "any or cut": float(each.found_or_cut > 0),
                    }
                    for kept in sent
                    for each in kept.asked
                ]
            )
            tokens = calls.means.get("tokens", 0.0)
            whole = tokens if way == WHOLE else whole
            rows.append(
                {
                    "file": name,
                    "sent": way.name,
                    "calls": calls.questions,
                    "tokens": tokens,
                    "tokens_error": calls.errors.get("tokens", 0.0),
                    "saved": 1 - tokens / whole if whole else None,
                    "questions": asked.questions,
                    "measures": dict(asked.means),
                    "standard_errors": dict(asked.errors),
                }
            )
    return rows


def render(rows: Sequence[dict[str, Any]]) -> str:
    """The table."""
    header = ["file", "sent", "calls", "tokens / call", "saved", "questions"]
    header += ["tokens / question", "any evidence", "all evidence", "any, cut too"]
    lines: list[list[str]] = []
    for row in rows:
        means, errors = row["measures"], row["standard_errors"]
        saved = row["saved"]
        lines.append(
            [
                row["file"],
                row["sent"],
                str(row["calls"]),
                f"{row['tokens']:,.0f} ± {row['tokens_error']:,.0f}" if row["calls"] else "",
                "" if saved is None else f"{100 * saved:.1f} %",
                str(row["questions"]),
                f"{means['tokens']:,.0f} ± {errors['tokens']:,.0f}" if means else "",
                *(
                    f"{100 * means[name]:.1f} ± {100 * errors[name]:.1f}" if means else ""
                    for name in ("any", "all", "any or cut")
                ),
            ]
        )
    return table(header, lines, labels=2)


def parser() -> argparse.ArgumentParser:
    """The command line of `python -m benchmarks.tokens`."""
    made = argparse.ArgumentParser(prog="python -m benchmarks.tokens", description=__doc__)
    made.add_argument("files", nargs="+", type=Path, metavar="FILE", help="labelled conversations")
    made.add_argument(
        "--window", type=int, default=20, help="messages of the window compared with (default: 20)"
    )
    made.add_argument(
        "--set",
        action="append",
        type=setting_argument,
        metavar="KEY=VALUE",
        help="a setting of memori, e.g. intercept.max_tokens=400; may be repeated",
    )
    made.add_argument("--json", type=Path, metavar="OUT", help="also write everything here")
    return made


def run(arguments: argparse.Namespace) -> None:
    """Read, replay, print. Raises LabelledFileError and MemoriError."""
    if arguments.window < 1:
        raise LabelledFileError("--window must be at least 1")
    files = read_labelled_files(arguments.files)
    for text in label_warnings(files):
        warn(text)
    settings = amend_settings(Settings(), dict(arguments.set or ()))
    results = measure(files, ways(arguments.window), settings, Progress())
    rows = summaries(results)
    print(render(rows))
    print(
        "\nTokens as memori's budgets estimate them; ± is the standard error. Evidence: per cent "
        "of the questions\nof which any, or all, of the turns that answer them were sent: as a "
        "message, quoted whole, or as a memory\nlearnt from them; `cut too` also counts turns "
        "quoted with their end cut off."
    )
    if arguments.json is not None:
        report: dict[str, Any] = {
            "benchmark": "tokens",
            "surroundings": surroundings(),
            "settings": {"window": arguments.window, "changed": arguments.set or []},
            "results": rows,
            "questions": [
                {"file": name, "sent": way.name, **asdict(asked)}
                for name, found in results.items()
                for way, sent in found.items()
                for kept in sent
                for asked in kept.asked
            ],
        }
        arguments.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 when it measured, 1 when it could not, 2 for wrong usage."""
    arguments = parser().parse_args(argv)
    try:
        run(arguments)
    except (LabelledFileError, MemoriError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
