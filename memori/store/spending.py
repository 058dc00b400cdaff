"""What the memory agent's model costs, by user and day (UTC)."""

from __future__ import annotations

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


def add(
    connection: Connection, scope_id: int, now: datetime, *, tokens: int = 0, capped: int = 0
) -> None:
    """Count tokens spent, or jobs put off because the day's are spent."""
    if read_scope(connection, scope_id, hold=True) is None:
        return  # erased meanwhile
    here = (_c.scope_id == scope_id, _c.day == day_of(now))
    changed = connection.execute(
        update(spending).where(*here).values(tokens=_c.tokens + tokens, capped=_c.capped + capped)
    )
    if not changed.rowcount:
        connection.execute(
            spending.insert().values(
                scope_id=scope_id, day=day_of(now), tokens=tokens, capped=capped
            )
        )


def spent(connection: Connection, now: datetime, scope_id: int | None = None) -> tuple[int, int]:
    """Tokens spent and jobs put off today, by one user or by all."""
    where = [_c.day == day_of(now)]
    if scope_id is not None:
        where.append(_c.scope_id == scope_id)
    row = connection.execute(select(func.sum(_c.tokens), func.sum(_c.capped)).where(*where)).one()
    return int(row[0] or 0), int(row[1] or 0)
