"""Nearness of meaning: the cosine between a question's vector and every vector of an owner.

Exact, in numpy, over the owner's vectors alone. They are kept in memory for the scopes asked last,
within a bound, and brought up to date from the database inside the transaction that reads them:
two counters of the scope say whether something was added or removed, by whichever process.

PostgreSQL with its extension `vector` compares the first questions of a scope itself, and all of
them where the scope exceeds the bound: that takes a tenth of reading its vectors, and ten times as
long as comparing what was read.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

from memori.embed.storage import Storage, unpack
from memori.recall.rank import PLACE_BITS
from memori.store import pgvector, vectors

if TYPE_CHECKING:
    from numpy import float32, int64
    from numpy.typing import NDArray
    from sqlalchemy import Connection

    from memori.embed.protocol import Vectors

#: What is as near as this beyond the average is a candidate for its meaning alone: questions asked
#: of a conversation they do not belong to seldom come closer.
NEAR = 0.2
#: The cosine of unrelated texts, and how many such texts it stands for in the average of a scope.
_UNRELATED, _UNRELATED_COUNT = 0.1, 20
#: Questions that a database which can compare is asked before a scope's vectors are read: by then
#: reading them at first would have cost as much.
_LEFT_TO_DATABASE = 10
#: How many scopes are counted for that.
_MOST_COUNTED = 100_000
#: How many numbers are turned to float32 at once: what a processor's cache holds.
_BLOCK_NUMBERS = 1 << 16


@dataclass(frozen=True, slots=True)
class Rows:
    """Vectors of one scope and generation in order of place: `places` as in `memori.recall.rank`,
    `numbers` as kept, `lengths` their inverse lengths."""

    places: NDArray[int64]
    numbers: NDArray[Any]
    lengths: NDArray[float32]

    @property
    def size(self) -> int:
        """Bytes in memory."""
        return self.places.nbytes + self.numbers.nbytes + self.lengths.nbytes

    def cosines(self, question: NDArray[float32]) -> NDArray[float32]:
        """With each vector, in order."""
        import numpy as np

        count, dimensions = self.numbers.shape
        found = np.empty(count, np.float32)
        if self.numbers.dtype == np.float32:
            np.dot(self.numbers, question, out=found)
        else:
            # In pieces that stay in the cache, eight bits are quicker than 32: less is read.
            step = max(1, _BLOCK_NUMBERS // dimensions)
            block = np.empty((step, dimensions), np.float32)
            for start in range(0, count, step):
                piece = self.numbers[start : start + step]
                part = block[: len(piece)]
                np.copyto(part, piece)
                np.dot(part, question, out=found[start : start + step])
        found *= self.lengths
        return found


@dataclass(frozen=True, slots=True)
class _Kept:
    epoch: str
    generation: str
    added: int
    removed: int
    rows: Rows


class VectorCache:
    """The vectors of the scopes asked last. May be used from several threads."""

    def __init__(self, limit_bytes: int) -> None:
        """`limit_bytes` bounds what is kept between questions."""
        self._limit = limit_bytes
        self._kept: OrderedDict[int, _Kept] = OrderedDict()
        self._asked: Counter[int] = Counter()
        self._too_large: set[int] = set()
        self._lock = Lock()

    @property
    def size(self) -> int:
        """Bytes kept now."""
        with self._lock:
            return sum(kept.rows.size for kept in self._kept.values())

    def is_worth_reading(self, scope_id: int) -> bool:
        """Whether a scope's vectors are to be read although the database can compare them."""
        with self._lock:
            if scope_id in self._kept:
                return True
            if len(self._asked) >= _MOST_COUNTED:
                self._asked.clear()
                self._too_large.clear()
            self._asked[scope_id] += 1
            return self._asked[scope_id] > _LEFT_TO_DATABASE and scope_id not in self._too_large

    def read(
        self,
        connection: Connection,
        scope_id: int,
        generation: str,
        storage: Storage,
        state: vectors.ScopeVectors,
    ) -> Iterable[Rows]:
        """All vectors of a scope: from memory, or page by page where they exceed the bound."""
        with self._lock:
            kept = self._kept.get(scope_id)
        known = kept is not None and (kept.epoch, kept.generation) == (state.epoch, generation)
        if kept is not None and known and kept.removed >= state.removed:
            if kept.added < state.added:
                kept = self._top_up(connection, scope_id, storage, state, kept)
            self._keep(scope_id, kept)
            return [kept.rows]
        pages: list[Rows] = []
        size = 0
        source = vectors.read_pages(connection, scope_id, generation)
        for page in source:
            pages.append(_as_rows(page, storage))
            size += pages[-1].size
            if size > self._limit:
                # Too many to keep: what was read is used, the rest follows page by page.
                self.forget(scope_id, too_large=True)
                return _chained(pages, source, storage)
        rows = _joined(pages)
        if rows is None:
            return []
        self._keep(scope_id, _Kept(state.epoch, generation, state.added, state.removed, rows))
        return [rows]

    def forget(self, scope_id: int, *, too_large: bool = False) -> None:
        """Drop what is kept of a scope; `too_large` says that it does not come back."""
        with self._lock:
            self._kept.pop(scope_id, None)
            if too_large:
                self._too_large.add(scope_id)

    def _top_up(
        self,
        connection: Connection,
        scope_id: int,
        storage: Storage,
        state: vectors.ScopeVectors,
        kept: _Kept,
    ) -> _Kept:
        pages = vectors.read_pages(connection, scope_id, kept.generation, kept.added)
        rows = _joined([kept.rows, *(_as_rows(page, storage) for page in pages)]) or kept.rows
        return _Kept(kept.epoch, kept.generation, state.added, kept.removed, rows)

    def _keep(self, scope_id: int, kept: _Kept) -> None:
        with self._lock:
            there = self._kept.pop(scope_id, None)
            same = there and (there.epoch, there.generation) == (kept.epoch, kept.generation)
            if there is not None and same:
                newer = (there.removed, there.added) > (kept.removed, kept.added)
                kept = there if newer else kept
            self._kept[scope_id] = kept
            size = sum(each.rows.size for each in self._kept.values())
            while size > self._limit:
                _, gone = self._kept.popitem(last=False)
                size -= gone.rows.size


