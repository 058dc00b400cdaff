"""What one session has been sent and has said: its snapshot, its last recall, its turn keys."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypedDict

from memori.api import AsyncMemori
from memori.ids import new_id
from memori.intercept.block import fence
from memori.intercept.wire import Asked, squeeze
from memori.model import Hit, Scope
from memori.recall.context import HEADINGS
from memori.recall.lines import line_of
from memori.text.tokens import estimate_tokens

#: The working context may use this share of the standing budget; what was said lately the rest.
_CONTEXT_SHARE = 0.7
#: With recall besides, the standing block may use this share of the whole budget.
STANDING_SHARE = 0.6
_LATELY = "Said lately:"
_LATELY_TURNS = 10
_LATELY_SEARCHED = 40
_RECALLED = 12
_KEYS_KEPT = 256
#: Blocks of recalled notes that a session keeps, for the further steps of their exchanges.
_RECOLLECTIONS_KEPT = 16


#: How an answer ended: whole, before its end but to be gone on with, or broken off or empty.
Ending = Literal["answered", "paused", "broken"]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The standing block of a session, sent the same with every call of it.

    `ids` are the memories and turns it shows, `origins` the turns that those memories come from.
    """

    text: str = ""
    tokens: int = 0
    ids: tuple[str, ...] = ()
    origins: frozenset[str] = frozenset()
    mark: str = ""

    def says(self, hit: Hit) -> bool:
        """Whether it shows this hit, or what the hit comes from or has become."""
        return hit.id in self.origins or not {hit.id, *hit.sources}.isdisjoint(self.ids)


@dataclass(frozen=True, slots=True)
class Recollection:
    """The block of what was recalled for one user message.

    `ids` are the memories and turns it shows.
    """

    text: str = ""
    tokens: int = 0
    ids: tuple[str, ...] = ()


@dataclass(slots=True)
class SessionState:
    """One session of one user, as far as this process knows it."""

    id: str
    snapshot: Snapshot = field(default_factory=Snapshot)
    taking: asyncio.Task[Snapshot] | None = None
    recalled: OrderedDict[str, Recollection] = field(default_factory=OrderedDict[str, Recollection])
    run: str = field(default_factory=new_id)
    keys: OrderedDict[str, tuple[int, Ending]] = field(
        default_factory=OrderedDict[str, tuple[int, Ending]]
    )

    def has_recalled(self, asked: Asked) -> bool:
        """Whether this is a further step of an exchange that was recalled for."""
        return asked.goes_on and asked.prefix in self.recalled

    def turn_key(self, asked: Asked, ending: Ending) -> str:
        """The key of a user turn: the same for every step of one exchange.

        A conversation that carries its history names the turn by it. What was answered may be
        said again later, with the same before it, and is a turn of its own then; not the further
        steps of the exchange, and not another try after an answer that broke off.
        """
        number, before = self.keys.pop(asked.prefix, (0, "broken"))
        further = asked.has_results or (asked.goes_on and before == "paused")
        if before != "broken" and not further:
            number += 1
        self.keys[asked.prefix] = (number, ending)
        while len(self.keys) > _KEYS_KEPT:
            self.keys.popitem(last=False)
        if asked.opens:
            return f"{self.run}:{asked.prefix}:{number}"
        return f"{asked.prefix}:{number}" if number else asked.prefix


async def standing_block(
    engine: AsyncMemori, scope: Scope, state: SessionState, asked: Asked, max_tokens: int
) -> Snapshot:
    """The session's snapshot: taken once, and again when something essential has changed."""
    kept = state.snapshot
    if kept.text:
        mark = await engine.context_mark(kept.ids, since=kept.mark, **_where(engine, scope))
        if mark == kept.mark:
            return kept
    if state.taking is None or state.taking.done():
        state.taking = asyncio.create_task(_renew(engine, scope, state, asked, max_tokens))
        state.taking.add_done_callback(_look_at)
    # A call that can wait no longer leaves it to the next one, instead of to nobody.
    return await asyncio.shield(state.taking)


async def _renew(
    engine: AsyncMemori, scope: Scope, state: SessionState, asked: Asked, max_tokens: int
) -> Snapshot:
    state.snapshot = await _take(engine, scope, asked, max_tokens)
    return state.snapshot


