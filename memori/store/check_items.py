"""Whether memories and turns, and what the index holds of them, agree.

The index has no order by item, so looking its rows up one item at a time would be slow. Items
and index rows are each read once and summed in buckets by place; only where the sums differ are
they read again and compared row by row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, Table, select, update

from memori.model import Scope
from memori.store import index, items, reindex
from memori.store.check_rows import check_item
from memori.store.findings import Findings, row_name
from memori.store.paging import all_rows
from memori.store.scopes import KnownScope, read_counts, read_index_state
from memori.store.tables import MEMORY_SHELF, labels, memories, postings, scopes, turns
from memori.text.analyser import ANALYSER_GENERATION

Values = Mapping[str, Any]
Entry = tuple[Any, ...]
"""An index row: `("term", term, session_no, seq, tf, length)` or `("label", field, ...)`."""

_BUCKETS = 1_024
#: Buckets compared row by row in one reading.
_AT_ONCE = 64
_ROWS = 1_000
_ITEM_ROWS = 200
#: Places mended in one transaction.
_MENDED = 50


@dataclass(slots=True)
class _Wrong:
    """What is wrong at one place of the index."""

    missing: set[Entry] = field(default_factory=set[Entry])
    extra: set[Entry] = field(default_factory=set[Entry])


def check_scope(
    connection: Connection, known: KnownScope, scope: Scope, found: Findings, now: datetime
) -> None:
    """Check every item of a scope and its index.

    Args:
        connection: a snapshot.
        known: the scope's number and key.
        scope: its name.
        found: takes what is wrong.
        now: what time it is.
    """
    reading = _Reading(connection, known.scope_id)
    wanted, item_count, term_count = _Sums(), 0, 0
    for table, values in reading.items():
        found.items += 1
        terms = items.terms_of(table, values)
        length = sum(terms.values())
        check_item(known, scope, table, values, found, now)
        if reading.is_current and values["length"] != length:
            _wrong_length(known, scope, table, values, length, found)
        if items.is_indexed(values):
            item_count, term_count = item_count + 1, term_count + length
            for entry in _entries(table, values, terms):
                wanted.add(entry)
    if not reading.is_current:
        return  # another analyser's index, which somebody is rebuilding
    _check_generations(reading, scope, found)
    there = _Sums()
    for entry in reading.index():
        there.add(entry)
    wrong = [number for number in range(_BUCKETS) if wanted.at(number) != there.at(number)]
    for first in range(0, len(wrong), _AT_ONCE):
        _compare(reading, scope, frozenset(wrong[first : first + _AT_ONCE]), found)
    counted = read_counts(connection, known.scope_id)
    if counted != (item_count, term_count):
        problem = f"says {counted[0]} items of {counted[1]} terms; there are {item_count} of "
        found.add("count", scope, "scope_counts", f"{problem}{term_count}", repairable=True)
    if wrong or counted != (item_count, term_count):
        number = known.scope_id
        found.mend("totals counted again", number, partial(reindex.recount, scope_id=number))


def _check_generations(reading: _Reading, scope: Scope, found: Findings) -> None:
    """Index rows of a generation that nobody reads or removes any more."""
    number = reading.scope_id
    if not reading.has_stray_rows():
        return
    problem = "index rows of a generation that nobody reads"
    found.add("index", scope, f"scopes {number}", problem, repairable=True)
    found.mend(
        "index rows left to be removed", number, partial(reindex.remove_others, scope_id=number)
    )


def _wrong_length(
    known: KnownScope,
    scope: Scope,
    table: Table,
    values: Values,
    length: int,
    found: Findings,
) -> None:
    problem = f"its length is noted as {values['length']} terms, and is {length}"
    found.add("index", scope, row_name(table.name, values["id"]), problem, repairable=True)
    place = items.place_of(table, values)
    step = partial(_index_again, scope_id=known.scope_id, places={place: set()})
    found.mend("items indexed again", known.scope_id, step)


class _Sums:
    """Count and sum of entries by bucket; sums of hashes, so their order does not matter."""

    def __init__(self) -> None:
        self._counts = [0] * _BUCKETS
        self._sums = [0] * _BUCKETS

    def add(self, entry: Entry) -> None:
        """Count one entry in."""
        number = _bucket(entry[2], entry[3])
        self._counts[number] += 1
        self._sums[number] += hash(entry)

    def at(self, number: int) -> tuple[int, int]:
        """What one bucket came to."""
        return self._counts[number], self._sums[number]


def _bucket(session_no: int, seq: int) -> int:
    return (session_no * 8_191 + seq) % _BUCKETS


class _Reading:
    """The items and index rows of one scope."""

    def __init__(self, connection: Connection, scope_id: int) -> None:
        self._connection = connection
        self.scope_id = scope_id
        self._generation = connection.execute(
            select(scopes.c.index_generation).where(scopes.c.scope_id == scope_id)
        ).scalar_one()

    @property
    def is_current(self) -> bool:
        """Whether this program's analyser wrote the index."""
        return self._generation == ANALYSER_GENERATION

    def has_stray_rows(self) -> bool:
        """Whether there are rows of other generations, and no rebuild is under way."""
        c = postings.c
        other = select(c.term).where(
            c.scope_id == self.scope_id, c.index_generation != self._generation
        )
        building = select(scopes.c.building_generation).where(scopes.c.scope_id == self.scope_id)
        return (
            self._connection.execute(building).scalar_one() is None
            and self._connection.execute(other.limit(1)).first() is not None
        )

    def items(self) -> Iterator[tuple[Table, Values]]:
        """Every item with its table."""
        for table in items.ITEM_TABLES:
            for rows in all_rows(self._connection, table, self.scope_id, _ITEM_ROWS):
                yield from ((table, values) for values in rows)

    def index(self) -> Iterator[Entry]:
        """Every index row of the generation that recall reads."""
        current = (postings.c.index_generation == self._generation,)
        for rows in all_rows(self._connection, postings, self.scope_id, _ROWS, where=current):
            for row in rows:
                place = row["session_no"], row["seq"]
                yield ("term", row["term"], *place, row["tf"], row["length"])
        for rows in all_rows(self._connection, labels, self.scope_id, _ROWS):
            for row in rows:
                yield ("label", row["field"], row["session_no"], row["seq"], row["value"])


