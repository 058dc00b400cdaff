"""The inverted index: postings of terms and labels (tags, entities, metadata) of items.

Where a scope has vectors, an item that enters waits for one, and one that leaves loses it.

A hidden item (forgotten, quarantined) has no index rows; a superseded or expired one keeps them
so that `as_of` finds it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Connection,
    Double,
    Integer,
    Text,
    bindparam,
    delete,
    func,
    select,
    true,
)

from memori.store import vectors
from memori.store.prepared import Prepared
from memori.store.scopes import IndexState, add_to_counts
from memori.store.tables import (
    LABEL_CHARS,
    MEMORY_SHELF,
    TERM_CHARS,
    labels,
    postings,
    scopes,
)

#: Numbers of terms that a statement may be written for.
_SIZES = (4, 12, 32, 96)
Place = tuple[int, int]
"""Where an item is in the index: `(session_no, seq)`."""
#: A session number no turn has.
NOWHERE = -1

_INSERT_POSTINGS = Prepared(postings.insert(), [column.name for column in postings.columns])
_INSERT_LABELS = labels.insert()
_DELETE_POSTINGS = delete(postings).where(
    postings.c.scope_id == bindparam("scope"),
    postings.c.index_generation == bindparam("generation"),
    postings.c.term == bindparam("of_term"),
    postings.c.session_no == bindparam("session"),
    postings.c.seq == bindparam("at_seq"),
)
_DELETE_ALL_POSTINGS = delete(postings).where(
    postings.c.scope_id == bindparam("scope"),
    postings.c.session_no == bindparam("session"),
    postings.c.seq == bindparam("at_seq"),
)
_DELETE_LABELS = delete(labels).where(
    labels.c.scope_id == bindparam("scope"),
    labels.c.session_no == bindparam("session"),
    labels.c.seq == bindparam("at_seq"),
)


def add_items(
    connection: Connection,
    scope_id: int,
    state: IndexState,
    items: Sequence[tuple[Place, Mapping[str, int]]],
) -> None:
    """Index items by their terms.

    Args:
        connection: inside a write transaction.
        scope_id: the owner, held.
        state: what is to be reached there.
        items: `(place, term -> frequency)` of each.
    """
    for generation in state.generations:
        insert_postings(connection, scope_id, generation, items)
    if state.embedded:
        vectors.await_vectors(connection, scope_id, [place for place, _ in items])
    tokens = sum(sum(terms.values()) for _, terms in items)
    add_to_counts(connection, scope_id, len(items), tokens)


def remove_items(
    connection: Connection,
    scope_id: int,
    state: IndexState,
    items: Sequence[tuple[Place, Mapping[str, int]]],
) -> None:
    """Take items out of the index; arguments as they were given to `add_items`."""
    for generation in state.generations:
        delete_postings(connection, scope_id, generation, items)
    if state.embedded:
        vectors.drop(connection, scope_id, [place for place, _ in items])
    tokens = sum(sum(terms.values()) for _, terms in items)
    add_to_counts(connection, scope_id, -len(items), -tokens)


def insert_postings(
    connection: Connection,
    scope_id: int,
    generation: int,
    items: Sequence[tuple[Place, Mapping[str, int]]],
) -> None:
    """Write the postings of items into one generation."""
    rows: list[tuple[Any, ...]] = []
    for (session_no, seq), terms in items:
        length = sum(terms.values())
        rows += [
            (scope_id, generation, term[:TERM_CHARS], session_no, seq, frequency, length)
            for term, frequency in terms.items()
        ]
    # In the order of the key neighbours land on one page, which a large batch fills once.
    rows.sort()
    if rows:
        _INSERT_POSTINGS.run_many(connection, rows)


def delete_postings(
    connection: Connection,
    scope_id: int,
    generation: int,
    items: Sequence[tuple[Place, Mapping[str, int]]],
) -> None:
    """Delete the postings of items from one generation."""
    keys: list[dict[str, Any]] = [
        {
            "scope": scope_id,
            "generation": generation,
            "of_term": term[:TERM_CHARS],
            "session": place[0],
            "at_seq": place[1],
        }
        for place, terms in items
        for term in terms
    ]
    if keys:
        connection.execute(_DELETE_POSTINGS, keys)


def erase_places(
    connection: Connection, scope_id: int, places: Sequence[Place], *, search: bool = True
) -> None:
    """Remove every index row of these places, whichever analyser wrote it; counts stay.

    Postings have no order by place, so they are searched for; without `search` only the others go.
    """
    keys = [{"scope": scope_id, "session": place[0], "at_seq": place[1]} for place in places]
    if keys:
        if search:
            connection.execute(_DELETE_ALL_POSTINGS, keys)
        connection.execute(_DELETE_LABELS, keys)
        if vectors.read_state(connection, scope_id) is not None:
            vectors.drop(connection, scope_id, places)


def read_frequencies(
    connection: Connection,
    scope_id: int,
    terms: Collection[str],
    place_bits: int,
    base: float,
    slope: float,
) -> dict[str, dict[int, float]]:
    """Where terms are in this scope, and how often: the database's part of BM25.

    Args:
        connection: a snapshot.
        scope_id: the owner.
        terms: index terms.
        place_bits: a place is `session_no << place_bits | seq`.
        base: frequencies are divided by `base + slope * length`, length in terms.
        slope: see `base`.

    Returns:
        By term (those that occur) and place: the frequency so divided.
    """
    given = {"scope": scope_id, "stride": 1 << place_bits, "base": base, "slope": slope}
    read = _READERS.get(connection.dialect.name, _read_each)
    return read(connection, terms, given)


def _read_each(
    connection: Connection, terms: Iterable[str], given: Mapping[str, Any]
) -> dict[str, dict[int, float]]:
    """A statement a term: quickest where a statement costs no journey."""
    found: dict[str, dict[int, float]] = {}
    for term in terms:
        rows: Any = _FREQUENCIES.run(connection, {**given, "term_0": term[:TERM_CHARS]})
        if rows:
            found[term] = dict(rows)
    return found


def _read_at_once(
    connection: Connection, terms: Collection[str], given: Mapping[str, Any]
) -> dict[str, dict[int, float]]:
    """One statement for all terms."""
    found: dict[str, dict[int, float]] = {}
    wanted = sorted({term[:TERM_CHARS] for term in terms})
    for term, place, frequency in _AT_ONCE.run(connection, {**given, "terms": wanted}):
        found.setdefault(term, {})[place] = frequency
    return _by_asked(found, terms)


def _read_packed(
    connection: Connection, terms: Collection[str], given: Mapping[str, Any]
) -> dict[str, dict[int, float]]:
    """One statement, and one row a term: MySQL's drivers take their time with each row."""
    found: dict[str, dict[int, float]] = {}
    stride, base, slope = given["stride"], given["base"], given["slope"]
    for batch in _batches(terms):
        values = {"scope": given["scope"], "stride": stride, **batch}
        for term, packed in _packed(len(batch)).run(connection, values):
            if packed is None:  # longer than a packet of the server
                found |= _read_each(connection, [term], given)
                continue
            numbers = list(map(int, packed.split(",")))
            places = zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True)
            found[term] = {place: tf / (base + slope * length) for place, tf, length in places}
    return _by_asked(found, terms)


