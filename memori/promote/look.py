"""What short-term memory holds, and why: for people."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, select

from memori.config import PromotionSettings
from memori.errors import NotFound
from memori.model import ShortTerm
from memori.promote.choose import Verdict
from memori.promote.run import decide, signals
from memori.store import memories, promotions
from memori.store.tables import uses


def entries(
    connection: Connection,
    scope_id: int,
    settings: PromotionSettings,
    now: datetime,
    wanted: str | None,
) -> tuple[ShortTerm, ...]:
    """What is in short-term memory, the best first, scored as of `now`.

    Args:
        connection: a snapshot.
        scope_id: whose.
        settings: budgets and half-lives.
        now: the time to score at.
        wanted: this memory alone, whether it is in or not.

    Raises:
        NotFound: there is no current memory of that id.
    """
    gathered = promotions.gather(connection, scope_id, also=wanted)
    decision = decide(gathered, settings, now)
    shown: Iterable[Verdict] = [v for v in decision.verdicts if v.was_inside]
    if wanted is not None:
        shown = [v for v in decision.verdicts if v.scored.memory.id == wanted]
        if not shown:
            raise _missing(connection, scope_id, wanted)
    u = uses.c
    numbers = [v.scored.memory.memory_no for v in shown]
    used = {
        row.memory_no: row
        for row in connection.execute(
            select(uses).where(u.scope_id == scope_id, u.memory_no.in_(numbers))
        )
    }
    tokens = {row.memory_no: row.tokens for row in gathered.places}
    found: list[ShortTerm] = []
    for verdict in shown:
        memory, was = verdict.scored.memory, verdict.was
        counted = used.get(memory.memory_no)
        found.append(
            ShortTerm(
                id=memory.id,
                text=memory.text,
                category=memory.category,  # pyright: ignore[reportArgumentType]  # as the column has it
                pinned=memory.pinned,
                member=verdict.was_inside,
                score=verdict.scored.score,
                why=signals(verdict.scored.parts),
                reason=_reason(verdict),
                tokens=tokens.get(memory.memory_no, memory.tokens),
                entered_at=was.entered_at if was is not None else None,
                run_id=was.operation_id if was is not None else None,
                held_until=was.held_until if was is not None else None,
                recalled=counted.recalled if counted is not None else 0,
                shown=counted.shown if counted is not None else 0,
                confirmed=counted.confirmed if counted is not None else 0,
            )
        )
    return tuple(found)


def _reason(verdict: Verdict) -> str:
    """In words; where the next run will change it, that is said."""
    if verdict.inside == verdict.was_inside:
        return verdict.reason
    return f"{verdict.reason}; the next run {'takes it in' if verdict.inside else 'puts it out'}"


def _missing(connection: Connection, scope_id: int, memory_id: str) -> NotFound:
    row = memories.find(connection, scope_id, memory_id)
    if row is None or row.forgotten_at is not None:
        return NotFound(f"no memory {memory_id} here; look it up with search")
    if row.superseded_by is not None:
        return NotFound(f"memory {memory_id} was superseded by {row.superseded_by}; ask for that")
    if row.quarantined:
        return NotFound(f"memory {memory_id} is quarantined: it is in nothing until it is released")
    return NotFound(f"memory {memory_id} has run out: it no longer holds")
