"""The floors: what the least conceivable work costs, so that memori's cost has something to be
divided by. Every figure of this project is quoted beside its floor from the same run.

Insert floor
    One row into one plain table (integer key, scope, text) of a file in WAL mode: BEGIN
    IMMEDIATE, INSERT, COMMIT, through `sqlite3` without any layer. No index, no history, no
    full text. The table holds as many rows as memori has items. `synchronous` is what memori's
    durability setting stands for: `full` FULL, `process` NORMAL. For an exchange the floor is
    one such transaction with two INSERTs.

Query floor
    One FTS5 query over the same texts of one owner, nothing else in the table: tokenizer
    `porter unicode61`, stop words taken out of the query, its other terms joined by OR, ordered
    by FTS5's own rank (bm25), `limit` rows with their text. Same queries, same limit, also a file
    in WAL mode. It ranks by the words of the text alone.

The same on a server
    `server_floors.py`: the same rows, the same transaction and the same question, through the
    plain driver and that server's own full text index.

Plain FTS5 baseline
    The query floor as a method of recall, over the turns' texts without speaker and date. It
    shows what the other signals are worth, in `benchmarks.recall`.

Echo floor
    `benchmarks/echo.py`: a server of the same SDK, over the same transport, with one tool that
    returns its argument. It is also the bare server that cold start is measured against.

The stop words are the floor's own and stay as they are, so that a change to memori's analyser
does not move what it is compared with.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

Durability = Literal["full", "process"]

#: SQLite's `synchronous` for each of memori's durability settings.
SYNCHRONOUS: Mapping[Durability, str] = {"full": "FULL", "process": "NORMAL"}

_STOP_WORDS = """
a about after again all also am an and any are as at be because been before being between both
but by can could d did do does doing don down during each few for from further had has have
having he her here hers herself him himself his how i if in into is it its itself just ll m me
more most my myself no nor not now of off on once only or other our ours ourselves out over
own re s same she should so some such t than that the their theirs them themselves then there
these they this those through to too under until up ve very was we were what when where which
while who whom why will with would you your yours yourself yourselves
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())

_WORD = re.compile(r"[^\W_]+")

CREATE_ROWS = (
    "CREATE TABLE items (id INTEGER PRIMARY KEY, scope_id INTEGER NOT NULL, content TEXT NOT NULL)"
)
INSERT_ROW = "INSERT INTO items (scope_id, content) VALUES (1, ?)"
CREATE_TEXTS = "CREATE VIRTUAL TABLE texts USING fts5(content, tokenize = 'porter unicode61')"
INSERT_TEXT = "INSERT INTO texts (rowid, content) VALUES (?, ?)"
# `rank` and not `bm25(texts)`: the same order, but FTS5 then sorts before it fetches the texts.
SEARCH_TEXTS = "SELECT rowid, content FROM texts WHERE texts MATCH ? ORDER BY rank LIMIT ?"


def query_words(question: str) -> list[str]:
    """The words of a question without stop words; all of them when there are no others."""
    words = list(dict.fromkeys(_WORD.findall(question.lower())))
    return [word for word in words if word not in STOP_WORDS] or words


def match_expression(question: str) -> str:
    """The FTS5 query of a question: its words joined by OR, "" when it has none."""
    return " OR ".join(f'"{word}"' for word in query_words(question))


def connect(path: Path | None, durability: Durability) -> sqlite3.Connection:
    """A connection in autocommit mode; `path` None is a database in memory."""
    connection = sqlite3.connect(path or ":memory:", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {SYNCHRONOUS[durability]}")
    return connection


class _Floor:
    """A connection that closes with the `with` block."""

    def __init__(self, path: Path | None, durability: Durability) -> None:
        self._connection = connect(path, durability)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class InsertFloor(_Floor):
    """The insert floor; `rows` is what lies in the table before anything is measured."""

    def __init__(self, path: Path, durability: Durability, rows: Iterable[str] = ()) -> None:
        super().__init__(path, durability)
        self._connection.execute(CREATE_ROWS)
        self.insert(rows)

    def insert(self, texts: Iterable[str]) -> None:
        """One durable transaction that inserts a row for each text."""
        self._connection.execute("BEGIN IMMEDIATE")
        for text in texts:
            self._connection.execute(INSERT_ROW, (text,))
        self._connection.execute("COMMIT")


class QueryFloor(_Floor):
    """The query floor and the plain FTS5 baseline, over the texts of one owner.

    Rows are numbered from 0 in the order of `texts`. `path` None keeps them in memory, which
    is enough where only the ranking matters.
    """

    def __init__(
        self, texts: Sequence[str], *, path: Path | None = None, durability: Durability = "full"
    ) -> None:
        super().__init__(path, durability)
        self._rows = 0
        self._connection.execute(CREATE_TEXTS)
        self.add(texts)

    def add(self, texts: Sequence[str]) -> None:
        """Append texts, in one transaction."""
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(INSERT_TEXT, enumerate(texts, self._rows))
        self._connection.execute("COMMIT")
        self._rows += len(texts)

    def search(self, question: str, limit: int) -> list[tuple[int, str]]:
        """Number and text of the best `limit` rows, best first; fewer when fewer match."""
        expression = match_expression(question)
        if not expression:
            return []
        return self._connection.execute(SEARCH_TEXTS, (expression, limit)).fetchall()
