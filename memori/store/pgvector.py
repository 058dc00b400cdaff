"""PostgreSQL's extension `vector`: nearness computed where the vectors lie.

Where the extension is installed, `vectors` gets the column `numbers`, of its type, beside the
bytes. The bytes stay what counts: every database has them, an older program writes nothing else,
and a row whose `numbers` are not filled in yet is compared from them. So a question has the same
answer with the extension and without; what changes is that the vectors need not travel.

The extension may be in any schema, whatever the search path is, so all of it is named in full.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import ARRAY, BigInteger, Connection, Dialect, Integer, Text, bindparam, text

from memori.store.naming import own_name
from memori.store.scopes import read_scope
from memori.store.tables import vectors

#: The execution option of an engine that is not to use the extension.
OPTION = "memori_pgvector"
#: How many vectors are filled in by one transaction.
STEP = 1_000
#: The longest vector that the extension takes.
MOST_NUMBERS = 16_000
#: So many rows that are not filled in are read beside those that are; where there are more, all
#: are compared from their bytes.
MOST_UNFILLED = 4_096

_COLUMN = "numbers"
_INDEX = "vectors_unfilled"
_FOUND = text(
    "SELECT a.attname IS NOT NULL AS has_column, n.nspname, "
    "coalesce(pg_has_role(t.relowner, 'USAGE'), true) AS ours "
    "FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace "
    "LEFT JOIN pg_class AS t ON t.oid = to_regclass(:name) "
    "LEFT JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attname = :column "
    "AND NOT a.attisdropped WHERE e.extname = 'vector'"
)


@dataclass(frozen=True, slots=True)
class Compared:
    """A question compared with the vectors of a scope.

    `places` are big-endian integers of eight bytes, `cosines` floats of four, in the same order;
    `unfilled` are the rows whose vectors have to be compared from their bytes.
    """

    places: bytes
    cosines: bytes
    unfilled: Sequence[tuple[int, int, bytes]]


#: By pool: the schema of the extension if `vectors` has the column, quoted.
_schemas: WeakKeyDictionary[Dialect, str | None] = WeakKeyDictionary()


def wants_column(connection: Connection) -> bool:
    """Whether the extension is here and the column not, in a table of ours or one to be made."""
    if _may_not(connection):
        return False
    found = _look(connection)
    return found is not None and not found[0] and found[2]


def make_column(connection: Connection) -> None:
    """Add the column, in a transaction that holds the lock of migrations."""
    found = _look(connection)
    if found is not None:
        for statement in _column_statements(connection, found[1]):
            connection.exec_driver_sql(statement)
        forget()


def column_sql(connection: Connection) -> str:
    """The statements of `make_column` where it is wanted, for somebody else to run."""
    found = _look(connection) if wants_column(connection) else None
    if found is None:
        return ""
    return "".join(f"{each};\n\n" for each in _column_statements(connection, found[1]))


def is_used(connection: Connection) -> bool:
    """Whether questions are compared by the extension in this database."""
    return _schema(connection) is not None


def forget() -> bool:
    """Look again what there is; whether any database was known to have it."""
    known = any(_schemas.values())
    _schemas.clear()
    return known


def compare(
    connection: Connection,
    scope_id: int,
    generation: str,
    question: Sequence[float],
    place_bits: int,
) -> Compared | None:
    """The cosine of a question with every vector of one generation of a scope.

    Args:
        connection: a snapshot.
        scope_id: the owner.
        generation: which vectors.
        question: the numbers of the question's vector.
        place_bits: a place is `session_no << place_bits | seq`.

    Returns:
        None where the bytes have to be compared: without the extension, before the column is
        filled, and when vectors differ from the question in length.
    """
    schema = _schema(connection)
    if schema is None or len(question) > MOST_NUMBERS:
        return None
    given = {"scope": scope_id, "generation": generation}
    table = _table(connection)
    row = connection.execute(
        _comparing(schema, table),
        {**given, "question": as_text(question), "count": len(question), "bits": place_bits},
    ).one()
    if row.strange or row.unfilled > MOST_UNFILLED:
        return None
    unfilled: Any = []
    if row.unfilled:
        unfilled = connection.execute(_unfilled(table), {**given, "most": MOST_UNFILLED}).fetchall()
    return Compared(row.places or b"", row.cosines or b"", unfilled)


def scopes_unfilled(connection: Connection, generation: str) -> list[int]:
    """Scopes with vectors of this generation whose column is not filled in yet."""
    if not is_used(connection):
        return []
    wanted = text(
        f"SELECT DISTINCT scope_id FROM {_table(connection)} "  # noqa: S608  # quoted names
        f"WHERE generation = :generation AND {_COLUMN} IS NULL"
    )
    found: Any = connection.execute(wanted, {"generation": generation}).scalars()
    return sorted(found)


def fill(
    connection: Connection,
    scope_id: int,
    generation: str,
    as_numbers: Callable[[bytes], Sequence[float]],
) -> bool:
    """Fill in the column for some vectors of a scope, in a write transaction.

    Args:
        connection: in a transaction.
        scope_id: the owner.
        generation: whose vectors.
        as_numbers: what the bytes of a vector say.

    Returns:
        Whether there may be more of it to do.
    """
    if not is_used(connection) or read_scope(connection, scope_id, hold=True) is None:
        return False
    table, schema = _table(connection), _schema(connection)
    given = {"scope": scope_id, "generation": generation}
    found: Any = connection.execute(_unfilled(table), {**given, "most": STEP})
    rows = [(row[0], row[1], as_numbers(row[2])) for row in found]
    taken = [row for row in rows if len(row[2]) <= MOST_NUMBERS]
    if taken:
        connection.execute(
            _filling(str(schema), table),
            {
                **given,
                "sessions": [row[0] for row in taken],
                "seqs": [row[1] for row in taken],
                "texts": [as_text(row[2]) for row in taken],
            },
        )
    return len(rows) == STEP and bool(taken)


def as_text(numbers: Sequence[float]) -> str:
    """A vector as the extension reads it; nine digits are all that four bytes hold."""
    return f"[{','.join([f'{number:.9g}' for number in numbers])}]"


def _may_not(connection: Connection) -> bool:
    return connection.dialect.name != "postgresql" or not connection.get_execution_options().get(
        OPTION, True
    )


def _schema(connection: Connection) -> str | None:
    if _may_not(connection):
        return None
    dialect = connection.dialect
    if dialect not in _schemas:
        found = _look(connection)
        _schemas[dialect] = found[1] if found is not None and found[0] else None
    return _schemas[dialect]


def _look(connection: Connection) -> tuple[bool, str, bool] | None:
    """Whether the column is there, the extension's schema, whether no other owns the table."""
    found = connection.execute(_FOUND, {"name": _table(connection), "column": _COLUMN}).first()
    if found is None:
        return None
    return bool(found[0]), _quoted(connection, found[1]), bool(found[2])


