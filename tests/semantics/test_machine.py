"""Random verbs over several scopes, checked after every step against a plain model."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from asking import id_of
from conftest import Clock
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from memori import AsyncMemori, InvalidArgument, NotFound

SCOPES = [
    {"user_id": "ana", "namespace": "default"},
    {"user_id": "Ana", "namespace": "default"},
    {"user_id": "ana", "namespace": "work"},
]
WORDS = ["kitten", "puppy", "parrot", "hamster"]

scope_numbers = st.integers(0, len(SCOPES) - 1)
contents = st.tuples(st.sampled_from(WORDS), st.integers(0, 3)).map(
    lambda drawn: f"a {drawn[0]} of age {drawn[1]}"
)


@dataclass
class Item:
    """What the model knows of one memory or turn."""

    id: str
    scope: int
    kind: str
    text: str
    superseded_by: str | None = None
    supersedes: list[str] = field(default_factory=list)
    hidden_by: str | None = None
    gone: bool = False
    sources: list[str] = field(default_factory=list)


class Verbs(RuleBasedStateMachine):
    """The engine beside a dictionary of items."""

    items = Bundle("items")

    @initialize()
    def begin(self) -> None:
        self.runner = asyncio.Runner()
        self.clock = Clock(datetime(2026, 3, 1, tzinfo=UTC))
        self.memori = AsyncMemori("sqlite:///:memory:", clock=self.clock)
        self.known: dict[str, Item] = {}
        self.run(self.memori.open())

    def teardown(self) -> None:
        if hasattr(self, "memori"):
            self.run(self.memori.close())
            self.runner.close()

    def run(self, work: Any) -> Any:
        return self.runner.run(work)

    def current(self, scope: int, text: str) -> Item | None:
        """The memory that answers for a text."""
        return next(
            (
                item
                for item in self.known.values()
                if (item.scope, item.kind, item.text) == (scope, "memory", text)
                and item.superseded_by is None
                and item.hidden_by is None
                and not item.gone
            ),
            None,
        )

    @rule(target=items, scope=scope_numbers, text=contents)
    def remember(self, scope: int, text: str) -> str:
        there = self.current(scope, text)
        receipt = self.run(self.memori.remember(text, **SCOPES[scope]))
        memory_id = id_of(receipt)
        if there is not None:
            assert (receipt.status, receipt.id) == ("duplicate", there.id)
        else:
            assert receipt.status == "stored"
            assert memory_id not in self.known
            self.known[memory_id] = Item(memory_id, scope, "memory", text)
        return memory_id

    @rule(target=items, scope=scope_numbers, text=contents, session=st.sampled_from("xy"))
    def record(self, scope: int, text: str, session: str) -> str:
        turns = [{"role": "user", "content": text}]
        [receipt] = self.run(self.memori.record(turns, session_id=session, **SCOPES[scope]))
        assert receipt.status == "stored"
        turn_id = id_of(receipt)
        self.known[turn_id] = Item(turn_id, scope, "turn", text)
        return turn_id

    @rule(target=items, turn=items, text=contents)
    def learn(self, turn: str, text: str) -> str:
        """Derive a new memory from a turn."""
        source = self.known[turn]
        if source.kind != "turn" or source.gone or self.current(source.scope, text):
            return turn
        receipt = self.run(self.memori.remember(text, sources=[turn], **SCOPES[source.scope]))
        memory_id = id_of(receipt)
        self.known[memory_id] = Item(memory_id, source.scope, "memory", text, sources=[turn])
        return memory_id

    @rule(target=items, old=items, text=contents, by_update=st.booleans())
    def replace(self, old: str, text: str, by_update: bool) -> str:
        item = self.known[old]
        scope = SCOPES[item.scope]
        if by_update:
            work = self.memori.update(old, content=text, **scope)
        else:
            work = self.memori.remember(text, supersedes=old, **scope)
        if item.kind == "turn" or item.gone:
            self.refused(work, NotFound)
            return old
        if item.hidden_by or item.superseded_by:
            self.refused(work, InvalidArgument)
            return old
        there = self.current(item.scope, text)
        receipt = self.run(work)
        if there is item:
            assert receipt.id == old
            assert item.superseded_by is None
            return old
        assert (receipt.status, receipt.superseded) == ("superseded", (old,))
        new_id = id_of(receipt)
        if there is None:
            sources = list(item.sources) if by_update else []
            self.known[new_id] = Item(new_id, item.scope, "memory", text, sources=sources)
        else:
            assert new_id == there.id
        self.known[new_id].supersedes.append(old)
        item.superseded_by = new_id
        return new_id

    def refused(self, work: Any, error: type[Exception]) -> None:
        try:
            self.run(work)
        except error:
            return
        raise AssertionError(f"no {error.__name__}")

    @rule(item_id=items, purge=st.booleans())
    def forget(self, item_id: str, purge: bool) -> None:
        item = self.known[item_id]
        work = self.memori.forget(item_id, purge=purge, **SCOPES[item.scope])
        if item.gone:
            self.refused(work, NotFound)
            return
        hidden = {
            known.id
            for known in self.known.values()
            if known.scope == item.scope and known.hidden_by is None and not known.gone
        }
        forgotten = self.run(work)
        named = set(forgotten.memories) | set(forgotten.turns)
        if item.hidden_by is None or purge:
            assert item_id in named
        if not purge:
            assert named <= hidden
        for other_id in named:
            other = self.known[other_id]
            assert other.scope == item.scope
            assert other_id == item_id or other_id in forgotten.derived
            if purge:
                other.gone = True
            else:
                other.hidden_by = forgotten.operation_id
        self.explain(item, named)

    def explain(self, item: Item, named: set[str]) -> None:
        """Everything that went with an item has a reason to, and nothing was left behind."""
        for other in (self.known[each] for each in named - {item.id}):
            linked = (
                other.superseded_by in named
                or any(source in named for source in other.sources)
                or any(other.id in self.known[each].sources for each in named)
                or any(old in named for old in other.supersedes)
            )
            assert linked, (item, other)

    @rule(item_id=items)
    def restore(self, item_id: str) -> None:
        item = self.known[item_id]
        work = self.memori.restore(item_id, **SCOPES[item.scope])
        if item.gone or item.hidden_by is None:
            self.refused(work, NotFound)
            return
        operation = item.hidden_by
        undone = self.run(work)
        assert item_id in undone.restored
        for other_id in undone.restored:
            other = self.known[other_id]
            assert other.hidden_by == operation
            other.hidden_by = None
        # Two of one text cannot both be current: the restored one yields.
        for other_id in undone.restored:
            other = self.known[other_id]
            if other.kind == "memory" and other.superseded_by is None:
                shown = self.run(self.memori.get(other_id, **SCOPES[other.scope]))
                if shown.superseded_by is not None:
                    winner = self.known[shown.superseded_by]
                    assert winner.text == other.text
                    assert winner.hidden_by is None
                    other.superseded_by = winner.id

    @rule(days=st.integers(1, 40))
    def wait(self, days: int) -> None:
        """Time passes; what was forgotten over 30 days ago goes at the next maintenance."""
        before = {item.id: item for item in self.known.values() if item.hidden_by and not item.gone}
        self.clock.advance(days=days)
        self.run(self.memori.maintain())
        for item in before.values():
            history = self.run(self.memori.history(item.id, **SCOPES[item.scope]))
            item.gone = not history.versions

    @invariant()
    def each_scope_shows_exactly_what_is_its_own(self) -> None:
        if hasattr(self, "memori"):
            self.run(self.look())

    async def look(self) -> None:
        for number, scope in enumerate(SCOPES):
            mine = [item for item in self.known.values() if item.scope == number]
            shown = {item.id for item in mine if item.hidden_by is None and not item.gone}
            held = {item.id for item in mine if item.id in shown and item.superseded_by is None}
            found = await self.memori.search(limit=1_000, include_superseded=True, **scope)
            assert {hit.id for hit in found.items} == shown
            assert {hit.id for hit in found.items if hit.superseded_by is None} == held
            ranked = await self.memori.recall(" ".join(WORDS), limit=1_000, **scope)
            folded = {source for hit in ranked for source in hit.sources}
            assert {hit.id for hit in ranked} <= held
            assert held <= {hit.id for hit in ranked} | folded
        for item in list(self.known.values())[-2:]:
            for number, scope in enumerate(SCOPES):
                try:
                    got = await self.memori.get(item.id, **scope)
                except NotFound:
                    assert number != item.scope or item.hidden_by or item.gone
                else:
                    assert number == item.scope
                    assert got.content == item.text
                    assert not item.hidden_by
                    assert not item.gone


def test_random_verbs_never_show_what_is_hidden_or_anothers() -> None:
    run_state_machine_as_test(
        Verbs,
        settings=settings(
            max_examples=8,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
