"""Short-term memory in the database: what may enter it, who is in it, and who may change it.

One runner changes a scope's short-term memory at a time. It holds a *lease* until a time of the
database's clock, and a token that goes up with every taking; what it decided is written only if
the token is still its own, in the transaction that writes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    Select,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy import text as sql

from memori.model import PromotionStats
from memori.store.operations import Write
from memori.store.scopes import OWNED, read_scope
from memori.store.tables import (
    ESSENTIAL,
    RULES,
    events,
    memories,
    memory_sources,
    operations,
    promotions,
    relations,
    scopes,
    short_term,
    uses,
)

#: The verb of a run's operation.
RUN = "promote"
#: Operations that give no reason to decide anew: runs, and the profiles they lead to.
OWN_VERBS = (RUN, "profile")
#: The action of its event.
RUN_EVENT = "promotion"
#: How long a runner may be silent before another one takes its place.
LEASE = timedelta(seconds=60)
#: Wait after the first failed run of a scope; doubled after each further one.
FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=2), timedelta(hours=6)
#: How long what a person took back stays as it is.
HOLD = timedelta(days=30)
#: Memories of each kind that one run considers: the newest, the weightiest, rules, the used.
CONSIDERED = 1_000
#: Keys in one statement.
_BATCH = 500

_p, _s, _m, _u = promotions.c, short_term.c, memories.c, uses.c


class LostPromotion(Exception):
    """Another runner has the scope by now: what this one decided is dropped."""


@dataclass(frozen=True, slots=True)
class Held:
    """A scope's short-term memory in a runner's hands: `token` shows whether it still is."""

    scope_id: int
    token: int


@dataclass(frozen=True, slots=True)
class Due:
    """A scope in which something changed, and when it was decided on last."""

    scope_id: int
    ran_at: datetime | None


@dataclass(frozen=True, slots=True)
class Gathered:
    """What a run decides from, read in one snapshot.

    Attributes:
        memories: current memories, with what is known of their use.
        times_said: in how many conversations each was said, by memory number.
        predicates: what each says of somebody, by memory number.
        places: the rows of short-term memory.
        seen_number: the newest operation of the scope.
        seen_memory: the newest memory of the scope.
    """

    memories: Sequence[Row[Any]]
    times_said: Mapping[int, int]
    predicates: Mapping[int, str]
    places: Sequence[Row[Any]]
    seen_number: int
    seen_memory: int


#: What a scope without a row has.
NOTHING = Gathered((), {}, {}, (), 0, 0)


def state_of(connection: Connection, scope_id: int) -> Row[Any] | None:
    """The row that says when a scope was looked at last; None when it never was."""
    return connection.execute(select(promotions).where(_p.scope_id == scope_id)).one_or_none()


def take(
    connection: Connection, scope_id: int, now: datetime, due: Due | None = None
) -> Held | None:
    """Take the lease of a scope; None when somebody has it, or the scope is gone.

    Args:
        connection: in a writing transaction.
        scope_id: whose short-term memory.
        now: by the clock of leases.
        due: why it is taken; None as well when somebody has seen to that since.
    """
    # Whoever holds the scope's row decides alone.
    if read_scope(connection, scope_id, hold=True) is None:
        return None
    known = state_of(connection, scope_id)
    if due is not None and (None if known is None else known.ran_at) != due.ran_at:
        return None
    until = now + LEASE
    if known is None:
        connection.execute(
            promotions.insert().values(
                scope_id=scope_id,
                token=1,
                leased_until=until,
                seen_number=0,
                seen_memory=0,
                attempts=0,
            )
        )
        return Held(scope_id, 1)
    if known.leased_until is not None and known.leased_until > now:
        return None
    connection.execute(
        update(promotions)
        .where(_p.scope_id == scope_id)
        .values(token=known.token + 1, leased_until=until)
    )
    return Held(scope_id, known.token + 1)


def renew(connection: Connection, held: Held, now: datetime) -> bool:
    """Keep the lease; False when it is lost."""
    return _set(connection, held, leased_until=now + LEASE)


def give_back(connection: Connection, held: Held) -> None:
    """Let others go on at once."""
    _set(connection, held, leased_until=None)


def put_off(connection: Connection, held: Held, trouble: str, now: datetime) -> None:
    """Note that a run failed, and try again later."""
    known = state_of(connection, held.scope_id)
    attempts = 1 if known is None else known.attempts + 1
    wait = min(FIRST_WAIT * 2 ** min(attempts - 1, 16), LONGEST_WAIT)
    _set(
        connection,
        held,
        leased_until=None,
        attempts=attempts,
        not_before=now + wait,
        trouble=trouble,
    )


def note_trouble(connection: Connection, scope_id: int, trouble: str) -> None:
    """Note what failed after a run, until the next run."""
    connection.execute(update(promotions).where(_p.scope_id == scope_id).values(trouble=trouble))


def due(
    connection: Connection,
    now: datetime,
    *,
    since: datetime,
    urgent: Sequence[int],
    after: int,
    limit: int,
) -> Sequence[Due]:
    """Scopes in which something changed since they were looked at, in the order of their numbers.

    Args:
        connection: a snapshot.
        now: by the clock of leases.
        since: those looked at later are left alone,
        urgent: unless they are among these.
        after: only scopes of a higher number.
        limit: how many at most.
    """
    newest = _newest(scopes.c.scope_id).scalar_subquery()
    changed = or_(newest > _p.seen_number, _p.used_at > _p.ran_at)
    free = and_(
        or_(_p.leased_until.is_(None), _p.leased_until <= now),
        or_(_p.not_before.is_(None), _p.not_before <= now),
    )
    time = or_(_p.ran_at <= since, scopes.c.scope_id.in_(urgent))
    again = and_(free, or_(_p.ran_at.is_(None), and_(time, changed)))
    found = connection.execute(
        select(scopes.c.scope_id, _p.ran_at)
        .outerjoin(promotions, _p.scope_id == scopes.c.scope_id)
        .where(OWNED, scopes.c.scope_id > after, or_(_p.scope_id.is_(None), again))
        .order_by(scopes.c.scope_id)
        .limit(limit)
    )
    return [Due(row.scope_id, row.ran_at) for row in found]


def gather(connection: Connection, scope_id: int, *, also: str | None = None) -> Gathered:
    """What may be in a scope's short-term memory: bounded, however much it remembers.

    Args:
        connection: a snapshot.
        scope_id: whose.
        also: the id of a memory to look at in any case.
    """
    numbers: set[int] = set()
    if also is not None:
        named = select(_m.memory_no).where(_m.scope_id == scope_id, _m.id == also)
        numbers |= set(connection.execute(named).scalars())
    here = (_m.scope_id == scope_id, _m.active_hash.is_not(None), _m.quarantined.is_(False))
    for statement in (
        select(_m.memory_no).where(*here).order_by(_m.memory_no.desc()),
        select(_m.memory_no)
        .where(*here, sql(f"({ESSENTIAL})"))
        .order_by(_m.pinned.desc(), _m.importance.desc(), _m.memory_no.desc()),
        select(_m.memory_no).where(*here, sql(RULES)).order_by(_m.memory_no.desc()),
        select(_u.memory_no)
        .where(_u.scope_id == scope_id)
        .order_by(_u.last_at.desc(), _u.memory_no.desc()),
    ):
        numbers |= set(connection.execute(statement.limit(CONSIDERED)).scalars())
    places = connection.execute(select(short_term).where(_s.scope_id == scope_id)).fetchall()
    numbers |= {row.memory_no for row in places}
    wanted = sorted(numbers)
    found: list[Row[Any]] = []
    said: dict[int, int] = {}
    predicates: dict[int, str] = {}
    k, r = memory_sources.c, relations.c
    for batch in _batches(wanted):
        found += connection.execute(
            select(
                memories,
                func.coalesce(_u.weight, 0.0).label("used"),
                func.coalesce(_u.confirmed, 0).label("times_confirmed"),
                _u.last_at.label("used_at"),
            )
            .outerjoin(uses, and_(_u.scope_id == _m.scope_id, _u.memory_no == _m.memory_no))
            .where(*here, _m.memory_no.in_(batch))
        ).fetchall()
        said |= {
            row[0]: row[1]
            for row in connection.execute(
                select(k.memory_no, func.count(k.session_no.distinct()))
                .where(k.scope_id == scope_id, k.memory_no.in_(batch))
                .group_by(k.memory_no)
            )
        }
        predicates |= {
            row[0]: row[1]
            for row in connection.execute(
                select(r.memory_no, r.predicate).where(
                    r.scope_id == scope_id, r.memory_no.in_(batch)
                )
            )
        }
    number: int | None = connection.execute(_newest(scope_id)).scalar()
    last = connection.execute(
        select(func.max(_m.memory_no)).where(_m.scope_id == scope_id)
    ).scalar_one()
    return Gathered(found, said, predicates, places, number or 0, last or 0)


def finish(w: Write, held: Held, gathered: Gathered) -> None:
    """Note that the scope was looked at, if it is still this runner's.

    Args:
        w: the write under way.
        held: the lease.
        gathered: what was decided from; what was written since is looked at next time.

    Raises:
        LostPromotion: somebody else has it by now; nothing of this transaction may stay.
    """
    if not _set(
        w.connection,
        held,
        leased_until=None,
        seen_number=gathered.seen_number,
        seen_memory=gathered.seen_memory,
        ran_at=w.now,
        attempts=0,
        not_before=None,
        trouble=None,
    ):
        raise LostPromotion


def still_current(w: Write, memory_numbers: Iterable[int]) -> set[int]:
    """Which of these memories are current at the moment of writing."""
    found: set[int] = set()
    for batch in _batches(sorted(memory_numbers)):
        found |= set(
            w.connection.execute(
                select(_m.memory_no).where(
                    _m.scope_id == w.scope_id,
                    _m.memory_no.in_(batch),
                    _m.active_hash.is_not(None),
                    _m.quarantined.is_(False),
                )
            ).scalars()
        )
    return found


def put(w: Write, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows of short-term memory: by column, `memory_no` among them."""
    if not rows:
        return
    drop(w, [row["memory_no"] for row in rows])
    w.connection.execute(insert(short_term), [{"scope_id": w.scope_id, **row} for row in rows])


