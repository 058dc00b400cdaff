"""`AsyncMemori`: the facade every door goes through."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar, cast

from sqlalchemy import Connection

from memori import cursors, intake
from memori.config import Settings, load_settings
from memori.errors import Closed, InvalidArgument, NotFound, ScopeError
from memori.ids import new_id
from memori.intake import Rejected
from memori.messages import as_turn
from memori.model import (
    CATEGORIES,
    DEFAULT_USER,
    MAX_NAME_CHARS,
    Category,
    Forgotten,
    History,
    Hit,
    JsonObject,
    Kind,
    Memory,
    Operation,
    Page,
    Receipt,
    Scope,
    Session,
    Stats,
    Turn,
    Undone,
    WorkingContext,
    as_json,
)
from memori.recall.context import build_context
from memori.recall.find import (
    RECALL_POOL,
    SEARCH_POOL,
    OpenScope,
    find_hits,
    memory_hit,
    turn_hit,
)
from memori.recall.query import parse_query
from memori.store import (
    audit,
    forgetting,
    maintenance,
    memories,
    reading,
    rows,
    scopes,
    turns,
    undo,
)
from memori.store.database import Database, make_database
from memori.store.index import exact_value, label_field, label_value
from memori.store.migrate import read_info
from memori.store.operations import Write, hash_payload, revive
from memori.store.reading import Filter
from memori.text.tokens import estimate_tokens

T = TypeVar("T")

MAX_LIMIT = 1_000
#: More turns than this in one `record` are prepared off the event loop.
_INLINE_TURNS = 8
Moment = datetime | str | None


class AsyncMemori:
    """Memory in an SQL database, for asyncio programs.

    Opens its database at the first verb (or `open`), and closes it with `close` or as an async
    context manager. One object may be used by many tasks of one event loop.

    Every verb takes `user_id` and `namespace` to act in another scope than the object's; every
    write takes `operation_id`, and repeating a write under the same id answers what the first
    one answered. Besides the errors named at each verb, all of them raise `ScopeError` for an
    empty, oversized or (with `require_scope`) missing user, `ConfigurationError` when the
    database cannot be opened, `StoreBusy` when other processes hold it too long,
    `StoreUnavailable` when it fails, and `Closed` after `close`.

    Args:
        database_connect: database URL; by default what the settings say, in a library
            `sqlite:///memori.db` in the working directory.
        namespace: where this object writes; `default` unless set.
        user_id: whose memory it is; `default` unless set.
        agent_id: recorded on every write; `assistant_id` is the same.
        session_id: recorded on every write that names no other.
        read_namespaces: further namespaces of the same user to read, in order of preference.
        require_scope: make a missing user an error.
        settings: complete settings; then nothing is read from the environment or a file.
        clock: what time it is; must return an aware datetime.
        actor: which door writes, recorded with every event.

    Raises:
        ConfigurationError: the settings are wrong.
        ScopeError: a scope name is empty or too long.
    """

    def __init__(
        self,
        database_connect: str | None = None,
        *,
        namespace: str | None = None,
        user_id: str | None = None,
        agent_id: str | None = None,
        assistant_id: str | None = None,
        session_id: str | None = None,
        read_namespaces: Sequence[str] | None = None,
        require_scope: bool | None = None,
        settings: Settings | None = None,
        clock: Callable[[], datetime] | None = None,
        actor: str = "library",
    ) -> None:
        given = {
            "database.connection_string": database_connect,
            "memory.namespace": namespace,
            "memory.user_id": user_id,
            "memory.agent_id": agent_id if agent_id is not None else assistant_id,
            "memory.session_id": session_id,
            "memory.read_namespaces": None if read_namespaces is None else tuple(read_namespaces),
            "memory.require_scope": require_scope,
        }
        self._settings = load_settings(given) if settings is None else _amend(settings, given)
        self._clock = clock or _now
        self._actor = actor
        memory = self._settings.memory
        for what in ("agent_id", "session_id"):
            if getattr(memory, what) is not None:
                intake.check_name(getattr(memory, what), what)
        self._scope = self._choose_scope(None, None, required=False)
        for name in memory.read_namespaces:
            intake.check_scope(name, self._scope.user_id)
        self._database: Database | None = make_database(self._settings.database)
        self._opened = False
        self._opening = asyncio.Lock()
        self._pid = os.getpid()
        self._digest_key = b""
        self._scope_ids: dict[Scope, int] = {}

    # Life

    async def __aenter__(self) -> AsyncMemori:
        await self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def scope(self) -> Scope:
        """The scope this object writes to."""
        return self._scope

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._settings

    @property
    def database_path(self) -> Path | None:
        """The database's file; None when it has none."""
        return self._live().path

    async def open(self) -> None:
        """Connect and bring the schema up to date; every verb does it when needed."""
        await self._open()

    async def flush(self, timeout: float | None = None) -> None:
        """Wait for background work: the rewriting of the file that a purge asks for.

        Args:
            timeout: seconds to wait at most; None waits as long as it takes.

        Raises:
            TimeoutError: it took longer; the work goes on at the next start.
        """
        async with asyncio.timeout(timeout):
            while not await self._scrub_if_due():  # noqa: ASYNC110  # another process is reading
                await asyncio.sleep(0.1)

    async def close(self) -> None:
        """Close the database. What was acknowledged is on disk already. Safe to call twice."""
        database, self._database = self._database, None
        if database is not None and self._pid == os.getpid():
            async with self._opening:
                await database.close()

    # Writing

    async def remember(
        self,
        content: str,
        *,
        category: Category = "fact",
        importance: float = 0.5,
        confidence: float | None = None,
        tags: Iterable[str] = (),
        entities: Iterable[str] = (),
        metadata: JsonObject | None = None,
        source: str = "user",
        trust: float | None = None,
        pinned: bool = False,
        sources: Iterable[str] = (),
        valid_from: Moment = None,
        valid_until: Moment = None,
        supersedes: str | Iterable[str] | None = None,
        session_id: str | None = None,
        agent_id: str | None = None,
        operation_id: str | None = None,
        user_id: str | None = None,
        namespace: str | None = None,
    ) -> Receipt:
        """Keep one statement.

        Args:
            content: the statement, up to 8,000 characters.
            category: fact, preference, skill, rule or context.
            importance: 0 to 1.
            confidence: 0 to 1; by default the trust of its source.
            tags: labels to find it by; case does not matter.
            entities: names it is about.
            metadata: a JSON object; `search` can ask for equal values.
            source: who said it: user, assistant, tool, web, import or agent.
            trust: 0 to 1; by default the source's.
            pinned: always in the working context.
            sources: ids of the turns that said so.
            valid_from: since when it is true.
            valid_until: until when it is true.
            supersedes: id or ids of memories it replaces; they stay in the history.
            session_id: the conversation it comes from.
            agent_id: the agent that wrote it.
            operation_id: makes a repeated call answer what the first one did.
            user_id: another user than the object's.
            namespace: another namespace than the object's.

        Returns:
            A receipt: stored, duplicate, superseded, quarantined, or rejected with the reason.

        Raises:
            NotFound: a superseded memory or a source turn does not exist.
            InvalidArgument: a superseded memory was superseded or forgotten before.
            OperationConflict: the operation id was used for something else.
        """
        scope = self._choose_scope(user_id, namespace)
        try:
            new = intake.prepare_memory(
                content,
                category=category,
                importance=importance,
                confidence=confidence,
                tags=tags,
                entities=entities,
                metadata=metadata,
                source=source,
                trust=trust,
                pinned=pinned,
                sources=sources,
                valid_from=valid_from,
                valid_until=valid_until,
                supersedes=supersedes,
                session_id=self._session(session_id),
                agent_id=self._agent(agent_id),
                zone=self._settings.zone,
            )
        except Rejected as reason:
            return _rejected(str(reason), operation_id)
        payload = {
            name: getattr(new, name) for name in new.__slots__ if name not in ("terms", "key")
        }
        return await self._write(
            "remember",
            scope,
            operation_id,
            payload,
            lambda w: memories.remember(w, new),
            decode=lambda _, answer: revive(Receipt, answer),
        )

    async def record(
        self,
        turns_given: Sequence[Turn | Mapping[str, Any]],
        *,
        session_id: str | None = None,
        agent_id: str | None = None,
        source: str | None = None,
        operation_id: str | None = None,
        user_id: str | None = None,
        namespace: str | None = None,
    ) -> tuple[Receipt, ...]:
        """Keep turns of a conversation verbatim, in the order given, in one transaction.

        Args:
            turns_given: `Turn` objects or OpenAI-style message mappings, up to 1 MB each.
            session_id: the conversation; by default the object's, else a new one, which the
                receipts name.
            agent_id: recorded on each turn.
            source: who said it, for turns that do not say so; by default by role.
            operation_id: makes a repeated call answer what the first one did.
            user_id: another user than the object's.
            namespace: another namespace than the object's.

        Returns:
            One receipt a turn, in the same order: stored, duplicate (the session already holds
            a turn of this external id), quarantined, or rejected with the reason.

        Raises:
            InvalidArgument: something given is not a turn.
            OperationConflict: the operation id was used for something else.
        """
        scope = self._choose_scope(user_id, namespace)
        now = self._clock()
        session = self._session(session_id) or (operation_id and f"session {operation_id}")
        chosen = intake.check_name(session or new_id(), "session_id")
        agent = self._agent(agent_id)
        read = [as_turn(given) for given in turns_given]

        def prepare() -> list[turns.Given]:
            return [self._prepare_turn(turn, key, source, now) for turn, key in read]

        few = len(read) <= _INLINE_TURNS
        given = prepare() if few else await asyncio.to_thread(prepare)
        if not any(isinstance(turn, intake.NewTurn) for turn in given):
            return tuple(_rejected(str(reason), operation_id, chosen) for reason in given)
        payload = {"session_id": chosen, "turns": [_turn_payload(turn) for turn in given]}
        return await self._write(
            "record",
            scope,
            operation_id,
            payload,
            lambda w: turns.record(w, chosen, given, agent),
            encode=lambda receipts: turns.pack(chosen, receipts),
            decode=turns.unpack,
            now=now,
        )

    async def update(
        self,
        memory_id: str,
        *,
        content: str | None = None,
        category: Category | None = None,
        importance: float | None = None,
        tags: Iterable[str] | None = None,
        entities: Iterable[str] | None = None,
        metadata: JsonObject | None = None,
        pinned: bool | None = None,
        valid_from: Moment = None,
        valid_until: Moment = None,
        operation_id: str | None = None,
        user_id: str | None = None,
        namespace: str | None = None,
    ) -> Receipt:
        """Change a memory; what is None stays as it is.

        New content makes a new memory that supersedes the old one (status `superseded`, with
        the new id); anything else changes in place (status `stored`), its old values kept in
        the history.

        Raises:
            NotFound: no such memory.
            InvalidArgument: it was forgotten or superseded, or nothing to change was given.
            OperationConflict: the operation id was used for something else.
        """
        scope = self._choose_scope(user_id, namespace)
        wanted: dict[str, Any] = {
            "content": content,
            "category": category,
            "importance": importance,
            "tags": None if tags is None else _listed(tags),
            "entities": None if entities is None else _listed(entities),
            "metadata": metadata,
            "pinned": pinned,
            "valid_from": valid_from,
            "valid_until": valid_until,
        }
        wanted = {name: value for name, value in wanted.items() if value is not None}
        if not wanted:
            raise InvalidArgument("nothing to change was given")
        try:
            edit = intake.prepare_edit(wanted, zone=self._settings.zone)
        except Rejected as reason:
            return _rejected(str(reason), operation_id)
        return await self._write(
            "update",
            scope,
            operation_id,
            {"memory_id": memory_id, **edit.values},
            lambda w: memories.update(w, memory_id, edit, self._settings.zone),
            decode=lambda _, answer: revive(Receipt, answer),
        )

    async def forget(
        self,
        ids: str | Iterable[str],
        *,
        reason: str = "",
        keep_turns: bool = False,
        purge: bool = False,
        operation_id: str | None = None,
        user_id: str | None = None,
        namespace: str | None = None,
    ) -> Forgotten:
        """Hide memories, turns or whole sessions for 30 days, then delete them.

        A memory's earlier versions go with it, the turn that is its only source, and what was
        derived from that turn. What was forgotten is not imported or learnt again.

        Args:
            ids: memory, turn or session ids.
            reason: kept in the history.
            keep_turns: leave the turns alone that a memory comes from.
            purge: delete at once and for good, from every table, index and file.
            operation_id: makes a repeated call answer what the first one did.
            user_id: another user than the object's.
            namespace: another namespace than the object's.

        Returns:
            What was hidden, which turns still say it, and when the rest will be deleted.

        Raises:
            NotFound: an id names nothing here; then nothing was hidden.
        """
        scope = self._choose_scope(user_id, namespace)
        wanted = _listed(ids)
        why = intake.Redactor().text(reason)

        def body(w: Write) -> Forgotten:
            done = forgetting.forget(w, wanted, reason=why, keep_turns=keep_turns, purge=purge)
            if purge:
                maintenance.ask_for_scrub(w.connection)
            return done

        done = await self._write(
            "forget",
            scope,
            operation_id,
            {"ids": wanted, "reason": why, "keep_turns": keep_turns, "purge": purge},
            body,
            decode=lambda _, answer: revive(Forgotten, answer),
        )
        return replace(done, file_clean=await self._scrub_if_due()) if purge else done

    async def restore(
        self,
        ids: str | Iterable[str],
        *,
        operation_id: str | None = None,
        user_id: str | None = None,
        namespace: str | None = None,
    ) -> Undone:
        """Bring back what was forgotten within the last 30 days, with what went with it.

        Raises:
            NotFound: an id names nothing hidden here.
        """
        wanted = _listed(ids)
        return await self._write(
            "restore",
            self._choose_scope(user_id, namespace),
            operation_id,
            {"ids": wanted},
            lambda w: forgetting.restore(w, wanted),
            decode=lambda _, answer: revive(Undone, answer),
        )

    async def undo(
        self,
        operation: str,
        *,
        operation_id: str | None = None,
        user_id: str | None = None,
        namespace: str | None = None,
    ) -> Undone:
        """Take back one operation: an import or record, a remember, an edit, a forget.

        Args:
            operation: the operation's id, or an import's.
            operation_id: of the undo itself.
            user_id: another user than the object's.
            namespace: another namespace than the object's.

        Raises:
            NotFound: no such operation in this scope.
            InvalidArgument: it cannot be taken back, or something later must be undone first.
        """
        return await self._write(
            "undo",
            self._choose_scope(user_id, namespace),
            operation_id,
            {"operation": operation},
            lambda w: undo.undo(w, operation),
            decode=lambda _, answer: revive(Undone, answer),
        )

    async def release(
        self,
        item_id: str,
        *,
        operation_id: str | None = None,
        user_id: str | None = None,
        namespace: str | None = None,
    ) -> Receipt:
        """Let a quarantined memory or turn into recall, because a person looked at it.

        Raises:
            NotFound: nothing quarantined has this id.
        """
        return await self._write(
            "release",
            self._choose_scope(user_id, namespace),
            operation_id,
            {"item_id": item_id},
            lambda w: maintenance.release(w, item_id),
            decode=lambda _, answer: revive(Receipt, answer),
        )

    # Reading

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
    ) -> tuple[Hit, ...]:
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
            Hits; empty when nothing matches.

        Raises:
            InvalidArgument: a limit or a time makes no sense.
        """
        chosen = self._filter(
            kinds=tuple(kinds),
            as_of=as_of,
            known_at=known_at,
            include_superseded=include_superseded,
            session_id=session_id,
            agent_id=agent_id,
        )
        if max_tokens is not None and max_tokens < 1:
            raise InvalidArgument("max_tokens must be at least 1")
        _check_limit(limit)
        parsed = parse_query(query, self._moment(now, "now") or chosen.as_of or self._here())
        hits = await self._read(
            self._readable(user_id, namespace),
            lambda connection, readable: find_hits(
                connection, readable, parsed, chosen, limit=limit, pool=RECALL_POOL
            ),
        )
        return tuple(hits if max_tokens is None else _within(hits, max_tokens))

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
            entity: about this name.
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
        _check_limit(limit)
        labels = {} if tag is None else {"tag": label_value(tag)}
        if entity is not None:
            labels["entity"] = label_value(entity)
        labels |= {label_field(key): exact_value(value) for key, value in (metadata or {}).items()}
        if category is not None and category not in CATEGORIES:
            raise InvalidArgument(f"no category {category!r}; there are {', '.join(CATEGORIES)}")
        if query is not None and include_forgotten:
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
            chosen = replace(chosen, kinds=tuple(each for each in chosen.kinds if each == kind))
        readable = self._readable(user_id, namespace)
        if query is not None and query.strip():
            return await self._search_ranked(query, chosen, readable, limit, cursor)
        return await self._search_newest(chosen, readable, limit, cursor)

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
        if max_tokens < 1:
            raise InvalidArgument("max_tokens must be at least 1")
        parsed = parse_query(task, self._here()) if task and task.strip() else None
        now = self._clock()
        return await self._read(
            self._readable(user_id, namespace),
            lambda connection, readable: build_context(
                connection, readable, parsed, now=now, max_tokens=max_tokens
            ),
        )

    async def get(
        self, item_id: str, *, user_id: str | None = None, namespace: str | None = None
    ) -> Memory | Turn:
        """One memory or turn by its id.

        Raises:
            NotFound: no such id, or it is forgotten.
        """

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
        _check_limit(limit)
        after = cursors.read_session(cursor)

        def page(connection: Connection, readable: Sequence[OpenScope]) -> Page[Session]:
            if not readable:
                return Page(items=())
            found = audit.list_sessions(connection, readable[0].scope_id, after, limit + 1)
            shown = found[:limit]
            more = None
            if len(found) > limit:
                last = shown[-1][0]
                more = cursors.write_session(last.active, last.session_no)
            return Page(items=tuple(session for _, session in shown), cursor=more)

        return await self._read([self._choose_scope(user_id, namespace)], page)

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
        _check_limit(limit)
        after = cursors.read_seq(cursor)

        def page(connection: Connection, readable: Sequence[OpenScope]) -> Page[Turn] | None:
            for scope in readable:
                session = turns.find_session(connection, scope.scope_id, session_id)
                if session is None:
                    continue
                found = reading.turns_of_session(
                    connection, scope.scope_id, session.session_no, after, limit + 1
                )
                shown = tuple(rows.to_turn(row, session_id) for row in found[:limit])
                more = cursors.write_seq(found[limit - 1].seq) if len(found) > limit else None
                return Page(items=shown, cursor=more)
            return None

        return _found(await self._read(self._readable(user_id, namespace), page), session_id)

    async def operations(
        self,
        *,
        verb: str | None = None,
        limit: int = 20,
        user_id: str | None = None,
        namespace: str | None = None,
    ) -> tuple[Operation, ...]:
        """The newest writes, each of which `undo` may take back."""
        _check_limit(limit)
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
        _check_limit(limit)
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

    async def stats(self, *, user_id: str | None = None, namespace: str | None = None) -> Stats:
        """What lies in the scope, and where."""
        scope = self._choose_scope(user_id, namespace)
        database = await self._open()

        def count(connection: Connection, readable: Sequence[OpenScope]) -> Stats:
            # Scope number 0 is nobody's: a scope never written to counts as empty.
            counted = audit.count_rows(connection, readable[0].scope_id if readable else 0)
            return Stats(
                namespace=scope.namespace,
                user_id=scope.user_id,
                database=str(database.path or database.url.safe),
                dialect=database.dialect,
                schema_version=int(read_info(connection)["schema_version"]),
                size_bytes=_size(database.path),
                **counted,
            )

        return await self._read([scope], count)

    async def schema(self) -> str:
        """The SQL statements that make the tables, as they are in the database."""
        database = await self._open()
        return await database.read(audit.read_schema)

    async def maintain(self) -> tuple[int, int]:
        """Do what is due: delete what was forgotten over 30 days ago, in every scope.

        Returns:
            How many memories and turns were deleted.
        """
        return await self._maintain(await self._open())

    # Inside

    async def _open(self) -> Database:
        if self._opened and self._pid == os.getpid():
            return self._live()
        async with self._opening:
            if self._pid != os.getpid():
                # A forked child must not touch its parent's connections, not even to close them.
                _inherited.append(self._live())
                self._database = make_database(self._settings.database)
                self._pid, self._opened = os.getpid(), False
            database = self._live()
            if not self._opened:
                await database.open()
                info = await database.read(read_info)
                self._digest_key = bytes.fromhex(info["digest_key"])
                self._opened = True
                await self._maintain(database)
        return database

    def _live(self) -> Database:
        if self._database is None:
            raise Closed("this Memori object is closed; make a new one")
        return self._database

    async def _maintain(self, database: Database) -> tuple[int, int]:
        now = self._clock()
        due = await database.read(lambda connection: maintenance.scopes_due(connection, now))
        gone = (0, 0)
        for scope_id in due:

            def purge(connection: Connection, scope_id: int = scope_id) -> tuple[int, int]:
                w = self._begin(connection, scope_id, new_id(), False, now)
                maintenance.ask_for_scrub(connection)
                return forgetting.purge_due(w)

            memories_gone, turns_gone = await database.write(purge)
            gone = (gone[0] + memories_gone, gone[1] + turns_gone)
        await self._scrub_if_due()
        return gone

    async def _scrub_if_due(self) -> bool:
        database = await self._open() if not self._opening.locked() else self._live()
        if not await database.read(maintenance.scrub_is_due):
            return True
        clean = await database.scrub()
        if clean:
            await database.write(maintenance.scrub_is_done)
        return clean

    async def _write(
        self,
        verb: str,
        scope: Scope,
        operation_id: str | None,
        payload: Mapping[str, Any],
        body: Callable[[Write], T],
        *,
        decode: Callable[[Write, Any], T],
        encode: Callable[[T], Any] = as_json,
        now: datetime | None = None,
    ) -> T:
        """The one way to write: the data, its event and its operation in one transaction."""
        if operation_id is not None:
            intake.check_name(operation_id, "operation_id")
        database = await self._open()
        payload_hash = hash_payload(payload)
        operation = operation_id or new_id()
        moment = now or self._clock()

        def transaction(connection: Connection) -> tuple[int, T]:
            scope_id = self._scope_ids.get(scope)
            if scope_id is None:
                scope_id = scopes.ensure_scope(connection, scope, moment)
            w = self._begin(connection, scope_id, operation, operation_id is not None, moment)
            earlier = w.earlier_answer(verb, payload_hash)
            if earlier is not None:
                return scope_id, decode(w, earlier)
            answer = body(w)
            w.finish(verb, payload_hash, encode(answer))
            return scope_id, answer

        scope_id, answer = await database.write(transaction)
        self._scope_ids[scope] = scope_id
        return answer

    def _begin(
        self, connection: Connection, scope_id: int, operation: str, named: bool, now: datetime
    ) -> Write:
        return Write(
            connection=connection,
            scope_id=scope_id,
            now=now,
            operation_id=operation,
            caller_named=named,
            actor=self._actor,
            digest_key=self._digest_key,
        )

    async def _read(
        self,
        wanted: Sequence[Scope],
        body: Callable[[Connection, Sequence[OpenScope]], T],
    ) -> T:
        database = await self._open()

        def transaction(connection: Connection) -> T:
            readable: list[OpenScope] = []
            for scope in wanted:
                scope_id = self._scope_ids.get(scope) or scopes.find_scope(connection, scope)
                if scope_id is not None:
                    self._scope_ids[scope] = scope_id
                    readable.append(OpenScope(scope_id, scope.namespace))
            return body(connection, readable)

        return await database.read(transaction)

    async def _search_ranked(
        self,
        query: str,
        chosen: Filter,
        readable: Sequence[Scope],
        limit: int,
        cursor: str | None,
    ) -> Page[Hit]:
        asked = cursors.digest(query, chosen, readable)
        offset = cursors.read_offset(cursor, asked)
        parsed = parse_query(query, chosen.as_of or self._here())
        hits = await self._read(
            readable,
            lambda connection, scopes_open: find_hits(
                connection,
                scopes_open,
                parsed,
                chosen,
                limit=min(offset + limit + 1, SEARCH_POOL),
                pool=SEARCH_POOL,
            ),
        )
        end = offset + limit
        more = cursors.write_offset(end, asked) if len(hits) > end else None
        return Page(items=tuple(hits[offset:end]), cursor=more)

    async def _search_newest(
        self, chosen: Filter, readable: Sequence[Scope], limit: int, cursor: str | None
    ) -> Page[Hit]:
        after = cursors.read_key(cursor)

        def page(connection: Connection, scopes_open: Sequence[OpenScope]) -> Page[Hit]:
            found: list[tuple[datetime, str, Hit]] = []
            for scope in scopes_open:
                number, namespace = scope.scope_id, scope.namespace
                kept = reading.list_memories(connection, number, chosen, after, limit + 1)
                found += [
                    (reading.time_of(row), row.id, memory_hit(row, namespace)) for row in kept
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
            more = cursors.write_key(shown[-1][0], shown[-1][1]) if len(found) > limit else None
            return Page(items=tuple(hit for _, _, hit in shown), cursor=more)

        return await self._read(readable, page)

    def _prepare_turn(
        self, turn: Turn, key: str | None, source: str | None, now: datetime
    ) -> turns.Given:
        try:
            return intake.prepare_turn(
                turn, key=key, default_source=source, zone=self._settings.zone, now=now
            )
        except Rejected as reason:
            return str(reason)

    def _choose_scope(
        self, user_id: str | None, namespace: str | None, *, required: bool = True
    ) -> Scope:
        memory = self._settings.memory
        user = user_id if user_id is not None else memory.user_id
        if user is None:
            if memory.require_scope and required:
                raise ScopeError("a user is required here: pass user_id")
            user = DEFAULT_USER
        return intake.check_scope(namespace if namespace is not None else memory.namespace, user)

    def _readable(self, user_id: str | None, namespace: str | None) -> list[Scope]:
        """The scope of a read, then the further namespaces of the same user."""
        first = self._choose_scope(user_id, namespace)
        if namespace is not None:
            return [first]
        further = [Scope(name, first.user_id) for name in self._settings.memory.read_namespaces]
        return list(dict.fromkeys([first, *further]))

    def _session(self, given: str | None) -> str | None:
        chosen = given if given is not None else self._settings.memory.session_id
        return None if chosen is None else intake.check_name(chosen, "session_id")

    def _agent(self, given: str | None) -> str | None:
        chosen = given if given is not None else self._settings.memory.agent_id
        return None if chosen is None else intake.check_name(chosen, "agent_id")

    def _here(self) -> datetime:
        """Now, on the owner's clock and calendar."""
        return self._clock().astimezone(self._settings.zone)

    def _moment(self, value: Moment, what: str) -> datetime | None:
        try:
            return intake.as_time(value, self._settings.zone, what)
        except Rejected as reason:
            raise InvalidArgument(str(reason)) from None

    def _filter(self, **given: Any) -> Filter:
        for what in ("as_of", "known_at", "since", "until"):
            if given.get(what) is not None:
                given[what] = self._moment(given[what], what)
        unknown = set(given["kinds"]) - {"memory", "turn"}
        if unknown:
            raise InvalidArgument(f"no kind {unknown.pop()!r}; there are memory and turn")
        return Filter(now=self._clock(), **given)