def _batches(terms: Collection[str]) -> Iterator[dict[str, str]]:
    """Parameters for terms in batches of a few fixed sizes, so that statements recur."""
    wanted = sorted({term[:TERM_CHARS] for term in terms})
    for start in range(0, len(wanted), _SIZES[-1]):
        batch = wanted[start : start + _SIZES[-1]]
        size = next(size for size in _SIZES if size >= len(batch))
        batch += batch[-1:] * (size - len(batch))
        yield {f"term_{number}": term for number, term in enumerate(batch)}


def _by_asked(
    found: Mapping[str, dict[int, float]], terms: Iterable[str]
) -> dict[str, dict[int, float]]:
    """By the terms as they were asked for, which the table may hold cut."""
    return {term: found[term[:TERM_CHARS]] for term in terms if term[:TERM_CHARS] in found}


def read_newest(
    connection: Connection,
    scope_id: int,
    terms: Collection[str],
    place_bits: int,
    base: float,
    slope: float,
    *,
    most: int,
) -> dict[str, dict[int, float]]:
    """As `read_frequencies`, but of each term at most so many turns and so many memories, the
    newest: for words that are in too much to read it all."""
    given = {"scope": scope_id, "stride": 1 << place_bits, "base": base, "slope": slope}
    found: dict[str, dict[int, float]] = {}
    for term in terms:
        values = {**given, "term_0": term[:TERM_CHARS], "most": most}
        rows: Any = [*_NEWEST_MEMORIES.run(connection, values)]
        rows += _NEWEST_TURNS.run(connection, values)
        if rows:
            found[term] = dict(rows)
    return found


def count_postings(
    connection: Connection, scope_id: int, terms: Iterable[str], *, most: int
) -> dict[str, int]:
    """Document frequency in this scope of those terms that occur, none counted beyond `most`."""
    counted: dict[str, int] = {}
    for batch in _batches(sorted(terms)):
        values = {**batch, "scope": scope_id, "most": most}
        [counts] = _frequencies_of(len(batch)).run(connection, values)
        counted |= dict(zip(batch.values(), counts, strict=True))
    return {term: count for term, count in counted.items() if count}


@cache
def _frequencies_of(terms: int) -> Prepared:
    """One row, a count a term; a common term is not counted to its end, which may be far."""
    return Prepared(
        select(
            *(
                select(func.count())
                .select_from(
                    select(postings.c.seq)
                    .where(*_in_generation(), postings.c.term == bindparam(f"term_{number}"))
                    .limit(bindparam("most", type_=Integer))
                    .subquery(f"rows_{number}")
                )
                .scalar_subquery()
                .label(f"count_{number}")
                for number in range(terms)
            )
        )
    )


