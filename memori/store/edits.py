"""Changing a memory: new content supersedes, anything else changes in place, kept as a version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, tzinfo
from typing import Any

from sqlalchemy import Row, func, select

from memori.errors import InvalidArgument, NotFound
from memori.intake import NewValues, memory_terms, prepare_memory
from memori.model import Receipt
from memori.store import entities, index, relations, rewording
from memori.store.memories import active_hash, find, remember, set_columns, terms_of
from memori.store.operations import Write
from memori.store.rows import in_offset, source_ids
from memori.store.tables import MEMORY_SHELF, memory_versions

#: Columns `update` may change without making a new memory.
EDITABLE = (
    "category",
    "importance",
    "confidence",
    "tags",
    "entities",
    "metadata",
    "pinned",
    "valid_from",
    "valid_from_offset",
    "valid_until",
    "valid_until_offset",
)


def update(w: Write, memory_id: str, edit: NewValues, zone: tzinfo) -> Receipt:
    """Change a memory: new content supersedes, anything else changes in place.

    Raises:
        NotFound: no such memory.
        InvalidArgument: it was forgotten or superseded, or its valid time would be empty.
    """
    row = find(w.connection, w.scope_id, memory_id)
    if row is None:
        raise NotFound(f"no memory {memory_id} here; look it up with search")
    if row.forgotten_at is not None:
        raise InvalidArgument(f"memory {memory_id} is forgotten; restore it first")
    if row.superseded_by is not None:
        raise InvalidArgument(
            f"memory {memory_id} was superseded by {row.superseded_by}; change that one"
        )
    values = edit.values
    begins = values.get("valid_from", row.valid_from)
    ends = values.get("valid_until", row.valid_until)
    if begins and ends and ends <= begins:
        raise InvalidArgument("valid_until must be later than valid_from")
    if "content" in values and values["content"] != row.content:
        return _reword(w, row, edit, zone)
    columns = {name: value for name, value in values.items() if name in EDITABLE}
    changed = {name: value for name, value in columns.items() if getattr(row, name) != value}
    if not changed:
        return _edited(w, edit, memory_id, "nothing changed: it was so already")
    _save_version(w, row)
    set_columns(w, row.memory_no, changed)
    refresh_index(w, row, changed)
    names = sorted(name for name in changed if not name.endswith("_offset"))
    w.event("changed", "memory", memory_id, detail={"fields": names})
    return _edited(w, edit, memory_id, f"changed: {', '.join(names)}")


def _reword(w: Write, row: Row[Any], edit: NewValues, zone: tzinfo) -> Receipt:
    """A memory of the new content that takes over everything else and supersedes the old one."""
    values = edit.values
    kept = {name: values.get(name, getattr(row, name)) for name in EDITABLE}
    said = relations.said_by(w, row.memory_no)
    now = None if said is None else rewording.still_said(said, row.content, values["content"])
    if said is not None and now is not None and "entities" not in values:
        kept["entities"] = rewording.renamed(row.entities, said, now)
    new = prepare_memory(
        values["content"],
        category=kept["category"],
        importance=kept["importance"],
        confidence=kept["confidence"],
        tags=kept["tags"],
        entities=kept["entities"],
        metadata=kept["metadata"],
        source=row.source,
        trust=row.trust,
        pinned=kept["pinned"],
        sources=source_ids(w.connection, w.scope_id, row.memory_no),
        valid_from=values.get("valid_from"),
        valid_until=in_offset(kept["valid_until"], kept["valid_until_offset"]),
        supersedes=row.id,
        session_id=row.session_id,
        agent_id=row.agent_id,
        zone=zone,
    )
    if active_hash(w, new.key, quarantined=new.quarantined) == row.active_hash:
        # Another spelling of the same statement is new content too, not a repetition of the old.
        set_columns(w, row.memory_no, {"active_hash": None})
    receipt = remember(w, replace(new, redacted=edit.redacted))
    if said is None or receipt.id is None:
        return receipt
    if rewording.note(w, receipt.id, now):
        return receipt
    return replace(receipt, reason=f"{receipt.reason}; its relation is dropped")


def _edited(w: Write, edit: NewValues, memory_id: str, reason: str) -> Receipt:
    if edit.redacted:
        reason += f"; redacted before writing: {', '.join(edit.redacted)}"
    return Receipt(
        status="stored",
        id=memory_id,
        reason=reason,
        operation_id=w.operation_id,
        redacted=edit.redacted,
    )


def _save_version(w: Write, row: Row[Any]) -> None:
    """Keep the editable columns of a memory as they are now."""
    before = {name: _plain(getattr(row, name)) for name in EDITABLE}
    v = memory_versions.c
    last = w.connection.execute(
        select(func.max(v.number)).where(v.scope_id == w.scope_id, v.memory_no == row.memory_no)
    ).scalar_one()
    w.connection.execute(
        memory_versions.insert().values(
            scope_id=w.scope_id,
            memory_no=row.memory_no,
            number=(last or 0) + 1,
            operation_id=w.operation_id,
            changed_at=w.now,
            before=before,
        )
    )


def refresh_index(w: Write, row: Row[Any], changed: Mapping[str, Any]) -> None:
    """Bring labels and date terms in line with changed columns."""
    terms = None
    if "valid_from" in changed:
        terms = memory_terms(row.content, changed["valid_from"])
        set_columns(w, row.memory_no, {"length": sum(terms.values())})
    if row.quarantined or row.forgotten_at is not None:
        return  # it is not in the index; coming back, it is indexed as it is then
    place = (MEMORY_SHELF, row.memory_no)
    if {"tags", "entities", "metadata"} & changed.keys():
        index.set_labels(
            w.connection,
            w.scope_id,
            place,
            tags=changed.get("tags", row.tags),
            entities=changed.get("entities", row.entities),
            metadata=changed.get("metadata", row.metadata),
            replace=True,
        )
        entities.note(w, changed.get("entities", ()))
    if terms is not None:
        index.remove_items(w.connection, w.scope_id, w.index_state, [(place, terms_of(row))])
        index.add_items(w.connection, w.scope_id, w.index_state, [(place, terms)])


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
