"""The inverted index: postings of terms and labels (tags, entities, metadata) of items.

A hidden item (forgotten, quarantined) has no index rows; a superseded or expired one keeps them
so that `as_of` finds it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Double,
    and_,
    bindparam,
    delete,
    func,
    select,
)

from memori.store.prepared import Prepared
from memori.store.scopes import add_to_counts
from memori.store.tables import LABEL_CHARS, TERM_CHARS, labels, postings, scopes

Place = tuple[int, int]
"""Where an item is in the index: `(session_no, seq)`."""
#: A session number no turn has.
NOWHERE = -1

_GENERATIONS = Prepared(
    select(scopes.c.index_generation, scopes.c.building_generation).where(
        scopes.c.scope_id == bindparam("scope")
    )
)
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
    connection: Connection, scope_id: int, items: Sequence[tuple[Place, Mapping[str, int]]]
) -> None:
    """Index items by their terms.

    Args:
        connection: inside a write transaction.
        scope_id: the owner.
        items: `(place, term -> frequency)` of each.
    """
    for generation in _generations(connection, scope_id):
        insert_postings(connection, scope_id, generation, items)
    tokens = sum(sum(terms.values()) for _, terms in items)
    add_to_counts(connection, scope_id, len(items), tokens)


def remove_items(
    connection: Connection, scope_id: int, items: Sequence[tuple[Place, Mapping[str, int]]]
) -> None:
    """Take items out of the index; `items` as they were given to `add_items`."""
    for generation in _generations(connection, scope_id):
        delete_postings(connection, scope_id, generation, items)
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


def erase_places(connection: Connection, scope_id: int, places: Sequence[Place]) -> None:
    """Remove every index row of these places, whichever analyser wrote it; counts stay."""
    keys = [{"scope": scope_id, "session": place[0], "at_seq": place[1]} for place in places]
    if keys:
        connection.execute(_DELETE_ALL_POSTINGS, keys)
        connection.execute(_DELETE_LABELS, keys)


def read_frequencies(
    connection: Connection, scope_id: int, term: str, place_bits: int, base: float, slope: float
) -> dict[int, float]:
    """Where a term is in this scope, and how often: the database's part of BM25.

    Args:
        connection: a snapshot.
        scope_id: the owner.
        term: an index term.
        place_bits: a place is `session_no << place_bits | seq`.
        base: frequencies are divided by `base + slope * length`, length in terms.
        slope: see `base`.

    Returns:
        By place: the frequency so divided.
    """
    values = {
        "scope": scope_id,
        "term_0": term[:TERM_CHARS],
        "stride": 1 << place_bits,
        "base": base,
        "slope": slope,
    }
    return dict(_FREQUENCIES.run(connection, values))  # pyright: ignore[reportArgumentType]  # pairs of a place and a number


def count_postings(connection: Connection, scope_id: int, terms: Iterable[str]) -> dict[str, int]:
    """Document frequency in this scope of those terms that occur."""
    wanted = sorted({term[:TERM_CHARS] for term in terms})
    values: dict[str, Any] = {f"term_{number}": term for number, term in enumerate(wanted)}
    values["scope"] = scope_id
    return dict(_frequencies_of(len(wanted)).run(connection, values))  # pyright: ignore[reportArgumentType]  # pairs of a term and a number


@cache
def _frequencies_of(terms: int) -> Prepared:
    c = postings.c
    return Prepared(select(c.term, func.count()).where(*_of_terms(terms)).group_by(c.term))


def _of_terms(terms: int) -> tuple[ColumnElement[bool], ...]:
    """Rows of so many terms in the generation that recall reads."""
    c = postings.c
    generation = select(scopes.c.index_generation).where(scopes.c.scope_id == bindparam("scope"))
    return (
        c.scope_id == bindparam("scope"),
        c.index_generation == generation.scalar_subquery(),
        c.term.in_([bindparam(f"term_{number}") for number in range(terms)]),
    )


_FREQUENCIES = Prepared(
    select(
        postings.c.session_no * bindparam("stride", type_=BigInteger) + postings.c.seq,
        postings.c.tf
        / (bindparam("base", type_=Double) + bindparam("slope", type_=Double) * postings.c.length),
    )
    .where(*_of_terms(1))
    .order_by(postings.c.session_no, postings.c.seq)
)


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
    pairs = label_pairs(tags, entities, metadata or {})
    if pairs:
        connection.execute(
            _INSERT_LABELS,
            [
                {
                    "scope_id": scope_id,
                    "field": field,
                    "value": value,
                    "session_no": place[0],
                    "seq": place[1],
                }
                for field, value in sorted(pairs)
            ],
        )


def label_pairs(
    tags: Sequence[str], entities: Sequence[str], metadata: Mapping[str, Any]
) -> set[tuple[str, str]]:
    """The labels of an item, `(field, value)` each."""
    pairs = {("tag", label_value(tag)) for tag in tags}
    pairs |= {("entity", label_value(entity)) for entity in entities}
    return pairs | {(label_field(key), exact_value(value)) for key, value in metadata.items()}


def clear_labels(connection: Connection, scope_id: int, place: Place) -> None:
    """Make an item no longer findable by label."""
    connection.execute(_DELETE_LABELS, {"scope": scope_id, "session": place[0], "at_seq": place[1]})


def find_labelled(connection: Connection, scope_id: int, wanted: Mapping[str, str]) -> set[Place]:
    """Places that carry every one of the labels `field -> value`."""
    found: set[Place] | None = None
    for field, value in wanted.items():
        rows = connection.execute(
            select(labels.c.session_no, labels.c.seq).where(
                and_(
                    labels.c.scope_id == scope_id,
                    labels.c.field == field,
                    labels.c.value == value,
                )
            )
        )
        places = {(row.session_no, row.seq) for row in rows}
        found = places if found is None else found & places
    return found or set()


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


def _generations(connection: Connection, scope_id: int) -> list[int]:
    """The generation recall reads, and the one being built if there is one."""
    [(active, building)] = _GENERATIONS.run(connection, {"scope": scope_id})
    return [active] if building is None else [active, building]
