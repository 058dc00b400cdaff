"""Other methods for `benchmarks.recall --compare`, so that a reader sees what each part adds.

memori with another embedder
    memori itself without an embedder, and with each of the compared ones.

BM25
    Okapi BM25 by the package `bm25s`, over the text of single turns, with Snowball stems and the
    stop words of the floors: the usual baseline of the literature.

Embedding only
    An embedder's vectors of single turns, by cosine.

Rank fusion
    Reciprocal rank fusion of BM25 and the embedding (Cormack, Clarke and Buettcher, SIGIR 2009):
    the usual "hybrid search".
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal

from benchmarks.floors import STOP_WORDS
from benchmarks.labels import Conversation, LabelledQuestion
from benchmarks.methods import MemoriMethod, Method
from memori import ConfigurationError
from memori.config import EmbeddingSettings
from memori.embed import Embedder, make_embedder

Packaged = Literal["wordllama", "minilm"]

#: What keeps the first ranks from outweighing the rest (the value of the paper).
FUSION_CONSTANT = 60
#: How deep each ranking is read for fusion.
FUSION_DEPTH = 100
_BATCH = 64
#: The embedders that run from packages, the quicker first.
PACKAGED: tuple[Packaged, ...] = ("wordllama", "minilm")


class Bm25(Method):
    """BM25 over single turns, by the package bm25s."""

    name = "BM25 (bm25s)"

    def __init__(self) -> None:
        self._bm25s = _needed("bm25s")
        stemmers = _needed("Stemmer")
        self._stemmer = stemmers.Stemmer("english")
        self._indexes: dict[str, Any] = {}

    async def load(self, conversation: Conversation) -> None:
        if conversation.owner not in self._indexes:
            index = self._bm25s.BM25()
            index.index(self._tokens([t.text for t in conversation.turns]), show_progress=False)
            self._indexes[conversation.owner] = index

    async def ask(
        self, conversation: Conversation, question: LabelledQuestion, limit: int
    ) -> list[str]:
        k = min(limit, len(conversation.turns))
        found = self._indexes[conversation.owner].retrieve(
            self._tokens([question.question]), k=k, show_progress=False
        )
        numbers, scores = found.documents[0], found.scores[0]
        return [
            conversation.turns[int(number)].id
            for number, score in zip(numbers, scores, strict=True)
            if score > 0
        ]

    async def release(self, conversation: Conversation) -> None:
        del self._indexes[conversation.owner]

    def _tokens(self, texts: Sequence[str]) -> Any:
        return self._bm25s.tokenize(
            list(texts), stopwords=sorted(STOP_WORDS), stemmer=self._stemmer, show_progress=False
        )


class EmbeddingOnly(Method):
    """The nearest turns by the embedder's vectors."""

    def __init__(self, embedder: Embedder) -> None:
        self.name = f"embedding only ({embedder.name})"
        self._embedder = embedder
        self._vectors: dict[str, Any] = {}

    async def load(self, conversation: Conversation) -> None:
        if conversation.owner in self._vectors:
            return
        numpy = _needed("numpy")
        texts = [turn.text for turn in conversation.turns]
        batches = [
            self._embedder.embed(texts[start : start + _BATCH])
            for start in range(0, len(texts), _BATCH)
        ]
        self._vectors[conversation.owner] = numpy.concatenate(batches)

    async def ask(
        self, conversation: Conversation, question: LabelledQuestion, limit: int
    ) -> list[str]:
        vector = self._embedder.embed([question.question], query=True)[0]
        nearness = self._vectors[conversation.owner] @ vector
        best = (-nearness).argsort(kind="stable")[:limit]
        return [conversation.turns[int(number)].id for number in best]

    async def release(self, conversation: Conversation) -> None:
        del self._vectors[conversation.owner]


class RankFusion(Method):
    """Reciprocal rank fusion of other methods, which are loaded as methods of their own."""

    def __init__(self, fused: Sequence[Method], name: str = "rank fusion (RRF)") -> None:
        self.name = name
        self._fused = tuple(fused)

    async def load(self, conversation: Conversation) -> None:
        for method in self._fused:
            await method.load(conversation)

    async def ask(
        self, conversation: Conversation, question: LabelledQuestion, limit: int
    ) -> list[str]:
        points: dict[str, float] = {}
        for method in self._fused:
            ranked = await method.ask(conversation, question, max(limit, FUSION_DEPTH))
            for rank, turn in enumerate(ranked, start=1):
                points[turn] = points.get(turn, 0.0) + 1 / (FUSION_CONSTANT + rank)
        return sorted(points, key=lambda turn: -points[turn])[:limit]


def installed() -> list[Packaged]:
    """The packaged embedders whose packages are here."""
    found: list[Packaged] = []
    for provider in PACKAGED:
        try:
            make_embedder(EmbeddingSettings(provider=provider))
        except ConfigurationError:
            continue
        found.append(provider)
    return found


def compared_methods(whole: MemoriMethod, embedders: Sequence[Packaged]) -> list[Method]:
    """The methods of `--compare` beside `whole` and plain FTS5.

    Arguments:
        whole: memori as it is configured; an embedder it has is compared, too.
        embedders: further ones.

    Raises ConfigurationError when a package is missing.
    """
    bm25 = Bm25()
    methods: list[Method] = [bm25]
    configured = whole.settings.embedding
    if configured.provider != "none":
        methods.append(whole.beside("memori, no embedder", {"embedding.provider": "none"}))
        methods += _by_embedding(make_embedder(configured), configured.provider, bm25)
    for provider in embedders:
        if provider != configured.provider:
            changed = {"embedding.provider": provider}
            methods.append(whole.beside(f"memori + {provider}", changed))
            made = make_embedder(EmbeddingSettings(provider=provider))
            methods += _by_embedding(made, provider, bm25)
    return methods


def _by_embedding(embedder: Embedder, provider: str, bm25: Method) -> list[Method]:
    nearest = EmbeddingOnly(embedder)
    return [nearest, RankFusion([bm25, nearest], f"rank fusion (RRF, {provider})")]


def _needed(package: str) -> Any:
    if find_spec(package) is None:
        raise ConfigurationError(
            f"--compare needs the package {package}: pip install 'memori-mcp[compare]'"
        )
    return import_module(package)