class Nearness:
    """How near each item of a scope is to a question, beyond what its items are on average."""

    def __init__(self, places: NDArray[int64], cosines: NDArray[float32]) -> None:
        self._places = places
        count = len(cosines) + _UNRELATED_COUNT
        self._near = cosines - (float(cosines.sum()) + _UNRELATED * _UNRELATED_COUNT) / count

    def nearest(self, count: int) -> list[int]:
        """The places of the nearest items, as many as are near at all."""
        import numpy as np

        chosen = np.flatnonzero(self._near >= NEAR)
        if count < len(chosen):
            chosen = chosen[np.argpartition(-self._near[chosen], count)[:count]]
        return self._places[np.sort(chosen)].tolist()

    def of(self, places: Sequence[int]) -> list[float | None]:
        """The nearness of these places, 0 below the average; None for one without a vector."""
        import numpy as np

        wanted = np.asarray(places, np.int64)
        at = np.minimum(np.searchsorted(self._places, wanted), len(self._places) - 1)
        near = np.maximum(self._near[at], 0).tolist()
        known = (self._places[at] == wanted).tolist()
        return [value if there else None for value, there in zip(near, known, strict=True)]


class Meaning:
    """A question's vectors, one a generation, and where to compare them."""

    def __init__(
        self,
        by_generation: Mapping[str, Vectors],
        storage: Mapping[str, Storage],
        cache: VectorCache,
    ) -> None:
        """Take the question's vector under each generation that is at hand.

        Args:
            by_generation: the question embedded by each generation.
            storage: how the vectors of each generation are kept.
            cache: shared by all questions.
        """
        self._by_generation = by_generation
        self._storage = storage
        self._cache = cache

    def near(self, connection: Connection, scope_id: int) -> Nearness | None:
        """Compare with every vector of a scope; None where it has none of these generations."""
        import numpy as np

        state = vectors.read_state(connection, scope_id)
        if state is None or state.generation is None:
            return None
        question = self._by_generation.get(state.generation)
        if question is None:
            return None
        storage = self._storage[state.generation]
        if pgvector.is_used(connection) and not self._cache.is_worth_reading(scope_id):
            numbers = question.tolist()
            compared = pgvector.compare(connection, scope_id, state.generation, numbers, PLACE_BITS)
            if compared is not None:
                return _as_nearness(compared, question, storage)
        places: list[Any] = []
        cosines: list[Any] = []
        for rows in self._cache.read(connection, scope_id, state.generation, storage, state):
            if rows.numbers.shape[1] != len(question):
                return None  # an endpoint's model changed behind its name
            places.append(rows.places)
            cosines.append(rows.cosines(question))
        if not places:
            return None
        return Nearness(np.concatenate(places), np.concatenate(cosines))

    def memories(
        self, connection: Connection, scope_id: int, numbers: Sequence[int]
    ) -> MemoryVectors:
        """The vectors of some memories, to be compared with each other."""
        state = vectors.read_state(connection, scope_id)
        if state is None or state.generation is None or state.generation not in self._storage:
            return MemoryVectors({})
        storage = self._storage[state.generation]
        found = vectors.read_memories(connection, scope_id, state.generation, numbers)
        return MemoryVectors({number: unpack([blob], storage)[0] for number, blob in found.items()})


