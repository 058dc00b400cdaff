"""The working context: the short text a model should see first.

It shows short-term memory, grouped by what it is about, in the order in which its lines entered;
what is pinned or important but was not looked at by promotion yet; what is new; and what fits the
task. Lines of short-term memory change only when promotion runs, and what is new stands behind
them, so that the text begins the same for as long as it can. A line is taken whole or not at all,
so the text never exceeds its budget.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from sqlalchemy import Connection, bindparam, or_, select
from sqlalchemy import text as sql

from memori.model import ContextLine, Hit, Kind, WorkingContext
from memori.recall.candidates import OpenScope
from memori.recall.find import find_hits
from memori.recall.lines import line_of_memory, sized_line
from memori.recall.query import Query
from memori.store import profiles, reading
from memori.store.prepared import Prepared
from memori.store.reading import Filter
from memori.store.tables import (
    ESSENTIAL,
    ESSENTIAL_IMPORTANCE,
    memories,
    promotions,
    short_term,
)
from memori.text.kinds import kind_of
from memori.text.tokens import estimate_tokens

if TYPE_CHECKING:
    from memori.recall.meaning import Meaning

_PER_SECTION = 50
_RECENT = 10
_FOR_TASK = 12
#: What fits the task may use this share of the budget even when the rest could fill it.
_TASK_SHARE = 0.5
#: A profile may use this share: what it rests on stands behind it.
_PROFILE_SHARE = 0.25
#: Columns that neither a line nor the decision about it reads.
_UNUSED = frozenset(
    "confidence evidence supersedes content_hash active_hash length operation_id forgotten_by "
    "forgotten_with".split()
)
EMPTY = (
    "Nothing is remembered here yet. When the person states a fact, a preference, a rule or a "
    "decision worth keeping, store it with remember."
)
#: The sections in their order, and what stands above each.
HEADINGS = {
    "profile": "Profile",
    "who": "Who the user is",
    "rules": "Standing rules",
    "preferences": "Preferences",
    "projects": "Current projects and plans",
    "decisions": "Recent decisions",
    "facts": "Facts and skills",
    "recent": "Recent",
    "task": "For this task",
}
_HEADING_TOKENS = {name: estimate_tokens(text) + 2 for name, text in HEADINGS.items()}
_SECTIONS = {
    "identity": "who",
    "rule": "rules",
    "preference": "preferences",
    "context": "projects",
    "decision": "decisions",
    "skill": "facts",
    "fact": "facts",
}


_m, _s, _p = memories.c, short_term.c, promotions.c
#: What a line is made of, and what decides whether it is shown.
_SHOWN = tuple(column for column in memories.columns if column.name not in _UNUSED)
_MemoryRow: Any = cast("Any", namedtuple)("_MemoryRow", [column.name for column in _SHOWN])
_LOOKED_AT = Prepared(select(_p.ran_at, _p.seen_memory).where(_p.scope_id == bindparam("scope")))
_MEMBERS = Prepared(
    select(_s.memory_no, _s.entered_at, _s.score, _s.kind).where(
        _s.scope_id == bindparam("scope"), _s.member.is_(True)
    )
)
_NEWEST = Prepared(
    select(*_SHOWN)
    .where(_m.scope_id == bindparam("scope"), _m.active_hash.is_not(None))
    .order_by(_m.memory_no.desc())
    .limit(_RECENT * 3)
)


def _essential(*, pinned: bool) -> Prepared:
    """The weightiest of those that are pinned, or of the important ones that are not."""
    return Prepared(
        select(*_SHOWN)
        .where(
            _m.scope_id == bindparam("scope"),
            _m.pinned.is_(pinned),
            sql(f"({ESSENTIAL})"),
            _m.forgotten_at.is_(None),
            _m.quarantined.is_(False),
            or_(_m.valid_until.is_(None), _m.valid_until > bindparam("now")),
            or_(_m.superseded_from.is_(None), _m.superseded_from > bindparam("now")),
        )
        .order_by(_m.importance.desc(), _m.memory_no.desc())
        .limit(_PER_SECTION)
    )


_PINNED, _IMPORTANT = _essential(pinned=True), _essential(pinned=False)


_Key = tuple[str, tuple[Any, ...]]


class _Entry(NamedTuple):
    """A line that may be shown, as hit or as row: the lower `urgency`, the sooner it gets a place
    in the budget; `order` is its place in its section."""

    shown: Any
    kind: Kind
    namespace: str
    section: str
    urgency: tuple[Any, ...]
    order: tuple[Any, ...]

    @property
    def key(self) -> _Key:
        """What is shown once: the sentences of a profile are lines of one memory."""
        return self.shown.id, self.order if self.section == "profile" else ()


def build_context(
    connection: Connection,
    readable: Sequence[OpenScope],
    task: Query | None,
    *,
    now: datetime,
    max_tokens: int,
    meaning: Meaning | None = None,
    never: Iterable[str] = (),
    min_trust: float = 0.0,
    profile: bool = False,
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
        min_trust: what is trusted less stands among what is recent at most, unless it is pinned or
            was promoted.
        profile: show the profile too, where there is one that holds.
    """
    chosen = Filter(now=now)
    standing: dict[str, _Entry] = {}
    profile_lines: list[_Entry] = []
    for place, scope in enumerate(readable):
        for entry in _standing(connection, scope, place, chosen, frozenset(never), min_trust):
            standing.setdefault(entry.shown.id, entry)
        if profile:
            profile_lines += _profile(connection, scope, place, chosen, frozenset(never))
    fitting: Sequence[Hit] = ()
    if task is not None:
        fitting = find_hits(connection, readable, task, chosen, limit=_FOR_TASK, meaning=meaning)
    if not standing and not fitting:
        text = EMPTY if estimate_tokens(EMPTY) <= max_tokens else ""
        return WorkingContext(
            text=text, tokens=estimate_tokens(text), max_tokens=max_tokens, lines=()
        )
    tasks = [
        _Entry(hit, hit.kind, hit.namespace, "task", (at,), (at,)) for at, hit in enumerate(fitting)
    ]
    return _compose(profile_lines, list(standing.values()), tasks, max_tokens)


