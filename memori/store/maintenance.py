"""Work that comes due: purging what was forgotten long ago, cleaning the file, releasing."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import Connection, delete, select, update

from memori.errors import NotFound
from memori.model import Receipt
from memori.store import audit, memories, turns
from memori.store.forgetting import KEEP_DAYS
from memori.store.operations import Write
from memori.store.scopes import OWNED
from memori.store.tables import memories as memory_rows
from memori.store.tables import schema_info, scopes
from memori.store.tables import turns as turn_rows

_SCRUB = "scrub_due"
_RETAINED = "retained_at"
ScrubStep = Literal["compact", "truncate"]


def scopes_due(connection: Connection, now: datetime) -> list[int]:
    """Scopes that hold something forgotten longer ago than it is kept."""
    limit = now - timedelta(days=KEEP_DAYS)
    due: set[int] = set()
    for table in (memory_rows, turn_rows):
        due |= set(
            connection.execute(
                select(table.c.scope_id)
                .join(scopes, scopes.c.scope_id == table.c.scope_id)
                .where(table.c.forgotten_at <= limit, OWNED)
                .distinct()
            ).scalars()
        )
    return sorted(due)


def ask_for_scrub(connection: Connection, step: ScrubStep = "compact") -> None:
    """Note that deleted rows may have left bytes in the files, and what is to be done next."""
    if scrub_step(connection) is None:
        connection.execute(schema_info.insert().values(name=_SCRUB, value=step))
    else:
        wanted = schema_info.update().where(schema_info.c.name == _SCRUB)
        connection.execute(wanted.values(value=step))


def scrub_step(connection: Connection) -> ScrubStep | None:
    """What a purge still waits for, if anything."""
    found = select(schema_info.c.value).where(schema_info.c.name == _SCRUB)
    return connection.execute(found).scalar_one_or_none()


def scrub_is_done(connection: Connection) -> None:
    """Take the note away."""
    connection.execute(delete(schema_info).where(schema_info.c.name == _SCRUB))


def retained_at(connection: Connection) -> datetime | None:
    """When the retention rules were last applied to the whole database."""
    found = select(schema_info.c.value).where(schema_info.c.name == _RETAINED)
    text = connection.execute(found).scalar_one_or_none()
    return None if text is None else datetime.fromisoformat(text)


def note_retained(connection: Connection, at: datetime) -> None:
    """Note that they were."""
    value = at.isoformat()
    known = update(schema_info).where(schema_info.c.name == _RETAINED).values(value=value)
    if retained_at(connection) is None:
        connection.execute(schema_info.insert().values(name=_RETAINED, value=value))
    else:
        connection.execute(known)


def release(w: Write, item_id: str) -> Receipt:
    """Let a quarantined item into recall.

    Raises:
        NotFound: nothing quarantined has this id.
    """
    memory = memories.find(w.connection, w.scope_id, item_id)
    turn = None if memory is not None else audit.find_turn(w.connection, w.scope_id, item_id)
    row = memory if memory is not None else turn and turn[0]
    if row is None or not row.quarantined or row.forgotten_at is not None:
        raise NotFound(f"nothing quarantined has the id {item_id}; list it with memori review")
    kind = "turn" if turn is not None else "memory"
    replaced: list[str] = []
    if turn is not None:
        turns.set_columns(w, row, {"quarantined": False})
        turns.index_row(w, turns.find(w, row))
    else:
        replaced = memories.release(w, row)
    w.event("released", kind, item_id)
    reason = "released from quarantine and recallable now"
    if replaced:
        reason += f"; it replaced {', '.join(replaced)}"
    return Receipt(
        status="superseded" if replaced else "stored",
        id=item_id,
        reason=reason,
        operation_id=w.operation_id,
        superseded=tuple(replaced),
    )
