"""Writing turns: a conversation's messages, verbatim and in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, bindparam, func, select

from memori.ids import new_id
from memori.intake import NewTurn, offset_minutes
from memori.model import Receipt, Status, as_json
from memori.store import index, jobs, spending
from memori.store.memories import has_tombstones, is_tombstoned
from memori.store.operations import Write, revive
from memori.store.prepared import Prepared
from memori.store.rows import in_offset
from memori.store.tables import sessions, turns
from memori.text.analyser import index_terms, normalised_key


class KnownSession(NamedTuple):
    """A session as far as writing needs it."""

    session_no: int
    next_seq: int
    started_at: datetime | None
    last_at: datetime | None


_FIND_SESSION = Prepared(
    select(*(sessions.c[name] for name in KnownSession._fields)).where(
        sessions.c.scope_id == bindparam("scope"),
        sessions.c.session_id == bindparam("session_id"),
    )
)
_LAST_SESSION = Prepared(
    select(func.max(sessions.c.session_no)).where(sessions.c.scope_id == bindparam("scope"))
)
_INSERT_SESSION = Prepared(sessions.insert(), [column.name for column in sessions.columns])
_INSERT_TURN = Prepared(
    turns.insert(),
    [column.name for column in turns.columns if not column.name.startswith("forgotten")],
)
_BY_KEYS = select(turns).where(
    turns.c.scope_id == bindparam("scope"),
    turns.c.session_no == bindparam("session"),
    turns.c.turn_key.in_(bindparam("keys", expanding=True)),
)
_TOUCH_SESSION = Prepared(
    sessions.update()
    .where(sessions.c.scope_id == bindparam("scope"), sessions.c.session_no == bindparam("session"))
    .values(next_seq=bindparam("next"), started_at=bindparam("started"), last_at=bindparam("last"))
)
_STORED = "stored and recallable now"
_PASSING = (
    "stored and recallable until it was learnt from, then deleted (retention.store_turns = false)"
)
_NOT_LEARNT = (
    "turns are not kept (retention.store_turns = false), and nothing is learnt from this one; "
    "pass learn=True, set learning.enabled = true, or let turns be stored"
)
_NOT_REVIEWED = (
    "it reads like an instruction, its source ({source}) is not trusted, and turns are not kept "
    "for a person to review (retention.store_turns = false)"
)
_BACK = "it had been undone and is back"

Given = NewTurn | str
"""A turn to record, or the reason it is rejected."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a record answers: its receipts, and the `seq` of those written now, by number."""

    session_id: str
    receipts: tuple[Receipt, ...]
    seqs: Mapping[int, int]


def record(
    w: Write,
    session_id: str,
    given: Sequence[Given],
    agent_id: str | None,
    *,
    learn: bool = False,
    drop: bool = False,
    injected: int = 0,
) -> Recorded:
    """Append turns to a session in the order given.

    Args:
        w: the write under way.
        session_id: the conversation; made when it is new.
        given: each turn, cleaned, or why it cannot be kept.
        agent_id: recorded on each turn.
        learn: ask for those written now to be learnt from, in the same transaction.
        drop: keep them only until then.
        injected: tokens of notes that went with the call, to be counted.

    Returns:
        One receipt a turn, in the same order, and where the stored ones are.
    """
    fresh = [turn for turn in given if isinstance(turn, NewTurn)]
    session = find_session(w.connection, w.scope_id, session_id)
    known = _known_rows(w, session.session_no, fresh) if session is not None else {}
    new: dict[str, tuple[str, str]] = {}
    receipts: list[Receipt] = []
    seqs: dict[int, int] = {}
    rows: list[dict[str, Any]] = []
    items: list[tuple[index.Place, Mapping[str, int]]] = []
    session_no, seq = _number(w, session)
    first = seq
    forgetful = has_tombstones(w)
    for turn in given:
        if isinstance(turn, str):
            receipts.append(_receipt(w, session_id, None, "rejected", None, turn))
            continue
        key = None if turn.key is None else w.digest("turn", turn.key)
        if key is not None and key in known:
            receipts.append(_again(w, session_id, turn, known[key]))
            continue
        if key is not None and key in new:
            receipts.append(_compare(w, session_id, turn, *new[key]))
            continue
        if forgetful and _was_forgotten(w, session_id, turn, key):
            reason = "it was forgotten here and stays forgotten"
            receipts.append(_receipt(w, session_id, turn, "rejected", None, reason))
            continue
        turn_id = new_id()
        rows.append(_row(w, turn, turn_id, key, session_no, seq, agent_id))
        if not turn.quarantined:
            items.append(((session_no, seq), turn.terms))
        if key is not None:
            new[key] = (turn_id, turn.content)
        seqs[len(receipts)] = seq
        receipts.append(_stored(w, session_id, turn, turn_id, drop=drop))
        seq += 1
    if rows:
        times = [row["at"] for row in rows if row["at"] is not None]
        _write_session(w, session, session_id, session_no, agent_id, seq, times)
        for row in rows:
            _INSERT_TURN.run(w.connection, row)
        if items:
            index.add_items(w.connection, w.scope_id, w.index_state, items)
        _label(w, rows)
        detail = {"first_seq": first, "last_seq": seq - 1}
        w.event("recorded", "session", session_id, detail=detail)
        if learn and (drop or any(row["source"] in jobs.LEARNT_FROM for row in rows)):
            jobs.enqueue(w, session_no, first, seq - 1, drop=drop)
    if injected:
        spending.add_injected(w.connection, w.scope_id, w.now, injected)
    return Recorded(session_id, tuple(receipts), seqs)