#: Databases a forked process got from its parent; kept so that nothing ever closes them.
_inherited: list[Database] = []


def _now() -> datetime:
    return datetime.now(UTC)


def _amend(settings: Settings, given: Mapping[str, Any]) -> Settings:
    """Settings with the constructor's own arguments over them."""
    values = settings.model_dump()
    for name, value in given.items():
        section, _, key = name.partition(".")
        if value is not None:
            values[section][key] = value
    return Settings.model_validate(values)


def _check_limit(limit: int) -> None:
    if isinstance(cast("object", limit), bool) or not 1 <= limit <= MAX_LIMIT:
        raise InvalidArgument(f"limit is {limit}; it must be from 1 to {MAX_LIMIT:,}")


def _listed(values: str | Iterable[str]) -> list[str]:
    return [values] if isinstance(values, str) else list(values)


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


def _size(path: Path | None) -> int | None:
    """Bytes on disk, the write-ahead log included."""
    if path is None:
        return None
    files = (path, path.with_name(path.name + "-wal"))
    return sum(file.stat().st_size for file in files if file.exists())


def _rejected(reason: str, operation_id: str | None, session_id: str | None = None) -> Receipt:
    return Receipt(
        status="rejected",
        id=None,
        reason=reason,
        operation_id=operation_id or new_id(),
        session_id=session_id,
    )


def _turn_payload(turn: turns.Given) -> Any:
    if isinstance(turn, str):
        return turn
    return [turn.role, turn.content, turn.speaker, turn.external_id, turn.key]