def _standing(
    connection: Connection,
    scope: OpenScope,
    place: int,
    chosen: Filter,
    never: frozenset[str],
    min_trust: float,
) -> Iterator[_Entry]:
    """What stands in the context of a scope whatever the task is."""
    state = _LOOKED_AT.run(connection, {"scope": scope.scope_id})
    ran, since = (state[0][0] is not None, state[0][1]) if state else (False, 0)

    def shown(rows: Iterable[Any]) -> Iterator[Any]:
        return (row for row in rows if chosen.passes_memory(row) and never.isdisjoint(row.tags))

    def entry(row: Any, section: str, urgency: tuple[Any, ...], since: datetime) -> _Entry:
        order = (place, since, row.memory_no)
        return _Entry(row, "memory", scope.namespace, section, (*urgency, order), order)

    members = {row[0]: row[1:] for row in _MEMBERS.run(connection, {"scope": scope.scope_id})}
    # One after the other: joined, SQLite reads every memory of the scope.
    rows = reading.memories_at(connection, scope.scope_id, list(members)) if members else {}
    for row in shown(row for row in rows.values() if row.active_hash is not None):
        entered_at, score, kind = members[row.memory_no]
        yield entry(row, _SECTIONS[kind], (not row.pinned, place, 0, -score), entered_at)
    newest = list(shown(_newest(connection, scope)))
    # What promotion has not looked at yet.
    fresh = [row for row in newest if row.memory_no > since]
    fresh = [row for row in fresh if row.importance >= ESSENTIAL_IMPORTANCE]
    if not ran:
        fresh += shown(_important(connection, scope, chosen))
    for row in chain(shown(_pinned(connection, scope, chosen)), fresh):
        unsure = row.trust < min_trust and not row.pinned
        section = "recent" if ran or unsure else _SECTIONS[kind_of(row.category, row.content)]
        yield entry(row, section, (not row.pinned, place, 1, -row.importance), row.recorded_at)
    for at, row in enumerate(newest[:_RECENT]):
        yield entry(row, "recent", (True, len(_SECTIONS), place, at), row.recorded_at)