def _quoted(connection: Connection, name: str) -> str:
    return connection.dialect.identifier_preparer.quote_identifier(name)


def _table(connection: Connection) -> str:
    return _quoted(connection, own_name(connection, vectors.name))


def _column_statements(connection: Connection, schema: str) -> list[str]:
    table, index = _table(connection), _quoted(connection, own_name(connection, _INDEX))
    return [
        f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {_COLUMN} {schema}.vector",
        f"CREATE INDEX IF NOT EXISTS {index} ON {table} (scope_id, generation) "
        f"WHERE {_COLUMN} IS NULL",
    ]


def _comparing(schema: str, table: str) -> Any:
    """One row, in which the places and their cosines lie packed: rows would take longer."""
    return text(
        f"SELECT count(*) FILTER (WHERE {_COLUMN} IS NULL) AS unfilled, "  # noqa: S608  # quoted names
        f"bool_or({schema}.vector_dims({_COLUMN}) <> :count) AS strange, "
        "string_agg(int8send((session_no::bigint << :bits) | seq), ''::bytea) "
        f"FILTER (WHERE {_COLUMN} IS NOT NULL) AS places, "
        "string_agg(float4send("
        # A vector of zeros has no direction, and is as far as what has nothing in common.
        f"CASE WHEN {schema}.vector_dims({_COLUMN}) = :count THEN coalesce(1 - nullif("
        f"{schema}.cosine_distance({_COLUMN}, q), 'NaN'), 0) ELSE 0 END::real), ''::bytea) "
        f"FILTER (WHERE {_COLUMN} IS NOT NULL) AS cosines "
        f"FROM {table}, (SELECT CAST(CAST(:question AS text) AS {schema}.vector) AS q OFFSET 0) "
        "AS asked WHERE scope_id = :scope AND generation = :generation"
    ).bindparams(
        bindparam("count", type_=Integer),
        bindparam("bits", type_=Integer),
        bindparam("scope", type_=Integer),
        bindparam("generation", type_=Text),
        bindparam("question", type_=Text),
    )


def _unfilled(table: str) -> Any:
    return text(
        f"SELECT session_no, seq, vector FROM {table} "  # noqa: S608  # quoted names
        f"WHERE scope_id = :scope AND generation = :generation AND {_COLUMN} IS NULL "
        "ORDER BY session_no, seq LIMIT :most"
    ).bindparams(bindparam("most", type_=Integer))


def _filling(schema: str, table: str) -> Any:
    return text(
        f"UPDATE {table} AS v SET {_COLUMN} = CAST(a.said AS {schema}.vector) "  # noqa: S608  # quoted names
        "FROM unnest(:sessions, :seqs, :texts) AS a(session_no, seq, said) "
        "WHERE v.scope_id = :scope AND v.generation = :generation "
        "AND v.session_no = a.session_no AND v.seq = a.seq"
    ).bindparams(
        bindparam("sessions", type_=ARRAY(Integer)),
        bindparam("seqs", type_=ARRAY(BigInteger)),
        bindparam("texts", type_=ARRAY(Text)),
    )
