"""Taking turns, and the texts that are timed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.floors import (
    STOP_WORDS,
    Durability,
    InsertFloor,
    QueryFloor,
    connect,
    match_expression,
)
from benchmarks.synthetic import MEMORY_WORDS, generate
from benchmarks.timing import Subject, alternate, blocking, in_loop, percentile


def test_subjects_take_turns_in_blocks_and_the_order_rotates() -> None:
    said: list[str] = []

    def caller(name: str) -> Callable[[int], None]:
        return lambda item: said.append(f"{name}{item}")

    subjects = [Subject(name, blocking(caller(name)), range(4)) for name in "ab"]
    timings = asyncio.run(alternate(subjects, block=2))
    assert said == ["a0", "a1", "b0", "b1", "b2", "b3", "a2", "a3"]
    assert {name: timing.calls for name, timing in timings.items()} == {"a": 2, "b": 2}


def test_a_single_block_is_counted_although_nothing_was_warm() -> None:
    async def nothing(item: int) -> None:
        await asyncio.sleep(0)

    timings = asyncio.run(alternate([Subject("a", in_loop(nothing), range(3))], block=10))
    assert timings["a"].calls == 3


def test_subjects_with_different_numbers_of_calls_are_refused() -> None:
    subjects = [Subject(str(n), blocking(lambda item: None), range(n)) for n in (1, 2)]
    with pytest.raises(ValueError, match="too many values"):
        asyncio.run(alternate(subjects, block=1))


def test_percentiles_are_values_that_occurred() -> None:
    values = [5.0, 1.0, 4.0, 2.0, 3.0]
    assert percentile(values, 0.5) == 3.0
    assert percentile(values, 0.95) == 5.0
    assert percentile([7.0], 0.5) == 7.0


def test_synthetic_texts_are_the_same_every_time_and_all_different() -> None:
    corpus = generate(200, queries=20, spare=50)
    assert corpus == generate(200, queries=20, spare=50)
    texts = corpus.memories + corpus.spare
    assert (len(corpus.memories), len(corpus.spare), len(corpus.queries)) == (200, 50, 20)
    assert len(set(texts)) == 250
    assert all(MEMORY_WORDS[0] <= len(text.split()) <= MEMORY_WORDS[1] for text in texts)


def test_the_synthetic_vocabulary_grows_slower_than_the_text_and_never_stops() -> None:
    corpus = generate(2000, queries=1)
    words = [word.strip(".").lower() for text in corpus.memories for word in text.split()]
    small, large = len(set(words[: len(words) // 4])), len(set(words))
    assert 1.5 < large / small < 3.5  # four times the text: Heaps' exponent 0.3 to 0.9


def test_a_query_shares_content_words_with_a_stored_text() -> None:
    corpus = generate(300, queries=40)
    stored = [{w.strip(".").lower() for w in text.split()} for text in corpus.memories]
    for query in corpus.queries:
        wanted = set(query.strip("?").split()) - STOP_WORDS
        assert max(len(wanted & words) for words in stored) >= 3


def test_the_query_floor_finds_the_text_with_the_rarest_words_first() -> None:
    texts = ["the cat sat", "the cats and the dog sat", "a parrot sat on the cat"]
    with QueryFloor(texts) as floor:
        best, _ = floor.search("Where did the parrot's cat sit?", 3)[0]
        assert best == 2
        assert floor.search("?!", 3) == []


def test_stop_words_leave_the_query_unless_there_is_nothing_else() -> None:
    assert match_expression("Where is THE parrot, the parrot?") == '"parrot"'
    assert match_expression("who is it") == '"who" OR "is" OR "it"'


@pytest.mark.parametrize(("durability", "synchronous"), [("full", 2), ("process", 1)])
def test_a_floor_is_as_durable_as_what_stands_on_it(
    tmp_path: Path, durability: Durability, synchronous: int
) -> None:
    connection = connect(tmp_path / "rows.db", durability)
    journal = connection.execute("PRAGMA journal_mode").fetchone()
    level = connection.execute("PRAGMA synchronous").fetchone()
    connection.close()
    assert (journal, level) == (("wal",), (synchronous,))


def test_the_insert_floor_commits_what_it_inserts(tmp_path: Path) -> None:
    path = tmp_path / "rows.db"
    with InsertFloor(path, "full", ["before"]) as floor:
        floor.insert(["one", "two"])
        reader = connect(path, "full")
        rows = reader.execute("SELECT content FROM items ORDER BY id").fetchall()
        reader.close()
    assert rows == [("before",), ("one",), ("two",)]