def _look_at(taking: asyncio.Task[Snapshot]) -> None:
    """Whoever waits has its error; where nobody does, asyncio need not complain."""
    if not taking.cancelled():
        taking.exception()


async def recall_for(engine: AsyncMemori, scope: Scope, asked: Asked) -> Sequence[Hit]:
    """What is recalled for the last user message, best first, without what was learnt from turns
    that the application sends anyway."""
    where = _where(engine, scope)
    hits = await engine.recall(asked.question, limit=_RECALLED, **where)
    sources = [turn for hit in hits if hit.kind == "memory" for turn in hit.sources]
    if not sources or len(asked.texts) < 2:  # nothing but the question
        return hits
    texts = await engine.turn_texts(sources, **where)
    sent = {turn for turn, text in texts.items() if squeeze(text) in asked.texts}
    return [hit for hit in hits if hit.kind != "memory" or sent.isdisjoint(hit.sources)]


def recalled_block(
    state: SessionState, asked: Asked, shown: Snapshot, hits: Sequence[Hit], max_tokens: int
) -> Recollection:
    """The block of what was recalled; the same for every step of one exchange."""
    if not asked.question or max_tokens < 1:
        return Recollection()
    kept = state.recalled.pop(asked.prefix, None) if asked.goes_on else None
    if kept is None:
        fresh = [hit for hit in hits if not shown.says(hit) and not _is_sent(hit, asked)]
        block = fence("recalled", [line_of(hit) for hit in fresh], max_tokens)
        ids = tuple(fresh[number].id for number in block.kept)
        kept = Recollection(block.text, block.tokens, ids)
    state.recalled[asked.prefix] = kept
    while len(state.recalled) > _RECOLLECTIONS_KEPT:
        state.recalled.popitem(last=False)
    return kept


async def _take(engine: AsyncMemori, scope: Scope, asked: Asked, max_tokens: int) -> Snapshot:
    budget = int(max_tokens * _CONTEXT_SHARE)
    where = _where(engine, scope)
    context = await engine.working_context(max_tokens=budget, **where)
    lines: list[tuple[str, str | None]] = []  # with the id of what it shows; a heading has none
    section = ""
    for line in context.lines:
        if line.section != section:
            section = line.section
            lines.append((f"{HEADINGS[section]}:", None))
        lines.append((line.text, line.id))
    origins = await engine.source_turns([line.id for line in context.lines], **where)
    lately = [hit for hit in await _said_lately(engine, scope, asked) if hit.id not in origins]
    if lately:
        lines.append((_LATELY, None))
        lines += [(line_of(hit), hit.id) for hit in lately[:_LATELY_TURNS]]
    block = fence("standing", [text for text, _ in lines], max_tokens)
    ids = tuple(found for number in block.kept if (found := lines[number][1]) is not None)
    mark = await engine.context_mark(ids, **where) if ids else ""
    return Snapshot(block.text, block.tokens, ids, origins, mark)


async def _said_lately(engine: AsyncMemori, scope: Scope, asked: Asked) -> list[Hit]:
    """The newest turns of the user's own that the application does not send anyway."""
    page = await engine.search(kind="turn", limit=_LATELY_SEARCHED, **_where(engine, scope))
    said = [hit for hit in page.items if hit.role == "user" and hit.source == "user"]
    fresh: dict[str, Hit] = {}
    for hit in said:
        if not _is_sent(hit, asked) and estimate_tokens(hit.text) > 0:
            fresh.setdefault(squeeze(hit.text), hit)
    return list(fresh.values())


def _is_sent(hit: Hit, asked: Asked) -> bool:
    """Whether the application sends this text already."""
    return squeeze(hit.text) in asked.texts


class _Where(TypedDict, total=False):
    user_id: str
    namespace: str


def _where(engine: AsyncMemori, scope: Scope) -> _Where:
    """A scope in the engine's own namespace reads the further namespaces besides."""
    where: _Where = {"user_id": scope.user_id}
    if scope.namespace != engine.scope.namespace:
        where["namespace"] = scope.namespace
    return where