def _profile(
    connection: Connection, scope: OpenScope, place: int, chosen: Filter, never: frozenset[str]
) -> Iterator[_Entry]:
    """The sentences of a scope's profile, unless something it rests on no longer holds."""
    found = profiles.current(connection, scope.scope_id)
    if not found or not profiles.holds(connection, scope.scope_id, found[-1], chosen, never):
        return
    row = found[-1]
    for at, sentence in enumerate(profiles.sentences_of(row)):
        shown = row._replace(content=sentence.text)
        yield _Entry(shown, "memory", scope.namespace, "profile", (place, at), (place, at))


def _pinned(connection: Connection, scope: OpenScope, chosen: Filter) -> Iterator[Any]:
    values = {"scope": scope.scope_id, "now": chosen.now}
    return map(_MemoryRow._make, _PINNED.run(connection, values))


def _important(connection: Connection, scope: OpenScope, chosen: Filter) -> Iterator[Any]:
    values = {"scope": scope.scope_id, "now": chosen.now}
    return map(_MemoryRow._make, _IMPORTANT.run(connection, values))


def _newest(connection: Connection, scope: OpenScope) -> Iterator[Any]:
    """The memories written last; their numbers count up, so no sorting is needed."""
    return map(_MemoryRow._make, _NEWEST.run(connection, {"scope": scope.scope_id}))


def _compose(
    profile: list[_Entry], standing: list[_Entry], tasks: list[_Entry], max_tokens: int
) -> WorkingContext:
    """Fill the budget: what fits the task has its share first, the rest goes by urgency."""
    standing.sort(key=lambda entry: entry.urgency)
    known = {entry.shown.id for entry in standing if entry.section != "recent"}
    chosen: dict[_Key, tuple[_Entry, str]] = {}
    share = int(max_tokens * _TASK_SHARE) if tasks else 0
    left = max_tokens - _take(profile, chosen, int(max_tokens * _PROFILE_SHARE))
    left -= _take([each for each in tasks if each.shown.id not in known], chosen, share)
    left -= _take(standing, chosen, left)
    _take(tasks, chosen, left)
    text, lines = _render(chosen.values())
    return WorkingContext(
        text=text, tokens=estimate_tokens(text), max_tokens=max_tokens, lines=tuple(lines)
    )


def _take(entries: Iterable[_Entry], chosen: dict[_Key, tuple[_Entry, str]], budget: int) -> int:
    """Add entries that fit to `chosen`, by id; the tokens they use, headings included."""
    used = 0
    headed = {entry.section for entry, _ in chosen.values()}
    for entry in entries:
        if entry.key in chosen:
            continue
        hit = isinstance(entry.shown, Hit)
        line, cost = sized_line(entry.shown) if hit else line_of_memory(entry.shown)
        cost += 1
        if entry.section not in headed:
            cost += _HEADING_TOKENS[entry.section]
        if used + cost > budget:
            continue
        headed.add(entry.section)
        chosen[entry.key] = (entry, line)
        used += cost
    return used


def _render(chosen: Iterable[tuple[_Entry, str]]) -> tuple[str, list[ContextLine]]:
    sections: dict[str, list[tuple[_Entry, str]]] = {section: [] for section in HEADINGS}
    for entry, line in chosen:
        sections[entry.section].append((entry, line))
    blocks: list[str] = []
    lines: list[ContextLine] = []
    for section, entries in sections.items():
        if not entries:
            continue
        entries.sort(key=lambda each: each[0].order)
        blocks.append(f"{HEADINGS[section]}:\n" + "\n".join(line for _, line in entries))
        for entry, line in entries:
            shown = entry.shown
            lines.append(
                ContextLine(
                    kind=entry.kind,
                    id=shown.id,
                    text=line,
                    section=section,
                    at=shown.at if isinstance(shown, Hit) else shown.recorded_at,
                    category=shown.category,
                    namespace=entry.namespace,
                )
            )
    return "\n".join(blocks), lines
