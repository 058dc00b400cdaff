"""The working context: the short text a model should see first.

Sections in a fixed order: pinned, important, recent, then what fits the task. A line is taken
whole or not at all, so the text never exceeds its budget.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, or_, select
from sqlalchemy import text as sql

from memori.model import ContextLine, Hit, WorkingContext
from memori.recall.candidates import OpenScope
from memori.recall.find import find_hits
from memori.recall.hits import memory_hit
from memori.recall.query import Query
from memori.store.reading import Filter
from memori.store.tables import ESSENTIAL, memories
from memori.text.quoting import name, quote
from memori.text.tokens import estimate_tokens

if TYPE_CHECKING:
    from memori.recall.meaning import Meaning

_PER_SECTION = 50
_RECENT = 10
_FOR_TASK = 12
#: What fits the task may use this share of the budget even when the rest could fill it.
_TASK_SHARE = 0.5
_MAX_LINE_CHARS = 600
EMPTY = (
    "Nothing is remembered here yet. When the person states a fact, a preference, a rule or a "
    "decision worth keeping, store it with remember."
)
HEADINGS = {
    "pinned": "Pinned",
    "important": "Important",
    "recent": "Recent",
    "task": "For this task",
}


def build_context(
    connection: Connection,
    readable: Sequence[OpenScope],
    task: Query | None,
    *,
    now: datetime,
    max_tokens: int,
    meaning: Meaning | None = None,
) -> WorkingContext:
    """Gather the working context of the readable scopes.

    Args:
        connection: a snapshot.
        readable: the scopes, the written one first.
        task: what the model is about to do, if it was said.
        now: the reader's time.
        max_tokens: budget of the whole text by `estimate_tokens`.
        meaning: the task as vectors.
    """
    chosen = Filter(now=now)
    sections: dict[str, list[Hit]] = {
        "pinned": _essential(connection, readable, chosen, pinned=True),
        "important": _essential(connection, readable, chosen, pinned=False),
        "recent": _recent(connection, readable, chosen),
        "task": list(
            find_hits(connection, readable, task, chosen, limit=_FOR_TASK, meaning=meaning)
        )
        if task
        else [],
    }
    if not any(sections.values()):
        text = EMPTY if estimate_tokens(EMPTY) <= max_tokens else ""
        return WorkingContext(
            text=text, tokens=estimate_tokens(text), max_tokens=max_tokens, lines=()
        )
    return _compose(sections, max_tokens)


def line_of(hit: Hit) -> str:
    """One line: date, category and source or speaker, and the text in quotation marks."""
    date = hit.valid_from or hit.at if hit.kind == "memory" else hit.at
    label = f"{hit.category} · {hit.source}"
    if hit.kind == "turn":
        label = f"said by {name(hit.speaker or hit.role or hit.source)}"
        label += " · no longer holds" if hit.superseded_by is not None else ""
    text = " ".join(hit.text.split())
    if len(text) > _MAX_LINE_CHARS:
        text = text[: _MAX_LINE_CHARS - 1].rstrip() + "…"
    when = f"{date:%Y-%m-%d} · " if date else ""
    return f"- [{when}{label}] {quote(text)}"


def _essential(
    connection: Connection, readable: Sequence[OpenScope], chosen: Filter, *, pinned: bool
) -> list[Hit]:
    c = memories.c
    hits: list[Hit] = []
    for scope in readable:
        statement = select(memories).where(
            c.scope_id == scope.scope_id,
            c.pinned.is_(pinned),
            sql(f"({ESSENTIAL})"),
            c.forgotten_at.is_(None),
            c.quarantined.is_(False),
            or_(c.valid_until.is_(None), c.valid_until > chosen.now),
            or_(c.superseded_from.is_(None), c.superseded_from > chosen.now),
        )
        found: Sequence[Row[Any]] = connection.execute(
            statement.order_by(c.importance.desc(), c.memory_no.desc()).limit(_PER_SECTION)
        ).fetchall()
        hits += [memory_hit(row, scope.namespace) for row in found if chosen.passes_memory(row)]
    return hits


def _recent(connection: Connection, readable: Sequence[OpenScope], chosen: Filter) -> list[Hit]:
    """The memories written last; their numbers count up, so no sorting is needed."""
    c = memories.c
    hits: list[Hit] = []
    for scope in readable:
        found: Sequence[Row[Any]] = connection.execute(
            select(memories)
            .where(c.scope_id == scope.scope_id, c.active_hash.is_not(None))
            .order_by(c.memory_no.desc())
            .limit(_RECENT * 3)
        ).fetchall()
        shown = [row for row in found if chosen.passes_memory(row)][:_RECENT]
        hits += [memory_hit(row, scope.namespace) for row in shown]
    return hits


def _compose(sections: dict[str, list[Hit]], max_tokens: int) -> WorkingContext:
    """Fill the budget: what fits the task has its share first, the rest goes in order."""
    chosen: dict[str, list[tuple[Hit, str]]] = {name: [] for name in sections}
    seen: set[str] = set()
    left = max_tokens
    standing = [name for name in sections if name != "task"]
    budget = int(max_tokens * _TASK_SHARE) if sections["task"] else 0
    known = {hit.id for name in ("pinned", "important") for hit in sections[name]}
    left -= _take(sections, chosen, seen, ["task"], budget, skip=known)
    left -= _take(sections, chosen, seen, standing, left)
    _take(sections, chosen, seen, ["task"], left)
    text, lines = _render(chosen)
    return WorkingContext(
        text=text, tokens=estimate_tokens(text), max_tokens=max_tokens, lines=tuple(lines)
    )


def _take(
    sections: dict[str, list[Hit]],
    chosen: dict[str, list[tuple[Hit, str]]],
    seen: set[str],
    names: Sequence[str],
    budget: int,
    skip: set[str] | None = None,
) -> int:
    """Move lines that fit from `sections` to `chosen`; the tokens they use, headings included."""
    used = 0
    for section in names:
        for hit in sections[section]:
            if hit.id in seen or (skip and hit.id in skip):
                continue
            line = line_of(hit)
            cost = estimate_tokens(line) + 1
            if not chosen[section]:
                cost += estimate_tokens(HEADINGS[section]) + 2
            if used + cost > budget:
                continue
            seen.add(hit.id)
            chosen[section].append((hit, line))
            used += cost
    return used


def _render(chosen: dict[str, list[tuple[Hit, str]]]) -> tuple[str, list[ContextLine]]:
    blocks: list[str] = []
    lines: list[ContextLine] = []
    for section, entries in chosen.items():
        if not entries:
            continue
        blocks.append(f"{HEADINGS[section]}:\n" + "\n".join(line for _, line in entries))
        lines += [
            ContextLine(
                kind=hit.kind,
                id=hit.id,
                text=line,
                section=section,
                at=hit.at,
                category=hit.category,
                namespace=hit.namespace,
            )
            for hit, line in entries
        ]
    return "\n".join(blocks), lines
