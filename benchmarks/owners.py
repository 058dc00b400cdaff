"""Whether a stranger's memories cost an owner anything: one owner alone, and among many."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.calls import BLOCK, LIMIT, Plan
from benchmarks.processes import ServerFailed
from benchmarks.report import Progress
from benchmarks.synthetic import Corpus, generate
from benchmarks.timing import Subject, Timing, alternate, in_loop
from memori import AsyncMemori

USERS = "owner {}"
#: How many different sets of texts the owners have.
_KINDS = 64


@dataclass(frozen=True, slots=True)
class OwnersRow:
    """Recall of an owner of so many memories, alone in a database and among others."""

    owners: int
    memories: int
    alone: Timing
    among: Timing


async def measure_owners(
    folder: Path, owners: int, memories: int, plan: Plan, progress: Progress
) -> OwnersRow:
    """Fill a database of one owner and one of many, and ask the same owner's in turns.

    The owner asked is in the middle of the many. Owners share words as people do: each has one
    of a few dozen sets of texts.
    """
    middle = USERS.format(owners // 2)
    corpora = [
        generate(memories, queries=plan.calls, seed=seed) for seed in range(min(_KINDS, owners))
    ]
    asked = corpora[owners // 2 % len(corpora)]
    urls = [f"sqlite:///{folder / name}" for name in ("alone.db", "among.db")]
    async with AsyncExitStack() as stack:
        alone, among = [
            await stack.enter_async_context(AsyncMemori(url, settings=plan.settings(url)))
            for url in urls
        ]
        await _fill(alone, middle, asked)
        for number in range(owners):
            await _fill(among, USERS.format(number), corpora[number % len(corpora)])
            progress.say(f"remembering for owner {number + 1} of {owners}")
        subjects = [
            Subject(name, in_loop(partial(_recall, memori, middle)), asked.queries)
            for name, memori in (("alone", alone), ("among", among))
        ]
        timings = await alternate(subjects, block=BLOCK)
    progress.clear()
    return OwnersRow(owners, memories, timings["alone"], timings["among"])


async def _fill(memori: AsyncMemori, user: str, corpus: Corpus) -> None:
    for text in corpus.memories:
        receipt = await memori.remember(text, user_id=user)
        if receipt.status != "stored":
            raise ServerFailed(f"a write was answered {receipt.status}: {receipt.reason}")


async def _recall(memori: AsyncMemori, user: str, question: str) -> None:
    await memori.recall(question, limit=LIMIT, user_id=user)