def rescore(w: Write, rows: Sequence[Mapping[str, Any]]) -> None:
    """Set what may have changed of memories that stay: `score`, `parts`, `kind` and `tokens`, by
    column, `memory_no` among them; what is in no more since it was decided on is left alone."""
    # Written anew together: one UPDATE each is a way to the server and back for every memory.
    there = places_of(w.connection, w.scope_id) if rows else {}
    kept = ("memory_no", "member", "entered_at", "held_until", "operation_id")
    changed = ("score", "parts", "kind", "tokens")
    anew: list[dict[str, Any]] = []
    for row in rows:
        place = there.get(row["memory_no"])
        if place is not None and place.member:
            one = {name: getattr(place, name) for name in kept}
            anew.append(one | {name: row[name] for name in changed})
    put(w, anew)


def drop(w: Write, memory_numbers: Sequence[int]) -> None:
    """Take memories out of short-term memory; nothing of them is left in it."""
    for batch in _batches(list(memory_numbers)):
        w.connection.execute(
            delete(short_term).where(_s.scope_id == w.scope_id, _s.memory_no.in_(batch))
        )


def stats(connection: Connection, scope_id: int) -> PromotionStats:
    """How a scope's short-term memory stands."""
    known = state_of(connection, scope_id)
    inside = connection.execute(
        select(func.count()).where(_s.scope_id == scope_id, _s.member.is_(True))
    ).scalar_one()
    if known is None:
        return PromotionStats(inside, None, None)
    return PromotionStats(inside, known.ran_at, known.trouble)


