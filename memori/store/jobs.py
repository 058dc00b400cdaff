"""The queue of what is still to be learnt: a row for each recorded exchange, in the same
transaction, taken by one worker at a time.

A worker holds a *lease* until a time of the database's clock, and a token that goes up with every
taking. What it made is written only if the token is still its own, so what comes of a job takes
effect once, however many workers there are and whichever of them stopped for a while.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, exists, func, or_, select, update

from memori.ids import new_id
from memori.model import Job, Scope
from memori.store.operations import Write
from memori.store.prepared import Prepared
from memori.store.rows import session_names
from memori.store.scopes import OWNED, read_scope
from memori.store.tables import jobs, scopes, sessions, turns

#: How long a worker may be silent before another one takes its jobs.
LEASE = timedelta(seconds=60)
#: After so many tries a job is dead: it waits for `memori jobs --retry`.
MAX_ATTEMPTS = 10
#: Wait after the first failed try; doubled after each further one.
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=30), timedelta(hours=6)
#: Jobs of one session taken at once.
BATCH = 20
#: Sessions looked at for one that nobody else takes.
_CANDIDATES = 16
#: What a job is: to learn from turns, or to learn from them and then delete them.
LEARNS, DROPS = "learn", "learn_and_drop"
#: Sources whose turns are learnt from.
LEARNT_FROM = frozenset({"user", "import"})

_c = jobs.c
_INSERT = Prepared(
    jobs.insert(),
    [c.name for c in jobs.columns if c.name not in ("not_before", "leased_until", "trouble")],
)
_CLOCKS = {"postgresql": func.clock_timestamp(), "mysql": func.utc_timestamp(6)}


@dataclass(frozen=True, slots=True)
class Taken:
    """A job in a worker's hands: `token` shows whether it still is; `drops`, that its turns were
    kept only for it."""

    id: str
    token: int
    attempts: int
    first_seq: int
    last_seq: int
    drops: bool


@dataclass(frozen=True, slots=True)
class Claim:
    """Jobs of one session, leased to one worker."""

    scope_id: int
    scope: Scope
    session_no: int
    session_id: str
    jobs: tuple[Taken, ...]


@dataclass(frozen=True, slots=True)
class Queue:
    """How many jobs a database or scope has: due now, being worked on, put off, given up."""

    due: int
    leased: int
    waiting: int
    dead: int


class LostLease(Exception):
    """Another worker has a job by now, or it was purged: what was made of it is dropped."""


def is_learnt_from(role: str, source: str) -> bool:
    """Whether a person said a turn; what others say only helps to understand it."""
    return role == "user" and source in LEARNT_FROM


def enqueue(w: Write, session_no: int, first_seq: int, last_seq: int, *, drop: bool) -> None:
    """Ask for turns just written to be learnt from, and with `drop` to be deleted then."""
    _INSERT.run(
        w.connection,
        {
            "scope_id": w.scope_id,
            "id": new_id(),
            "kind": DROPS if drop else LEARNS,
            "state": "waiting",
            "session_no": session_no,
            "first_seq": first_seq,
            "last_seq": last_seq,
            "attempts": 0,
            "token": 0,
            "created_at": w.now,
            "operation_id": w.operation_id,
        },
    )


def read_clock(connection: Connection) -> datetime:
    """The database's clock; SQLite has this machine's."""
    clock = _CLOCKS.get(connection.dialect.name)
    if clock is None:
        return datetime.now(UTC)
    now: datetime = connection.execute(select(clock)).scalar_one()
    return now if now.tzinfo is not None else now.replace(tzinfo=UTC)


def any_due(connection: Connection, now: datetime) -> bool:
    """Whether there is anything to take, in whichever scope."""
    found = connection.execute(select(_c.id).where(_is_due(now), _awake(now)).limit(1))
    return found.first() is not None


def claim(connection: Connection, now: datetime) -> Claim | None:
    """Take the due jobs of the session that has waited longest; None when none is due.

    A job that failed before is taken alone, so that it does not spoil others.
    """
    due = select(_c.scope_id, _c.session_no, func.min(_c.id).label("first"))
    found = connection.execute(
        due.where(_is_due(now), _awake(now))
        .group_by(_c.scope_id, _c.session_no)
        .order_by(func.min(_c.id))
        .limit(_CANDIDATES)
    ).fetchall()
    for row in found:
        # Whoever holds the scope's row decides alone who takes what.
        if read_scope(connection, row.scope_id, hold=True) is None:
            continue  # erased, or still being copied here
        taken = _take(connection, row.scope_id, row.session_no, now)
        if taken:
            named = connection.execute(
                select(scopes.c.namespace, scopes.c.user_id).where(
                    scopes.c.scope_id == row.scope_id
                )
            ).one()
            session = session_names(connection, row.scope_id, {row.session_no})[row.session_no]
            scope = Scope(named.namespace, named.user_id)
            return Claim(row.scope_id, scope, row.session_no, session, taken)
    return None


def _take(
    connection: Connection, scope_id: int, session_no: int, now: datetime
) -> tuple[Taken, ...]:
    rows = connection.execute(
        select(jobs)
        .where(_c.scope_id == scope_id, _c.session_no == session_no, _is_due(now))
        .order_by(_c.id)
        .limit(BATCH)
    ).fetchall()
    fresh = [row for row in rows if not row.attempts]
    taken: list[Taken] = []
    for row in fresh or rows[:1]:
        if row.attempts >= MAX_ATTEMPTS:
            _set(connection, scope_id, row.id, state="dead", leased_until=None)
            continue
        span = (row.first_seq, row.last_seq)
        one = Taken(row.id, row.token + 1, row.attempts + 1, *span, drops=row.kind == DROPS)
        taken.append(one)
        _set(
            connection,
            scope_id,
            row.id,
            token=one.token,
            attempts=one.attempts,
            leased_until=now + LEASE,
        )
    return tuple(taken)


def read_turns(connection: Connection, claimed: Claim) -> list[Row[Any]]:
    """The turns of claimed jobs that may be learnt from or help to understand, in order."""
    t = turns.c
    spans = [t.seq.between(job.first_seq, job.last_seq) for job in claimed.jobs]
    return list(
        connection.execute(
            select(turns)
            .where(
                t.scope_id == claimed.scope_id,
                t.session_no == claimed.session_no,
                t.forgotten_at.is_(None),
                t.quarantined.is_(False),
                or_(*spans),
            )
            .order_by(t.seq)
        ).fetchall()
    )


def renew(connection: Connection, claimed: Claim, now: datetime) -> bool:
    """Hold claimed jobs longer; False when one of them is no longer ours."""
    held = [_update(connection, claimed, job, leased_until=now + LEASE) for job in claimed.jobs]
    return all(held)


def give_back(connection: Connection, claimed: Claim, until: datetime | None = None) -> None:
    """Let others have claimed jobs, at once or not before a time; it was no try."""
    for job in claimed.jobs:
        _update(
            connection,
            claimed,
            job,
            leased_until=None,
            not_before=until,
            attempts=job.attempts - 1,
        )


def fail(connection: Connection, claimed: Claim, trouble: str, now: datetime) -> None:
    """Put claimed jobs off, each longer than the last time, or give them up.

    Args:
        connection: in a write transaction.
        claimed: the jobs.
        trouble: why, without anything that was said.
        now: the database's time.
    """
    for job in claimed.jobs:
        wait = min(FIRST_WAIT * 2 ** (job.attempts - 1), LONGEST_WAIT)
        dead = job.attempts >= MAX_ATTEMPTS
        _update(
            connection,
            claimed,
            job,
            state="dead" if dead else "waiting",
            leased_until=None,
            not_before=None if dead else now + wait,
            trouble=trouble,
        )


def finish(connection: Connection, claimed: Claim) -> None:
    """Remove claimed jobs, in the transaction that writes what was made of them.

    Raises:
        LostLease: one of them is no longer ours; nothing must be written.
    """
    for job in claimed.jobs:
        gone = connection.execute(jobs.delete().where(*_mine(claimed, job))).rowcount
        if gone != 1:
            raise LostLease


def revive(connection: Connection, scope_id: int) -> int:
    """Let dead jobs of a scope be tried again, and those put off at once; how many."""
    put_off = and_(_c.state == "waiting", _c.not_before.is_not(None), _c.leased_until.is_(None))
    return connection.execute(
        update(jobs)
        .where(_c.scope_id == scope_id, or_(_c.state == "dead", put_off))
        .values(state="waiting", attempts=0, not_before=None, leased_until=None)
    ).rowcount


def count(connection: Connection, now: datetime, scope_id: int | None = None) -> Queue:
    """How many jobs there are, in one scope or in all that have an owner."""
    here = _owned() if scope_id is None else _c.scope_id == scope_id

    def number(*conditions: ColumnElement[bool]) -> int:
        return connection.execute(
            select(func.count()).select_from(jobs).where(here, *conditions)
        ).scalar_one()

    waiting = _c.state == "waiting"
    return Queue(
        due=number(_is_due(now), _awake(now)),
        leased=number(waiting, _c.leased_until > now),
        waiting=number(waiting),
        dead=number(_c.state == "dead"),
    )


def waiting_since(connection: Connection) -> datetime | None:
    """When the oldest job that waits was asked for, in all scopes that have an owner."""
    return connection.execute(
        select(_c.created_at).where(_owned(), _c.state == "waiting").order_by(_c.id).limit(1)
    ).scalar_one_or_none()


def listed(connection: Connection, scope_id: int, now: datetime, limit: int) -> tuple[Job, ...]:
    """Jobs of a scope, oldest first."""
    rows = connection.execute(
        select(jobs, sessions.c.session_id)
        .join(
            sessions,
            and_(sessions.c.scope_id == _c.scope_id, sessions.c.session_no == _c.session_no),
        )
        .where(_c.scope_id == scope_id)
        .order_by(_c.id)
        .limit(limit)
    )
    return tuple(
        Job(
            id=row.id,
            kind=row.kind,
            state="working" if row.leased_until and row.leased_until > now else row.state,
            session_id=row.session_id,
            turns=row.last_seq - row.first_seq + 1,
            attempts=row.attempts,
            created_at=row.created_at,
            not_before=row.not_before,
            trouble=row.trouble,
        )
        for row in rows
    )


def drop_empty(connection: Connection, scope_id: int, session_numbers: Sequence[int]) -> None:
    """Remove jobs of sessions whose turns are all purged."""
    t = turns.c
    left = exists().where(
        t.scope_id == _c.scope_id,
        t.session_no == _c.session_no,
        t.seq.between(_c.first_seq, _c.last_seq),
    )
    for session_no in session_numbers:
        connection.execute(
            jobs.delete().where(_c.scope_id == scope_id, _c.session_no == session_no, ~left)
        )


def _owned() -> ColumnElement[bool]:
    """Of a scope that is somebody's, neither being copied here nor being erased."""
    return exists().where(scopes.c.scope_id == _c.scope_id, OWNED)


def _awake(now: datetime) -> ColumnElement[bool]:
    """The same, and not paused: what was said before a pause is learnt from after it."""
    going_on = or_(scopes.c.paused_until.is_(None), scopes.c.paused_until <= now)
    return exists().where(scopes.c.scope_id == _c.scope_id, OWNED, going_on)


def _is_due(now: datetime) -> ColumnElement[bool]:
    return and_(
        _c.state == "waiting",
        or_(_c.not_before.is_(None), _c.not_before <= now),
        or_(_c.leased_until.is_(None), _c.leased_until <= now),
    )


def _mine(claimed: Claim, job: Taken) -> tuple[ColumnElement[bool], ...]:
    return _c.scope_id == claimed.scope_id, _c.id == job.id, _c.token == job.token


def _update(connection: Connection, claimed: Claim, job: Taken, **values: Any) -> bool:
    changed = connection.execute(update(jobs).where(*_mine(claimed, job)).values(**values))
    return changed.rowcount == 1


def _set(connection: Connection, scope_id: int, job_id: str, **values: Any) -> None:
    connection.execute(
        update(jobs).where(_c.scope_id == scope_id, _c.id == job_id).values(**values)
    )
