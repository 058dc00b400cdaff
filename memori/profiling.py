"""The profile of a user: written by a model after promotion, where one is configured."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from memori import intake
from memori.engine import Engine
from memori.learn.learnt import Unavailable
from memori.model import PROFILE_AGENT, PROFILE_TAG, Profile, ProfileSentence, Receipt, Scope
from memori.recall.candidates import OpenScope
from memori.store import memories, profiles, promotions, spending
from memori.store.operations import Write, revive
from memori.store.profiles import Member
from memori.store.reading import Filter

if TYPE_CHECKING:
    from memori.learn.providers import Model

_log = logging.getLogger("memori")


class _Overtaken(Exception):
    """What a profile was made from has changed meanwhile; the next run sees to it."""


class Profiling(Engine):
    """What writes and shows profiles."""

    _profiler: Model | None = None
    _profile_trouble = ""

    async def profile(
        self, *, user_id: str | None = None, namespace: str | None = None
    ) -> Profile | None:
        """The profile of the user, each sentence with the memories it rests on.

        Args:
            user_id: another user than the object's.
            namespace: another namespace than the object's.

        Returns:
            None when there is none.
        """
        now = self._clock()
        never = self._settings.promotion.never_promote

        def find(connection: Connection, readable: Sequence[OpenScope]) -> Profile | None:
            if not readable:
                return None
            number = readable[0].scope_id
            found = profiles.current(connection, number)
            if not found:
                return None
            row = found[-1]
            return Profile(
                id=row.id,
                at=row.recorded_at,
                sentences=profiles.sentences_of(row),
                holds=profiles.holds(connection, number, row, Filter(now=now), never),
            )

        return await self._read([self._choose_scope(user_id, namespace)], find)

    async def _renew_profile(self, scope: Scope, number: int) -> None:
        """Write the profile anew if what it is made from has changed; nothing it does, or fails
        to do, is a failure of the promotion before it."""
        if not self._settings.promotion.profile:
            return
        if self._settings.agents.chosen is None:
            _say_how()
            return
        try:
            trouble = await self._write_profile(scope, number)
        except _Overtaken:
            return
        except Unavailable as error:
            trouble = str(error)
        except Exception as error:
            # Only the type: a database error's text can quote what was stored.
            trouble = type(error).__name__
        if trouble and trouble != self._profile_trouble:
            _log.warning("no profile was written (%s); it is tried again", trouble)
        self._profile_trouble = trouble
        if trouble:
            try:
                database = await self._open()
                await database.write(
                    lambda c: promotions.note_trouble(c, number, f"profile: {trouble}")
                )
            except Exception as error:
                _log.debug("the trouble was not noted: %s", type(error).__name__)

    async def _write_profile(self, scope: Scope, number: int) -> str:
        """What was in the way, "" for nothing.

        Raises:
            Unavailable: the model gave no answer.
            _Overtaken: somebody else wrote one, or the scope is gone.
        """
        from memori.learn.providers import make_model
        from memori.learn.replies import Unreadable
        from memori.promote.profile import ask_for_profile, cost_of, read_profile

        database = await self._open()

        def look(connection: Connection) -> tuple[list[Member], str | None, str | None]:
            members = profiles.members_of(connection, number)
            last = profiles.latest(connection, number)
            if last is None:
                return members, None, None
            return members, last.id, profiles.sources_of(last)

        members, last_id, sources = await database.read(look)
        digest = profiles.digest_of(members)
        if not members or digest in (sources, self._profile_tried.get(scope)):
            return ""
        agents = self._settings.agents
        if self._profiler is None:
            self._profiler = make_model(agents)
        cost, most = cost_of(members), agents.max_tokens_per_day
        reserved = await database.write(
            lambda c: spending.reserve(c, number, self._time(c), cost, most)
        )
        if reserved is None:
            return "agents.max_tokens_per_day is reached"
        tokens = 0
        try:
            text, tokens = await ask_for_profile(self._profiler, members)
        except Unavailable as error:
            tokens = error.tokens
            raise
        finally:
            await database.write(lambda c: spending.correct(c, number, reserved, tokens))
        try:
            sentences = read_profile(text, members)
        except Unreadable:
            sentences = []
        if not sentences:
            # Asked again about the same, it would say the same.
            self._profile_tried[scope] = digest
            return "the model's answer holds no sentence with its sources"

        def body(w: Write) -> Receipt:
            return _keep(w, number, last_id, digest, members, sentences, self)

        await self._write(
            profiles.PROFILE,
            scope,
            None,
            {"sources": digest},
            body,
            decode=lambda _, answer: revive(Receipt, answer),
        )
        return ""


def _keep(
    w: Write,
    number: int,
    last_id: str | None,
    digest: str,
    members: Sequence[Member],
    sentences: Sequence[ProfileSentence],
    engine: Engine,
) -> Receipt:
    last = profiles.latest(w.connection, w.scope_id)
    if w.scope_id != number or (None if last is None else last.id) != last_id:
        raise _Overtaken
    # The model took its time: what was forgotten meanwhile must not be told.
    there = promotions.still_current(w, [each.memory_no for each in members])
    ids = {each.id for each in members if each.memory_no in there}
    kept = [each for each in sentences if ids.issuperset(each.ids)]
    if not kept:
        raise _Overtaken
    cited = {memory_id for each in kept for memory_id in each.ids}
    weakest = min(each.trust for each in members if each.id in cited)
    olds = profiles.current(w.connection, w.scope_id)
    new = intake.prepare_memory(
        " ".join(each.text for each in kept),
        category="context",
        importance=0.5,
        confidence=weakest,
        tags=(PROFILE_TAG,),
        entities=(),
        metadata=profiles.metadata_of(digest, kept),
        source="agent",
        trust=weakest,
        pinned=False,
        sources=(),
        valid_from=None,
        valid_until=None,
        supersedes=[old.id for old in olds],
        session_id=None,
        agent_id=PROFILE_AGENT,
        zone=engine.settings.zone,
    )
    for old in olds:
        profiles.make_way(w, old, memories.active_hash(w, new.key, quarantined=new.quarantined))
    return memories.remember(w, new)


@cache
def _say_how() -> None:
    """Say once what is missing."""
    _log.info(
        "promotion.profile is on, but no model is configured: no profile is written; set "
        "agents.openai_api_key or agents.provider (docs/profile.md)"
    )