def _of_terms(terms: int) -> tuple[ColumnElement[bool], ...]:
    """Rows of so many terms in the generation that recall reads."""
    wanted: list[Any] = [bindparam(f"term_{number}") for number in range(terms)]
    return *_in_generation(), postings.c.term.in_(wanted)


def _in_generation() -> tuple[ColumnElement[bool], ...]:
    generation = select(scopes.c.index_generation).where(scopes.c.scope_id == bindparam("scope"))
    return (
        postings.c.scope_id == bindparam("scope"),
        postings.c.index_generation == generation.scalar_subquery(),
    )


_PLACE = postings.c.session_no * bindparam("stride", type_=BigInteger) + postings.c.seq
_FREQUENCY = postings.c.tf / (
    bindparam("base", type_=Double) + bindparam("slope", type_=Double) * postings.c.length
)
_FREQUENCIES = Prepared(
    select(_PLACE, _FREQUENCY).where(*_of_terms(1)).order_by(postings.c.session_no, postings.c.seq)
)
_NEWEST_MEMORIES, _NEWEST_TURNS = (
    Prepared(
        select(_PLACE, _FREQUENCY)
        .where(*_of_terms(1), shelf)
        .order_by(postings.c.session_no.desc(), postings.c.seq.desc())
        .limit(bindparam("most", type_=Integer))
    )
    for shelf in (
        postings.c.session_no == MEMORY_SHELF,
        postings.c.session_no > MEMORY_SHELF,
    )
)


_ASKED = (
    func.unnest(bindparam("terms", type_=ARRAY(Text))).table_valued("term", name="asked")
).render_derived()
# One look-up a term, whatever PostgreSQL believes of a table it has not analysed yet: an offset
# keeps it from reading the whole scope instead.
_OF_ONE = (
    select(_PLACE.label("place"), _FREQUENCY.label("frequency"))
    .where(*_in_generation(), postings.c.term == _ASKED.c.term)
    .offset(0)
    .lateral()
)
_AT_ONCE = Prepared(
    select(_ASKED.c.term, _OF_ONE.c.place, _OF_ONE.c.frequency)
    .select_from(_ASKED)
    .join(_OF_ONE, true())
)


@cache
def _packed(terms: int) -> Prepared:
    each = func.concat_ws(",", _PLACE, postings.c.tf, postings.c.length)
    c = postings.c
    return Prepared(
        select(c.term, func.group_concat(each)).where(*_of_terms(terms)).group_by(c.term)
    )


_Reader = Callable[[Connection, Collection[str], Mapping[str, Any]], dict[str, dict[int, float]]]
_READERS: Mapping[str, _Reader] = {
    "sqlite": _read_each,
    "postgresql": _read_at_once,
    "mysql": _read_packed,
}


def set_labels(
    connection: Connection,
    scope_id: int,
    place: Place,
    *,
    tags: Sequence[str] = (),
    entities: Sequence[str] = (),
    metadata: Mapping[str, Any] | None = None,
    replace: bool = False,
) -> None:
    """Make an item findable by its tags, entities and metadata values."""
    if replace:
        clear_labels(connection, scope_id, place)
    insert_labels(connection, scope_id, [(place, label_pairs(tags, entities, metadata or {}))])


def label_pairs(
    tags: Iterable[str], entities: Iterable[str], metadata: Mapping[str, Any]
) -> set[tuple[str, str]]:
    """The labels of an item, `(field, value)` each."""
    pairs = {("tag", label_value(tag)) for tag in tags}
    pairs |= {("entity", label_value(entity)) for entity in entities}
    return pairs | {(label_field(key), exact_value(value)) for key, value in metadata.items()}


def insert_labels(
    connection: Connection, scope_id: int, items: Sequence[tuple[Place, set[tuple[str, str]]]]
) -> None:
    """Write the labels of items."""
    rows = [
        {
            "scope_id": scope_id,
            "field": field,
            "value": value,
            "session_no": place[0],
            "seq": place[1],
        }
        for place, pairs in items
        for field, value in sorted(pairs)
    ]
    if rows:
        connection.execute(_INSERT_LABELS, rows)


def clear_labels(connection: Connection, scope_id: int, place: Place) -> None:
    """Make an item no longer findable by label."""
    connection.execute(_DELETE_LABELS, {"scope": scope_id, "session": place[0], "at_seq": place[1]})


def label_field(key: str) -> str:
    """The label field of a metadata key."""
    return _bounded(f"meta:{key}")


def label_value(name: str) -> str:
    """The label value of a tag or an entity: case folds, long ones are hashed."""
    return _bounded(name.strip().casefold())


def exact_value(value: Any) -> str:
    """The label value of a metadata value: its JSON, so that 1 and "1" differ."""
    return _bounded(json.dumps(value, sort_keys=True, ensure_ascii=False))


def _bounded(text: str) -> str:
    if len(text) <= LABEL_CHARS:
        return text
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
