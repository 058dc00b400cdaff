"""Memories that learning put beside others it could not choose from, and choosing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from sqlalchemy import Connection, Row, and_, select

from memori.errors import NotFound
from memori.intake import prepare_edit
from memori.model import Memory, Receipt
from memori.store import edits, memories
from memori.store.index import exact_value, label_field
from memori.store.operations import Write
from memori.store.rows import to_memory
from memori.store.tables import MEMORY_SHELF, labels
from memori.store.tables import memories as memory_rows

#: The verb of the operation that a choice is.
VERB = "settle"
#: What learning says of a memory that may contradict another, and which those are.
UNCERTAIN, BESIDE = "uncertain", "beside"

_m = memory_rows.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A memory that may contradict others, which may hold just as well.

    Args:
        memory: what came second.
        beside: what was known.
    """

    memory: Memory
    beside: tuple[Memory, ...]


def listed(
    connection: Connection, scope_id: int, namespace: str, limit: int
) -> tuple[Conflict, ...]:
    """Conflicts of a scope that are not settled, the newest first."""
    found: list[Conflict] = []
    for row, others in _open(connection, scope_id):
        beside = tuple(to_memory(other, namespace) for other in others)
        found.append(Conflict(memory=to_memory(row, namespace), beside=beside))
        if len(found) == limit:
            break
    return tuple(found)


def settle(w: Write, memory_id: str, zone: tzinfo, *, both: bool) -> Receipt:
    """Choose a memory of a conflict: it holds, and the others are superseded by it.

    Args:
        w: the write under way.
        memory_id: one of a conflict.
        zone: of times without one.
        both: it holds beside the others.

    Raises:
        NotFound: it is in no conflict.
    """
    conflict = next(
        (
            (row, others)
            for row, others in _open(w.connection, w.scope_id)
            if memory_id in {row.id, *(other.id for other in others)}
        ),
        None,
    )
    if conflict is None:
        raise NotFound(f"{memory_id} is in no conflict; list them with memori review")
    row, others = conflict
    lost = [] if both else [each for each in (row, *others) if each.id != memory_id]
    if row not in lost:
        left = {key: value for key, value in row.metadata.items() if key not in (UNCERTAIN, BESIDE)}
        edits.update(w, row.id, prepare_edit({"metadata": left}, zone=zone), zone)
    [kept] = [each for each in (row, *others) if each.id == memory_id]
    for each in lost:
        memories.retire(w, each, by=kept.id, since=w.now)
    w.event("settled", "memory", memory_id, detail={"beside": [each.id for each in others]})
    reason = "it holds, and so does what it stood beside"
    if lost:
        reason = f"it holds; it replaced {', '.join(each.id for each in lost)}"
    return Receipt(
        status="superseded" if lost else "stored",
        id=memory_id,
        reason=reason,
        operation_id=w.operation_id,
        superseded=tuple(each.id for each in lost),
    )


def _open(connection: Connection, scope_id: int) -> Sequence[tuple[Row[Any], tuple[Row[Any], ...]]]:
    """What is marked, with what it stands beside and still holds."""
    marked = connection.execute(
        select(memory_rows)
        .join(
            labels,
            and_(
                labels.c.scope_id == _m.scope_id,
                labels.c.session_no == MEMORY_SHELF,
                labels.c.seq == _m.memory_no,
                labels.c.field == label_field(UNCERTAIN),
                labels.c.value == exact_value(True),
            ),
        )
        .where(_m.scope_id == scope_id, _holds())
        .order_by(_m.memory_no.desc())
    ).fetchall()
    found: list[tuple[Row[Any], tuple[Row[Any], ...]]] = []
    for row in marked:
        ids = [str(each) for each in row.metadata.get(BESIDE, ())]
        others = connection.execute(
            select(memory_rows)
            .where(_m.scope_id == scope_id, _m.id.in_(ids), _holds())
            .order_by(_m.memory_no)
        ).fetchall()
        if others:
            found.append((row, tuple(others)))
    return found


def _holds() -> Any:
    return and_(_m.forgotten_at.is_(None), _m.superseded_by.is_(None), _m.quarantined.is_(False))
