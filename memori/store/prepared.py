"""Statements of the hot path: written in Core, compiled once, run by the driver.

Core spends 0.1 ms on each execution (parameter handling, result objects) where SQLite needs a
tenth of that, and a remember has six of them. A `Prepared` statement is compiled once per
dialect with the column types' own processors; everything else stays ordinary Core.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Boolean, Connection, Dialect, Executable, Float, Numeric

T = TypeVar("T")
Row = tuple[Any, ...]
_Process = Callable[[Any], Any]
#: Every driver gives floats as Python has them, and for a truth value 0 and 1 will do.
_AS_THEY_COME = (Boolean, Float, Numeric)
#: Numbers of keys that a statement may be written for.
_SIZES = (4, 16, 48, 96, 192)


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A statement for one dialect: its SQL, its parameters in order, and the conversions."""

    sql: str
    names: tuple[str, ...]
    fixed: Mapping[str, Any]
    binds: tuple[tuple[int, _Process], ...]
    results: tuple[tuple[int, _Process], ...]


class Prepared:
    """A Core statement with named parameters, run with as little between it and the driver.

    Args:
        statement: an insert, update or select whose parameters are all named.
        columns: for an insert, the columns that are given values; None takes what the
            statement names itself.
    """

    def __init__(self, statement: Executable, columns: Sequence[str] | None = None) -> None:
        self._statement: Any = statement
        self._columns = columns
        self._compiled: dict[type[Any], _Compiled] = {}

    def run(self, connection: Connection, values: Mapping[str, Any]) -> list[Row]:
        """Execute once.

        Args:
            connection: in a transaction.
            values: a value for every parameter.

        Returns:
            The rows it returns; empty when it returns none.
        """
        compiled = self._for(connection.dialect)
        cursor = connection.connection.cursor()
        try:
            cursor.execute(compiled.sql, _bind(compiled, values))
            found = list(cursor.fetchall()) if cursor.description else []
        finally:
            cursor.close()
        if not compiled.results:
            return found
        return [_convert(row, compiled.results) for row in found]

    def run_many(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Execute for each row of plain values (numbers and text), in the statement's order."""
        sql = self._for(connection.dialect).sql
        cursor = connection.connection.cursor()
        try:
            cursor.executemany(sql, rows)
        finally:
            cursor.close()

    def _for(self, dialect: Dialect) -> _Compiled:
        # The kind of preparer stands for the dialect and for how it names our tables.
        kind = type(dialect.identifier_preparer)
        known = self._compiled.get(kind)
        if known is None:
            known = self._compiled[kind] = self._compile(dialect)
        return known

    def _compile(self, dialect: Dialect) -> _Compiled:
        compiled = self._statement.compile(dialect=dialect, column_keys=self._columns)
        names: tuple[str, ...] = tuple(compiled.positiontup)
        binds = [compiled.binds[name] for name in names]
        processes = [bind.type.dialect_impl(dialect).bind_processor(dialect) for bind in binds]
        columns: Any = getattr(self._statement, "exported_columns", ())
        results = [
            None
            if isinstance(column.type, _AS_THEY_COME)
            else column.type.dialect_impl(dialect).result_processor(dialect, None)
            for column in columns
        ]
        return _Compiled(
            sql=str(compiled),
            names=names,
            fixed={
                name: bind.effective_value
                for name, bind in zip(names, binds, strict=True)
                if bind.effective_value is not None
            },
            binds=_present(processes),
            results=_present(results),
        )


def in_batches(keys: Sequence[T]) -> Iterator[tuple[list[T], int]]:
    """The keys in batches of a few fixed sizes, padded with repeats, so that statements recur.

    Yields each batch with its size.
    """
    for start in range(0, len(keys), _SIZES[-1]):
        batch = list(keys[start : start + _SIZES[-1]])
        size = next(size for size in _SIZES if size >= len(batch))
        yield batch + [batch[-1]] * (size - len(batch)), size


def _present(processes: Sequence[_Process | None]) -> tuple[tuple[int, _Process], ...]:
    return tuple((at, each) for at, each in enumerate(processes) if each is not None)


def _convert(row: Row, results: Sequence[tuple[int, _Process]]) -> Row:
    values: list[Any] | None = None
    for at, process in results:
        if row[at] is not None:
            if values is None:
                values = list(row)
            values[at] = process(row[at])
    return row if values is None else tuple(values)


def _bind(compiled: _Compiled, values: Mapping[str, Any]) -> Sequence[Any]:
    given = {**compiled.fixed, **values} if compiled.fixed else values
    row = [given[name] for name in compiled.names]
    for at, process in compiled.binds:
        row[at] = process(row[at])
    return row
