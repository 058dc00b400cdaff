"""Answers the hooks of a host over a local socket that only the same user of this machine reaches.

One server of a memory holds the socket; when it ends, another takes over. What a host wrote down
while no server ran is recorded by the next one.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from memori import observing
from memori.activity import acting_as, unnoted
from memori.errors import Paused
from memori.hooks.outcomes import take_unheard
from memori.hooks.place import Place, shared_folder
from memori.hooks.session import (
    SessionFile,
    has_sessions,
    read_session,
    waiting_sessions,
    write_session,
)
from memori.pauses import Pause, heeding
from memori.text.tokens import estimate_tokens
from memori_mcp.door import Door

if TYPE_CHECKING:
    from anyio.abc import SocketStream

    from memori.api import AsyncMemori

#: Seconds between two tries to take the socket over.
TAKE_OVER_EVERY = 2.0
#: Seconds after the start before anything is opened: what a host waits for goes before.
FIRST_PAUSE = 1.0
_MOST_REQUEST_BYTES = 4_000_000
_RECALLED = 12
#: Budget of the working context: a part of the whole, since a fence stands around it.
_CONTEXT_SHARE = 0.8

_log = logging.getLogger(__name__)


class _TooLarge(Exception):
    pass


async def serve_hooks(door: Door) -> None:
    """Answer hooks until cancelled; nothing that goes wrong ends the server.

    Args:
        door: where the engine is; it is opened by the first request.
    """
    folder = shared_folder()
    if folder is None:
        return
    memory = door.settings.memory
    place = Place(
        door.settings.database.connection_string, memory.namespace, memory.user_id or "default"
    )
    path = folder / f"{place.key}.sock"
    try:
        lock = path.with_suffix(".lock").open("w")
    except OSError as error:
        _report(error)
        return
    with lock:
        await _hold(lock.fileno())
        try:
            path.unlink(missing_ok=True)  # of a server that was killed
            listener = await anyio.create_unix_listener(path, mode=0o600)
        except OSError as error:
            _report(error)
            return
        service = _Service(door, folder, place)
        try:
            async with listener, anyio.create_task_group() as tasks:
                tasks.start_soon(service.get_ready)
                await listener.serve(service.answer)
        finally:
            path.unlink(missing_ok=True)


def _report(error: OSError) -> None:
    _log.warning(
        "hooks are not answered: %s; XDG_RUNTIME_DIR must name a folder of yours, and no long one",
        error.strerror or error,
    )


async def _hold(lock: int) -> None:
    """Wait until no other server holds the lock; it is let go when the process ends."""
    import fcntl

    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            await anyio.sleep(TAKE_OVER_EVERY)
        else:
            os.ftruncate(lock, 0)
            return


class _Service:
    def __init__(self, door: Door, folder: Path, place: Place) -> None:
        self._door = door
        self._folder = folder
        self._place = place
        self._recording = anyio.Lock()

    async def answer(self, stream: SocketStream) -> None:
        """Answer one request of a hook."""
        try:
            async with stream:
                asked = json.loads(await _line(stream))
                with self._door.call(changes=True):
                    engine = await self._door.engine()
                    answer = await self._answer(engine, asked)
                    self._hear(engine)
                await stream.send(json.dumps(answer).encode() + b"\n")
        except (anyio.BrokenResourceError, anyio.EndOfStream):
            _log.debug("a hook did not wait for its answer")
        except Exception as error:
            observing.skipped("hook", "error")
            # Only the type: the text can quote what was said.
            _log.warning("a hook was not answered: %s", type(error).__name__)

    async def get_ready(self) -> None:
        """Where hooks are in use, open the engine soon, since a prompt cannot wait for that; and
        record what was said while no server ran."""
        await anyio.sleep(FIRST_PAUSE)
        if not has_sessions(self._folder, self._place.key):
            return
        try:
            engine = await self._door.engine()
            self._hear(engine)
            for session in waiting_sessions(self._folder, self._place.key):
                await self._record(engine, session)
        except Exception as error:
            _log.warning("a session waits to be recorded: %s", type(error).__name__)

    async def _answer(self, engine: AsyncMemori, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        with acting_as(str(asked.get("host") or "hook")), heeding():
            if asked.get("do") == "record":
                session_id = str(asked.get("session", ""))
                session = read_session(self._folder, self._place.key, session_id)
                recorded = await self._record(engine, session)
                return _nothing("" if recorded else "paused")
            try:
                with unnoted():
                    answer = await self._notes(engine, asked)
            except Paused:
                answer = _nothing("paused")
            engine.note_activity(
                "injection",
                ids=answer["ids"],
                tokens=estimate_tokens(answer["text"]),
                reason=answer["reason"],
            )
            return answer

    def _hear(self, engine: AsyncMemori) -> None:
        """Note what became of hooks while no server was there to hear of them."""
        for each in take_unheard(self._folder, self._place.key):
            engine.note_activity(
                "record" if each.event in ("stop", "pre-compact") else "injection",
                ids=each.ids,
                tokens=each.tokens,
                reason=each.reason,
                host=each.host or "hook",
                at=datetime.fromisoformat(each.at),
            )

    async def _notes(self, engine: AsyncMemori, asked: Mapping[str, Any]) -> dict[str, Any]:
        from memori.intercept.block import fence

        what, session_id = asked.get("do"), str(asked.get("session", ""))
        shown, budget = set(asked.get("shown", ())), int(asked.get("max_tokens", 0))
        if what == "standing":
            nothing = "nothing found"
            context = await engine.working_context(max_tokens=int(budget * _CONTEXT_SHARE))
            found = [(line.id, line.text) for line in context.lines]
            kind = "standing"
        else:
            from memori.recall.lines import line_of

            hits = await engine.recall(str(asked.get("prompt", "")), limit=_RECALLED)
            nothing = "nothing found" if hits.withheld is None else "abstained"
            # What this very session said, the model sees anyway.
            found = [(hit.id, line_of(hit)) for hit in hits if hit.session_id != session_id]
            kind = "recalled"
        new = [each for each in found if each[0] not in shown]
        block = fence(kind, [line for _, line in new], budget)
        if found:
            nothing = "over the budget" if new else "nothing new"
        reason = "" if block.text else nothing
        if block.text:
            observing.injected("hook")
        else:
            observing.skipped("hook", reason)
        return {
            "text": block.text,
            "ids": [new[number][0] for number in block.kept],
            "reason": reason,
        }

    async def _record(self, engine: AsyncMemori, session: SessionFile) -> bool:
        """Record what is new in a session's transcript, each turn once however often it is read.

        Returns:
            Whether that was done; while memory is paused, nothing is.
        """
        from memori.hooks.transcript import read_transcript

        async with self._recording:
            session = read_session(self._folder, self._place.key, session.session_id)
            if not session.waiting or not session.transcript:
                return True
            pauses, now = list(await engine.pauses()), engine.now()
            if self._door.personal is not None:
                pauses += await engine.pauses(namespace=self._door.personal)
            if any(pause.covers(now) for pause in pauses):
                return False
            await engine.start_learning()
            learn = engine.settings.learning.enabled is not False
            said = await anyio.to_thread.run_sync(
                read_transcript, Path(session.transcript), session.recorded
            )
            turns = [turn for turn in said.turns if not _in_silence(turn, session, pauses)]
            if turns:
                await engine.record(
                    turns,
                    session_id=session.session_id,
                    agent_id=said.host,
                    learn=learn,
                )
            # Read again: meanwhile a hook may have noted what it showed.
            session = read_session(self._folder, self._place.key, session.session_id)
            session.recorded, session.waiting = said.read, False
            write_session(self._folder, self._place.key, session)
            return True


def _nothing(reason: str) -> dict[str, Any]:
    return {"text": "", "ids": [], "reason": reason}


def _in_silence(turn: Mapping[str, Any], session: SessionFile, pauses: Sequence[Pause]) -> bool:
    """Whether a turn was said while memory was paused, or had no business there."""
    try:
        at = datetime.fromisoformat(turn["at"])
    except (KeyError, ValueError):
        return False
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return at.timestamp() <= session.silent_until or any(pause.covers(at) for pause in pauses)


async def _line(stream: SocketStream) -> bytes:
    received = b""
    while not received.endswith(b"\n"):
        received += await stream.receive()
        if len(received) > _MOST_REQUEST_BYTES:
            raise _TooLarge
    return received
