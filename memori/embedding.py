"""The engine's embedder: questions within a time limit, stored items in the background.

Recall never depends on it. A question whose vector does not come in time is answered by words
alone, and after a failure the embedder is left alone for a while. What is stored waits in a queue
in the database, so nothing is lost when a process ends, and another may go on with it.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from memori.config import EmbeddingSettings
from memori.embed import Embedder, Refused, Unavailable, packaged_embedder
from memori.embed.storage import Storage, pack, unpack
from memori.errors import MemoriError
from memori.model import EmbeddingStats
from memori.recall.meaning import Meaning, VectorCache
from memori.store import pgvector, vectors
from memori.store.database import Database
from memori.store.tables import GENERATION_CHARS

if TYPE_CHECKING:
    from memori.embed import Vectors

_log = logging.getLogger("memori")
_MEGABYTE = 1 << 20
#: Seconds before the background begins, so that a short program does not load a model for nothing,
#: and between two looks for what other processes wrote.
_SETTLE_IN, _LOOK_EVERY = 1.0, 60.0
#: Seconds in which several writes become one batch.
_GATHER = 0.1
#: Seconds the embedder is left alone after a failure: at first, and at most.
_FIRST_REST, _LONGEST_REST = 2.0, 60.0


class Embedding:
    """One engine's embedder, its threads and its cache of vectors."""

    def __init__(self, embedder: Embedder, settings: EmbeddingSettings) -> None:
        """Take the configured embedder; its model is not loaded yet."""
        self._embedder = embedder
        self._storage: Storage = settings.storage
        self._timeout = settings.timeout
        self.generation = generation_of(embedder, settings.storage)
        self._cache = VectorCache(settings.cache_mb * _MEGABYTE)
        #: Generations that scopes still read and that can be asked here, by name.
        self._older: dict[str, tuple[Embedder, Storage]] = {}
        self._questions = ThreadPoolExecutor(1, "memori-question")
        self._older_questions = ThreadPoolExecutor(1, "memori-question-older")
        self._batches = ThreadPoolExecutor(1, "memori-embed")
        self._late: asyncio.Future[dict[str, Vectors]] | None = None
        self._older_late: asyncio.Future[dict[str, Vectors]] | None = None
        self._trouble: str | None = None
        self._rest, self._rested_at = _FIRST_REST, 0.0
        self._touched: set[int] = set()
        self._wake = asyncio.Event()
        self._filling = asyncio.Lock()
        self._begun = False
        self._background: asyncio.Task[None] | None = None

    def start(self, database: Database) -> None:
        """Begin to give vectors, in the background, to what has none."""
        self._background = asyncio.create_task(self._keep_up(database))

    def poke(self, scope_id: int) -> None:
        """Something was written in this scope."""
        self._touched.add(scope_id)
        self._wake.set()

    async def ask(self, text: str, within: float | None = None) -> Meaning | None:
        """Embed a question, within the time limit; None when recall must do without.

        Args:
            text: the question.
            within: seconds the caller can wait, where they are fewer than the settings allow.
        """
        limit = self._timeout if within is None else min(within, self._timeout)
        by_generation: dict[str, Vectors] = {}
        storage: dict[str, Storage] = {self.generation: self._storage}
        storage |= {name: kept for name, (_, kept) in self._older.items()}
        for found in await asyncio.gather(self._ask_older(text, limit), self._ask(text, limit)):
            by_generation |= found
        return Meaning(by_generation, storage, self._cache) if by_generation else None

    async def _ask(self, text: str, limit: float) -> dict[str, Vectors]:
        """The question under the current generation; empty when it does not come in time."""
        if time.monotonic() < self._rested_at or (self._late and not self._late.done()):
            return {}
        loop = asyncio.get_running_loop()
        asked = loop.run_in_executor(self._questions, self._embed_question, text)
        try:
            async with asyncio.timeout(limit):
                found = await asyncio.shield(asked)
        except TimeoutError:
            self._late = asked
            asked.add_done_callback(_ignore)
            if limit >= self._timeout:  # a caller in a hurry says nothing of the embedder
                self._failed(f"no answer within {limit:g} s")
            return {}
        except Refused:
            return {}
        except Exception as error:  # whatever a provider does, recall goes on without it
            self._failed(_said(error))
            return {}
        self._worked()
        return found

    async def _ask_older(self, text: str, limit: float) -> dict[str, Vectors]:
        """The question under generations that scopes still read, whatever ails the current one."""
        if not self._older or (self._older_late and not self._older_late.done()):
            return {}
        loop = asyncio.get_running_loop()
        asked = loop.run_in_executor(self._older_questions, self._embed_older, text)
        asked.add_done_callback(_ignore)
        try:
            async with asyncio.timeout(limit):
                return await asyncio.shield(asked)
        except Exception as error:
            self._older_late = asked
            _log.debug("memori: an older embedder did not answer: %s", _said(error))
            return {}

    async def settle(self, database: Database) -> None:
        """Wait until nothing waits for a vector, or the embedder fails."""
        try:
            await self._catch_up(database, everywhere=True)
        except (Unavailable, Refused) as error:
            self._failed(_said(error))

    async def close(self) -> None:
        """End the background; what waits goes on when a process opens the database again."""
        if self._background is not None:
            self._background.cancel()
            await asyncio.wait([self._background])
        self._embedder.close()
        for pool in (self._questions, self._older_questions, self._batches):
            pool.shutdown(wait=False, cancel_futures=True)

    def describe(self, connection: Connection, scope_id: int) -> EmbeddingStats:
        """How the vectors of a scope stand."""
        state = vectors.read_state(connection, scope_id)
        if state is None:
            return EmbeddingStats(self._embedder.name, None, None, 0, 0, self._trouble)
        shown = state.generation or state.building or self.generation
        return EmbeddingStats(
            embedder=self._embedder.name,
            generation=state.generation,
            building=state.building,
            vectors=vectors.count_vectors(connection, scope_id, shown),
            waiting=vectors.count_waiting(connection, scope_id),
            trouble=self._trouble,
        )

    def _embed_question(self, text: str) -> dict[str, Vectors]:
        return {self.generation: self._embedder.embed([text], query=True)[0]}

    def _embed_older(self, text: str) -> dict[str, Vectors]:
        older = list(self._older.items())
        return {name: embedder.embed([text], query=True)[0] for name, (embedder, _) in older}

    async def _keep_up(self, database: Database) -> None:
        """Give vectors to what is written, as long as the engine is open."""
        await asyncio.sleep(_SETTLE_IN)
        everywhere, rest = True, _FIRST_REST
        while True:
            try:
                await self._catch_up(database, everywhere=everywhere)
                everywhere, rest = False, _FIRST_REST
            except Exception as error:  # it must neither end nor disturb anything else
                if isinstance(error, MemoriError):
                    self._wait_for_database(error)
                else:
                    self._failed(_said(error))
                everywhere = True
                await asyncio.sleep(rest)
                rest = min(rest * 2, _LONGEST_REST)
                continue
            try:
                async with asyncio.timeout(_LOOK_EVERY):
                    await self._wake.wait()
                await asyncio.sleep(_GATHER)
            except TimeoutError:
                everywhere = True

    async def _catch_up(self, database: Database, *, everywhere: bool) -> None:
        async with self._filling:
            if not self._begun:
                await self._begin(database)
            while True:
                self._wake.clear()
                due, self._touched = self._touched, set()
                if everywhere:
                    due |= set(await database.read(vectors.scopes_without))
                    waiting = partial(vectors.scopes_waiting, generation=self.generation)
                    due |= set(await database.read(waiting))
                if not due:
                    break
                for scope_id in sorted(due):
                    await self._fill(database, scope_id)
                if not everywhere:
                    return
            if everywhere:
                unfilled = partial(pgvector.scopes_unfilled, generation=self.generation)
                for scope_id in await database.read(unfilled):
                    await self._fill_in(database, scope_id)

    async def _begin(self, database: Database) -> None:
        """Start to build this generation where another one, or none, is read."""
        for name in await database.read(vectors.generations_read):
            model, _, storage = name.rpartition(" ")
            older = None if name == self.generation else packaged_embedder(model)
            if older is not None and storage in ("float32", "float16", "int8"):
                self._older[name] = older, storage
        behind = partial(vectors.scopes_behind, generation=self.generation)
        for scope_id in await database.read(behind):
            begin = partial(vectors.begin, scope_id=scope_id, generation=self.generation)
            await database.write(begin)
            self._touched.add(scope_id)
        self._begun = True

    async def _fill(self, database: Database, scope_id: int) -> None:
        """Embed what waits in a scope, and switch to this generation when nothing does."""
        state = await database.read(partial(vectors.read_state, scope_id=scope_id))
        if state is None:
            begin = partial(vectors.begin, scope_id=scope_id, generation=self.generation)
            await database.write(begin)
            state = await database.read(partial(vectors.read_state, scope_id=scope_id))
        if state is None or self.generation not in (state.generation, state.building):
            return
        building = state.building is not None or state.building_after is not None
        advance = partial(vectors.advance, scope_id=scope_id, generation=self.generation)
        waiting = partial(vectors.next_waiting, scope_id=scope_id, limit=self._embedder.batch)
        while True:
            while building and await database.write(advance):
                pass
            batch = await database.read(waiting)
            if not batch:
                break
            packed = await self._embed_batch([item.text for item in batch])
            await database.write(
                partial(
                    vectors.store,
                    scope_id=scope_id,
                    generation=self.generation,
                    embedded=list(zip(batch, packed, strict=True)),
                )
            )
        await self._fill_in(database, scope_id)
        if building:
            # The queue ran empty under the last batch: now it switches, and old vectors go.
            while await database.write(advance):
                pass
            await self._drop_older(database)

    async def _fill_in(self, database: Database, scope_id: int) -> None:
        """Give the vectors to PostgreSQL's extension too, where there is one."""
        fill = partial(
            pgvector.fill,
            scope_id=scope_id,
            generation=self.generation,
            as_numbers=partial(_numbers, storage=self._storage),
        )
        if await database.read(pgvector.is_used):
            while await database.write(fill):
                pass

    async def _drop_older(self, database: Database) -> None:
        """Let go of embedders whose generation no scope reads any more."""
        if self._older:
            read = await database.read(vectors.generations_read)
            self._older = {name: each for name, each in self._older.items() if name in read}

    async def _embed_batch(self, texts: Sequence[str]) -> list[bytes | None]:
        """The vectors as bytes; None for a text the embedder will never take."""
        try:
            packed = await asyncio.get_running_loop().run_in_executor(
                self._batches, self._embed_texts, texts
            )
        except Refused as error:
            if len(texts) == 1:
                _log.warning("an item stays without a vector: %s", error)
                return [None]
            alone = [await self._embed_batch([text]) for text in texts]
            return [one for [one] in alone]
        self._worked()
        return list(packed)

    def _embed_texts(self, texts: Sequence[str]) -> list[bytes]:
        return pack(self._embedder.embed(texts), self._storage)

    def _failed(self, trouble: str) -> None:
        if self._trouble is None:
            _log.warning(
                "the embedder %s fails (%s); recall goes on by words alone",
                self._embedder.name,
                trouble,
            )
        self._trouble = trouble
        self._rested_at = time.monotonic() + self._rest
        self._rest = min(self._rest * 2, _LONGEST_REST)

    def _wait_for_database(self, error: MemoriError) -> None:
        """Not the embedder's fault: questions go on being asked of it."""
        if self._trouble is None:
            _log.warning("what is stored waits for its vectors: %s", error)
        self._trouble = str(error)

    def _worked(self) -> None:
        if self._trouble is not None:
            _log.info("the embedder %s works again", self._embedder.name)
        self._trouble, self._rest, self._rested_at = None, _FIRST_REST, 0.0


def generation_of(embedder: Embedder, storage: Storage) -> str:
    """What names the vectors of an embedder kept in this form."""
    name = f"{embedder.model} {storage}"
    if len(name) <= GENERATION_CHARS:
        return name
    digest = hashlib.sha256(embedder.model.encode()).hexdigest()
    return f"{embedder.model.partition('/')[0]}/sha256:{digest} {storage}"


def _numbers(blob: bytes, storage: Storage) -> list[float]:
    return unpack([blob], storage)[0].tolist()


def _said(error: Exception) -> str:
    """What an error says: a provider's own words hold no content, others are only named."""
    return str(error) if isinstance(error, Unavailable | Refused) else type(error).__name__


def _ignore(done: asyncio.Future[dict[str, Vectors]]) -> None:
    if not done.cancelled():
        done.exception()  # taken note of: the question was answered without it