def refuse(given: Sequence[Given], *, learn: bool) -> list[Given]:
    """What is left of turns where none is kept for longer than it takes to learn from them.

    Args:
        given: each turn, cleaned, or why it cannot be kept.
        learn: whether they are learnt from.
    """
    left: list[Given] = []
    for turn in given:
        if isinstance(turn, NewTurn) and not learn:
            left.append(_NOT_LEARNT)
        elif isinstance(turn, NewTurn) and turn.quarantined:
            left.append(_NOT_REVIEWED.format(source=turn.source))
        else:
            left.append(turn)
    return left


def find_session(connection: Connection, scope_id: int, session_id: str) -> KnownSession | None:
    """A session of this scope by its id."""
    found = _FIND_SESSION.run(connection, {"scope": scope_id, "session_id": session_id})
    return KnownSession(*found[0]) if found else None


def find(w: Write, row: Row[Any]) -> Row[Any]:
    """The row as it is now."""
    c = turns.c
    return w.connection.execute(
        select(turns).where(
            c.scope_id == w.scope_id, c.session_no == row.session_no, c.seq == row.seq
        )
    ).one()


def pack(recorded: Recorded) -> dict[str, Any]:
    """The answer of a record as it is kept: what `unpack` cannot read from the turns.

    Plainly stored turns are kept as runs `[first number, first seq, how many]`; `passing` says
    that they were kept only until they were learnt from.
    """
    others: dict[str, Any] = {}
    runs: list[list[int]] = []
    plain = (_STORED, _PASSING)
    for number, receipt in enumerate(recorded.receipts):
        seq = recorded.seqs.get(number)
        # `_stored` gives another reason when there is more to say.
        if seq is None or receipt.status != "stored" or receipt.reason not in plain:
            others[str(number)] = as_json(receipt)
        elif runs and [runs[-1][0] + runs[-1][2], runs[-1][1] + runs[-1][2]] == [number, seq]:
            runs[-1][2] += 1
        else:
            runs.append([number, seq, 1])
    total = len(recorded.receipts)
    answer: dict[str, Any] = {"session_id": recorded.session_id, "total": total}
    passing = any(receipt.reason == _PASSING for receipt in recorded.receipts)
    return answer | {"runs": runs, "others": others} | ({"passing": True} if passing else {})


