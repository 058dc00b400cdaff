"""The engine's inside: opening, scopes, and the one way to write and to read."""

from __future__ import annotations

import asyncio
import logging
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from sqlalchemy import Connection

from memori import activity as activities
from memori import intake
from memori.acting import act, acting
from memori.activity import Activity, ActivityLog
from memori.config import Settings, amend_settings, load_settings
from memori.errors import Closed, InvalidArgument, Paused, ScopeError
from memori.ids import new_id
from memori.model import DEFAULT_USER, ActivityKind, Scope, as_json
from memori.pauses import FOR_EVER, is_heeded
from memori.providers import ProviderConfig
from memori.recall.candidates import OpenScope
from memori.recall.rank import CorpusStats
from memori.store import (
    activity,
    forgetting,
    jobs,
    maintenance,
    owners,
    reindex,
    scopes,
    uses,
)
from memori.store.database import Database, make_database
from memori.store.operations import Write, hash_payload
from memori.uses import Batch, UseCounter

if TYPE_CHECKING:
    from memori.embedding import Embedding
    from memori.learn.learnt import Agent
    from memori.learn.worker import Worker
    from memori.promote.schedule import Schedule
    from memori.recall.meaning import Meaning
    from memori.store.uses import Used

T = TypeVar("T")
_log = logging.getLogger("memori")
#: Seconds a recall of this context waits for an embedder, where that is less than the settings say.
embedding_limit: ContextVar[float | None] = ContextVar("memori_embedding_limit", default=None)
#: Seconds that writing what was counted, or giving a lease back, may take: nobody waits for it.
COUNT_SECONDS = 0.5
#: Memories whose uses are written in one transaction.
_COUNTED_AT_ONCE = 50
#: How often a process that stays open looks for what has come due.
_MAINTAIN_EVERY = timedelta(days=1)
#: How often the retention rules are applied to a database, by whichever process.
RETAIN_EVERY = timedelta(days=1)
Moment = datetime | str | None