class MemoryVectors:
    """Vectors of memories of one scope and generation, by their numbers."""

    def __init__(self, by_number: Mapping[int, NDArray[Any]]) -> None:
        self._by_number = by_number

    def cosine(self, one: int, other: int) -> float:
        """How near two memories are in meaning; 0 where one has no vector."""
        import numpy as np

        if one not in self._by_number or other not in self._by_number:
            return 0.0
        a, b = (self._by_number[number].astype(np.float32) for number in (one, other))
        lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
        return float(a @ b) / lengths if lengths else 0.0


def _as_nearness(
    compared: pgvector.Compared, question: Vectors, storage: Storage
) -> Nearness | None:
    """What the database compared, with the few rows it left to us, in order of place."""
    import numpy as np

    places = np.frombuffer(compared.places, ">i8").astype(np.int64)
    cosines = np.frombuffer(compared.cosines, ">f4").astype(np.float32)
    if compared.unfilled:
        rows = _as_rows(compared.unfilled, storage)
        if rows.numbers.shape[1] != len(question):
            return None
        places = np.concatenate([places, rows.places])
        cosines = np.concatenate([cosines, rows.cosines(question)])
    if not len(places):
        return None
    order = np.argsort(places, kind="stable")
    return Nearness(places[order], cosines[order])


def _as_rows(page: Sequence[tuple[int, int, bytes]], storage: Storage) -> Rows:
    import numpy as np

    numbers = unpack([row[2] for row in page], storage)
    places = np.fromiter(((row[0] << PLACE_BITS) | row[1] for row in page), np.int64, len(page))
    squares = np.einsum("ij,ij->i", numbers, numbers, dtype=np.float32)
    lengths = np.sqrt(np.where(squares == 0, 1, squares), dtype=np.float32)
    return Rows(places, numbers, (1 / lengths).astype(np.float32))


def _joined(pages: Sequence[Rows]) -> Rows | None:
    """Pages as one, in order of place."""
    import numpy as np

    if len(pages) < 2:
        return pages[0] if pages else None
    places = np.concatenate([page.places for page in pages])
    numbers = np.concatenate([page.numbers for page in pages])
    lengths = np.concatenate([page.lengths for page in pages])
    if (np.diff(places) > 0).all():
        return Rows(places, numbers, lengths)
    # The later row of a place is the newer one.
    order = np.argsort(places, kind="stable")
    last = np.append(np.diff(places[order]) > 0, True)
    order = order[last]
    return Rows(places[order], numbers[order], lengths[order])


def _chained(
    first: Sequence[Rows],
    rest: Iterable[Sequence[tuple[int, int, bytes]]],
    storage: Storage,
) -> Iterable[Rows]:
    yield from first
    for page in rest:
        yield _as_rows(page, storage)
