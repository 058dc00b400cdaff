"""The standing memories of a SQLite file, read by the standard library while no server runs."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from memori.hooks.place import is_file
from memori.text.quoting import quote

#: Seconds the file may keep a hook waiting.
_BUSY_SECONDS = 0.05
_NEWEST, _MOST_CHARS = 20, 600
#: What is current, pinned or in short-term memory first, then by category, then the newest.
_QUERY = """
SELECT m.id, m.content, m.category, m.source, COALESCE(m.valid_from, m.recorded_at)
FROM memories AS m
JOIN scopes AS o ON o.scope_id = m.scope_id
LEFT JOIN short_term AS s ON s.scope_id = m.scope_id AND s.memory_no = m.memory_no
WHERE o.namespace = ? AND o.user_id = ? AND o.user_id <> ''
  AND m.active_hash IS NOT NULL AND m.quarantined = 0 AND m.forgotten_at IS NULL
  AND (m.valid_until IS NULL OR m.valid_until > ?)
  AND (m.superseded_from IS NULL OR m.superseded_from > ?)
  AND (m.pinned OR s.member OR m.category = 'rule' OR m.memory_no > (
      SELECT MAX(n.memory_no) FROM memories AS n WHERE n.scope_id = m.scope_id) - ?)
ORDER BY m.pinned DESC, COALESCE(s.member, 0) DESC, m.category <> 'rule', m.importance DESC,
         m.memory_no DESC
LIMIT 60
"""
_PAUSED = "SELECT 1 FROM scopes WHERE namespace = ? AND user_id = ? AND paused_until > ?"


class Standing(NamedTuple):
    """A memory, and the line that shows it."""

    id: str
    line: str


def read_standing(database: str, namespace: str, user_id: str) -> list[Standing] | None:
    """What a model should see first, the weightiest before the rest.

    Args:
        database: its URL.
        namespace: which memory.
        user_id: whose.

    Returns:
        Nothing where there is no such file yet; None while it is paused.

    Raises:
        ValueError: this is no SQLite file, so that only a server can read it.
        sqlite3.Error: it cannot be read now.
    """
    if not is_file(database):
        raise ValueError("only a running server can read this database")
    path = Path(database.partition(":///")[2].partition("?")[0]).expanduser()
    if not path.is_file():
        return []
    now = datetime.now(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_BUSY_SECONDS
    )
    try:
        if _is_paused(connection, namespace, user_id, now):
            return None
        rows = connection.execute(_QUERY, (namespace, user_id, now, now, _NEWEST)).fetchall()
    finally:
        connection.close()
    return [Standing(row[0], _line(*row[1:])) for row in rows]


def _is_paused(connection: sqlite3.Connection, namespace: str, user_id: str, now: str) -> bool:
    try:
        found = connection.execute(_PAUSED, (namespace, user_id, now)).fetchone()
    except sqlite3.OperationalError as error:
        if "no such column" in str(error):  # an older program made it, which knows no pauses
            return False
        raise
    return found is not None


def _line(content: str, category: str, source: str, at: str) -> str:
    text = " ".join(content.split())
    if len(text) > _MOST_CHARS:
        text = text[: _MOST_CHARS - 1].rstrip() + "…"
    return f"- [{at[:10]} · {category} · {source}] {quote(text)}"