class Engine:
    """One database and the scope a `Memori` object acts in; the verbs build on it."""

    def __init__(
        self,
        database_connect: str | None = None,
        *,
        namespace: str | None = None,
        user_id: str | None = None,
        agent_id: str | None = None,
        assistant_id: str | None = None,
        session_id: str | None = None,
        conscious_ingest: bool | None = None,
        auto_ingest: bool | None = None,
        openai_api_key: str | None = None,
        provider_config: ProviderConfig | None = None,
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
            "intercept.conscious_ingest": conscious_ingest,
            "intercept.auto_ingest": auto_ingest,
            "agents.openai_api_key": openai_api_key,
            **(provider_config.as_overrides() if provider_config is not None else {}),
        }
        self._settings = (
            load_settings(given) if settings is None else amend_settings(settings, given)
        )
        self._clock = clock or _now
        self._told_time = clock is not None
        self._actor = actor
        memory = self._settings.memory
        self._agent(None)
        self._session(None)
        self._scope = self._choose_scope(None, None, required=False)
        own = () if memory.personal_namespace is None else (memory.personal_namespace,)
        for name in (*own, *memory.read_namespaces):
            intake.check_scope(name, self._scope.user_id)
        self._database: Database | None = make_database(self._settings.database)
        self._opened = False
        self._opening = asyncio.Lock()
        self._pid = os.getpid()
        self._maintained = self._retained = datetime.min.replace(tzinfo=UTC)
        self._rebuild: asyncio.Task[None] | None = None
        self._retention: asyncio.Task[None] | None = None
        self._embedding = self._make_embedding()
        self._learns = self._settings.learning.enabled is True
        if self._settings.learning.entities is not None:
            from memori.learn.names import require_pipeline

            require_pipeline(self._settings.learning.entities)
        self._worker: Worker | None = None
        self._asked_to_learn = False
        self._learner: Agent | None = None
        self._told_cap = False
        self._uses = UseCounter(self._count_uses)
        self._activity = ActivityLog(self._write_activity)
        if self._settings.observability.opentelemetry:
            from memori.otel import start

            start()
        self._promotes = self._settings.promotion.enabled is True
        self._schedule: Schedule | None = None
        self._stored: Counter[Scope] = Counter()
        #: What a model was asked about without a usable answer.
        self._profile_tried: dict[Scope, str] = {}

    async def __aenter__(self) -> Self:
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

    def now(self) -> datetime:
        """What time it is for this object."""
        return self._clock()

    @property
    def database_path(self) -> Path | None:
        """The database's file; None when it has none."""
        return self._live().path

    async def open(self) -> None:
        """Connect and bring the schema up to date; every verb does it when needed."""
        await self._open()

    async def ping(self) -> None:
        """Ask the database something, to see that it answers.

        Raises:
            StoreUnavailable: it does not.
        """
        database = await self._open()
        await database.read(scopes.is_there)

    async def flush(self, timeout: float | None = None) -> None:
        """Wait for background work: cleaning the file after a purge, rebuilding the index,
        learning, vectors.

        Where nothing learns in the background, it learns only if this object was asked to
        (`record(..., learn=True)`); what another one left waits for one that learns, or `learn`.

        Args:
            timeout: seconds to wait at most; None waits as long as it takes.

        Raises:
            TimeoutError: it took longer; the work goes on at the next start.
        """
        given = cast("object", timeout)
        if given is not None and (isinstance(given, bool) or not isinstance(given, int | float)):
            raise InvalidArgument("timeout must be a number of seconds, or None")
        async with asyncio.timeout(timeout):
            database = await self._open()
            await self._uses.flush()
            await self._activity.flush()
            for task in (self._rebuild, self._retention):
                if task is not None:
                    await asyncio.shield(task)
            asked = self._asked_to_learn and self._settings.learning.enabled is not False
            if self._worker is None and asked:
                await self._make_worker().settle()
            elif self._worker is not None:
                await self._worker.settle()
            self._asked_to_learn = False
            if self._embedding is not None:
                await self._embedding.settle(database)
            while not await self._scrub_if_due(database):  # noqa: ASYNC110  # someone reads the file
                await asyncio.sleep(0.1)

    async def close(self) -> None:
        """Close the database. What was acknowledged is on disk already. Safe to call twice."""
        if self._opened and self._pid == os.getpid():
            if self._schedule is not None:
                await self._schedule.close()
            await self._uses.flush()
            await self._activity.close()
        database, self._database = self._database, None
        if database is not None and self._pid == os.getpid():
            async with self._opening:
                for task in (self._rebuild, self._retention):
                    if task is not None:
                        task.cancel()
                        await asyncio.wait([task])
                if self._worker is not None:
                    await self._worker.close()
                if self._embedding is not None:
                    await self._embedding.close()
                await database.close()

    async def maintain(self) -> tuple[int, int]:
        """Do what is due: delete what was forgotten over 30 days ago, and once a day what the
        retention rules keep no longer, in every scope.

        Returns:
            How many memories and turns were deleted.
        """
        database = await self._open()
        forgotten = await self._maintain(database)
        expired = await self._retain_due(database, self._clock())
        return forgotten[0] + expired[0], forgotten[1] + expired[1]

    async def _open(self) -> Database:
        if self._pid != os.getpid():
            # A forked child must not touch its parent's connections, not even to close them.
            _inherited.append(self._live())
            self._database = make_database(self._settings.database)
            self._opening, self._rebuild, self._retention = asyncio.Lock(), None, None
            self._embedding, self._worker = self._make_embedding(), None
            self._uses, self._schedule = UseCounter(self._count_uses), None
            self._activity = ActivityLog(self._write_activity)
            self._pid, self._opened = os.getpid(), False
        if self._opened:
            return self._live()
        async with self._opening:
            database = self._live()
            if not self._opened:
                await database.open()
                await self._maintain(database)
                if await database.read(reindex.scopes_behind):
                    self._rebuild = asyncio.create_task(self._reindex(database))
                if self._embedding is not None:
                    self._embedding.start(database)
                self._opened = True
                if self._learns:
                    self._begin_learning()
                if self._promotes:
                    self._begin_promoting()
        return database

    def _begin_learning(self) -> None:
        if self._worker is None:
            self._worker = self._make_worker()
            self._worker.start()

    def _make_worker(self) -> Worker:
        raise NotImplementedError  # `Learning` makes it; the engine knows only that there is one

    def _begin_promoting(self) -> None:
        if self._schedule is None:
            self._schedule = self._make_schedule()
            self._schedule.start()

    def _has_stored(self, scope: Scope, count: int) -> None:
        """So many new memories are there; a burst of them brings promotion forward."""
        if self._schedule is not None and count:
            self._stored[scope] += count
            if self._stored[scope] >= self._settings.promotion.burst:
                self._schedule.hurry()

    def _make_schedule(self) -> Schedule:
        raise NotImplementedError  # `Promoting` makes it; the engine knows only that there is one

    async def _count_uses(self, used: Batch) -> None:
        database = await self._open()
        half_life, now = self._settings.promotion.use_half_life_days, self._clock()

        def write(connection: Connection, scope: Scope, counted: Mapping[str, Used]) -> None:
            known = scopes.find_scope(connection, scope)
            if known is not None:
                uses.add(connection, known.scope_id, counted, now, half_life)

        for scope, counted in used.items():
            # A few at a time: others wait for the lock no longer than for any write.
            ids = sorted(counted)
            for at in range(0, len(ids), _COUNTED_AT_ONCE):
                some = {each: counted[each] for each in ids[at : at + _COUNTED_AT_ONCE]}
                one = partial(write, scope=scope, counted=some)
                await database.write(one, wait=COUNT_SECONDS)

    async def _write_activity(self, batch: activities.Batch) -> None:
        database = await self._open()

        def write(connection: Connection) -> None:
            for scope, entries in batch.items():
                known = scopes.find_scope(connection, scope)
                if known is not None:
                    activity.add(connection, known.scope_id, entries)

        await database.write(write, wait=COUNT_SECONDS)

    def _note(
        self,
        kind: ActivityKind,
        scope: Scope,
        ids: Sequence[str],
        texts: Sequence[str] = (),
        reason: str = "",
    ) -> None:
        """Note what a verb did, unless its caller does."""
        if activities.is_noted():
            tokens = activities.tokens_of(texts)
            self._activity.add(scope, self._entry(kind, ids, tokens, reason))

    def _entry(self, kind: ActivityKind, ids: Sequence[str], tokens: int, reason: str) -> Activity:
        return Activity(
            id=new_id(),
            at=self._clock().astimezone(UTC),
            kind=kind,
            host=activities.acting_host() or self._actor,
            ids=activities.bounded(ids),
            tokens=tokens,
            reason=reason,
        )

    def _time(self, connection: Connection) -> datetime:
        """The clock of leases: the database's, unless this object was given one."""
        return self._clock() if self._told_time else jobs.read_clock(connection)

    def _poke_worker(self) -> None:
        """Something is to be learnt."""
        if self._worker is not None:
            self._worker.poke()

    def _make_embedding(self) -> Embedding | None:
        """The embedder, where one is configured; nothing of it is imported otherwise."""
        settings = self._settings.embedding
        if settings.provider == "none":
            return None
        from memori.embed import make_embedder
        from memori.embedding import Embedding

        return Embedding(make_embedder(settings), settings)

    async def _ask(self, question: str | None) -> Meaning | None:
        """What a question means, if an embedder says so in time."""
        if self._embedding is None or not question or not question.strip():
            return None
        await self._open()
        return await self._embedding.ask(question, embedding_limit.get())

    async def _reindex(self, database: Database) -> None:
        """Rebuild what an older analyser indexed, a little at a time, while recall goes on."""
        for scope_id in await database.read(reindex.scopes_behind):
            more = True
            while more:
                more = await database.write(partial(reindex.step, scope_id=scope_id))

    def _begin_retaining(self, database: Database, now: datetime) -> None:
        """Apply the retention rules beside what goes on; a program that only reads deletes nothing,
        so that a dry run comes before what it announces."""
        if not self._settings.retention.days:
            return
        if self._retention is None or self._retention.done():
            with act(None):  # it is nobody's, whoever's write brings it about
                self._retention = asyncio.create_task(self._retain_beside(database, now))

    async def _retain_beside(self, database: Database, now: datetime) -> None:
        try:
            await self._retain_due(database, now)
        except Exception as error:  # it must not disturb whoever writes; the next day tries again
            # Only the type: a database error's text can quote what was stored.
            _log.warning("retention failed (%s); it is tried again", type(error).__name__)

    async def _retain_due(self, database: Database, now: datetime) -> tuple[int, int]:
        raise NotImplementedError  # `Retaining` does it; the engine knows only that it is due

    def _live(self) -> Database:
        if self._database is None:
            raise Closed("this Memori object is closed; make a new one")
        return self._database

    async def _maintain(self, database: Database) -> tuple[int, int]:
        self._maintained = now = self._clock()
        due = await database.read(lambda connection: maintenance.scopes_due(connection, now))
        gone = (0, 0)
        for scope_id in due:

            def purge(connection: Connection, scope_id: int = scope_id) -> tuple[int, int]:
                scope = scopes.read_scope(connection, scope_id, hold=True)
                if scope is None:  # erased meanwhile
                    return 0, 0
                w = self._begin(connection, scope, new_id(), False, now)
                if database.scrubs:
                    maintenance.ask_for_scrub(connection)
                return forgetting.purge_due(w)

            memories_gone, turns_gone = await database.write(purge)
            gone = (gone[0] + memories_gone, gone[1] + turns_gone)
        await owners.erase_hidden(database)
        await self._scrub_if_due(database)
        return gone

    async def _scrub_if_due(self, database: Database) -> bool:
        step = await database.read(maintenance.scrub_step)
        if step == "compact":
            if not await database.compact():
                return False
            step = "truncate"
            await database.write(partial(maintenance.ask_for_scrub, step=step))
        if step == "truncate":
            if not await database.truncate_log():
                return False
            await database.write(maintenance.scrub_is_done)
        return True

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
        if self._clock() - self._maintained >= _MAINTAIN_EVERY:
            await self._maintain(database)
        if self._clock() - self._retained >= RETAIN_EVERY:
            self._retained = self._clock()
            self._begin_retaining(database, self._retained)
        operation = operation_id or new_id()
        moment = now or self._clock()
        whom = acting.get()  # here, since a transaction runs in a thread of its own
        heeds = is_heeded()

        runs = 0
        written: int | None = None

        def transaction(connection: Connection) -> T:
            nonlocal runs, written
            runs += 1
            known = scopes.ensure_scope(connection, scope, moment)
            if heeds:
                self._check_pause(known.paused_until)
                for own in self._home(scope)[1:]:
                    beside = scopes.find_scope(connection, own)
                    self._check_pause(None if beside is None else beside.paused_until)
            written = known.scope_id
            # A run after the first looks too: the COMMIT before it may have been kept unanswered.
            named = operation_id is not None or runs > 1
            actor = None if whom is None else whom.actor
            w = self._begin(connection, known, operation, named, moment, actor=actor)
            payload_hash = hash_payload(payload, w.digest_key)
            earlier = w.earlier_answer(verb, payload_hash)
            if earlier is not None:
                return decode(w, earlier)
            answer = body(w)
            w.finish(verb, payload_hash, encode(answer))
            return answer

        answer = await database.write(transaction)
        if self._embedding is not None and written is not None:
            self._embedding.poke(written)
        return answer

    def _begin(
        self,
        connection: Connection,
        scope: scopes.KnownScope,
        operation: str,
        named: bool,
        now: datetime,
        *,
        actor: str | None = None,
    ) -> Write:
        """One write; in the name of the object's door, unless `actor` is given."""
        return Write(
            connection=connection,
            scope_id=scope.scope_id,
            now=now,
            operation_id=operation,
            caller_named=named,
            actor=actor or self._actor,
            digest_key=scope.digest_key,
            index_state=scope.index_state,
        )

    async def _read(
        self,
        wanted: Sequence[Scope],
        body: Callable[[Connection, Sequence[OpenScope]], T],
    ) -> T:
        database = await self._open()
        heeds = is_heeded()  # here, since a transaction may run in a thread of its own

        def transaction(connection: Connection) -> T:
            readable: list[OpenScope] = []
            for scope in wanted:
                known = scopes.find_counted(connection, scope)
                if known is not None:
                    number, items, terms, paused_until = known
                    if heeds and self._is_paused(paused_until):
                        if scope in self._home(wanted[0]):
                            self._check_pause(paused_until)
                        continue  # a further one that pauses is as good as empty
                    readable.append(OpenScope(number, scope.namespace, CorpusStats(items, terms)))
            return body(connection, readable)

        return await database.read(transaction, wanted)

    def _home(self, scope: Scope) -> list[Scope]:
        """A scope, and the user's own beside a project's: who pauses that pauses both."""
        own = self._settings.memory.personal_namespace
        if own is None or acting.get() is not None:
            return [scope]
        return list(dict.fromkeys([scope, Scope(own, scope.user_id)]))

    def _is_paused(self, until: datetime | None) -> bool:
        return until is not None and self._clock() < until

    def _check_pause(self, until: datetime | None) -> None:
        if until is not None and self._is_paused(until):
            when = "" if until == FOR_EVER else f" until {until:%Y-%m-%d %H:%M} UTC"
            raise Paused(
                f"memory is paused{when}: nothing is recalled and nothing is stored; the person "
                "who paused it ends that with: memori resume"
            )

    def _choose_scope(
        self, user_id: str | None, namespace: str | None, *, required: bool = True
    ) -> Scope:
        whom = acting.get()
        if whom is not None:
            asked = Scope(
                whom.scope.namespace if namespace is None else namespace,
                whom.scope.user_id if user_id is None else user_id,
            )
            if asked != whom.scope:
                raise ScopeError("this connection may act in its own user and namespace only")
            return whom.scope
        memory = self._settings.memory
        user = user_id if user_id is not None else memory.user_id
        if user is None:
            if memory.require_scope and required:
                raise ScopeError("a user is required here: pass user_id")
            user = DEFAULT_USER
        return intake.check_scope(namespace if namespace is not None else memory.namespace, user)

    def _check_whole(self) -> None:
        """Refuse what is about a whole database to a call that acts for one of its users."""
        if acting.get() is not None:
            raise ScopeError("this connection may act in its own user and namespace only")

    def _readable(self, user_id: str | None, namespace: str | None) -> list[Scope]:
        """The scope of a read, then the further namespaces of the same user."""
        first = self._choose_scope(user_id, namespace)
        if namespace is not None or acting.get() is not None:
            return [first]
        memory = self._settings.memory
        own = () if memory.personal_namespace is None else (memory.personal_namespace,)
        further = [Scope(name, first.user_id) for name in (*own, *memory.read_namespaces)]
        return list(dict.fromkeys([first, *further]))

    def _session(self, given: str | None) -> str | None:
        chosen = given if given is not None else self._settings.memory.session_id
        return None if chosen is None else intake.check_name(chosen, "session_id")

    def _agent(self, given: str | None) -> str | None:
        chosen = given if given is not None else self._settings.memory.agent_id
        return None if chosen is None else intake.check_writer(chosen)

    def _here(self) -> datetime:
        """Now, on the owner's clock and calendar."""
        return self._clock().astimezone(self._settings.zone)


#: Databases a forked process got from its parent; kept so that nothing ever closes them.
_inherited: list[Database] = []


def _now() -> datetime:
    return datetime.now(UTC)
