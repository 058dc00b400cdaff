"""The evaluation of a store: does what it holds come back when it is asked for?"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import sqrt
from typing import Protocol

from memori.evaluate.cues import count_words, make_cue
from memori.evaluate.statements import Pair, Stale, Statement, find_pairs, find_stale
from memori.model import Hit, Kind, Page

#: How far down the hits an item is looked for.
DEEPEST = 20
#: The ranks that are reported.
RANKS = (1, 5, 10)
#: Memories compared with each other and sampled from, and turns sampled from, at most.
MOST_ITEMS = 10_000
_PAGE = 1_000


class Store(Protocol):
    """What an evaluation needs of the engine; `AsyncMemori` is one. It only reads."""

    async def recall(self, query: str, /, *, limit: int = 10) -> tuple[Hit, ...]:
        """The best hits for a question."""
        ...

    async def search(
        self,
        *,
        kind: Kind | None = None,
        include_superseded: bool = False,
        limit: int = 20,
        cursor: str | None = None,
    ) -> Page[Hit]:
        """Items, newest first."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One item that was asked for: the cue, and its rank among the hits, None when not there."""

    kind: Kind
    id: str
    text: str
    cue: str
    rank: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Of so many items asked for, the share found among the first `within` hits, 0..1."""

    within: int
    share: float
    error: float
    asked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What an evaluation found.

    Attributes:
        memories: current memories looked at.
        turns: turns looked at; 0 when there were memories enough.
        asked: every item asked for, in the order it was.
        too_short: items drawn that have too few words of their own to be asked for.
        pairs: near duplicates and possible contradictions among the memories.
        stale: memories that may no longer hold.
    """

    memories: int
    turns: int
    asked: tuple[Asked, ...]
    too_short: int
    pairs: tuple[Pair, ...]
    stale: tuple[Stale, ...]

    def found(self, within: int, kind: Kind | None = None) -> Share:
        """How many came back among the first hits, with the standard error of that share."""
        ranks = [one.rank for one in self.asked if kind in (None, one.kind)]
        n = len(ranks)
        share = sum(rank is not None and rank <= within for rank in ranks) / n if n else 0.0
        error = sqrt(share * (1 - share) / n) if n else 0.0
        return Share(within=within, share=share, error=error, asked=n)


async def evaluate(
    memori: Store,
    *,
    sample: int = 100,
    seed: int = 1,
    now: datetime | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Ask for a sample of what is kept, and look over all memories.

    Args:
        memori: the engine, open on the scope to look at. Nothing is written.
        sample: how many items to ask for: memories, and turns where those are fewer.
        seed: the same one draws the same items and cues.
        now: what counts as past; by default the clock.
        progress: called with how many were asked for, and of how many.

    Returns:
        The figures and lists; `asked` is empty when there is nothing to ask for.
    """
    now = now or datetime.now(UTC)
    listed = await _list(memori, "memory", include_superseded=True)
    current = [hit for hit in listed if hit.superseded_by is None]
    valid = [hit for hit in current if hit.valid_until is None or hit.valid_until > now]
    turns = await _list(memori, "turn") if len(valid) < sample else []
    counts = count_words(hit.text for hit in (*valid, *turns))
    chance = random.Random(seed)  # noqa: S311  # a sample, not a secret
    drawn = [*_draw(valid, sample, chance), *_draw(turns, sample - len(valid), chance)]
    asked: list[Asked] = []
    too_short = 0
    for number, hit in enumerate(drawn):
        cue = make_cue(hit.text, counts, chance)
        if cue is None:
            too_short += 1
            continue
        rank = _rank(hit, await memori.recall(cue, limit=DEEPEST))
        asked.append(Asked(kind=hit.kind, id=hit.id, text=hit.text, cue=cue, rank=rank))
        if progress is not None:
            progress(number + 1, len(drawn))
    return Evaluation(
        memories=len(valid),
        turns=len(turns),
        asked=tuple(asked),
        too_short=too_short,
        pairs=tuple(find_pairs([_statement(hit, now) for hit in reversed(valid)])),
        stale=tuple(find_stale([_statement(hit, now) for hit in reversed(current)], now)),
    )


async def _list(memori: Store, kind: Kind, *, include_superseded: bool = False) -> list[Hit]:
    """The newest items of a kind, up to `MOST_ITEMS`."""
    found: list[Hit] = []
    cursor: str | None = None
    while len(found) < MOST_ITEMS:
        page = await memori.search(
            kind=kind, include_superseded=include_superseded, limit=_PAGE, cursor=cursor
        )
        found += page.items
        cursor = page.cursor
        if cursor is None:
            break
    return found


def _draw(hits: Sequence[Hit], count: int, chance: random.Random) -> list[Hit]:
    return chance.sample(hits, min(len(hits), max(0, count)))


def _rank(wanted: Hit, hits: Iterable[Hit]) -> int | None:
    """Where an item came back: itself, or the memory that stands for it."""
    for rank, hit in enumerate(hits, start=1):
        if wanted.id == hit.id or wanted.id in hit.sources:
            return rank
    return None


def _statement(hit: Hit, now: datetime) -> Statement:
    return Statement(
        id=hit.id,
        text=hit.text,
        said_at=hit.valid_from or hit.at or now,
        valid_until=hit.valid_until,
    )
