"""False alarms of the secret redactor and the instruction detector over conversations.

    python -m benchmarks.secrets FILE... [--show 20] [--instructions]

FILE holds one conversation a line: `{"id", "turns": [{"id", "text", ...}]}`. The conversations
are expected to hold no secrets, so each find is a false alarm until a person who reads it says
otherwise; `--show` prints them with the text around and every letter and digit of the find
masked.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from memori.text.instructions import looks_like_instruction
from memori.text.secrets import redact

_MARKER = re.compile(r"\[redacted: ([^\]]+)\]")
_AROUND = 40


@dataclass
class Tally:
    """What one detector answered over one file; `seconds` is the detector's own time."""

    turns: int = 0
    characters: int = 0
    flagged: int = 0
    seconds: float = 0.0
    kinds: Counter[str] = field(default_factory=Counter[str])
    shown: list[str] = field(default_factory=list[str])

    def line(self, name: str) -> str:
        """The file's figures as one line of the report."""
        rate = 1000 * self.flagged / max(1, self.turns)
        cost = 1e6 * self.seconds / max(1, self.turns)
        kinds = ", ".join(f"{kind} {count}" for kind, count in self.kinds.most_common())
        return (
            f"{name:24} {self.turns:6} turns {self.characters / max(1, self.turns):7.0f} chars/turn"
            f" {self.flagged:5} flagged {rate:7.2f} per 1,000 {cost:7.1f} us/turn  {kinds}"
        )


def read_turns(path: Path) -> Iterator[tuple[str, str]]:
    """`(conversation id:turn id, text)` of each turn in a file of conversations."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.strip():
                conversation = json.loads(line)
                for turn in conversation.get("turns", ()):
                    yield f"{conversation['id']}:{turn['id']}", turn["text"]


def _excerpts(original: str, redacted: str) -> Iterator[tuple[str, str]]:
    """Each replaced span: its kind, and its surroundings with the span masked."""
    position = 0
    for place, marker in enumerate(markers := list(_MARKER.finditer(redacted))):
        before = redacted[markers[place - 1].end() if place else 0 : marker.start()]
        start = original.find(before, position) + len(before)
        following = markers[place + 1].start() if place + 1 < len(markers) else len(redacted)
        after = redacted[marker.end() : following]
        end = original.find(after, start + 1) if after else len(original)
        masked = re.sub(r"\w", "*", original[start:end])
        text = original[max(0, start - _AROUND) : start] + masked + original[end : end + 20]
        yield marker.group(1), " ".join(text.split())
        position = end


def tally_secrets(path: Path) -> Tally:
    """The redactor over the turns of `path`."""
    tally = Tally()
    for name, text in read_turns(path):
        began = time.perf_counter()
        redacted = redact(text)
        tally.seconds += time.perf_counter() - began
        tally.turns += 1
        tally.characters += len(text)
        if redacted.kinds:
            tally.flagged += 1
            for kind, excerpt in _excerpts(text, redacted.text):
                tally.kinds[kind] += 1
                tally.shown.append(f"  {name} [{kind}] ...{excerpt}...")
    return tally


def tally_instructions(path: Path) -> Tally:
    """The instruction detector over the turns of `path`."""
    tally = Tally()
    for name, text in read_turns(path):
        began = time.perf_counter()
        flagged = looks_like_instruction(text)
        tally.seconds += time.perf_counter() - began
        tally.turns += 1
        tally.characters += len(text)
        if flagged:
            tally.flagged += 1
            tally.shown.append(f"  {name} {' '.join(text[:160].split())}")
    return tally


def main(arguments: list[str] | None = None) -> int:
    """Print the report; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.secrets",
        description="False alarms of the secret redactor over conversations without secrets.",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--show", type=int, default=0, metavar="N", help="print N finds a file")
    parser.add_argument(
        "--instructions", action="store_true", help="test the instruction detector instead"
    )
    options = parser.parse_args(arguments)
    tally_of: Callable[[Path], Tally] = (
        tally_instructions if options.instructions else tally_secrets
    )
    total = Tally()
    for path in options.files:
        tally = tally_of(path)
        print(tally.line(path.name))
        for shown in tally.shown[: options.show]:
            print(shown)
        total.turns += tally.turns
        total.characters += tally.characters
        total.flagged += tally.flagged
        total.seconds += tally.seconds
        total.kinds += tally.kinds
    print(total.line("all"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