def unpack(w: Write, answer: Mapping[str, Any]) -> Recorded:
    """The receipts of an earlier record; what was purged since is said to be."""
    receipts = {int(number): revive(Receipt, value) for number, value in answer["others"].items()}
    c = turns.c
    stored = {
        row.seq: row
        for row in w.connection.execute(
            select(c.seq, c.id, c.external_id).where(
                c.scope_id == w.scope_id, c.operation_id == w.operation_id
            )
        )
    }
    there: tuple[Status, str] = ("stored", _STORED)
    gone: tuple[Status, str] = ("rejected", "it was stored and purged since")
    if answer.get("passing"):
        there = ("stored", _PASSING)
        gone = ("duplicate", "it was stored then, learnt from, and deleted since")
    for first, first_seq, count in answer["runs"]:
        for step in range(count):
            row = stored.get(first_seq + step)
            status, reason = there if row is not None else gone
            receipts[first + step] = Receipt(
                status=status,
                id=row.id if row is not None else None,
                reason=reason,
                operation_id=w.operation_id,
                session_id=answer["session_id"],
                external_id=row.external_id if row is not None else None,
            )
    ordered = tuple(receipts[number] for number in range(answer["total"]))
    return Recorded(answer["session_id"], ordered, {})


def brought_back(answer: Mapping[str, Any]) -> list[str]:
    """Of the answer of a record: turns that another one had written and an undo had hidden."""
    return [each["id"] for each in answer["others"].values() if each["reason"].startswith(_BACK)]


def terms_of(row: Row[Any]) -> Mapping[str, int]:
    """The index terms of a stored turn, as they were made when it was written."""
    return index_terms(row.content, row.speaker, in_offset(row.at, row.at_offset))


def set_columns(w: Write, row: Row[Any], values: Mapping[str, Any]) -> None:
    """Set columns of one turn."""
    w.connection.execute(
        turns.update()
        .where(
            turns.c.scope_id == w.scope_id,
            turns.c.session_no == row.session_no,
            turns.c.seq == row.seq,
        )
        .values(**values)
    )


def reinstate(w: Write, row: Row[Any]) -> None:
    """Make a hidden turn visible again."""
    set_columns(w, row, dict.fromkeys(("forgotten_at", "forgotten_by", "forgotten_with")))
    index_row(w, row)


def index_row(w: Write, row: Row[Any]) -> None:
    """Put a stored turn into the index, unless it is quarantined."""
    if row.quarantined:
        return
    place = (row.session_no, row.seq)
    index.add_items(w.connection, w.scope_id, w.index_state, [(place, terms_of(row))])
    index.set_labels(w.connection, w.scope_id, place, metadata=row.metadata)


def hide(w: Write, row: Row[Any], root: str | None = None) -> None:
    """Take a turn out of sight and out of the index; `root` as in `memories.hide`."""
    if not row.quarantined:
        place = (row.session_no, row.seq)
        index.remove_items(w.connection, w.scope_id, w.index_state, [(place, terms_of(row))])
        index.clear_labels(w.connection, w.scope_id, place)
    set_columns(
        w,
        row,
        {"forgotten_at": w.now, "forgotten_by": w.operation_id, "forgotten_with": root},
    )


def turn_digests(w: Write, session_id: str, row: Row[Any]) -> tuple[str, ...]:
    """The tombstones of a forgotten turn: by its key, and by what was said where."""
    said = w.digest("forgotten turn", session_id, row.role, normalised_key(row.content))
    if row.turn_key is None:
        return (said,)
    return (w.digest("forgotten key", session_id, row.turn_key), said)


def _was_forgotten(w: Write, session_id: str, turn: NewTurn, key: str | None) -> bool:
    if key is not None and is_tombstoned(w, w.digest("forgotten key", session_id, key)):
        return True
    # A live conversation may repeat a forgotten sentence; an import must not bring it back.
    if turn.source != "import":
        return False
    said = w.digest("forgotten turn", session_id, turn.role, turn.text_key)
    return is_tombstoned(w, said)


def _known_rows(w: Write, session_no: int, fresh: Sequence[NewTurn]) -> dict[str, Row[Any]]:
    keys = [w.digest("turn", turn.key) for turn in fresh if turn.key is not None]
    if not keys:
        return {}
    found = w.connection.execute(
        _BY_KEYS, {"scope": w.scope_id, "session": session_no, "keys": keys}
    )
    return {row.turn_key: row for row in found}


def _number(w: Write, session: KnownSession | None) -> tuple[int, int]:
    if session is not None:
        return session.session_no, session.next_seq
    [(last,)] = _LAST_SESSION.run(w.connection, {"scope": w.scope_id})
    return (last or 0) + 1, 0


