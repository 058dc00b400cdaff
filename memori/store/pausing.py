"""When a scope pauses: written with its name, and looked at by every call that heeds it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select, update

from memori import pauses
from memori.pauses import FOR_EVER, Pause
from memori.store.operations import Write
from memori.store.tables import scopes

_c = scopes.c


def read(connection: Connection, scope_id: int) -> tuple[Pause, ...]:
    """The pauses of a scope, the oldest first."""
    found = connection.execute(select(_c.pauses).where(_c.scope_id == scope_id)).scalar()
    return pauses.read(found)


def current(connection: Connection, scope_id: int, now: datetime) -> Pause | None:
    """The pause under way, if there is one."""
    return next((each for each in read(connection, scope_id) if each.covers(now)), None)


def pause(w: Write, until: datetime | None) -> Pause:
    """Pause from now on; one that is under way already gets this end instead."""
    under_way = current(w.connection, w.scope_id, w.now)
    begun = Pause(w.now if under_way is None else under_way.since, until)
    others = [each for each in read(w.connection, w.scope_id) if each != under_way]
    _write(w, [*others, begun], FOR_EVER if until is None else until)
    w.event("paused", "scope", "pause", detail={"until": until and until.isoformat()})
    return begun


def resume(w: Write) -> Pause | None:
    """End the pause under way, if there is one; the one that ended."""
    under_way = current(w.connection, w.scope_id, w.now)
    if under_way is None:
        return None
    known = read(w.connection, w.scope_id)
    _write(w, pauses.ended(known, w.now), None)
    w.event("resumed", "scope", "pause")
    return Pause(under_way.since, w.now)


def _write(w: Write, known: list[Pause], until: datetime | None) -> None:
    w.connection.execute(
        update(scopes)
        .where(_c.scope_id == w.scope_id)
        .values(pauses=pauses.write(known, w.now), paused_until=until)
    )
