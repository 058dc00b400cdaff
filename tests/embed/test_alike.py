"""With vectors, memories that say the same in more words are one hit, on every database."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

import pytest
from conftest import Opener

from memori import AsyncMemori, Settings
from memori.config import EmbeddingSettings

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(find_spec("wordllama") is None, reason="needs memori-mcp[embed]"),
]
_WORDLLAMA = Settings(embedding=EmbeddingSettings(provider="wordllama"))


async def _kept(memori: AsyncMemori, texts: Sequence[str]) -> list[str]:
    ids: list[str] = []
    for text in texts:
        receipt = await memori.remember(text)
        assert receipt.status == "stored"
        assert receipt.id is not None
        ids.append(receipt.id)
    await memori.flush()
    return ids


async def test_a_memory_that_says_another_in_more_words_is_among_its_sources(
    opened: Opener,
) -> None:
    memori = await opened(settings=_WORDLLAMA)
    ids = await _kept(
        memori,
        [
            "User prefers short answers",
            "User generally prefers short answers",
            "User still generally prefers short answers",
        ],
    )
    [hit] = await memori.recall("Which answers does the user prefer?")
    assert {hit.id, *hit.sources} == set(ids)
    assert len((await memori.search("short answers")).items) == 3


async def test_what_is_the_same_but_for_its_wording_folds_with_what_says_more(
    opened: Opener,
) -> None:
    memori = await opened(settings=_WORDLLAMA)
    ids = await _kept(
        memori,
        [
            "Ana keeps bees on the roof",
            "Ana is keeping bees on a roof",
            "Ana currently keeps bees on the roof",
        ],
    )
    [hit] = await memori.recall("bees on the roof")
    assert {hit.id, *hit.sources} == set(ids)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        # Too far apart in meaning, though one only adds a word.
        ("User drinks black coffee", "User drinks black decaf coffee"),
        # As near as can be, but each says what the other does not, or the addition changes it.
        ("User bought the house", "User sold the house"),
        ("User bought the house", "User nearly bought the house"),
        ("User eats red meat", "User rarely eats red meat"),
        ("Tests run before the merge", "Tests run after the merge"),
        ("Ana owns grey cats", "Ana owns three grey cats"),
        ("Ana owns grey cats", "Ana owns 3 grey cats"),
        ("Family moved to the coast", "Family moved to the coast with Mia"),
        ("Deploys happen on Friday", "Deploys happen on Friday evening"),
        ("Ana lent Ben the ladder", "Ben currently lent Ana the ladder"),
    ],
)
async def test_nearness_alone_folds_nothing(opened: Opener, one: str, other: str) -> None:
    memori = await opened(settings=_WORDLLAMA)
    await _kept(memori, [one, other])
    question = "user house meat coffee tests merge cats family coast deploys Friday ladder"
    assert {hit.text for hit in await memori.recall(question)} == {one, other}


async def test_without_an_embedder_only_the_same_words_fold(opened: Opener) -> None:
    memori = await opened()
    await _kept(memori, ["User prefers short answers", "User generally prefers short answers"])
    assert len(await memori.recall("Which answers does the user prefer?")) == 2
