"""Writing memories: store, fold duplicates, supersede, hide and bring back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, select

from memori.errors import InvalidArgument, NotFound
from memori.ids import new_id
from memori.intake import NewMemory, memory_terms, offset_minutes
from memori.model import Receipt
from memori.store import entities, index, promotions
from memori.store.operations import Write, keyed_digest
from memori.store.prepared import Prepared
from memori.store.tables import (
    MEMORY_SHELF,
    events,
    memories,
    memory_sources,
    tombstones,
    turns,
)
from memori.text.analyser import normalised_key

_c = memories.c
_GIVEN = (
    "scope_id memory_no id content category importance confidence tags entities metadata source "
    "trust pinned evidence valid_from valid_from_offset valid_until valid_until_offset recorded_at "
    "supersedes content_hash active_hash length session_id agent_id quarantined operation_id"
).split()
_same = memories.alias()
_LAST_AND_CURRENT = Prepared(
    select(
        func.max(_c.memory_no),
        select(_same.c.memory_no)
        .where(_same.c.scope_id == bindparam("scope"), _same.c.active_hash == bindparam("hash"))
        .scalar_subquery(),
    ).where(_c.scope_id == bindparam("scope"))
)
_INSERT = Prepared(memories.insert(), _GIVEN)
_IS_CURRENT = Prepared(
    select(_c.memory_no).where(
        _c.scope_id == bindparam("scope"), _c.active_hash == bindparam("hash")
    )
)
_BY_HASH = select(
    _c.memory_no, _c.id, _c.evidence, _c.valid_until, _c.recorded_at, _c.quarantined
).where(_c.scope_id == bindparam("scope"), _c.active_hash == bindparam("hash"))
_BY_ID = select(memories).where(_c.scope_id == bindparam("scope"), _c.id == bindparam("id"))
_IS_TOMBSTONED = select(tombstones.c.at).where(
    tombstones.c.scope_id == bindparam("scope"), tombstones.c.digest == bindparam("digest")
)
_ANY_TOMBSTONE = Prepared(
    select(tombstones.c.operation_id).where(tombstones.c.scope_id == bindparam("scope")).limit(1)
)


def remember(w: Write, new: NewMemory) -> Receipt:
    """Write one memory, or find that it is already there.

    Args:
        w: the write under way.
        new: the memory, cleaned.

    Returns:
        The receipt; for `rejected` nothing was written.

    Raises:
        NotFound: a memory it supersedes or a turn it comes from does not exist.
        InvalidArgument: a memory it supersedes was superseded before.
    """
    if new.source == "import" and is_tombstoned(w, memory_digest(w, new.key)):
        return _receipt(w, new, "rejected", None, "it was forgotten here and stays forgotten")
    named = [_supersedable(w, old) for old in new.supersedes]
    # What nobody trusts yet must not push out what is believed; a release does it then.
    olds = [] if new.quarantined else named
    digest = active_hash(w, new.key, quarantined=new.quarantined)
    [(last, known)] = _LAST_AND_CURRENT.run(w.connection, {"scope": w.scope_id, "hash": digest})
    current = None if known is None else _current(w, digest)
    if current is not None:
        return confirm(w, new, current, [old for old in olds if old.id != current.id])

    if olds and new.valid_from is None:
        # What replaces something holds from now on, unless it says otherwise.
        new = replace(new, valid_from=w.now, terms=memory_terms(new.content, w.now))
    memory_id = new_id()
    memory_no = (last or 0) + 1
    _INSERT.run(w.connection, {"memory_no": memory_no, **_row(w, new, memory_id, digest, olds)})
    place = (MEMORY_SHELF, memory_no)
    if not new.quarantined:
        index.add_items(w.connection, w.scope_id, w.index_state, [(place, new.terms)])
        index.set_labels(
            w.connection,
            w.scope_id,
            place,
            tags=new.tags,
            entities=new.entities,
            metadata=new.metadata,
        )
        entities.note(w, new.entities)
    link_sources(w, memory_no, new.sources)
    for old in olds:
        retire(w, old, by=memory_id, since=new.valid_from or w.now)
    if new.quarantined:
        w.event(
            "quarantined",
            "memory",
            memory_id,
            reason="reads like an instruction",
            detail={"supersedes": [old.id for old in named]},
        )
        return _receipt(
            w,
            new,
            "quarantined",
            memory_id,
            f"it reads like an instruction and its source ({new.source}) is not trusted; it is "
            "kept out of recall, and replaces nothing, until a person releases it (memori review)",
        )
    w.event("stored", "memory", memory_id)
    if olds:
        replaced = ", ".join(old.id for old in olds)
        return _receipt(w, new, "superseded", memory_id, f"stored; it replaced {replaced}", olds)
    return _receipt(w, new, "stored", memory_id, "stored and recallable now")


def set_columns(w: Write, memory_no: int, values: Mapping[str, Any]) -> None:
    """Set columns of one memory."""
    w.connection.execute(
        memories.update()
        .where(_c.scope_id == w.scope_id, _c.memory_no == memory_no)
        .values(**values)
    )


def retire(w: Write, old: Row[Any], *, by: str, since: datetime) -> None:
    """Close the valid time of `old`: memory `by` is what holds since `since`."""
    set_columns(
        w,
        old.memory_no,
        {
            "retired_at": w.now,
            "superseded_by": by,
            "superseded_from": since,
            "active_hash": None,
        },
    )
    promotions.drop(w, [old.memory_no])
    w.event("superseded", "memory", old.id, detail={"by": by})


def reinstate(w: Write, row: Row[Any]) -> None:
    """Make a hidden memory visible, and current again unless something else holds by now."""
    values: dict[str, Any] = dict.fromkeys(("forgotten_at", "forgotten_by", "forgotten_with"))
    if row.superseded_by is None:
        values |= place_among_current(w, row)
    set_columns(w, row.memory_no, values)
    index_row(w, row)


def place_among_current(w: Write, row: Row[Any]) -> dict[str, Any]:
    """The columns of a memory that holds again: current, or replaced by one that says the same."""
    current = _current(w, row.content_hash)
    if current is None or current.memory_no == row.memory_no:
        return {
            "active_hash": row.content_hash,
            "retired_at": None,
            "superseded_by": None,
            "superseded_from": None,
        }
    return {
        "active_hash": None,
        "retired_at": w.now,
        "superseded_by": current.id,
        "superseded_from": w.now,
    }


def index_row(w: Write, row: Row[Any]) -> None:
    """Put a stored memory into the index, unless it is quarantined."""
    if row.quarantined:
        return
    place = (MEMORY_SHELF, row.memory_no)
    index.add_items(w.connection, w.scope_id, w.index_state, [(place, terms_of(row))])
    index.set_labels(
        w.connection,
        w.scope_id,
        place,
        tags=row.tags,
        entities=row.entities,
        metadata=row.metadata,
    )
    entities.note(w, row.entities)


def release(w: Write, row: Row[Any]) -> list[str]:
    """Take a memory out of quarantine; it becomes current unless the same text already is.

    Returns:
        The ids of what it was meant to replace and replaces now.
    """
    wanted = w.connection.execute(
        select(events.c.detail).where(
            events.c.scope_id == w.scope_id,
            events.c.item_id == row.id,
            events.c.action == "quarantined",
        )
    ).scalars()
    ids = [old for detail in wanted for old in detail.get("supersedes", ())]
    olds = [
        old for old in (find(w.connection, w.scope_id, each) for each in ids) if old is not None
    ]
    olds = [old for old in olds if old.forgotten_at is None and old.superseded_by is None]
    since = row.valid_from or (w.now if olds else None)
    digest = active_hash(w, normalised_key(row.content), quarantined=False)
    set_columns(
        w,
        row.memory_no,
        {
            "quarantined": False,
            "content_hash": digest,
            "active_hash": None,
            "valid_from": since,
            "length": sum(memory_terms(row.content, since).values()),
            "supersedes": olds[0].id if olds else None,
        },
    )
    for old in olds:
        retire(w, old, by=row.id, since=since or w.now)
    released = find(w.connection, w.scope_id, row.id)
    if released is not None:
        reinstate(w, released)
    return [old.id for old in olds]


def hide(w: Write, row: Row[Any], root: str | None = None) -> None:
    """Take a memory out of sight and out of the index; it is no longer current.

    `root` is the id a person named when it goes because of a forget.
    """
    if not row.quarantined:
        place = (MEMORY_SHELF, row.memory_no)
        index.remove_items(w.connection, w.scope_id, w.index_state, [(place, terms_of(row))])
        index.clear_labels(w.connection, w.scope_id, place)
    set_columns(
        w,
        row.memory_no,
        {
            "forgotten_at": w.now,
            "forgotten_by": w.operation_id,
            "forgotten_with": root,
            "active_hash": None,
        },
    )
    promotions.drop(w, [row.memory_no])


def link_sources(w: Write, memory_no: int, turn_ids: Sequence[str]) -> list[str]:
    """Say which turns a memory comes from; known links stay. The ids of those that are new."""
    linked: list[str] = []
    for turn_id in turn_ids:
        turn = _source(w, turn_id)
        key = (
            memory_sources.c.scope_id == w.scope_id,
            memory_sources.c.memory_no == memory_no,
            memory_sources.c.session_no == turn.session_no,
            memory_sources.c.seq == turn.seq,
        )
        if w.connection.execute(select(memory_sources.c.seq).where(*key)).first() is None:
            w.connection.execute(
                memory_sources.insert().values(
                    scope_id=w.scope_id,
                    memory_no=memory_no,
                    session_no=turn.session_no,
                    seq=turn.seq,
                )
            )
            linked.append(turn_id)
    return linked


def _source(w: Write, turn_id: str) -> Row[Any]:
    turn: Any = w.connection.execute(
        select(turns.c.session_no, turns.c.seq).where(
            turns.c.scope_id == w.scope_id, turns.c.id == turn_id
        )
    ).one_or_none()
    if turn is None:
        raise NotFound(f"no turn {turn_id} here; sources are ids of recorded turns")
    return turn


def unlink_sources(w: Write, memory_no: int, turn_ids: Sequence[str]) -> None:
    """Take links to turns away again."""
    for turn_id in turn_ids:
        turn = select(turns.c.session_no, turns.c.seq).where(
            turns.c.scope_id == w.scope_id, turns.c.id == turn_id
        )
        for row in w.connection.execute(turn).fetchall():
            w.connection.execute(
                memory_sources.delete().where(
                    memory_sources.c.scope_id == w.scope_id,
                    memory_sources.c.memory_no == memory_no,
                    memory_sources.c.session_no == row.session_no,
                    memory_sources.c.seq == row.seq,
                )
            )


def has_sources(w: Write, memory_no: int) -> bool:
    """Whether a memory comes from turns."""
    s = memory_sources.c
    found = select(s.seq).where(s.scope_id == w.scope_id, s.memory_no == memory_no).limit(1)
    return w.connection.execute(found).first() is not None


def most_trusted_source(w: Write, memory_no: int) -> float | None:
    """The trust of the turn trusted most among those a memory comes from."""
    s, t = memory_sources.c, turns.c
    return w.connection.execute(
        select(func.max(t.trust))
        .join(
            memory_sources,
            (s.scope_id == t.scope_id) & (s.session_no == t.session_no) & (s.seq == t.seq),
        )
        .where(s.scope_id == w.scope_id, s.memory_no == memory_no, t.forgotten_at.is_(None))
    ).scalar_one()


def find(connection: Connection, scope_id: int, memory_id: str) -> Row[Any] | None:
    """The row of one memory of this scope."""
    return connection.execute(_BY_ID, {"scope": scope_id, "id": memory_id}).one_or_none()


def named(connection: Connection, scope_id: int, ids: Sequence[str]) -> Sequence[Row[Any]]:
    """The rows of those memories of this scope that are there."""
    return connection.execute(
        select(memories).where(_c.scope_id == scope_id, _c.id.in_(ids))
    ).fetchall()


def active_hash(w: Write, key: str, *, quarantined: bool) -> str:
    """What makes a current memory unique in its scope; a quarantined one blocks no real one."""
    return content_hash(w.digest_key, key, quarantined=quarantined)


def content_hash(digest_key: bytes, key: str, *, quarantined: bool) -> str:
    """The digest of a memory's normalised text."""
    return keyed_digest(digest_key, "quarantined" if quarantined else "memory", key)


