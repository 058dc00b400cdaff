"""What one `Memori` object does for intercepted calls: notes before, a record after.

Its work runs on memori's own loop; `place` and `status` may be used from every thread.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from weakref import WeakSet

from memori.activity import unnoted
from memori.api import AsyncMemori
from memori.engine import embedding_limit
from memori.errors import MemoriError
from memori.ids import new_id
from memori.intake import check_name, check_scope, check_writer
from memori.intercept.block import strip_blocks
from memori.intercept.recording import Recorder
from memori.intercept.scope import Said
from memori.intercept.session import (
    STANDING_SHARE,
    Ending,
    Recollection,
    SessionState,
    recall_for,
    recalled_block,
    standing_block,
)
from memori.intercept.spool import Exchange, spool_for
from memori.intercept.trouble import Troubles
from memori.intercept.wire import Asked, Notes, Reply, as_asked
from memori.model import DEFAULT_USER, Hit, Scope
from memori.pauses import heeding
from memori.uses import uncounted

#: Seconds between attempts to open a database that could not be opened.
_REOPEN_AFTER = 5.0
#: A call waits this share of its time limit for what the same user said just before.
_SETTLE_SHARE = 0.5
#: And how much of it a recall waits for an embedder.
_EMBEDDING_SHARE = 0.4
_SESSIONS_KEPT = 10_000
#: Asked of memory before anybody asks.
_FIRST_QUESTION = "What am I working on at the moment?"
_log = logging.getLogger("memori")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Whose call it is, settled when the call is made."""

    scope: Scope
    session_id: str
    agent_id: str | None
    human: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What `Memori.status()` answers.

    Args:
        enabled: whether calls are intercepted.
        clients: the client libraries seen so far.
        injected: calls that were sent notes.
        recorded: exchanges in the database.
        left_alone: calls neither sent notes nor recorded, by reason.
        pending: exchanges being written, or held in memory because nothing can be written.
        spooled: exchanges in files, to be recorded later.
        troubles: what is wrong now; empty when all is well.
    """

    enabled: bool
    clients: tuple[str, ...]
    injected: int
    recorded: int
    left_alone: Mapping[str, int]
    pending: int
    spooled: int
    troubles: tuple[str, ...]


class Stream(Protocol):
    """An answer under way."""

    def finish(self) -> None:
        """Hand over what came so far, once."""
        ...


class Interceptor:
    """Notes and records for the calls of one `Memori` object."""

    def __init__(self, engine: AsyncMemori) -> None:
        self.engine = engine
        #: The object whose calls these are, kept alive as long as calls may come: a program need
        #: not keep it, and what is being recorded is finished through it when the program ends.
        self.owner: object | None = None
        self.settings = engine.settings.intercept
        self.troubles = Troubles()
        self.left_alone: Counter[str] = Counter()
        self.injected = 0
        self._start_afresh()

    def _start_afresh(self) -> None:
        self._pid = os.getpid()
        self._live: WeakSet[Stream] = WeakSet()
        self._live_lock = threading.Lock()
        self._recorder = Recorder(
            self.engine, spool_for(self.engine.settings, self.engine.database_path), self.troubles
        )
        self._opening: asyncio.Task[None] | None = None
        self._failed_at = float("-inf")
        self._ready = False
        self._sessions: OrderedDict[tuple[Scope, str], SessionState] = OrderedDict()
        self._session_of: OrderedDict[Scope, str] = OrderedDict()

    def after_fork(self) -> None:
        """A child process begins with nothing under way and sessions of its own."""
        if self._pid != os.getpid():
            self._start_afresh()

    def place(self, said: Said | None) -> Place | None:
        """Whose a call is; None when a user is required and nobody said one.

        Raises:
            ScopeError: what was said cannot be a scope.
            InvalidArgument: what was said cannot be a session or agent.
        """
        memory = self.engine.settings.memory
        said = said or Said()
        user = memory.user_id if said.user_id is None else said.user_id
        if user is None:
            if memory.require_scope:
                return None
            user = DEFAULT_USER
        namespace = memory.namespace if said.namespace is None else said.namespace
        scope = check_scope(namespace, user)
        session = said.session_id
        if session is None:
            session = self._session_of.get(scope, memory.session_id)
        if session is None:
            session = self._session_of.setdefault(scope, new_id())
            self._bound_sessions()
        agent = memory.agent_id if said.agent_id is None else said.agent_id
        return Place(
            scope=scope,
            session_id=check_name(session, "session_id"),
            agent_id=None if agent is None else check_writer(agent),
            human=said.human,
        )

    def new_session(self, scope: Scope, session_id: str | None = None) -> str:
        """Begin a session of a user; calls that name no other belong to it from now on."""
        chosen = session_id if session_id is not None else new_id()
        self._session_of[scope] = check_name(chosen, "session_id")
        self._bound_sessions()
        return chosen

    async def open(self) -> None:
        """Open the database once for everybody; what failed is tried again after a while.

        Raises:
            MemoriError: it cannot be opened.
        """
        if self._ready:
            return
        if self._opening is None or (
            self._opening.done() and time.monotonic() - self._failed_at > _REOPEN_AFTER
        ):
            self._opening = asyncio.create_task(self._open())
        # A call that stops waiting must not stop the opening for the next one.
        await asyncio.shield(self._opening)

    async def notes(self, place: Place, asked: Asked, provider: str = "") -> Notes:
        """What to add to a call.

        Args:
            place: whose call it is.
            asked: what it asks.
            provider: the client library it goes through.

        Raises:
            Paused: whose memory it is has paused it.
            MemoriError: the database fails.
        """
        await self.open()
        state = self._session(place)
        with heeding(), unnoted():
            notes = await self._notes(place.scope, state, asked)
        reason = "" if notes else "nothing found"
        self._note(place, provider, notes.ids, notes.tokens, reason)
        return notes

    async def note_missed(self, place: Place, provider: str, reason: str) -> None:
        """Note that a call was made without memory, and why.

        Args:
            place: whose call it is.
            provider: the client library it goes through.
            reason: why.
        """
        self._note(place, provider, (), 0, reason)

    def _note(
        self, place: Place, provider: str, ids: Sequence[str], tokens: int, reason: str
    ) -> None:
        self.engine.note_activity(
            "injection",
            ids=ids,
            tokens=tokens,
            reason=reason,
            host=provider or None,
            user_id=place.scope.user_id,
            namespace=place.scope.namespace,
        )

    async def _notes(self, scope: Scope, state: SessionState, asked: Asked) -> Notes:
        # Words alone are better than the answer of an embedder that comes too late.
        embedding_limit.set(self.settings.time_limit * _EMBEDDING_SHARE)
        budget, recalls = self.settings.max_tokens, self.settings.auto_ingest
        standing, hits, recalled = state.snapshot, (), Recollection()
        if self.settings.sends_standing:
            if not standing.text:
                # Nothing else is known yet: all of the time limit is for what was said just before.
                await self._settled(scope, share=1.0)
            share = int(budget * STANDING_SHARE) if recalls else budget
            look = standing_block(self.engine, scope, state, asked, share)
            if recalls:  # whether the block still holds is asked while recall waits and reads
                standing, hits = await asyncio.gather(look, self._recall(scope, state, asked))
            else:
                standing = await look
        elif recalls:
            hits = await self._recall(scope, state, asked)
        if recalls:
            left = budget - standing.tokens
            recalled = recalled_block(state, asked, standing, hits, left)
        return Notes(
            standing=standing.text,
            recalled=recalled.text,
            tokens=standing.tokens + recalled.tokens,
            ids=standing.ids + recalled.ids,
        )

    async def _recall(self, scope: Scope, state: SessionState, asked: Asked) -> Sequence[Hit]:
        """What answers the last user message; nothing in a further step of its exchange."""
        if not asked.question or state.has_recalled(asked):
            return ()
        await self._settled(scope, share=_SETTLE_SHARE)
        return await recall_for(self.engine, scope, asked)

    async def _settled(self, scope: Scope, *, share: float) -> None:
        """Wait a little for what the same user said just before: it belongs to what is read."""
        await self._recorder.settled(scope, self.settings.time_limit * share)

    async def record(
        self,
        place: Place,
        asked: Asked,
        read: Callable[[], Reply],
        *,
        provider: str,
        at: datetime,
        seconds: float,
        injected: int | None,
    ) -> None:
        """Begin to record an exchange.

        Args:
            place: whose it is.
            asked: what was asked.
            read: what was answered.
            provider: the client library it went through.
            at: when it was asked.
            seconds: how long the answer took, a stream to its end.
            injected: tokens of the notes that were added.
        """
        reply = read()
        turns = self._turns(place, asked, reply, provider, at, seconds)
        if turns:
            exchange = Exchange(
                operation_id=new_id(),
                namespace=place.scope.namespace,
                user_id=place.scope.user_id,
                session_id=place.session_id,
                agent_id=place.agent_id,
                turns=tuple(turns),
                injected=injected,
            )
            self._recorder.add(exchange)

    def follow(self, stream: Stream) -> None:
        """Remember an answer under way."""
        with self._live_lock:
            self._live.add(stream)

    def finish_streams(self) -> None:
        """Record what came of every answer under way."""
        with self._live_lock:
            live = list(self._live)
        for stream in live:
            stream.finish()

    async def recorded(self, timeout: float | None) -> bool:
        """Wait for what is being recorded now; whether all of it is in the database."""
        return await self._recorder.settled(None, timeout)

    async def finish(self, timeout: float) -> bool:
        """Wait for what is being recorded; what is not written in time is spooled."""
        if self._pid != os.getpid():
            return True
        self._recorder.stop()
        return await self._recorder.finish(timeout)

    def status(self, *, enabled: bool, clients: tuple[str, ...]) -> Status:
        """How it goes."""
        return Status(
            enabled=enabled,
            clients=clients,
            injected=self.injected,
            recorded=self._recorder.recorded,
            left_alone=dict(self.left_alone),
            pending=self._recorder.pending,
            spooled=self._recorder.spooled,
            troubles=self.troubles.now(),
        )

    async def _open(self) -> None:
        try:
            await self.engine.open()
            await self.engine.start_learning()
            await self.engine.start_promoting()
        except MemoriError as error:
            self._failed_at = time.monotonic()
            self.troubles.report("database", "calls go on without memory", str(error))
            raise
        self._ready = True
        self.troubles.clear("database")
        self._recorder.replay()
        await self._warm_up()

    async def _warm_up(self) -> None:
        """Read once what calls read: in a process the first time is the slowest by far, and the
        first call should not spend its time limit on it."""
        uncounted.set(True)
        asked = as_asked([("user", {"role": "user", "content": _FIRST_QUESTION})])
        try:
            await self._notes(self.engine.scope, SessionState(""), asked)
        except Exception as error:  # the calls will say what is wrong, if it still is
            _log.debug("memori: nothing could be read yet: %s", type(error).__name__)

    def _bound_sessions(self) -> None:
        while len(self._session_of) > _SESSIONS_KEPT:
            self._session_of.popitem(last=False)

    def _session(self, place: Place) -> SessionState:
        key = (place.scope, place.session_id)
        state = self._sessions.pop(key, None) or SessionState(place.session_id)
        self._sessions[key] = state
        while len(self._sessions) > _SESSIONS_KEPT:
            self._sessions.popitem(last=False)
        return state

    def _turns(
        self,
        place: Place,
        asked: Asked,
        reply: Reply,
        provider: str,
        at: datetime,
        seconds: float,
    ) -> list[dict[str, Any]]:
        """The turns of an exchange; the store tells those apart that it holds already."""
        text = strip_blocks(reply.text).strip()  # a model may repeat its notes
        text = text or "\n".join(f"[called {name}]" for name in reply.tools)
        failed = reply.finish == "failed" and not text
        if failed or (not asked.question and not asked.goes_on):
            return []
        turns: list[dict[str, Any]] = []
        if asked.question:
            key = self._session(place).turn_key(asked, _ending(text, reply))
            turns.append({"role": "user", "content": asked.question, "at": at.isoformat()})
            turns[0] |= {"key": key, "speaker": asked.speaker}
            if not place.human:
                turns[0]["source"] = "agent"
        if text:
            metadata: dict[str, Any] = {
                "provider": provider,
                "model": reply.model,
                "usage": dict(reply.usage),
                "tool_calls": list(reply.tools),
                "latency_ms": round(seconds * 1000),
                "finish": reply.finish,
            }
            if not reply.complete:
                metadata["incomplete"] = True
            if reply.choices > 1:
                metadata["choices"] = reply.choices
            kept = {name: value for name, value in metadata.items() if value not in (None, {}, [])}
            when = self.engine.now().isoformat()
            turns.append({"role": "assistant", "content": text, "at": when, "metadata": kept})
        return turns


#: How a model says that it has more to say: it was cut short, or waits for its own tools.
_PAUSES = frozenset({"length", "max_tokens", "incomplete", "pause_turn"})


def _ending(text: str, reply: Reply) -> Ending:
    """How an answer ended."""
    if not text or not reply.complete:
        return "broken"
    return "paused" if reply.finish in _PAUSES else "answered"
