"""The verbs that read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

from sqlalchemy import Connection

from memori import cursors, intake
from memori.acting import acting
from memori.arguments import as_count, as_flag, as_id, as_ids, as_list, as_text
from memori.engine import Engine, Moment
from memori.errors import InvalidArgument, NotFound
from memori.intake import Rejected
from memori.model import (
    CATEGORIES,
    MAX_NAME_CHARS,
    Category,
    History,
    Hit,
    JsonObject,
    Kind,
    Memory,
    Operation,
    Page,
    Recalled,
    Scope,
    Session,
    Stats,
    Turn,
    WorkingContext,
)
from memori.recall.candidates import SEARCH_POOL, OpenScope
from memori.recall.context import build_context
from memori.recall.find import find_hits
from memori.recall.freshness import context_mark, is_mark
from memori.recall.hits import memory_hit, turn_hit
from memori.recall.query import parse_query
from memori.store import audit, pausing, reading, rows, turns
from memori.store.conflicts import Conflict, listed
from memori.store.index import exact_value, label_field, label_value
from memori.store.migrate import read_info
from memori.store.reading import Filter
from memori.text.tokens import estimate_tokens

T = TypeVar("T")

MAX_LIMIT = 1_000
#: Why nothing was found, in the list of activity.
NOTHING_FOUND, ABSTAINED, OVER_BUDGET = "nothing found", "abstained", "over the budget"
KINDS: tuple[Kind, ...] = get_args(Kind)


class Reading(Engine):
    """Recall, search, the working context, and looking at what lies in a scope."""

    async def recall(
        self,
        query: str,
        *,
        limit: int = 10,
        max_tokens: int | None = None,
        kinds: Iterable[Kind] = ("memory", "turn"),
        as_of: Moment = None,
        known_at: Moment = None,
        now: Moment = None,
        include_superseded: bool = False,
        session_id: str | None = None,
        agent_id: str | None = None,
        user_id: str | None = None,
        namespace: str | None = None,
    ) -> Recalled:
        """Find what was said or kept that bears on a question, best first.

        Args:
            query: a question or some words, in any language.
            limit: how many hits at most, 1 to 1,000.
            max_tokens: stop before the texts exceed this many tokens.
            kinds: memories, turns or both.
            as_of: what was true then, superseded or not.
            known_at: what was known then.
            now: what "yesterday" in the query counts from; by default `as_of`, else the clock.
            include_superseded: show memories that no longer hold.
            session_id: only this conversation.
            agent_id: only what this agent wrote.
            user_id: another user than the object's.
            namespace: this namespace alone.

        Returns:
            Hits; empty when nothing matches, or, unless `recall.abstain` is off, when nothing fits:
            its `withheld` says why then.

        Raises:
            InvalidArgument: a limit or a time makes no sense.
        """
        chosen = self._filter(
            kinds=tuple(as_list(kinds, "kinds")),
            as_of=as_of,
            known_at=known_at,
            include_superseded=include_superseded,
            session_id=session_id,
            agent_id=agent_id,
        )
        query = as_text(query, "query")
        if max_tokens is not None:
            as_count(max_tokens, "max_tokens")
        as_count(limit, "limit", MAX_LIMIT)
        parsed = parse_query(query, self._moment(now, "now") or chosen.as_of or self._here())
        wanted = self._readable(user_id, namespace)
        meaning = await self._ask(query)
        hits = await self._read(
            wanted,
            lambda connection, readable: find_hits(
                connection,
                readable,
                parsed,
                chosen,
                limit=limit,
                meaning=meaning,
                abstain=self._settings.recall.abstain,
            ),
        )
        shown = hits if max_tokens is None or not hits else Recalled(_within(hits, max_tokens))
        self._uses.recalled(wanted[0].user_id, shown)
        self._note(
            "recall",
            wanted[0],
            [hit.id for hit in shown],
            [hit.text for hit in shown],
            "" if shown else _why_nothing(hits),
        )
        return shown

    async def search(
        self,
        query: str | None = None,
        *,
        kind: Kind | None = None,
        category: Category | None = None,
        tag: str | None = None,
        entity: str | None = None,
        metadata: JsonObject | None = None,
        session_id: str | None = None,
        agent_id: str | None = None,
        since: Moment = None,
        until: Moment = None,
        as_of: Moment = None,
        known_at: Moment = None,
        include_superseded: bool = False,
        include_forgotten: bool = False,
        limit: int = 20,
        cursor: str | None = None,
        user_id: str | None = None,
        namespace: str | None = None,
    ) -> Page[Hit]:
        """Filter and page through memories and turns.

        Args:
            query: rank by these words; without, newest first.
            kind: `memory` or `turn` only.
            category: memories of this category.
            tag: carrying this tag.
            entity: about whoever has this name, or another name of theirs.
            metadata: with these metadata values, compared exactly.
            session_id: from this conversation.
            agent_id: written by this agent.
            since: said or recorded at or after this time.
            until: before this time.
            as_of: what was true then.
            known_at: what was known then.
            include_superseded: also what no longer holds.
            include_forgotten: also what is hidden, for the owner's eyes; only without a query.
            limit: items a page, 1 to 1,000.
            cursor: the cursor of the page before.
            user_id: another user than the object's.
            namespace: this namespace alone.

        Raises:
            InvalidArgument: a filter makes no sense, or the cursor is of another search.
        """
        as_count(limit, "limit", MAX_LIMIT)
        labels = _labels(tag, entity, metadata)
        if category is not None and category not in CATEGORIES:
            raise InvalidArgument(f"no category {category!r}; there are {', '.join(CATEGORIES)}")
        if query is not None and as_flag(include_forgotten, "include_forgotten"):
            raise InvalidArgument("what is forgotten has no index; leave out the query")
        only_memories = category is not None or tag is not None or entity is not None
        chosen = self._filter(
            kinds=("memory",) if only_memories else ("memory", "turn"),
            category=category,
            labels=labels,
            session_id=session_id,
            agent_id=agent_id,
            since=since,
            until=until,
            as_of=as_of,
            known_at=known_at,
            include_superseded=include_superseded,
            include_forgotten=include_forgotten,
        )
        if kind is not None:
            self._filter(kinds=(kind,))
            chosen = replace(chosen, kinds=tuple(each for each in chosen.kinds if each == kind))
        readable = self._readable(user_id, namespace)
        if query is not None and as_text(query, "query").strip():
            found = await self._search_ranked(query, chosen, readable, limit, cursor)
        else:
            found = await self._search_newest(chosen, readable, limit, cursor)
        self._note(
            "search",
            readable[0],
            [hit.id for hit in found.items],
            [hit.text for hit in found.items],
            "" if found.items else NOTHING_FOUND,
        )
        return found

    async def working_context(
        self,
        task: str | None = None,
        *,
        max_tokens: int = 800,
        user_id: str | None = None,
        namespace: str | None = None,
    ) -> WorkingContext:
        """The short text a model should see first: pinned, important, recent, fitting the task.

        Args:
            task: what the model is about to do.
            max_tokens: the budget of the whole text, by `memori.text.tokens.estimate_tokens`.
            user_id: another user than the object's.
            namespace: this namespace alone.

        Raises:
            InvalidArgument: the budget is not positive.
        """
        as_count(max_tokens, "max_tokens")
        parsed = None
        if task is not None and as_text(task, "task").strip():
            parsed = parse_query(task, self._here())
        now = self._clock()
        wanted = self._readable(user_id, namespace)
        meaning = await self._ask(task)
        promotion = self._settings.promotion
        context = await self._read(
            wanted,
            lambda connection, readable: build_context(
                connection,
                readable,
                parsed,
                now=now,
                max_tokens=max_tokens,
                meaning=meaning,
                never=promotion.never_promote,
                min_trust=promotion.min_trust,
                profile=promotion.profile,
            ),
        )
        self._uses.shown(wanted[0].user_id, context)
        self._note(
            "context",
            wanted[0],
            [line.id for line in context.lines],
            [context.text],
            "" if context.lines else NOTHING_FOUND,
        )
        return context

    async def context_mark(
        self,
        ids: Iterable[str] = (),
        *,
        since: str = "",
        user_id: str | None = None,
        namespace: str | None = None,
    ) -> str:
        """A mark for those who keep a working context: it is `since` again while nothing essential
        was added, and all of `ids` hold.

        Args:
            ids: the memories and turns the kept context shows.
            since: the mark that came with it; "" asks for a first one.
            user_id: another user than the object's.
            namespace: this namespace alone.

        Raises:
            InvalidArgument: something given is no id.
        """
        shown = tuple(as_ids(ids, "ids"))
        before = as_text(since, "since")
        if not is_mark(before):
            raise InvalidArgument("since must be a mark that context_mark has given")
        now = self._clock()
        return await self._read(
            self._readable(user_id, namespace),
            lambda connection, readable: context_mark(connection, readable, shown, before, now),
        )

    async def source_turns(
        self,
        ids: Iterable[str],
        *,
        user_id: str | None = None,
        namespace: str | None = None,
    ) -> frozenset[str]:
        """The ids of the turns that some memories come from.

        Args:
            ids: the memories; what is none has no turns.
            user_id: another user than the object's.
            namespace: this namespace alone.

        Raises:
            InvalidArgument: something given is no id.
        """
        wanted = as_ids(ids, "ids")

        def find(connection: Connection, readable: Sequence[OpenScope]) -> frozenset[str]:
            return frozenset(
                turn_id
                for scope in readable
                for turn_id in rows.source_turns(connection, scope.scope_id, wanted)
            )

        return await self._read(self._readable(user_id, namespace), find)

    async def turn_texts(
        self,
        ids: Iterable[str],
        *,
        user_id: str | None = None,
        namespace: str | None = None,
    ) -> dict[str, str]:
        """The texts of some turns, by id.

        Args:
            ids: the turns; what is no visible one is left out.
            user_id: another user than the object's.
            namespace: this namespace alone.

        Raises:
            InvalidArgument: something given is no id.
        """
        wanted = as_ids(ids, "ids")

        def find(connection: Connection, readable: Sequence[OpenScope]) -> dict[str, str]:
            return {
                turn_id: text
                for scope in readable
                for turn_id, text in rows.turn_texts(connection, scope.scope_id, wanted)
            }

        return await self._read(self._readable(user_id, namespace), find)

    async def get(
        self, item_id: str, *, user_id: str | None = None, namespace: str | None = None
    ) -> Memory | Turn:
        """One memory or turn by its id.

        Raises:
            NotFound: no such id, or it is forgotten.
        """

        item_id = as_id(item_id, "item_id")

        def find(connection: Connection, readable: Sequence[OpenScope]) -> Memory | Turn | None:
            for scope in readable:
                found = audit.get_item(connection, scope.scope_id, scope.namespace, item_id)
                if found is not None:
                    return found
            return None

        return _found(await self._read(self._readable(user_id, namespace), find), item_id)

    async def history(
        self, item_id: str, *, user_id: str | None = None, namespace: str | None = None
    ) -> History:
        """Every version of a memory or turn, and who changed what, when and why.

        Raises:
            NotFound: nothing ever had this id here.
        """

        item_id = as_id(item_id, "item_id")

        def find(connection: Connection, readable: Sequence[OpenScope]) -> History | None:
            for scope in readable:
                found = audit.history_of(connection, scope.scope_id, scope.namespace, item_id)
                if found is not None:
                    return found
            return None

        return _found(await self._read(self._readable(user_id, namespace), find), item_id)

    async def sessions(
        self,
        *,
        limit: int = 20,
        cursor: str | None = None,
        user_id: str | None = None,
        namespace: str | None = None,
    ) -> Page[Session]:
        """Conversations, most recently active first."""
        as_count(limit, "limit", MAX_LIMIT)
        scope = self._choose_scope(user_id, namespace)
        asked = cursors.digest([scope], "sessions")
        after = cursors.read_session(cursor, asked)

        def page(connection: Connection, readable: Sequence[OpenScope]) -> Page[Session]:
            if not readable:
                return Page(items=())
            found = audit.list_sessions(connection, readable[0].scope_id, after, limit + 1)
            shown = found[:limit]
            more = None
            if len(found) > limit:
                last = shown[-1][0]
                more = cursors.write(asked, last.active, last.session_no)
            return Page(items=tuple(session for _, session in shown), cursor=more)

        return await self._read([scope], page)

    async def turns(
        self,
        session_id: str,
        *,
        limit: int = 50,
        cursor: str | None = None,
        user_id: str | None = None,
        namespace: str | None = None,
    ) -> Page[Turn]:
        """The turns of a conversation, oldest first.

        Raises:
            NotFound: no such session.
            InvalidArgument: the cursor or limit makes no sense.
        """
        as_count(limit, "limit", MAX_LIMIT)
        session_id = as_id(session_id, "session_id")
        wanted = self._readable(user_id, namespace)
        asked = cursors.digest(wanted, "turns", session_id)
        after = cursors.read_number(cursor, asked, -1)

        def page(connection: Connection, readable: Sequence[OpenScope]) -> Page[Turn] | None:
            for scope in readable:
                session = turns.find_session(connection, scope.scope_id, session_id)
                if session is None:
                    continue
                found = reading.turns_of_session(
                    connection, scope.scope_id, session.session_no, after, limit + 1
                )
                shown = tuple(rows.to_turn(row, session_id) for row in found[:limit])
                more = cursors.write(asked, found[limit - 1].seq) if len(found) > limit else None
                return Page(items=shown, cursor=more)
            return None

        return _found(await self._read(wanted, page), session_id)

    async def operations(
        self,
        *,
        verb: str | None = None,
        limit: int = 20,
        user_id: str | None = None,
        namespace: str | None = None,
    ) -> tuple[Operation, ...]:
        """The newest writes, each of which `undo` may take back.

        Raises:
            InvalidArgument: there is no such verb, or the limit makes no sense.
        """
        as_count(limit, "limit", MAX_LIMIT)
        if verb is not None and verb not in audit.VERBS:
            raise InvalidArgument(f"no verb {verb!r}; there are {', '.join(audit.VERBS)}")
        return await self._read(
            [self._choose_scope(user_id, namespace)],
            lambda connection, readable: (
                audit.list_operations(connection, readable[0].scope_id, verb, limit)
                if readable
                else ()
            ),
        )

    async def quarantined(
        self,
        *,
        limit: int = 20,
        user_id: str | None = None,
        namespace: str | None = None,
    ) -> tuple[Memory | Turn, ...]:
        """What is kept out of recall until a person looks at it."""
        as_count(limit, "limit", MAX_LIMIT)
        return await self._read(
            [self._choose_scope(user_id, namespace)],
            lambda connection, readable: (
                audit.list_quarantined(
                    connection, readable[0].scope_id, readable[0].namespace, limit
                )
                if readable
                else ()
            ),
        )

    async def conflicts(
        self,
        *,
        limit: int = 20,
        user_id: str | None = None,
        namespace: str | None = None,
    ) -> tuple[Conflict, ...]:
        """Memories that learning put beside others, since it could not tell which holds; the
        newest first, until `settle`, `update` or `forget` decides.

        Args:
            limit: how many at most, up to 1,000.
            user_id: another user than the object's.
            namespace: another namespace than the object's.
        """
        as_count(limit, "limit", MAX_LIMIT)

        def find(connection: Connection, readable: Sequence[OpenScope]) -> tuple[Conflict, ...]:
            if not readable:
                return ()
            [scope] = readable
            return listed(connection, scope.scope_id, scope.namespace, limit)

        return await self._read([self._choose_scope(user_id, namespace)], find)

    async def stats(self, *, user_id: str | None = None, namespace: str | None = None) -> Stats:
        """What lies in the scope, and where."""
        scope = self._choose_scope(user_id, namespace)
        database = await self._open()
        embedding = self._embedding
        now = self._clock()
        # Whoever acts for one scope over a network is not told where the server keeps all of them.
        near = acting.get() is None

        def count(connection: Connection, readable: Sequence[OpenScope]) -> Stats:
            # Scope number 0 is nobody's: a scope never written to counts as empty.
            number = readable[0].scope_id if readable else 0
            counted = audit.count_rows(connection, number, now)
            if self._schedule is not None:
                background = self._schedule.background
                counted["promotion"] = replace(counted["promotion"], background=background)
            return Stats(
                namespace=scope.namespace,
                user_id=scope.user_id,
                database=str(database.path or database.url.safe) if near else "",
                dialect=database.dialect,
                schema_version=int(read_info(connection)["schema_version"]),
                embedding=None if embedding is None else embedding.describe(connection, number),
                size_bytes=_size(database.path) if near else None,
                paused=pausing.current(connection, number, now),
                **counted,
            )

        return await self._read([scope], count)

    async def schema(self) -> str:
        """The SQL statements that make the tables, as they are in the database."""
        database = await self._open()
        return await database.read(audit.read_schema)

    async def _search_ranked(
        self,
        query: str,
        chosen: Filter,
        readable: Sequence[Scope],
        limit: int,
        cursor: str | None,
    ) -> Page[Hit]:
        asked = cursors.digest(readable, query, chosen)
        offset = cursors.read_number(cursor, asked, 0)
        parsed = parse_query(query, chosen.as_of or self._here())
        meaning = await self._ask(query)
        hits = await self._read(
            readable,
            lambda connection, scopes_open: find_hits(
                connection,
                scopes_open,
                parsed,
                chosen,
                limit=min(offset + limit + 1, SEARCH_POOL.items),
                pool=SEARCH_POOL,
                meaning=meaning,
                fold=False,
            ),
        )
        end = offset + limit
        more = cursors.write(asked, end) if len(hits) > end else None
        return Page(items=hits[offset:end], cursor=more)

    async def _search_newest(
        self, chosen: Filter, readable: Sequence[Scope], limit: int, cursor: str | None
    ) -> Page[Hit]:
        asked = cursors.digest(readable, None, chosen)
        after = cursors.read_key(cursor, asked)

        def page(connection: Connection, scopes_open: Sequence[OpenScope]) -> Page[Hit]:
            found: list[tuple[datetime, str, Hit]] = []
            for scope in scopes_open:
                number, namespace = scope.scope_id, scope.namespace
                kept = reading.list_memories(connection, number, chosen, after, limit + 1)
                origins = rows.sources_of(connection, number, [row.memory_no for row in kept])
                found += [
                    (
                        reading.time_of(row),
                        row.id,
                        memory_hit(row, namespace, origin=origins.get(row.memory_no, ())),
                    )
                    for row in kept
                ]
                said = reading.list_turns(connection, number, chosen, after, limit + 1)
                names = rows.session_names(connection, number, {row.session_no for row in said})
                found += [
                    (
                        reading.time_of(row),
                        row.id,
                        turn_hit(row, names[row.session_no], namespace),
                    )
                    for row in said
                ]
            found.sort(key=lambda entry: entry[:2], reverse=True)
            shown = found[:limit]
            more = cursors.write(asked, *shown[-1][:2]) if len(found) > limit else None
            return Page(items=tuple(hit for _, _, hit in shown), cursor=more)

        return await self._read(readable, page)

    def _moment(self, value: Moment, what: str) -> datetime | None:
        try:
            return intake.as_time(value, self._settings.zone, what)
        except Rejected as reason:
            raise InvalidArgument(str(reason)) from None

    def _filter(self, **given: Any) -> Filter:
        for what in ("as_of", "known_at", "since", "until"):
            if given.get(what) is not None:
                given[what] = self._moment(given[what], what)
        for kind in given["kinds"]:
            if kind not in KINDS:
                raise InvalidArgument(f"no kind {kind!r}; there are {', '.join(KINDS)}")
        for what in ("session_id", "agent_id"):
            if given.get(what) is not None:
                intake.check_name(given[what], what)
        for what in ("include_superseded", "include_forgotten"):
            as_flag(given.get(what, False), what)
        return Filter(now=self._clock(), **given)


def _labels(
    tag: str | None, entity: str | None, metadata: Mapping[str, Any] | None
) -> dict[str, str]:
    """The labels a filter asks for, cleaned as the writer cleans them."""
    cleaner = intake.Redactor()
    labels: dict[str, str] = {}
    for field, name in (("tag", tag), ("entity", entity)):
        if name is not None:
            labels[field] = label_value(cleaner.text(as_text(name, field)))
    if metadata is None:
        return labels
    if not isinstance(cast("object", metadata), Mapping):
        raise InvalidArgument("metadata to compare must be a JSON object")
    try:
        json.dumps(metadata, allow_nan=False)
    except (TypeError, ValueError):
        raise InvalidArgument("metadata values to compare must be JSON") from None
    wanted: Mapping[str, Any] = cleaner.json(metadata)
    labels |= {label_field(key): exact_value(value) for key, value in wanted.items()}
    return labels


def _found(value: T | None, item_id: str) -> T:
    if value is None:
        raise NotFound(
            f"nothing here has the id {item_id[:MAX_NAME_CHARS]}; look it up with search"
        )
    return value


def _within(hits: Sequence[Hit], max_tokens: int) -> list[Hit]:
    """The best hits whose texts fit the budget; one that is too long does not stop shorter ones."""
    kept: list[Hit] = []
    left = max_tokens
    for hit in hits:
        cost = estimate_tokens(hit.text)
        if cost <= left:
            kept.append(hit)
            left -= cost
    return kept


def _why_nothing(hits: Recalled) -> str:
    if hits:
        return OVER_BUDGET
    return NOTHING_FOUND if hits.withheld is None else ABSTAINED


def _size(path: Path | None) -> int | None:
    """Bytes on disk, the write-ahead log included."""
    if path is None:
        return None
    files = (path, path.with_name(path.name + "-wal"))
    return sum(file.stat().st_size for file in files if file.exists())
