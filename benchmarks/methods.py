"""Ways to answer a question that the recall benchmark compares: memori, and its baseline."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

from benchmarks.floors import QueryFloor
from benchmarks.labels import Conversation, LabelledQuestion
from memori import AsyncMemori, Settings, Turn
from memori.config import amend_settings

#: How long after its last turn a conversation is asked about.
ASKED_AFTER = timedelta(minutes=1)


class Method(AbstractAsyncContextManager["Method"], ABC):
    """One column of the comparison. Conversations are loaded before they are asked about."""

    name: str

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    @abstractmethod
    async def load(self, conversation: Conversation) -> None:
        """Take in the turns of a conversation, or find that they are here already."""

    @abstractmethod
    async def ask(
        self, conversation: Conversation, question: LabelledQuestion, limit: int
    ) -> list[str]:
        """At most `limit` turn ids, best first."""

    async def release(self, conversation: Conversation) -> None:  # may be nothing
        """Let go of a conversation that will not be asked about again."""


class MemoriMethod(Method):
    """memori through its public API: a user for each conversation, one database for all.

    The clock stands at the time of what happens: at the last turn while turns are recorded,
    a minute later while questions are asked, so that "last week" means what it meant then.
    A hit that is no turn of the conversation takes its place in the ranking and finds nothing.
    """

    def __init__(
        self,
        database: str | None = None,
        changed: Mapping[str, object] | None = None,
        name: str = "memori",
    ) -> None:
        """`database` is a URL; None makes a SQLite file that is removed at the end. `changed` are
        settings by their dotted names that are not the default."""
        self.name = name
        self._chosen = database, dict(changed or {})
        settings = amend_settings(Settings(), dict(changed or {}))
        self._folder = TemporaryDirectory(prefix="memori-recall-") if database is None else None
        if self._folder is not None:
            database = f"sqlite:///{Path(self._folder.name) / 'recall.db'}"
        started = datetime.now(UTC)
        # A namespace of its own: a database that has been used before does not mix in.
        namespace = f"benchmark {started:%Y-%m-%dT%H:%M:%S.%f}"
        assert database is not None
        self.settings = amend_settings(settings, {"database.connection_string": database})
        self._now = started
        self._memori = AsyncMemori(
            database, namespace=namespace, settings=self.settings, clock=lambda: self._now
        )
        self._loaded: set[str] = set()
        self.receipts: Counter[str] = Counter()

    async def __aenter__(self) -> Self:
        await self._memori.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._memori.close()
        if self._folder is not None:
            self._folder.cleanup()

    def beside(self, name: str, changed: Mapping[str, object]) -> MemoriMethod:
        """The same, with some settings changed; in a namespace, or a file, of its own."""
        database, before = self._chosen
        return MemoriMethod(database, {**before, **changed}, name)

    async def load(self, conversation: Conversation) -> None:
        if conversation.owner in self._loaded:
            return
        self._loaded.add(conversation.owner)
        self._now = conversation.last_at or datetime.now(UTC)
        for session, turns in groupby(conversation.turns, key=lambda turn: turn.session):
            receipts = await self._memori.record(
                [
                    Turn(
                        content=turn.text,
                        # Two people may talk; only a speaker of that name is an assistant.
                        role="assistant" if turn.speaker == "assistant" else "user",
                        speaker=turn.speaker,
                        at=turn.at,
                        external_id=turn.id,
                    )
                    for turn in turns
                ],
                session_id=session,
                user_id=conversation.owner,
            )
            self.receipts.update(receipt.status for receipt in receipts)
        # What is made in the background (vectors, where an embedder is configured) is there too.
        await self._memori.flush()

    async def ask(
        self, conversation: Conversation, question: LabelledQuestion, limit: int
    ) -> list[str]:
        self._now = question.asked_at or (conversation.last_at or datetime.now(UTC)) + ASKED_AFTER
        hits = await self._memori.recall(question.question, limit=limit, user_id=conversation.owner)
        return [hit.external_id or "" for hit in hits]


class PlainFullText(Method):
    """The plain FTS5 baseline of `benchmarks.floors`: a table in memory per conversation."""

    name = "plain FTS5"

    def __init__(self) -> None:
        self._floors: dict[str, QueryFloor] = {}

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for floor in self._floors.values():
            floor.close()

    async def load(self, conversation: Conversation) -> None:
        if conversation.owner not in self._floors:
            self._floors[conversation.owner] = QueryFloor([t.text for t in conversation.turns])

    async def ask(
        self, conversation: Conversation, question: LabelledQuestion, limit: int
    ) -> list[str]:
        rows = self._floors[conversation.owner].search(question.question, limit)
        return [conversation.turns[number].id for number, _ in rows]

    async def release(self, conversation: Conversation) -> None:
        self._floors.pop(conversation.owner).close()