def memory_digest(w: Write, key: str) -> str:
    """The tombstone of a forgotten statement."""
    return w.digest("forgotten memory", key)


def is_tombstoned(w: Write, digest: str) -> bool:
    """Whether something with this digest was forgotten here."""
    found = w.connection.execute(_IS_TOMBSTONED, {"scope": w.scope_id, "digest": digest})
    return found.first() is not None


def has_tombstones(w: Write) -> bool:
    """Whether anything was ever forgotten in this scope."""
    return bool(_ANY_TOMBSTONE.run(w.connection, {"scope": w.scope_id}))


def terms_of(row: Row[Any]) -> Mapping[str, int]:
    """The index terms of a stored memory, as they were made when it was written."""
    return memory_terms(row.content, row.valid_from)


def _current(w: Write, digest: str) -> Row[Any] | None:
    if not _IS_CURRENT.run(w.connection, {"scope": w.scope_id, "hash": digest}):
        return None
    row: Any = w.connection.execute(_BY_HASH, {"scope": w.scope_id, "hash": digest}).one_or_none()
    if row is not None and row.valid_until is not None and row.valid_until <= w.now:
        # It has run out, so saying it again makes a new memory.
        set_columns(w, row.memory_no, {"active_hash": None})
        return None
    return row


def confirm(w: Write, new: NewMemory, current: Row[Any], olds: Sequence[Row[Any]] = ()) -> Receipt:
    """Let a current memory stand for what is said again; its evidence grows.

    Args:
        w: the write under way.
        new: what is said.
        current: the memory that says it already.
        olds: what it replaces.
    """
    set_columns(w, current.memory_no, {"evidence": current.evidence + 1})
    # What was stated by itself does not come to depend on the turns that confirm it.
    derived = has_sources(w, current.memory_no)
    if not derived:
        for turn_id in new.sources:
            _source(w, turn_id)
    linked = link_sources(w, current.memory_no, new.sources if derived else ())
    w.event("confirmed", "memory", current.id, detail={"sources": linked} if linked else None)
    for old in olds:
        retire(w, old, by=current.id, since=new.valid_from or w.now)
    since = f"already known since {current.recorded_at:%Y-%m-%d}; its evidence grew"
    if olds:
        replaced = ", ".join(old.id for old in olds)
        return _receipt(w, new, "superseded", current.id, f"{since}; it replaced {replaced}", olds)
    if current.quarantined:
        since += ", and it is still quarantined"
    return _receipt(w, new, "duplicate", current.id, since)


