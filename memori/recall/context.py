"""The working context: the short text a model should see first.

It shows short-term memory, grouped by what it is about, in the order in which its lines entered;
what is pinned or important but was not looked at by promotion yet; what is new; and what fits the
task. Lines of short-term memory change only when promotion runs, and what is new stands behind
them, so that the text begins the same for as long as it can. A line is taken whole or not at all,
so the text never exceeds its budget.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, or_, select
from sqlalchemy import text as sql

from memori.model import ContextLine, Hit, WorkingContext
from memori.recall.candidates import OpenScope
from memori.recall.find import find_hits
from memori.recall.hits import memory_hit
from memori.recall.lines import line_of
from memori.recall.query import Query
from memori.store import promotions
from memori.store.reading import Filter
from memori.store.tables import ESSENTIAL, memories, short_term
from memori.text.identity import says_who
from memori.text.tokens import estimate_tokens

if TYPE_CHECKING:
    from memori.recall.meaning import Meaning

_PER_SECTION = 50
_RECENT = 10
_FOR_TASK = 12
#: What fits the task may use this share of the budget even when the rest could fill it.
_TASK_SHARE = 0.5
EMPTY = (
    "Nothing is remembered here yet. When the person states a fact, a preference, a rule or a "
    "decision worth keeping, store it with remember."
)
#: The sections in their order, and what stands above each.
HEADINGS = {
    "who": "Who the user is",
    "rules": "Standing rules",
    "preferences": "Preferences",
    "projects": "Current projects and plans",
    "facts": "Facts and skills",
    "recent": "Recent",
    "task": "For this task",
}
_SECTIONS = {
    "identity": "who",
    "rule": "rules",
    "preference": "preferences",
    "context": "projects",
    "skill": "facts",
    "fact": "facts",
}


@dataclass(frozen=True, slots=True)
class _Entry:
    """A line that may be shown: the lower `urgency`, the sooner it gets a place in the budget;
    `order` is its place in its section."""

    hit: Hit
    section: str
    urgency: tuple[Any, ...]
    order: tuple[Any, ...]


def build_context(
    connection: Connection,
    readable: Sequence[OpenScope],
    task: Query | None,
    *,
    now: datetime,
    max_tokens: int,
    meaning: Meaning | None = None,
    never: Iterable[str] = (),
) -> WorkingContext:
    """Gather the working context of the readable scopes.

    Args:
        connection: a snapshot.
        readable: the scopes, the written one first.
        task: what the model is about to do, if it was said.
        now: the reader's time.
        max_tokens: budget of the whole text by `estimate_tokens`.
        meaning: the task as vectors.
        never: memories with one of these tags are shown only where they fit the task.
    """
    chosen = Filter(now=now)
    standing: dict[str, _Entry] = {}
    for place, scope in enumerate(readable):
        for entry in _standing(connection, scope, place, chosen, frozenset(never)):
            standing.setdefault(entry.hit.id, entry)
    fitting: Sequence[Hit] = ()
    if task is not None:
        fitting = find_hits(connection, readable, task, chosen, limit=_FOR_TASK, meaning=meaning)
    if not standing and not fitting:
        text = EMPTY if estimate_tokens(EMPTY) <= max_tokens else ""
        return WorkingContext(
            text=text, tokens=estimate_tokens(text), max_tokens=max_tokens, lines=()
        )
    tasks = [_Entry(hit, "task", (at,), (at,)) for at, hit in enumerate(fitting)]
    return _compose(list(standing.values()), tasks, max_tokens)


def _standing(
    connection: Connection, scope: OpenScope, place: int, chosen: Filter, never: frozenset[str]
) -> Iterable[_Entry]:
    """What stands in the context of a scope whatever the task is."""
    state = promotions.state_of(connection, scope.scope_id)
    ran = state is not None and state.ran_at is not None

    def shown(rows: Iterable[Row[Any]]) -> Iterable[tuple[Row[Any], Hit]]:
        for row in rows:
            if chosen.passes_memory(row) and not never & set(row.tags):
                yield row, memory_hit(row, scope.namespace)

    for row, hit in shown(_members(connection, scope)):
        order = (place, row.entered_at, row.memory_no)
        yield _Entry(hit, _SECTIONS[row.kind], (not row.pinned, place, 0, -row.score, order), order)
    since = state.seen_memory if state is not None and ran else 0
    for pinned in (True, False):
        essential = _essential(connection, scope, chosen, pinned=pinned, since=since)
        for row, hit in shown(essential):
            section = "recent" if ran else _section_of(hit)
            order = (place, row.recorded_at, row.memory_no)
            yield _Entry(hit, section, (not pinned, place, 1, -row.importance, order), order)
    newest = list(shown(_newest(connection, scope)))[:_RECENT]
    for at, (row, hit) in enumerate(newest):
        order = (place, row.recorded_at, row.memory_no)
        yield _Entry(hit, "recent", (True, len(_SECTIONS), place, at, order), order)


def _section_of(hit: Hit) -> str:
    if hit.category == "fact" and says_who(hit.text):
        return "who"
    return _SECTIONS[hit.category or "fact"]


def _members(connection: Connection, scope: OpenScope) -> Sequence[Row[Any]]:
    m, s = memories.c, short_term.c
    return connection.execute(
        select(memories, s.entered_at, s.score, s.kind)
        .join(short_term, (m.scope_id == s.scope_id) & (m.memory_no == s.memory_no))
        .where(s.scope_id == scope.scope_id, s.member.is_(True), m.active_hash.is_not(None))
    ).fetchall()


def _essential(
    connection: Connection, scope: OpenScope, chosen: Filter, *, pinned: bool, since: int
) -> Sequence[Row[Any]]:
    """What is pinned; or what is important and was written after memory number `since`."""
    c = memories.c
    statement = select(memories).where(
        c.scope_id == scope.scope_id,
        c.pinned.is_(pinned),
        sql(f"({ESSENTIAL})"),
        c.forgotten_at.is_(None),
        c.quarantined.is_(False),
        or_(c.valid_until.is_(None), c.valid_until > chosen.now),
        or_(c.superseded_from.is_(None), c.superseded_from > chosen.now),
    )
    if not pinned:
        statement = statement.where(c.memory_no > since)
    return connection.execute(
        statement.order_by(c.importance.desc(), c.memory_no.desc()).limit(_PER_SECTION)
    ).fetchall()


def _newest(connection: Connection, scope: OpenScope) -> Sequence[Row[Any]]:
    """The memories written last; their numbers count up, so no sorting is needed."""
    c = memories.c
    return connection.execute(
        select(memories)
        .where(c.scope_id == scope.scope_id, c.active_hash.is_not(None))
        .order_by(c.memory_no.desc())
        .limit(_RECENT * 3)
    ).fetchall()


def _compose(standing: list[_Entry], tasks: list[_Entry], max_tokens: int) -> WorkingContext:
    """Fill the budget: what fits the task has its share first, the rest goes by urgency."""
    standing.sort(key=lambda entry: entry.urgency)
    known = {entry.hit.id for entry in standing if entry.section != "recent"}
    chosen: list[tuple[_Entry, str]] = []
    share = int(max_tokens * _TASK_SHARE) if tasks else 0
    left = max_tokens
    left -= _take([each for each in tasks if each.hit.id not in known], chosen, share)
    left -= _take(standing, chosen, left)
    _take(tasks, chosen, left)
    text, lines = _render(chosen)
    return WorkingContext(
        text=text, tokens=estimate_tokens(text), max_tokens=max_tokens, lines=tuple(lines)
    )


def _take(entries: Iterable[_Entry], chosen: list[tuple[_Entry, str]], budget: int) -> int:
    """Add entries that fit to `chosen`; the tokens they use, headings included."""
    used = 0
    seen = {entry.hit.id for entry, _ in chosen}
    headed = {entry.section for entry, _ in chosen}
    for entry in entries:
        if entry.hit.id in seen:
            continue
        line = line_of(entry.hit)
        cost = estimate_tokens(line) + 1
        if entry.section not in headed:
            cost += estimate_tokens(HEADINGS[entry.section]) + 2
        if used + cost > budget:
            continue
        seen.add(entry.hit.id)
        headed.add(entry.section)
        chosen.append((entry, line))
        used += cost
    return used


def _render(chosen: list[tuple[_Entry, str]]) -> tuple[str, list[ContextLine]]:
    blocks: list[str] = []
    lines: list[ContextLine] = []
    for section, heading in HEADINGS.items():
        entries = [each for each in chosen if each[0].section == section]
        if not entries:
            continue
        entries.sort(key=lambda each: each[0].order)
        blocks.append(f"{heading}:\n" + "\n".join(line for _, line in entries))
        for entry, line in entries:
            hit = entry.hit
            lines.append(
                ContextLine(
                    kind=hit.kind,
                    id=hit.id,
                    text=line,
                    section=section,
                    at=hit.at,
                    category=hit.category,
                    namespace=hit.namespace,
                )
            )
    return "\n".join(blocks), lines