def _entries(table: Table, values: Values, terms: Mapping[str, int]) -> Iterator[Entry]:
    """The index rows an item should have."""
    place = items.place_of(table, values)
    length = sum(terms.values())
    for term, frequency in terms.items():
        yield ("term", term, *place, frequency, length)
    for name, value in items.labels_of(table, values):
        yield ("label", name, *place, value)


def _compare(reading: _Reading, scope: Scope, buckets: frozenset[int], found: Findings) -> None:
    """Name what is wrong in some buckets, and note how to mend it."""
    names: dict[index.Place, str] = {}
    wrong: dict[index.Place, _Wrong] = {}
    missing: set[Entry] = set()
    for table, values in reading.items():
        place = items.place_of(table, values)
        if _bucket(*place) in buckets:
            names[place] = row_name(table.name, values["id"])
            if items.is_indexed(values):
                missing.update(_entries(table, values, items.terms_of(table, values)))
    for entry in reading.index():
        if _bucket(entry[2], entry[3]) not in buckets:
            continue
        if entry in missing:
            missing.discard(entry)
        else:
            wrong.setdefault((entry[2], entry[3]), _Wrong()).extra.add(entry)
    for entry in missing:
        wrong.setdefault((entry[2], entry[3]), _Wrong()).missing.add(entry)
    for place, each in sorted(wrong.items()):
        _name(scope, names.get(place, row_name("postings", *place)), each, found)
    places = sorted(wrong)
    for first in range(0, len(places), _MENDED):
        some = {place: wrong[place].extra for place in places[first : first + _MENDED]}
        step = partial(_index_again, scope_id=reading.scope_id, places=some)
        found.mend("items indexed again", reading.scope_id, step)


def _name(scope: Scope, where: str, wrong: _Wrong, found: Findings) -> None:
    for check, kind in (("index", "term"), ("label", "label")):
        missing = sum(entry[0] == kind for entry in wrong.missing)
        extra = sum(entry[0] == kind for entry in wrong.extra)
        said = [f"{missing} {kind}(s) are missing"] if missing else []
        said += [f"{extra} {kind}(s) should not be there"] if extra else []
        if said:
            found.add(check, scope, where, " and ".join(said), repairable=True)


def _index_again(
    connection: Connection, scope_id: int, places: Mapping[index.Place, set[Entry]]
) -> None:
    """Make the index of some places anew from their rows as they are now."""
    generations = set(read_index_state(connection, scope_id).generations)
    for place, extra in places.items():
        table, values = _item_at(connection, scope_id, place)
        terms: Mapping[str, int] = items.terms_of(table, values) if values else {}
        stale = {entry[1]: 1 for entry in extra if entry[0] == "term"} | dict(terms)
        for generation in generations:
            index.delete_postings(connection, scope_id, generation, [(place, stale)])
        index.clear_labels(connection, scope_id, place)
        if values is None:
            continue
        if items.is_indexed(values):
            for generation in generations:
                index.insert_postings(connection, scope_id, generation, [(place, terms)])
            index.insert_labels(connection, scope_id, [(place, items.labels_of(table, values))])
        _set(connection, scope_id, place, {"length": sum(terms.values())})


def _item_at(
    connection: Connection, scope_id: int, place: index.Place
) -> tuple[Table, Values | None]:
    table = memories if place[0] == MEMORY_SHELF else turns
    row = connection.execute(select(table).where(*_where(scope_id, place))).mappings().first()
    return table, None if row is None else {str(name): value for name, value in row.items()}


def _where(scope_id: int, place: index.Place) -> tuple[Any, ...]:
    if place[0] == MEMORY_SHELF:
        return memories.c.scope_id == scope_id, memories.c.memory_no == place[1]
    return (
        turns.c.scope_id == scope_id,
        turns.c.session_no == place[0],
        turns.c.seq == place[1],
    )


def _set(
    connection: Connection, scope_id: int, place: index.Place, values: Mapping[str, Any]
) -> None:
    table = memories if place[0] == MEMORY_SHELF else turns
    connection.execute(update(table).where(*_where(scope_id, place)).values(**values))