def _supersedable(w: Write, memory_id: str) -> Row[Any]:
    row = find(w.connection, w.scope_id, memory_id)
    if row is None:
        raise NotFound(f"no memory {memory_id} here to supersede; look it up with search")
    if row.forgotten_at is not None:
        raise InvalidArgument(f"memory {memory_id} is forgotten and cannot be superseded")
    if row.superseded_by is not None:
        raise InvalidArgument(
            f"memory {memory_id} was already superseded by {row.superseded_by}; supersede that one"
        )
    return row


def _row(
    w: Write,
    new: NewMemory,
    memory_id: str,
    digest: str,
    olds: Sequence[Row[Any]],
) -> dict[str, Any]:
    return {
        "scope_id": w.scope_id,
        "id": memory_id,
        "content": new.content,
        "category": new.category,
        "importance": new.importance,
        "confidence": new.confidence,
        "tags": list(new.tags),
        "entities": list(new.entities),
        "metadata": dict(new.metadata),
        "source": new.source,
        "trust": new.trust,
        "pinned": new.pinned,
        "evidence": 1,
        "valid_from": new.valid_from,
        "valid_from_offset": offset_minutes(new.valid_from),
        "valid_until": new.valid_until,
        "valid_until_offset": offset_minutes(new.valid_until),
        "recorded_at": w.now,
        "supersedes": olds[0].id if olds else None,
        "content_hash": digest,
        "active_hash": digest,
        "length": sum(new.terms.values()),
        "session_id": new.session_id,
        "agent_id": new.agent_id,
        "quarantined": new.quarantined,
        "operation_id": w.operation_id,
    }


def _receipt(
    w: Write,
    new: NewMemory,
    status: Any,
    memory_id: str | None,
    reason: str,
    olds: Sequence[Row[Any]] = (),
) -> Receipt:
    if new.redacted:
        reason += f"; redacted before writing: {', '.join(new.redacted)}"
    return Receipt(
        status=status,
        id=memory_id,
        reason=reason,
        operation_id=w.operation_id,
        redacted=new.redacted,
        superseded=tuple(old.id for old in olds),
        session_id=new.session_id,
    )
