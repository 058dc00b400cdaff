"""`Memori`: the same engine for synchronous programs, driven on memori's own loop thread."""

from __future__ import annotations

import asyncio
import atexit
import logging
import time
import weakref
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime
from functools import update_wrapper, wraps
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, TypeVar

from memori import loop
from memori.api import AsyncMemori
from memori.config import Settings
from memori.errors import MemoriError
from memori.intercept.face import Intercepting
from memori.providers import ProviderConfig

P = ParamSpec("P")
T = TypeVar("T")

_EXIT_SECONDS = 2.5
_RECORDING_SHARE = 2 / 3
_log = logging.getLogger("memori")
_open: weakref.WeakSet[Memori] = weakref.WeakSet()


def _blocking(
    verb: Callable[Concatenate[AsyncMemori, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Memori, P], T]:
    """The same verb, waited for."""

    @wraps(verb)
    def call(self: Memori, *args: P.args, **kwargs: P.kwargs) -> T:
        return loop.run(verb(self.engine, *args, **kwargs))

    return call


def _like(verb: Callable[..., Any]) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Documented as this verb."""

    def documented(function: Callable[P, T]) -> Callable[P, T]:
        return update_wrapper(function, verb)

    return documented


class Memori(Intercepting):
    """Memory in an SQL database, for synchronous programs and any number of threads.

    Takes the arguments of `AsyncMemori` and has its verbs, which wait for their answer. `enable`
    gives the program's own calls of a model this memory. Usable with `with` and `async with`; what
    is left open is closed when the interpreter exits.

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
        self.engine = AsyncMemori(
            database_connect,
            namespace=namespace,
            user_id=user_id,
            agent_id=agent_id,
            assistant_id=assistant_id,
            session_id=session_id,
            conscious_ingest=conscious_ingest,
            auto_ingest=auto_ingest,
            openai_api_key=openai_api_key,
            provider_config=provider_config,
            read_namespaces=read_namespaces,
            require_scope=require_scope,
            settings=settings,
            clock=clock,
            actor=actor,
        )
        _open.add(self)

    def __enter__(self) -> Memori:
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Memori:
        """Open without holding up the event loop of an asynchronous program."""
        await asyncio.to_thread(self.open)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.close)

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.engine.settings

    @property
    def database_path(self) -> Path | None:
        """The database's file; None when it has none."""
        return self.engine.database_path

    @_like(AsyncMemori.flush)
    def flush(self, timeout: float | None = None) -> None:
        begun = time.monotonic()
        if not self._finish_recording(timeout):
            raise TimeoutError("exchanges are still being recorded; they go on in the background")
        left = None if timeout is None else max(0.0, timeout - (time.monotonic() - begun))
        loop.run(self.engine.flush(left))

    @_like(AsyncMemori.close)
    def close(self) -> None:
        self._finish_intercepting()
        loop.run(self.engine.close())

    def close_within(self, seconds: float) -> None:
        """Close, in a time; exchanges that cannot be recorded in two thirds of it are spooled.

        Raises:
            TimeoutError: closing takes longer.
        """
        begun = time.monotonic()
        self._finish_intercepting(seconds * _RECORDING_SHARE)
        loop.run(self.engine.close(), max(0.1, seconds - (time.monotonic() - begun)))

    open = _blocking(AsyncMemori.open)
    remember = _blocking(AsyncMemori.remember)
    record = _blocking(AsyncMemori.record)
    update = _blocking(AsyncMemori.update)
    forget = _blocking(AsyncMemori.forget)
    restore = _blocking(AsyncMemori.restore)
    undo = _blocking(AsyncMemori.undo)
    release = _blocking(AsyncMemori.release)
    jobs = _blocking(AsyncMemori.jobs)
    entities = _blocking(AsyncMemori.entities)
    relations = _blocking(AsyncMemori.relations)
    promote = _blocking(AsyncMemori.promote)
    promote_due = _blocking(AsyncMemori.promote_due)
    short_term = _blocking(AsyncMemori.short_term)
    profile = _blocking(AsyncMemori.profile)
    confirm = _blocking(AsyncMemori.confirm)
    start_promoting = _blocking(AsyncMemori.start_promoting)
    learn = _blocking(AsyncMemori.learn)
    start_learning = _blocking(AsyncMemori.start_learning)
    recall = _blocking(AsyncMemori.recall)
    search = _blocking(AsyncMemori.search)
    context_mark = _blocking(AsyncMemori.context_mark)
    source_turns = _blocking(AsyncMemori.source_turns)
    turn_texts = _blocking(AsyncMemori.turn_texts)
    working_context = _blocking(AsyncMemori.working_context)
    get = _blocking(AsyncMemori.get)
    history = _blocking(AsyncMemori.history)
    sessions = _blocking(AsyncMemori.sessions)
    turns = _blocking(AsyncMemori.turns)
    operations = _blocking(AsyncMemori.operations)
    quarantined = _blocking(AsyncMemori.quarantined)
    stats = _blocking(AsyncMemori.stats)
    schema = _blocking(AsyncMemori.schema)
    maintain = _blocking(AsyncMemori.maintain)
    retain = _blocking(AsyncMemori.retain)
    users = _blocking(AsyncMemori.users)
    rename_user = _blocking(AsyncMemori.rename_user)
    erase_user = _blocking(AsyncMemori.erase_user)
    export = _blocking(AsyncMemori.export)
    export_user = _blocking(AsyncMemori.export_user)
    import_export = _blocking(AsyncMemori.import_export)
    backup = _blocking(AsyncMemori.backup)
    verify = _blocking(AsyncMemori.verify)
    tables = _blocking(AsyncMemori.tables)
    table_rows = _blocking(AsyncMemori.table_rows)
    ping = _blocking(AsyncMemori.ping)
    backlog = _blocking(AsyncMemori.backlog)
    create_token = _blocking(AsyncMemori.create_token)
    tokens = _blocking(AsyncMemori.tokens)
    revoke_token = _blocking(AsyncMemori.revoke_token)
    check_token = _blocking(AsyncMemori.check_token)
    conflicts = _blocking(AsyncMemori.conflicts)
    settle = _blocking(AsyncMemori.settle)
    pause = _blocking(AsyncMemori.pause)
    resume = _blocking(AsyncMemori.resume)
    pauses = _blocking(AsyncMemori.pauses)
    activity = _blocking(AsyncMemori.activity)


@atexit.register
def _close_all() -> None:
    """Close what a program left open, but never keep the interpreter waiting for long."""
    deadline = time.monotonic() + _EXIT_SECONDS
    for memori in list(_open):
        try:
            memori.close_within(max(0.1, deadline - time.monotonic()))
        except (MemoriError, TimeoutError, RuntimeError) as error:
            # A TimeoutError has no words of its own.
            reason = str(error) or (
                f"it took longer than {_EXIT_SECONDS} seconds; another program may be writing to it"
                if isinstance(error, TimeoutError)
                else type(error).__name__
            )
            _log.warning("a memori database was not closed at exit: %s", reason)
