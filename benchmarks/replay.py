"""A month of conversation, told to memori as it happened: `python -m benchmarks.replay FILE...`.

The clock is the conversation's own: each session is recorded when it was held and learnt from, the
background looks every six hours, and each labelled question is asked the day after its last
evidence was said. Printed is what short-term memory holds at the end, and why; a person reading
it should agree. Of each conversation the busiest days are taken.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import unified_diff
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.conversations import read_labelled_files
from benchmarks.labels import Conversation, LabelledFileError, LabelledTurn
from benchmarks.report import Progress
from memori import AsyncMemori, ShortTerm, Turn

DAYS = 31
EVERY = timedelta(hours=6)
#: A question is asked so long after its last evidence was said.
_LATER = timedelta(days=1)
_ROLES = {"user", "assistant"}


class Clock:
    """What time it is in the conversation."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a month came to.

    Attributes:
        conversation: its id.
        first: when it began.
        last: when it ended.
        turns: how many were said.
        questions: how many were asked.
        memories: how many were learnt and still hold.
        runs: in how many runs something was decided on.
        moved: how often a memory entered or left.
        entries: what is in short-term memory at the end.
        context: the working context at the end.
    """

    conversation: str
    first: datetime
    last: datetime
    turns: int
    questions: int
    memories: int
    runs: int
    moved: int
    entries: Sequence[ShortTerm]
    context: str


def busiest(conversation: Conversation, days: int) -> list[LabelledTurn]:
    """The turns of the busiest `days` days, in their order; those without a time are left out."""
    dated = sorted(
        (turn for turn in conversation.turns if turn.at is not None), key=lambda turn: _at(turn)
    )
    best: list[LabelledTurn] = []
    for begin in sorted({_at(turn).date() for turn in dated}):
        end = begin + timedelta(days=days)
        there = [turn for turn in dated if begin <= _at(turn).date() < end]
        if len(there) > len(best):
            best = there
    return best


async def replay(conversation: Conversation, days: int, folder: Path) -> Replayed | None:
    """Live through the busiest days of a conversation; None when no turn of it has a time.

    Args:
        conversation: whose turns and questions.
        days: how many days.
        folder: where the database is made.
    """
    turns = busiest(conversation, days)
    if not turns:
        return None
    clock = Clock(_at(turns[0]))
    url = f"sqlite:///{folder / 'replay.db'}"
    asked = 0
    async with AsyncMemori(url, clock=clock, actor="replay") as memori:
        for happens, event in _events(conversation, turns):
            while clock.now + EVERY < happens:
                clock.now += EVERY
                await memori.promote_due()
            clock.now = max(clock.now, happens)
            if isinstance(event, str):
                await memori.recall(event)
                asked += 1
                continue
            await memori.record(
                [_turn(turn) for turn in event], session_id=event[0].session, learn=True
            )
            await memori.learn()
        clock.now += EVERY
        await memori.promote_due()
        runs = await memori.operations(verb="promote", limit=1_000)
        stats = await memori.stats()
        moved = [int(word) for run in runs for word in run.summary.split() if word.isdigit()]
        return Replayed(
            conversation=conversation.id,
            first=_at(turns[0]),
            last=_at(turns[-1]),
            turns=len(turns),
            questions=asked,
            memories=stats.memories,
            runs=len(runs),
            moved=sum(number for at, number in enumerate(moved) if at % 3 != 2),
            entries=await memori.short_term(),
            context=(await memori.working_context(max_tokens=2_000)).text,
        )


def _events(
    conversation: Conversation, turns: Sequence[LabelledTurn]
) -> Iterator[tuple[datetime, list[LabelledTurn] | str]]:
    """What happens, in order: sessions, and questions about what was said before."""
    said = {turn.id: _at(turn) for turn in turns}
    happening: list[tuple[datetime, int, list[LabelledTurn] | str]] = []
    for _, session in groupby(turns, key=lambda turn: (turn.session, _at(turn).date())):
        group = list(session)
        happening.append((_at(group[-1]), 0, group))
    for question in conversation.questions:
        if question.evidence and all(turn in said for turn in question.evidence):
            latest = max(said[turn] for turn in question.evidence)
            happening.append((latest + _LATER, 1, question.question))
    for happens, _, event in sorted(happening, key=lambda each: each[:2]):
        yield happens, event


def _turn(turn: LabelledTurn) -> Turn:
    if turn.speaker in _ROLES:
        return Turn(content=turn.text, role=turn.speaker, at=turn.at)
    return Turn(content=turn.text, role="user", speaker=turn.speaker, at=turn.at)


def _at(turn: LabelledTurn) -> datetime:
    assert turn.at is not None
    return turn.at


def render(done: Replayed) -> str:
    """A month as a page for people: the same for the same conversation, without ids."""
    lines = [
        f"# {done.conversation}, {done.first:%Y-%m-%d} to {done.last:%Y-%m-%d}",
        "",
        f"{done.turns} turns, {done.questions} questions asked; {done.memories} memories hold at "
        f"the end; {done.runs} runs moved {done.moved} in or out.",
        "",
        "## Short-term memory",
        "",
    ]
    for entry in done.entries:
        parts = ", ".join(f"{part.name} {part.points:.2f}" for part in entry.why if part.points)
        since = f"{entry.entered_at:%Y-%m-%d}" if entry.entered_at else ""
        lines.append(f"- {entry.score:.2f} [{entry.category}, since {since}] {entry.text}")
        lines.append(f"  {parts}; found {entry.recalled} times")
    lines += ["", "## Working context", "", "```", done.context, "```", ""]
    return "\n".join(lines)


async def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; 2 when a file cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replay", description=__doc__)
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="labelled conversations"
    )
    parser.add_argument("--days", type=int, default=DAYS, metavar="N", help=f"days ({DAYS})")
    parser.add_argument("--only", metavar="ID", help="this conversation alone")
    parser.add_argument(
        "--check", type=Path, metavar="GOLDEN", help="compare with this file; 1 when it differs"
    )
    given = parser.parse_args(arguments)
    progress = Progress()
    pages: list[str] = []
    try:
        files = read_labelled_files(given.files)
    except LabelledFileError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    for file in files:
        for conversation in file.conversations:
            if given.only not in (None, conversation.id):
                continue
            progress.say(conversation.id)
            with TemporaryDirectory() as folder:
                done = await replay(conversation, given.days, Path(folder))
            progress.clear()
            if done is not None:
                pages.append(render(done))
    if given.check is None:
        print("\n".join(pages), end="")
        return 0
    changes = list(
        unified_diff(
            _bare(given.check.read_text(encoding="utf-8")),
            _bare("\n".join(pages)),
            str(given.check),
            "this replay",
            lineterm="",
        )
    )
    print("\n".join(changes) or f"{given.check} is what this replay says")
    return 1 if changes else 0


def _bare(text: str) -> list[str]:
    """The lines of a page without its comments, which say where it comes from."""
    return re.sub(r"<!--.*?-->\n*", "", text, flags=re.DOTALL).strip().splitlines()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
