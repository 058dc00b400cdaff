"""How often memories are used: counted together, some time after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select, update

from memori.errors import NotFound
from memori.store import memories
from memori.store.operations import Write
from memori.store.scopes import read_scope
from memori.store.tables import memories as memory_rows
from memori.store.tables import promotions, uses

_c = uses.c
#: Uses a confirmation by a person counts as.
CONFIRMED_WEIGHT = 3.0
#: So many uses of late are worth half of what use can be worth.
HALF_USED = 3.0
#: Days after which a use counts half, where no setting says otherwise.
HALF_LIFE_DAYS = 14.0
_DAY = 86_400.0


@dataclass(slots=True)
class Used:
    """Uses of one memory since they were last written.

    Attributes:
        recalled: by recall, or said again.
        shown: in a working context. Counted, but it earns nothing: what is in short-term memory
            would stay there for being there.
        confirmed: by a person; may be taken back, and is negative then.
        weight: what they count for together.
    """

    recalled: int = 0
    shown: int = 0
    confirmed: int = 0
    weight: float = 0.0


def decay(amount: float, since: datetime | None, now: datetime, half_life: float) -> float:
    """What is left of an amount of `since`: half of it after each `half_life` days."""
    if since is None or amount <= 0:
        return 0.0
    days = max(0.0, (now - since).total_seconds() / _DAY)
    return amount * 0.5 ** (days / half_life)


def worth(used: float) -> float:
    """What uses are worth, from 0 to 1: the first ones count most."""
    return used / (used + HALF_USED)


def add(
    connection: Connection,
    scope_id: int,
    used: Mapping[str, Used],
    now: datetime,
    half_life: float,
) -> None:
    """Count uses of memories by id; those that are gone are left out.

    Args:
        connection: in a writing transaction.
        scope_id: whose memories.
        used: by memory id.
        now: when they were used.
        half_life: days after which earlier uses count half.
    """
    if read_scope(connection, scope_id, hold=True) is None:
        return  # erased meanwhile
    m = memory_rows.c
    numbers = connection.execute(
        select(m.memory_no, m.id).where(m.scope_id == scope_id, m.id.in_(sorted(used)))
    ).fetchall()
    known = {
        row.memory_no: row
        for row in connection.execute(
            select(uses).where(
                _c.scope_id == scope_id, _c.memory_no.in_([row.memory_no for row in numbers])
            )
        )
    }
    rows: list[dict[str, Any]] = []
    for number, memory_id in numbers:
        more, before = used[memory_id], known.get(number)
        row: dict[str, Any] = {"scope_id": scope_id, "memory_no": number}
        if before is None:
            row |= {"recalled": more.recalled, "shown": more.shown, "last_at": now}
            row |= {"confirmed": max(0, more.confirmed), "weight": max(0.0, more.weight)}
        else:
            left = decay(before.weight, before.last_at, now, half_life)
            row |= {
                "recalled": before.recalled + more.recalled,
                "shown": before.shown + more.shown,
                "confirmed": max(0, before.confirmed + more.confirmed),
                "weight": max(0.0, left + more.weight),
                "last_at": max(now, before.last_at),
            }
        rows.append(row)
    if rows:
        again = [row["memory_no"] for row in rows if row["memory_no"] in known]
        connection.execute(delete(uses).where(_c.scope_id == scope_id, _c.memory_no.in_(again)))
        connection.execute(uses.insert(), rows)
    if any(each.weight for each in used.values()):
        connection.execute(
            update(promotions).where(promotions.c.scope_id == scope_id).values(used_at=now)
        )


def confirm(w: Write, ids: Sequence[str], half_life: float, *, times: int = 1) -> tuple[str, ...]:
    """Count that a person confirmed memories.

    Args:
        w: the write under way.
        ids: memory ids.
        half_life: days after which earlier uses count half.
        times: 1, or -1 to take it back.

    Returns:
        The ids, each once.

    Raises:
        NotFound: one of them is no memory here, or is forgotten or replaced.
    """
    wanted = tuple(dict.fromkeys(ids))
    for memory_id in wanted if times > 0 else ():
        row = memories.find(w.connection, w.scope_id, memory_id)
        if row is None or row.forgotten_at is not None:
            raise NotFound(f"no memory {memory_id} here; look it up with search")
        if row.superseded_by is not None:
            raise NotFound(
                f"memory {memory_id} was superseded by {row.superseded_by}; confirm that one"
            )
    weight = times * CONFIRMED_WEIGHT
    used = {memory_id: Used(confirmed=times, weight=weight) for memory_id in wanted}
    add(w.connection, w.scope_id, used, w.now, half_life)
    for memory_id in wanted:
        w.event("useful" if times > 0 else "undone", "memory", memory_id)
    return wanted
