"""Vectors of items: which generation a scope reads, what waits for a vector, and the bytes.

A generation is what made a vector: provider, model, version and storage form. A scope reads one
complete generation. Another one is built beside it from the queue, which then holds every visible
item; when the queue is empty the scope switches, and the old vectors go. An item whose row leaves
the index loses its vectors and its place in the queue in the same transaction.

The queue row is the claim: whoever deletes it stores the vector, so processes that embed the same
item at the same time leave one vector.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    and_,
    bindparam,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)

from memori.ids import new_id
from memori.store.prepared import Prepared
from memori.store.scopes import OWNED, read_scope
from memori.store.tables import (
    MEMORY_SHELF,
    memories,
    scopes,
    turns,
    vector_queue,
    vector_scopes,
    vectors,
)

Place = tuple[int, int]
#: How many items a step puts into the queue, or takes out of an old generation.
STEP = 2_000
#: How many vectors are read at once.
PAGE = 4_096

_v, _q, _s = vectors.c, vector_queue.c, vector_scopes.c


class Waiting(NamedTuple):
    """An item that waits for its vector: its place, id and text."""

    place: Place
    item_id: str
    text: str


@dataclass(frozen=True, slots=True)
class ScopeVectors:
    """What a scope's vectors are.

    `epoch` names this very scope, whose number another may get when it is erased. `generation` is
    read (None: none is complete yet), `building` is in the making. `added` and `removed` only ever
    grow, and change with the vectors.
    """

    epoch: str
    generation: str | None
    building: str | None
    building_after: str | None
    added: int
    removed: int


_STATE = Prepared(
    select(_s.epoch, _s.generation, _s.building, _s.building_after, _s.added, _s.removed).where(
        _s.scope_id == bindparam("scope")
    )
)
_ENQUEUE = Prepared(vector_queue.insert(), ["scope_id", "session_no", "seq"])
_DELETE = Prepared(
    delete(vectors).where(
        _v.scope_id == bindparam("scope"),
        _v.session_no == bindparam("session"),
        _v.seq == bindparam("at"),
    )
)
_DEQUEUE = delete(vector_queue).where(
    _q.scope_id == bindparam("scope"),
    _q.session_no == bindparam("session"),
    _q.seq == bindparam("at"),
)


def read_state(connection: Connection, scope_id: int) -> ScopeVectors | None:
    """What the vectors of a scope are; None where nothing was ever embedded."""
    found = _STATE.run(connection, {"scope": scope_id})
    return ScopeVectors(*found[0]) if found else None


def await_vectors(connection: Connection, scope_id: int, places: Sequence[Place]) -> None:
    """Put items into the queue that become visible now."""
    _ENQUEUE.run_many(connection, [(scope_id, *place) for place in places])


def drop(connection: Connection, scope_id: int, places: Sequence[Place]) -> None:
    """Remove every vector of these items, whichever generation, and their places in the queue."""
    _take_out(connection, scope_id, places)
    for session_no, seq in places:
        _DELETE.run(connection, {"scope": scope_id, "session": session_no, "at": seq})
    _mark(connection, scope_id, removed=1)


def scopes_without(connection: Connection) -> list[int]:
    """Scopes that no embedder knows of yet."""
    return list(
        connection.execute(
            select(scopes.c.scope_id)
            .outerjoin(vector_scopes, _s.scope_id == scopes.c.scope_id)
            .where(_s.scope_id.is_(None), OWNED)
            .order_by(scopes.c.scope_id)
        ).scalars()
    )


def scopes_behind(connection: Connection, generation: str) -> list[int]:
    """Scopes that neither read nor build this generation, or have not finished building it."""
    return list(
        connection.execute(
            select(scopes.c.scope_id)
            .join(vector_scopes, _s.scope_id == scopes.c.scope_id)
            .where(
                OWNED,
                or_(
                    _s.building.is_not(None),
                    _s.building_after.is_not(None),
                    _s.generation != generation,
                ),
            )
            .order_by(scopes.c.scope_id)
        ).scalars()
    )


def scopes_waiting(connection: Connection, generation: str) -> list[int]:
    """Scopes of this generation in which items wait, whoever wrote them."""
    waits = exists().where(_q.scope_id == _s.scope_id)
    return list(
        connection.execute(
            select(_s.scope_id)
            .where(or_(_s.building == generation, and_(_s.generation == generation, waits)))
            .order_by(_s.scope_id)
        ).scalars()
    )


def generations_read(connection: Connection) -> list[str]:
    """Every generation that some scope reads now."""
    found = select(_s.generation).where(_s.generation.is_not(None)).distinct()
    return list(connection.execute(found).scalars())


def begin(connection: Connection, scope_id: int, generation: str) -> None:
    """Start to build a generation, unless the scope reads or builds it already."""
    if read_scope(connection, scope_id, hold=True) is None:
        return
    state = read_state(connection, scope_id)
    if state is None:
        connection.execute(
            vector_scopes.insert().values(
                scope_id=scope_id, epoch=new_id(), building=generation, added=0, removed=0
            )
        )
    elif state.generation == generation:
        if state.building is not None:
            _set(connection, scope_id, building=None, building_after=_REMOVING)
    elif state.building != generation:
        _set(connection, scope_id, building=generation, building_after=None)


def advance(connection: Connection, scope_id: int, generation: str) -> bool:
    """Do the next small part of a build that needs no embedder, in a write transaction.

    That is: queue the items there are, switch when no item waits any more, and then delete the
    vectors of other generations.

    Returns:
        Whether there is more of it to do before an item is embedded.
    """
    held = read_scope(connection, scope_id, hold=True)
    state = read_state(connection, scope_id)
    if held is None or state is None:
        return False
    if state.generation == generation and state.building is None:
        return state.building_after is not None and _remove_others(connection, scope_id, generation)
    if state.building != generation:
        return False
    if state.building_after != _ALL_QUEUED:
        _queue_more(connection, scope_id, state.building_after, generation)
        return True
    if count_waiting(connection, scope_id):
        return False
    _set(connection, scope_id, generation=generation, building=None, building_after=_REMOVING)
    _mark(connection, scope_id, removed=1)
    return True


def count_waiting(connection: Connection, scope_id: int) -> int:
    """How many items of a scope wait for their vectors."""
    counted = select(func.count()).select_from(vector_queue).where(_q.scope_id == scope_id)
    return connection.execute(counted).scalar_one()


def count_vectors(connection: Connection, scope_id: int, generation: str) -> int:
    """How many vectors a scope has in one generation."""
    counted = select(func.count()).select_from(vectors)
    where = (_v.scope_id == scope_id, _v.generation == generation)
    return connection.execute(counted.where(*where)).scalar_one()


def next_waiting(connection: Connection, scope_id: int, limit: int) -> list[Waiting]:
    """Items to embed next, with their texts: memories first, then turns in order."""
    found: list[Waiting] = []
    for table, place in ((memories, _of_memory()), (turns, _of_turn())):
        rows = connection.execute(
            select(_q.session_no, _q.seq, table.c.id, table.c.content)
            .join(table, place)
            .where(_q.scope_id == scope_id)
            .order_by(_q.session_no, _q.seq)
            .limit(limit - len(found))
        )
        found += [Waiting((row[0], row[1]), row[2], row[3] or "") for row in rows]
        if len(found) >= limit:
            break
    return found


def store(
    connection: Connection,
    scope_id: int,
    generation: str,
    embedded: Sequence[tuple[Waiting, bytes | None]],
) -> None:
    """Keep the vectors of items that still wait for them; None only ends the waiting.

    What was hidden, purged or embedded by another process meanwhile waits no more.
    """
    held = read_scope(connection, scope_id, hold=True)
    state = read_state(connection, scope_id)
    if held is None or state is None or generation not in (state.building, state.generation):
        return
    rows: list[dict[str, Any]] = []
    for item, vector in embedded:
        values = {"scope": scope_id, "session": item.place[0], "at": item.place[1]}
        if not connection.execute(_same_item(item), values).first():
            continue  # purged, and the number given to another item
        if connection.execute(_DEQUEUE, values).rowcount and vector is not None:
            _DELETE.run(connection, values)
            rows.append(
                {
                    "scope_id": scope_id,
                    "session_no": item.place[0],
                    "seq": item.place[1],
                    "generation": generation,
                    "added": state.added + 1,
                    "vector": vector,
                }
            )
    if rows:
        connection.execute(vectors.insert(), rows)
        _mark(connection, scope_id, added=1)


def read_memories(
    connection: Connection, scope_id: int, generation: str, numbers: Sequence[int]
) -> dict[int, bytes]:
    """The vectors of these memories in one generation, by number; those that have one."""
    found = connection.execute(
        select(_v.seq, _v.vector).where(
            _v.scope_id == scope_id,
            _v.session_no == MEMORY_SHELF,
            _v.seq.in_(numbers),
            _v.generation == generation,
        )
    )
    return {row.seq: row.vector for row in found}


def read_pages(
    connection: Connection, scope_id: int, generation: str, after: int = 0
) -> Iterator[list[tuple[int, int, bytes]]]:
    """The vectors of one generation, in order of place, some thousand at a time.

    Args:
        connection: a snapshot.
        scope_id: the owner.
        generation: which vectors.
        after: only those added at a later count than this (`ScopeVectors.added`).

    Yields:
        Lists of `(session_no, seq, vector)`.
    """
    wanted = select(_v.session_no, _v.seq, _v.vector).where(
        _v.scope_id == scope_id, _v.generation == generation
    )
    if after:
        wanted = wanted.where(_v.added > after)
    wanted = wanted.order_by(_v.session_no, _v.seq).limit(PAGE)
    last: Place | None = None
    while True:
        page = wanted
        if last is not None:
            page = wanted.where(
                or_(
                    _v.session_no > last[0],
                    and_(_v.session_no == last[0], _v.seq > last[1]),
                )
            )
        rows: list[Any] = list(connection.execute(page).fetchall())
        if rows:
            yield rows
        if len(rows) < PAGE:
            return
        last = (rows[-1][0], rows[-1][1])


#: What stands in `building_after` when every item there was has been queued, and when the scope
#: has switched and old vectors remain to be removed.
_ALL_QUEUED = "all"
_REMOVING = "remove"


def _queue_more(connection: Connection, scope_id: int, after: str | None, generation: str) -> None:
    """Queue the next items that have no vector of this generation, and note how far that came."""
    begun, _, reached = (after or f"{MEMORY_SHELF}/-1").partition("/")
    session_no, seq = int(begun), int(reached)
    found: list[Place] = []
    if session_no == MEMORY_SHELF:
        m = memories.c
        numbers = connection.execute(
            select(m.memory_no)
            .where(m.scope_id == scope_id, m.memory_no > seq, *_visible(memories))
            .order_by(m.memory_no)
            .limit(STEP)
        ).scalars()
        found = [(MEMORY_SHELF, number) for number in numbers]
    if not found:
        t = turns.c
        rows = connection.execute(
            select(t.session_no, t.seq)
            .where(
                t.scope_id == scope_id,
                *_visible(turns),
                or_(t.session_no > session_no, and_(t.session_no == session_no, t.seq > seq)),
            )
            .order_by(t.session_no, t.seq)
            .limit(STEP)
        )
        found = [(row[0], row[1]) for row in rows]
    if not found:
        _set(connection, scope_id, building_after=_ALL_QUEUED)
        return
    done = _known(connection, scope_id, found[0], found[-1], generation)
    missing = [place for place in found if place not in done]
    _take_out(connection, scope_id, missing)  # a write during the build may have queued some
    await_vectors(connection, scope_id, missing)
    _set(connection, scope_id, building_after=f"{found[-1][0]}/{found[-1][1]}")


def _known(
    connection: Connection, scope_id: int, first: Place, last: Place, generation: str
) -> set[Place]:
    """Places from `first` to `last` that an interrupted build has given a vector."""
    rows = connection.execute(
        select(_v.session_no, _v.seq).where(
            _v.scope_id == scope_id,
            _v.generation == generation,
            or_(_v.session_no > first[0], and_(_v.session_no == first[0], _v.seq >= first[1])),
            or_(_v.session_no < last[0], and_(_v.session_no == last[0], _v.seq <= last[1])),
        )
    )
    return {(row[0], row[1]) for row in rows}


def _remove_others(connection: Connection, scope_id: int, generation: str) -> bool:
    """Delete some vectors of other generations; whether there may be more."""
    old = connection.execute(
        select(_v.session_no, _v.seq, _v.generation)
        .where(_v.scope_id == scope_id, _v.generation != generation)
        .limit(STEP)
    ).fetchall()
    if old:
        connection.execute(
            delete(vectors).where(
                _v.scope_id == scope_id,
                _v.session_no == bindparam("session"),
                _v.seq == bindparam("at"),
                _v.generation == bindparam("of"),
            ),
            [{"session": row[0], "at": row[1], "of": row[2]} for row in old],
        )
    if len(old) < STEP:
        _set(connection, scope_id, building_after=None)
        return False
    return True


def _take_out(connection: Connection, scope_id: int, places: Sequence[Place]) -> None:
    keys = [{"scope": scope_id, "session": place[0], "at": place[1]} for place in places]
    if keys:
        connection.execute(_DEQUEUE, keys)


def _same_item(item: Waiting) -> Select[Any]:
    """Whether the item that was embedded is the one in its place."""
    if item.place[0] == MEMORY_SHELF:
        m = memories.c
        here = (m.scope_id == bindparam("scope"), m.memory_no == bindparam("at"))
        return select(literal(1)).where(*here, m.id == item.item_id)
    t = turns.c
    here = (
        t.scope_id == bindparam("scope"),
        t.session_no == bindparam("session"),
        t.seq == bindparam("at"),
    )
    return select(literal(1)).where(*here, t.id == item.item_id)


def _of_memory() -> Any:
    m = memories.c
    return and_(m.scope_id == _q.scope_id, _q.session_no == MEMORY_SHELF, m.memory_no == _q.seq)


def _of_turn() -> Any:
    t = turns.c
    return and_(t.scope_id == _q.scope_id, t.session_no == _q.session_no, t.seq == _q.seq)


def _visible(table: Table) -> tuple[ColumnElement[bool], ...]:
    return table.c.forgotten_at.is_(None), table.c.quarantined.is_(False)


def _mark(connection: Connection, scope_id: int, *, added: int = 0, removed: int = 0) -> None:
    """Let every reader know, in this process or another, that the vectors changed."""
    _set(connection, scope_id, added=_s.added + added, removed=_s.removed + removed)


def _set(connection: Connection, scope_id: int, **values: Any) -> None:
    connection.execute(update(vector_scopes).where(_s.scope_id == scope_id).values(**values))
