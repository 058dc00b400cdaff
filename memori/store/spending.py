"""Tokens by user and day (UTC): sent along by the interceptor, and spent by the memory agent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, func, select, update

from memori.model import DayTokens
from memori.store.scopes import read_scope
from memori.store.tables import schema_info, spending

_c = spending.c
#: Days that `by_day` answers.
_DAYS = 30


def day_of(now: datetime) -> str:
    """The day a time is counted in."""
    return f"{now.astimezone(UTC):%Y-%m-%d}"


def next_day(now: datetime) -> datetime:
    """When the next day begins."""
    later = now.astimezone(UTC) + timedelta(days=1)
    return later.replace(hour=0, minute=0, second=0, microsecond=0)


@dataclass(frozen=True, slots=True)
class Reserved:
    """What a call is reckoned to cost, counted as spent on a day until its true cost is known."""

    at: datetime
    tokens: int


def reserve(
    connection: Connection, scope_id: int, now: datetime, tokens: int, most: int
) -> Reserved | None:
    """Count what a call will cost before it is made; None where the day's tokens would not do.

    Args:
        connection: in a write transaction.
        scope_id: whose call it is.
        now: the database's time.
        tokens: what it is reckoned to cost.
        most: what all may spend a day.
    """
    # One after the other, whosever calls they are: this row is in every database.
    one = select(schema_info.c.value).where(schema_info.c.name == "schema_version")
    connection.execute(one.with_for_update())
    if spent(connection, now)[0] + tokens > most:
        return None
    add(connection, scope_id, now, tokens=tokens)
    return Reserved(now, tokens)


def correct(connection: Connection, scope_id: int, reserved: Reserved, tokens: int) -> None:
    """Count what a call did cost instead of what was reserved for it, on the day of that."""
    add(connection, scope_id, reserved.at, tokens=tokens - reserved.tokens)


def add(
    connection: Connection, scope_id: int, now: datetime, *, tokens: int = 0, capped: int = 0
) -> None:
    """Count tokens spent, or jobs put off because the day's are spent."""
    if read_scope(connection, scope_id, hold=True) is not None:  # not erased meanwhile
        _add(connection, scope_id, now, tokens=tokens, capped=capped)


def add_injected(connection: Connection, scope_id: int, now: datetime, tokens: int) -> None:
    """Count tokens of notes sent along with a call; in a transaction that holds the scope."""
    _add(connection, scope_id, now, injected=tokens)


def _add(connection: Connection, scope_id: int, now: datetime, **more: int) -> None:
    here = (_c.scope_id == scope_id, _c.day == day_of(now))
    changed = connection.execute(
        update(spending).where(*here).values({name: _c[name] + n for name, n in more.items()})
    )
    if not changed.rowcount:
        counted = {"tokens": 0, "capped": 0, "injected": 0} | more
        connection.execute(spending.insert().values(scope_id=scope_id, day=day_of(now), **counted))


def spent(connection: Connection, now: datetime, scope_id: int | None = None) -> tuple[int, int]:
    """Tokens spent and jobs put off today, by one user or by all."""
    where = [_c.day == day_of(now)]
    if scope_id is not None:
        where.append(_c.scope_id == scope_id)
    row = connection.execute(select(func.sum(_c.tokens), func.sum(_c.capped)).where(*where)).one()
    return int(row[0] or 0), int(row[1] or 0)


def by_day(connection: Connection, scope_id: int) -> tuple[DayTokens, ...]:
    """What one user's days came to, the latest first."""
    found = connection.execute(
        select(_c.day, _c.injected, _c.tokens, _c.capped)
        .where(_c.scope_id == scope_id)
        .order_by(_c.day.desc())
        .limit(_DAYS)
    )
    return tuple(DayTokens(*row) for row in found)