def _write_session(
    w: Write,
    session: KnownSession | None,
    session_id: str,
    session_no: int,
    agent_id: str | None,
    next_seq: int,
    times: Sequence[datetime],
) -> None:
    if session is None:
        _INSERT_SESSION.run(
            w.connection,
            {
                "scope_id": w.scope_id,
                "session_no": session_no,
                "session_id": session_id,
                "agent_id": agent_id,
                "next_seq": next_seq,
                "started_at": min(times, default=None),
                "last_at": max(times, default=None),
                "recorded_at": w.now,
            },
        )
        return
    started = [*times, *([session.started_at] if session.started_at else [])]
    last = [*times, *([session.last_at] if session.last_at else [])]
    _TOUCH_SESSION.run(
        w.connection,
        {
            "scope": w.scope_id,
            "session": session_no,
            "next": next_seq,
            "started": min(started, default=None),
            "last": max(last, default=None),
        },
    )


def _label(w: Write, rows: Sequence[Mapping[str, Any]]) -> None:
    for row in rows:
        if row["metadata"] and not row["quarantined"]:
            place = (row["session_no"], row["seq"])
            index.set_labels(w.connection, w.scope_id, place, metadata=row["metadata"])


def _row(
    w: Write,
    turn: NewTurn,
    turn_id: str,
    key: str | None,
    session_no: int,
    seq: int,
    agent_id: str | None,
) -> dict[str, Any]:
    return {
        "scope_id": w.scope_id,
        "session_no": session_no,
        "seq": seq,
        "id": turn_id,
        "role": turn.role,
        "speaker": turn.speaker,
        "content": turn.content,
        "at": turn.at,
        "at_offset": offset_minutes(turn.at),
        "external_id": turn.external_id,
        "turn_key": key,
        "source": turn.source,
        "trust": turn.trust,
        "agent_id": agent_id,
        "metadata": dict(turn.metadata),
        "length": sum(turn.terms.values()),
        "quarantined": turn.quarantined,
        "recorded_at": w.now,
        "operation_id": w.operation_id,
    }


def _again(w: Write, session_id: str, turn: NewTurn, known: Row[Any]) -> Receipt:
    """The receipt of a turn whose key is there already."""
    if known.forgotten_at is None or known.content != turn.content:
        return _compare(w, session_id, turn, known.id, known.content)
    if any(is_tombstoned(w, digest) for digest in turn_digests(w, session_id, known)):
        reason = "it was forgotten here and stays forgotten; restore it to have it back"
        return _receipt(w, session_id, turn, "rejected", None, reason)
    reinstate(w, known)  # only an undo hid it, and here it is given again
    w.event("restored", "turn", known.id)
    if known.quarantined:
        reason = f"{_BACK}, still quarantined"
        return _receipt(w, session_id, turn, "quarantined", known.id, reason)
    return _receipt(w, session_id, turn, "stored", known.id, _BACK)


def _compare(w: Write, session_id: str, turn: NewTurn, turn_id: str, content: str) -> Receipt:
    if content == turn.content:
        return _receipt(w, session_id, turn, "duplicate", turn_id, "already recorded")
    reason = (
        f"turn {turn.external_id!r} of this session already holds another text; "
        "use another id, or forget the old one first"
    )
    return _receipt(w, session_id, turn, "rejected", None, reason)


def _stored(w: Write, session_id: str, turn: NewTurn, turn_id: str, *, drop: bool) -> Receipt:
    if turn.quarantined:
        reason = (
            f"it reads like an instruction and its source ({turn.source}) is not trusted; it is "
            "kept out of recall until a person releases it (memori review)"
        )
        return _receipt(w, session_id, turn, "quarantined", turn_id, reason)
    return _receipt(w, session_id, turn, "stored", turn_id, _PASSING if drop else _STORED)


def _receipt(
    w: Write,
    session_id: str,
    turn: NewTurn | None,
    status: Status,
    turn_id: str | None,
    reason: str,
) -> Receipt:
    redacted = turn.redacted if turn is not None else ()
    if redacted:
        reason += f"; redacted before writing: {', '.join(redacted)}"
    return Receipt(
        status=status,
        id=turn_id,
        reason=reason,
        operation_id=w.operation_id,
        redacted=redacted,
        session_id=session_id,
        external_id=turn.external_id if turn is not None else None,
    )