def event_of(connection: Connection, scope_id: int, operation_id: str) -> Row[Any]:
    """The event of a run, which says what it did and why."""
    e = events.c
    return connection.execute(
        select(events).where(
            e.scope_id == scope_id, e.item_id == operation_id, e.action == RUN_EVENT
        )
    ).one()


def undo_run(w: Write, operation_id: str) -> tuple[list[str], list[str]]:
    """Take a run back: what it took in goes, what it put out returns, and both stay so for
    `HOLD`. What a later run decided otherwise is left alone.

    Returns:
        The ids that are in again, and those that are out.
    """
    detail: Mapping[str, Any] = event_of(w.connection, w.scope_id, operation_id).detail
    entered = {each["id"]: each for each in detail["entered"]}
    left = {each["id"]: each for each in detail["left"]}
    places = places_of(w.connection, w.scope_id)
    rows = w.connection.execute(
        select(_m.memory_no, _m.id, _m.active_hash, _m.quarantined).where(
            _m.scope_id == w.scope_id, _m.id.in_([*entered, *left])
        )
    ).fetchall()
    back: list[str] = []
    out: list[str] = []
    held_until = w.now + HOLD
    for row in sorted(rows, key=lambda each: each.memory_no):
        place = places.get(row.memory_no)
        current = row.active_hash is not None and not row.quarantined
        fixed: dict[str, Any] = {
            "memory_no": row.memory_no,
            "held_until": held_until,
            "operation_id": w.operation_id,
        }
        if row.id in entered:
            if place is not None and place.member and place.operation_id == operation_id:
                kept = {name: getattr(place, name) for name in ("kind", "score", "tokens", "parts")}
                put(w, [{**fixed, **kept, "member": False, "entered_at": None}])
                w.event("demoted", "memory", row.id, reason="its promotion was taken back")
                out.append(row.id)
        elif current and place is None:
            before = left[row.id]
            kept = {"score": before["before"], "parts": dict[str, float]()}
            kept |= {"tokens": before["tokens"], "kind": before["kind"]}
            put(w, [{**fixed, **kept, "member": True, "entered_at": w.now}])
            w.event("promoted", "memory", row.id, reason="its demotion was taken back")
            back.append(row.id)
    return back, out


def places_of(connection: Connection, scope_id: int) -> dict[int, Row[Any]]:
    """The rows of a scope's short-term memory by memory number."""
    found = connection.execute(select(short_term).where(_s.scope_id == scope_id))
    return {row.memory_no: row for row in found}


def _newest(scope_id: Any) -> Select[Any]:
    """The number of the newest operation that is not promotion's own."""
    o = operations.c
    return (
        select(o.number)
        .where(o.scope_id == scope_id, o.verb.not_in(OWN_VERBS))
        .order_by(o.number.desc())
        .limit(1)
    )


def _set(connection: Connection, held: Held, **values: Any) -> bool:
    changed = connection.execute(
        update(promotions)
        .where(_p.scope_id == held.scope_id, _p.token == held.token)
        .values(**values)
    )
    return changed.rowcount == 1


def _batches(keys: Sequence[int]) -> Iterable[Sequence[int]]:
    return (keys[start : start + _BATCH] for start in range(0, len(keys), _BATCH))
