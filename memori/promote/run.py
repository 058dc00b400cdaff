"""One run: from what a scope remembers to what its short-term memory holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from memori.config import PromotionSettings
from memori.model import Promoted, Promotion, Signal
from memori.promote.choose import Limits, Place, Verdict, choose
from memori.promote.score import Considered, HalfLives, Scored, score_memory
from memori.recall.lines import line_of_memory
from memori.store import memories, promotions
from memori.store.operations import Write
from memori.store.promotions import Gathered, Held
from memori.store.reading import Filter

#: A smaller change of a score is not written.
_SAME = 0.005
_GONE = "it no longer holds"
_SIGNALS = ("importance", "category", "recency", "use", "recurrence")


@dataclass(frozen=True, slots=True)
class Decision:
    """What a run decided, and from what.

    Attributes:
        verdicts: one for each memory considered, those inside first, by rank.
        gone: members that no longer hold, by memory number.
        rows: the rows of `memories`, by memory number.
        at: the time it was decided for.
        max_tokens: the budget.
    """

    verdicts: Sequence[Verdict]
    gone: Mapping[int, Place]
    rows: Mapping[int, Row[Any]]
    at: datetime
    max_tokens: int

    def promotion(self, run_id: str | None) -> Promotion:
        """The decision as the public type."""
        entered = [v for v in self.verdicts if v.inside and not v.was_inside]
        kept = [v for v in self.verdicts if v.inside and v.was_inside]
        left = [v for v in self.verdicts if not v.inside and v.was_inside]
        return Promotion(
            run_id=run_id,
            at=self.at,
            entered=tuple(_promoted(v) for v in entered),
            left=(
                *(_promoted(v) for v in left),
                *(self._expired(number, place) for number, place in self.gone.items()),
            ),
            kept=tuple(_promoted(v) for v in kept),
            considered=len(self.verdicts),
            tokens=sum(v.scored.memory.tokens for v in self.verdicts if v.inside),
            max_tokens=self.max_tokens,
        )

    def _expired(self, number: int, place: Place) -> Promoted:
        row = self.rows[number]
        return Promoted(
            id=row.id,
            text=row.content or "",
            category=row.category,
            before=place.score,
            after=None,
            reason=_GONE,
        )


def decide(gathered: Gathered, settings: PromotionSettings, now: datetime) -> Decision:
    """Decide what short-term memory holds from `now` on.

    Args:
        gathered: what the scope remembers.
        settings: budgets and half-lives.
        now: the time to decide for.
    """
    chosen = Filter(now=now)
    half_lives = HalfLives(settings.half_life_days, settings.use_half_life_days)
    limits = Limits(settings.max_memories, settings.max_tokens, settings.min_score, settings.margin)
    places = {row.memory_no: _place(row) for row in gathered.places}
    rows = {row.memory_no: row for row in gathered.memories}
    scored = [
        score_memory(_considered(row, gathered, settings, now), now, half_lives)
        for row in gathered.memories
        if chosen.passes_memory(row)
    ]
    there = {each.memory.memory_no for each in scored}
    return Decision(
        verdicts=choose(scored, places, limits, now),
        gone={
            number: place
            for number, place in places.items()
            if place.member and number not in there and number in rows
        },
        rows=rows,
        at=now,
        max_tokens=settings.max_tokens,
    )


def write(w: Write, held: Held, gathered: Gathered, decision: Decision) -> Promotion:
    """Put a decision into short-term memory, with its events.

    Args:
        w: the write under way.
        held: the lease.
        gathered: what was decided from.
        decision: what was decided.

    Raises:
        LostPromotion: another runner has the scope; nothing of this transaction may stay.
    """
    current = promotions.still_current(
        w, [v.scored.memory.memory_no for v in decision.verdicts if v.inside]
    )
    inside = [v for v in decision.verdicts if v.inside and v.scored.memory.memory_no in current]
    outside = [v for v in decision.verdicts if not v.inside and v.was_inside]
    fresh = [v for v in inside if not v.was_inside]
    stay = [v for v in inside if v.was_inside]
    let_go = [
        row.memory_no
        for row in gathered.places
        if not row.member and (row.held_until is None or row.held_until <= decision.at)
    ]
    leave = [v.scored.memory.memory_no for v in outside]
    promotions.drop(w, [*leave, *decision.gone, *let_go])
    promotions.put(w, [_row(v.scored, w.operation_id, decision.at) for v in fresh])
    promotions.rescore(
        w,
        [
            _row(v.scored, w.operation_id, decision.at)
            for v in stay
            if v.was is not None and _changed(v.was, v.scored)
        ],
    )
    promotions.finish(w, held, gathered)
    verdicts = [*inside, *(v for v in decision.verdicts if not v.inside)]
    done = Decision(
        verdicts, decision.gone, decision.rows, decision.at, decision.max_tokens
    ).promotion(w.operation_id)
    for action, changes in (("promoted", done.entered), ("demoted", done.left)):
        w.same_events(
            action,
            "memory",
            [(c.id, c.reason, {"before": c.before, "after": c.after}) for c in changes],
        )
    was = {
        decision.rows[row.memory_no].id: {"tokens": row.tokens, "kind": row.kind}
        for row in gathered.places
        if row.memory_no in decision.rows
    }
    w.event(
        promotions.RUN_EVENT,
        "short_term",
        w.operation_id,
        reason=f"{len(done.entered)} in, {len(done.left)} out, {len(done.kept)} kept",
        detail={
            "entered": [_brief(change) for change in done.entered],
            # With what they were, for who takes the run back.
            "left": [_brief(change) | was[change.id] for change in done.left],
            "kept": [_brief(change) for change in done.kept],
            "considered": done.considered,
            "tokens": done.tokens,
            "max_tokens": done.max_tokens,
        },
    )
    return done


def again(w: Write) -> Promotion:
    """What the run of this operation did, from its event."""
    event = promotions.event_of(w.connection, w.scope_id, w.operation_id)
    detail: Mapping[str, Any] = event.detail
    named = [each for kind in ("entered", "left", "kept") for each in detail[kind]]
    rows = {
        row.id: row for row in memories.named(w.connection, w.scope_id, [n["id"] for n in named])
    }

    def changes(kind: str) -> tuple[Promoted, ...]:
        return tuple(
            Promoted(
                id=each["id"],
                text=(rows[each["id"]].content or "") if each["id"] in rows else "",
                category=rows[each["id"]].category if each["id"] in rows else "fact",
                before=each["before"],
                after=each["after"],
                reason=each["reason"],
            )
            for each in detail[kind]
        )

    return Promotion(
        run_id=w.operation_id,
        at=event.at,
        entered=changes("entered"),
        left=changes("left"),
        kept=changes("kept"),
        considered=detail["considered"],
        tokens=detail["tokens"],
        max_tokens=detail["max_tokens"],
    )


def signals(parts: Mapping[str, float]) -> tuple[Signal, ...]:
    """The parts of a score, in the order of the formula."""
    return tuple(Signal(name=name, points=parts[name]) for name in _SIGNALS if name in parts)


def _considered(
    row: Row[Any], gathered: Gathered, settings: PromotionSettings, now: datetime
) -> Considered:
    barred = ""
    never = sorted(set(row.tags) & set(settings.never_promote))
    if never:
        barred = f"it is tagged {never[0]!r}, which is never promoted"
    elif row.trust < settings.min_trust and not (row.pinned or row.times_confirmed):
        barred = f"its source ({row.source}) is not trusted enough, and nobody has confirmed it"
    since = row.valid_from if row.valid_from is not None else row.recorded_at
    return Considered(
        memory_no=row.memory_no,
        id=row.id,
        text=row.content,
        category=row.category,
        importance=row.importance,
        confidence=row.confidence,
        trust=row.trust,
        pinned=row.pinned,
        said_at=min(since, now),
        times_said=gathered.times_said.get(row.memory_no) or row.evidence,
        used=row.used,
        used_at=row.used_at,
        predicate=gathered.predicates.get(row.memory_no),
        tokens=line_of_memory(row).tokens + 1,
        confirmed=row.times_confirmed > 0,
        barred=barred,
    )


def _place(row: Row[Any]) -> Place:
    return Place(row.member, row.score, row.entered_at, row.held_until, row.operation_id, row.kind)


def _changed(was: Place, scored: Scored) -> bool:
    return was.kind != scored.memory.kind or abs(was.score - scored.score) >= _SAME


def _row(scored: Scored, run_id: str, now: datetime) -> dict[str, Any]:
    return {
        "memory_no": scored.memory.memory_no,
        "member": True,
        "entered_at": now,
        "held_until": None,
        "kind": scored.memory.kind,
        "score": scored.score,
        "tokens": scored.memory.tokens,
        "parts": dict(scored.parts),
        "operation_id": run_id,
    }


def _promoted(verdict: Verdict) -> Promoted:
    memory = verdict.scored.memory
    return Promoted(
        id=memory.id,
        text=memory.text,
        category=memory.category,  # pyright: ignore[reportArgumentType]  # as the column has it
        before=verdict.was.score if verdict.was is not None and verdict.was_inside else None,
        after=verdict.scored.score,
        reason=verdict.reason,
    )


def _brief(change: Promoted) -> dict[str, Any]:
    return {
        "id": change.id,
        "before": change.before,
        "after": change.after,
        "reason": change.reason,
    }
