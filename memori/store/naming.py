"""Names of our tables in a database that holds other things too: each begins with a prefix.

The statements name the tables as `memori.store.tables` does. What a dialect writes instead is
settled where it quotes a name, when a statement is compiled, so that running it costs no more.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Connection, Dialect

from memori.store import tables


def use_prefix(dialect: Dialect, prefix: str) -> None:
    """Let a dialect write a prefix before the names of our tables, keys and indexes."""
    if prefix:
        made: Any = dialect
        made.preparer = _preparer(made.preparer, prefix)
        made.identifier_preparer = made.preparer(made)


def own_name(connection: Connection, name: str) -> str:
    """What a table of ours is called in this database."""
    return getattr(connection.dialect.identifier_preparer, "own_prefix", "") + name


@cache
def _preparer(base: type[Any], prefix: str) -> type[Any]:
    """A dialect's way to quote names, with the prefix before ours."""
    ours = {str(name) for name in _names()}

    def quote(self: Any, ident: str, *force: Any) -> str:
        return base.quote(self, prefix + ident if ident in ours else ident, *force)

    return type(f"Prefixed{base.__name__}", (base,), {"own_prefix": prefix, "quote": quote})


def _names() -> set[str]:
    found = set(tables.metadata.tables)
    for table in tables.metadata.tables.values():
        found |= {str(index.name) for index in table.indexes}
        found |= {str(each.name) for each in table.constraints if each.name is not None}
    return found
