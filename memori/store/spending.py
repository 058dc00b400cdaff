"""What the memory agent's model costs, and what notes cost, by user and day (UTC)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, func, select, update

from memori.store.scopes import read_scope
from memori.store.tables import spending

_c = spending.c


def day_of(now: datetime) -> str:
    """The day a time is counted in."""
    return f"{now.astimezone(UTC):%Y-%m-%d}"


def next_day(now: datetime) -> datetime:
    """When the next day begins."""
    later = now.astimezone(UTC) + timedelta(days=1)
    return later.replace(hour=0, minute=0, second=0, microsecond=0)


@dataclass(frozen=True, slots=True)
class Spent:
    """Of one day: tokens the model took, jobs put off, tokens of notes sent with calls."""

    tokens: int
    capped: int
    injected: int


def add(
    connection: Connection,
    scope_id: int,
    now: datetime,
    *,
    tokens: int = 0,
    capped: int = 0,
    injected: int = 0,
) -> None:
    """Count tokens spent, jobs put off because the day's are spent, or tokens of notes sent."""
    if read_scope(connection, scope_id, hold=True) is None:
        return  # erased meanwhile
    here = (_c.scope_id == scope_id, _c.day == day_of(now))
    changed = connection.execute(
        update(spending)
        .where(*here)
        .values(
            tokens=_c.tokens + tokens,
            capped=_c.capped + capped,
            injected=_c.injected + injected,
        )
    )
    if not changed.rowcount:
        connection.execute(
            spending.insert().values(
                scope_id=scope_id,
                day=day_of(now),
                tokens=tokens,
                capped=capped,
                injected=injected,
            )
        )


def spent(connection: Connection, now: datetime, scope_id: int | None = None) -> Spent:
    """What today has cost, one user or all."""
    where = [_c.day == day_of(now)]
    if scope_id is not None:
        where.append(_c.scope_id == scope_id)
    sums = [func.sum(column) for column in (_c.tokens, _c.capped, _c.injected)]
    row = connection.execute(select(*sums).where(*where)).one()
    return Spent(*(int(value or 0) for value in row))
