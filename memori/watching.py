"""Who did what with a memory, and pausing it: the verbs of the person whose memory it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from memori import cursors
from memori.activity import Activity
from memori.arguments import as_count
from memori.engine import Engine
from memori.errors import InvalidArgument
from memori.model import ACTIVITY_KINDS, MAX_LISTED, ActivityKind, Page
from memori.pauses import Pause
from memori.recall.candidates import OpenScope
from memori.store import activity, pausing
from memori.store.operations import Write

#: The longest pause with an end.
MOST_PAUSED = timedelta(days=3_650)


class Watching(Engine):
    """Pausing, and looking at what was done."""

    async def pause(
        self,
        duration: timedelta | None = None,
        *,
        user_id: str | None = None,
        namespace: str | None = None,
    ) -> Pause:
        """Recall and record nothing from now on: not by tools, hooks, intercepted calls or
        learning, in whichever process. What is called outright, as this verb is, goes on.

        A pause under way gets the new end. What was said in a pause is not recorded later either.

        Args:
            duration: how long; without, until `resume`.
            user_id: another user than the object's.
            namespace: another namespace than the object's.

        Returns:
            The pause.

        Raises:
            InvalidArgument: the duration makes no sense.
        """
        if duration is not None and not _makes_sense(duration):
            raise InvalidArgument("duration must be a timedelta of up to ten years, or None")
        until = None if duration is None else self._clock().astimezone(UTC) + duration

        def body(w: Write) -> Pause:
            return pausing.pause(w, until)

        return await self._write(
            "pause",
            self._choose_scope(user_id, namespace),
            None,
            {"until": None if until is None else until.isoformat()},
            body,
            encode=_encode,
            decode=lambda _, answer: _decode(answer),
        )

    async def resume(
        self, *, user_id: str | None = None, namespace: str | None = None
    ) -> Pause | None:
        """End the pause under way.

        Returns:
            What it was; None if there was none.
        """
        now, known = self._clock(), await self.pauses(user_id=user_id, namespace=namespace)
        if not any(each.covers(now) for each in known):
            return None
        return await self._write(
            "resume",
            self._choose_scope(user_id, namespace),
            None,
            {},
            pausing.resume,
            encode=lambda pause: None if pause is None else _encode(pause),
            decode=lambda _, answer: None if answer is None else _decode(answer),
        )

    async def pauses(
        self, *, user_id: str | None = None, namespace: str | None = None
    ) -> tuple[Pause, ...]:
        """The pauses of the last 90 days and those to come to an end, the oldest first."""

        def find(connection: Connection, readable: Sequence[OpenScope]) -> tuple[Pause, ...]:
            return pausing.read(connection, readable[0].scope_id) if readable else ()

        return await self._read([self._choose_scope(user_id, namespace)], find)

    async def activity(
        self,
        *,
        kind: ActivityKind | None = None,
        limit: int = 50,
        cursor: str | None = None,
        user_id: str | None = None,
        namespace: str | None = None,
    ) -> Page[Activity]:
        """What hosts recalled, were shown and recorded, the newest first; nothing of what was said.

        Entries of other processes appear some seconds late. The newest 5,000 of a scope are kept.

        Args:
            kind: `recall`, `search`, `context`, `injection`, `record` or `remember` only.
            limit: entries a page, at most 1,000.
            cursor: the cursor of the page before.
            user_id: another user than the object's.
            namespace: another namespace than the object's.

        Raises:
            InvalidArgument: there is no such kind, or the cursor or limit makes no sense.
        """
        as_count(limit, "limit", MAX_LISTED)
        if kind is not None and kind not in ACTIVITY_KINDS:
            raise InvalidArgument(f"no kind {kind!r}; there are {', '.join(ACTIVITY_KINDS)}")
        scope = self._choose_scope(user_id, namespace)
        asked = cursors.digest([scope], "activity", kind)
        after = cursors.read_values(cursor, asked, (str,))
        await self._activity.flush()

        def page(connection: Connection, readable: Sequence[OpenScope]) -> Page[Activity]:
            if not readable:
                return Page(items=())
            before = None if after is None else str(after[0])
            found = activity.newest(connection, readable[0].scope_id, kind, before, limit + 1)
            more = cursors.write(asked, found[limit - 1].id) if len(found) > limit else None
            return Page(items=tuple(found[:limit]), cursor=more)

        return await self._read([scope], page)

    def note_activity(
        self,
        kind: ActivityKind,
        *,
        ids: Sequence[str] = (),
        tokens: int = 0,
        reason: str = "",
        host: str | None = None,
        at: datetime | None = None,
        user_id: str | None = None,
        namespace: str | None = None,
    ) -> None:
        """Note what a door did; it is written soon.

        Args:
            kind: what.
            ids: of which memories and turns.
            tokens: of their texts.
            reason: where nothing came of it: why.
            host: who; by default whoever acts.
            at: when; by default now.
            user_id: another user than the object's.
            namespace: another namespace than the object's.
        """
        scope = self._choose_scope(user_id, namespace)
        entry = self._entry(kind, ids, tokens, reason)
        if host is not None:
            entry = replace(entry, host=host)
        self._activity.add(scope, entry if at is None else replace(entry, at=at))


def _makes_sense(duration: object) -> bool:
    return isinstance(duration, timedelta) and timedelta() < duration <= MOST_PAUSED


def _encode(pause: Pause) -> dict[str, Any]:
    return {"since": pause.since.isoformat(), "until": pause.until and pause.until.isoformat()}


def _decode(answer: Any) -> Pause:
    until = answer["until"]
    return Pause(
        datetime.fromisoformat(answer["since"]),
        None if until is None else datetime.fromisoformat(until),
    )
