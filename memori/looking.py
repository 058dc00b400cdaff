"""Looking at the tables of a scope, read-only and by page."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from memori import cursors
from memori.arguments import as_count, as_text
from memori.engine import Engine
from memori.errors import NotFound
from memori.model import JsonObject, Page, TableColumn, TableShape
from memori.recall.candidates import OpenScope
from memori.store import looking

#: Rows a page at most.
MOST_ROWS = 200


class Looking(Engine):
    """What shows the tables that carry a scope."""

    async def tables(self) -> tuple[TableShape, ...]:
        """The tables whose rows belong to a scope, by name, with the columns a reader sees."""
        await self._open()
        return tuple(
            TableShape(
                name=str(table.name),  # SQLAlchemy has a type of its own
                columns=tuple(
                    TableColumn(name=str(column.name), kind=looking.kind_of(column))
                    for column in looking.shown_columns(table)
                ),
            )
            for table in looking.shown_tables()
        )

    async def table_rows(
        self,
        table: str,
        *,
        limit: int = 50,
        cursor: str | None = None,
        user_id: str | None = None,
        namespace: str | None = None,
    ) -> Page[JsonObject]:
        """Rows of one table that belong to the scope, in the order of its key.

        What is quarantined or forgotten is there without what it says.

        Args:
            table: its name, as `tables` says it.
            limit: rows a page, 1 to 200.
            cursor: the cursor of the page before.
            user_id: another user than the object's.
            namespace: another namespace than the object's.

        Raises:
            NotFound: there is no such table that carries a scope.
            InvalidArgument: the cursor or limit makes no sense.
        """
        scope = self._choose_scope(user_id, namespace)
        name = as_text(table, "table")
        as_count(limit, "limit", MOST_ROWS)
        chosen = next((each for each in looking.shown_tables() if each.name == name), None)
        if chosen is None:
            named = ", ".join(each.name for each in looking.shown_tables())
            raise NotFound(f"no table of this name belongs to a user; there are {named}")
        keys = looking.key_kinds(chosen)
        asked = cursors.digest([scope], "rows", str(name))
        after = cursors.read_values(cursor, asked, keys)

        def read(
            connection: Connection, readable: Sequence[OpenScope]
        ) -> tuple[list[looking.Row], tuple[int | str, ...] | None]:
            if not readable:
                return [], None
            return looking.read_rows(connection, chosen, readable[0].scope_id, after, limit)

        rows, last = await self._read([scope], read)
        more = None if last is None else cursors.write(asked, *last)
        return Page(items=tuple(rows), cursor=more)
