"""What was said is found again by the words of a question, whatever they are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from typing import Any

import pytest
from asking import id_of, kept, recalled, said, texts
from conftest import Clock, Opener

from memori import AsyncMemori, InvalidArgument, Turn
from memori.text.tokens import estimate_tokens

pytestmark = pytest.mark.anyio


async def test_a_turn_hit_says_all_it_knows(memori: AsyncMemori) -> None:
    at = datetime(2024, 5, 7, 18, 30, tzinfo=UTC)
    [receipt] = await memori.record(
        [
            Turn(
                content="I adopted a kitten",
                role="user",
                speaker="Ana",
                at=at,
                external_id="D2:7",
                metadata={"n": 1},
            )
        ],
        session_id="talk",
    )
    [hit] = await memori.recall("kitten")
    assert (hit.kind, hit.id, hit.text) == ("turn", receipt.id, "I adopted a kitten")
    assert (hit.speaker, hit.role, hit.session_id, hit.external_id) == (
        "Ana",
        "user",
        "talk",
        "D2:7",
    )
    assert (hit.at, hit.metadata, hit.source, hit.trust) == (at, {"n": 1}, "user", 0.9)
    assert hit.score > 0
    assert (hit.category, hit.importance) == (None, None)
    assert hit.namespace == "default"


async def test_a_memory_hit_says_all_it_knows(memori: AsyncMemori, clock: Clock) -> None:
    [turn] = [
        id_of(receipt)
        for receipt in await memori.record(
            [{"content": "my sister is called Rosa", "id": "D9"}], session_id="talk"
        )
    ]
    until = clock.now + timedelta(days=9)
    memory_id = await kept(
        memori,
        "Ana has a sister, Rosa",
        category="context",
        importance=0.75,
        tags=["family"],
        entities=["Rosa"],
        metadata={"n": 1},
        valid_from=clock.now,
        valid_until=until,
        sources=[turn],
        session_id="talk",
    )
    [hit] = await memori.recall("Rosa sister", kinds=("memory",))
    assert (hit.kind, hit.id, hit.text) == ("memory", memory_id, "Ana has a sister, Rosa")
    assert (hit.category, hit.importance, hit.tags, hit.entities) == (
        "context",
        0.75,
        ("family",),
        ("Rosa",),
    )
    assert (hit.at, hit.valid_from, hit.valid_until) == (clock.now, clock.now, until)
    assert (hit.sources, hit.external_id, hit.session_id) == ((turn,), "D9", "talk")
    assert hit.metadata == {"n": 1}


async def test_why_adds_up_to_the_score(memori: AsyncMemori) -> None:
    await said(memori, "I adopted a kitten", "It sleeps all day", "The kitten is grey")
    await kept(memori, "Ana has a kitten")
    hits = await memori.recall("what colour is the kitten")
    assert len(hits) >= 3
    for hit in hits:
        assert hit.why
        assert sum(signal.points for signal in hit.why) == pytest.approx(hit.score, abs=0.01)
        assert all(signal.name for signal in hit.why)


async def test_hits_come_best_first(memori: AsyncMemori) -> None:
    await said(memori, *(f"The weather in week {number} was fine" for number in range(30)))
    await said(memori, "My passport number is on the blue folder", session_id="other")
    hits = await memori.recall("where is my passport", limit=20)
    assert "passport" in hits[0].text
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


async def test_a_memory_and_its_turn_fold_into_one_hit(memori: AsyncMemori) -> None:
    [turn] = await said(memori, "my sister is called Rosa")
    memory_id = await kept(memori, "Ana has a sister called Rosa", sources=[turn])
    [hit] = await memori.recall("sister called Rosa")
    assert (hit.id, hit.sources) == (memory_id, (turn,))


async def test_a_question_without_any_match_has_no_answer(memori: AsyncMemori) -> None:
    await kept(memori, "Ana lives in Porto")
    assert await memori.recall("xylophone quartet") == ()
    assert await memori.recall("") == ()
    assert await memori.recall(" \n\t ") == ()
    assert await memori.recall("?!... ()") == ()


@pytest.mark.parametrize("limit", [1, 2, 5])
async def test_no_more_hits_than_asked_for(memori: AsyncMemori, limit: int) -> None:
    await said(memori, *(f"kitten number {number}" for number in range(8)))
    assert len(await memori.recall("kitten", limit=limit)) == limit


async def test_a_large_limit_gives_all_there_is(memori: AsyncMemori) -> None:
    await said(memori, *(f"kitten number {number}" for number in range(120)))
    hits = await memori.recall("kitten", limit=1_000)
    assert len({hit.id for hit in hits}) == len(hits) == 120


async def test_a_limit_that_makes_no_sense_is_an_error(memori: AsyncMemori) -> None:
    await kept(memori, "Ana lives in Porto")
    wrong: list[Any] = [0, -1, 1_001, True, "5", 2.5, None]
    for limit in wrong:
        for verb in (
            partial(memori.recall, "Porto"),
            partial(memori.turns, "talk"),
            memori.search,
            memori.sessions,
            memori.operations,
            memori.quarantined,
        ):
            with pytest.raises(InvalidArgument, match="limit"):
                await verb(limit=limit)


async def test_hits_stay_within_a_token_budget(memori: AsyncMemori) -> None:
    await said(memori, *(f"kitten {number} " + "purrs loudly " * number for number in range(12)))
    everything = await memori.recall("kitten purrs", limit=20)
    assert len(everything) == 12
    for budget in (1, 10, 25, 60, 200, 10_000):
        hits = await memori.recall("kitten purrs", limit=20, max_tokens=budget)
        assert sum(estimate_tokens(hit.text) for hit in hits) <= budget
        order = [hit.id for hit in everything]
        assert sorted(hits, key=lambda hit: order.index(hit.id)) == list(hits)
    assert len(hits) == 12
    for wrong in (0, -5):
        with pytest.raises(InvalidArgument, match="max_tokens"):
            await memori.recall("kitten", max_tokens=wrong)


async def test_kinds_choose_between_memories_and_turns(memori: AsyncMemori) -> None:
    await said(memori, "a grey kitten")
    await kept(memori, "Ana has a kitten")
    assert await recalled(memori, "kitten", kinds=("turn",)) == ["a grey kitten"]
    assert await recalled(memori, "kitten", kinds=("memory",)) == ["Ana has a kitten"]
    assert await recalled(memori, "kitten", kinds=()) == []
    with pytest.raises(InvalidArgument, match="kind"):
        await memori.recall("kitten", kinds=("session",))  # type: ignore[arg-type]


async def test_session_and_agent_narrow_only_when_given(memori: AsyncMemori) -> None:
    await said(memori, "a grey kitten", session_id="a", agent_id="x")
    await said(memori, "a black kitten", session_id="b", agent_id="y")
    await kept(memori, "Ana has a kitten", session_id="a", agent_id="y")
    assert len(await recalled(memori, "kitten")) == 3
    assert set(await recalled(memori, "kitten", session_id="a")) == {
        "a grey kitten",
        "Ana has a kitten",
    }
    assert set(await recalled(memori, "kitten", agent_id="y")) == {
        "a black kitten",
        "Ana has a kitten",
    }
    assert await recalled(memori, "kitten", session_id="b", agent_id="x") == []


async def test_the_objects_own_session_and_agent_do_not_narrow_a_read(opened: Opener) -> None:
    memori = await opened(session_id="mine", agent_id="me")
    await said(memori, "a grey kitten", session_id="other", agent_id="somebody")
    assert await recalled(memori, "kitten") == ["a grey kitten"]


#: What is said, and a question that must find it.
WORDS = [
    ("I write Go at work", "Go"),
    ("She studies AI", "AI"),
    ("The engine is in C++", "c++"),
    ("He prefers C# to Java", "C#"),
    ("We moved to .NET last year", ".net"),
    ("Statistics are done in R", "R"),
    ("My blood type is O", "blood type O"),
    ("The car is an i8", "i8"),
    ("The café is closed", "cafe"),
    ("The cafe is closed", "café"),
    ("Ask Łukasz and Zoë", "zoe"),
    ("ΑΘΗΝΑ το καλοκαίρι", "αθηνα"),
    ("Я живу в Москве", "Москве"),
    ("我住在东京附近", "东京"),
    ("我住在东京附近", "京"),
    ("東京タワーに行きました", "タワー"),
    ("서울에서 만났어요", "서울"),
    ("เขาอยู่ที่กรุงเทพ", "กรุงเทพ"),
    ("The party was 🎉 great", "🎉"),
    ("Discount of 100% today", "100%"),
    ("The file is my_notes_v2.txt", "my_notes_v2"),
    ('He said "don\'t" twice', "don't"),
    ("Robert'); DROP TABLE memories;-- is his name", "Robert'); DROP TABLE memories;--"),
    ("The query was NEAR(a b) OR NOT c*", 'NEAR(a b) OR "NOT" c*'),
    ("Version 3.11.4 broke it", "3.11.4"),
    ("Mail ana@example.com about it", "ana@example.com"),
    ("The ﬁle is lost", "file"),
    ("Ｆｕｌｌｗｉｄｔｈ words", "fullwidth"),
    ("We were running late", "run"),
]
#: What some query language would read as an operator, and what is no word at all.
ODD_QUERIES = [
    "%",
    "_",
    "*",
    "'",
    '"',
    "''; --",
    "\\",
    "x",
    "🎉",
    "的",
    "AND",
    "NOT NEAR OR",
    "col:term",
    "^start",
    "a" * 20_000,
    "\x00",
    "\ud800",
    "(" * 500,
    "the of and",
    "kitten " * 3_000,
    ":scope",
    "?1",
    "!standing",
]


async def test_words_of_any_shape_are_found(memori: AsyncMemori) -> None:
    await said(memori, *(content for content, _ in WORDS))
    unfound = [
        (content, query)
        for content, query in WORDS
        if content not in await recalled(memori, query, limit=5)
        or content not in texts((await memori.search(query, limit=5)).items)
    ]
    assert unfound == []


async def test_no_query_is_an_error_or_matches_everything(memori: AsyncMemori) -> None:
    await kept(memori, "Ana lives in Porto")
    for query in ODD_QUERIES:
        assert await memori.recall(query) == (), query
        assert (await memori.search(query)).items == (), query


async def test_what_one_connection_stores_another_recalls_at_once(opened_file: Opener) -> None:
    writer, reader = await opened_file(), await opened_file()
    assert await recalled(reader, "kitten") == []
    for number in range(10):
        await kept(writer, f"kitten number {number}")
        assert len(await recalled(reader, "kitten", limit=20)) == number + 1
        await said(reader, f"cat number {number}")
        assert len(await recalled(writer, "cat", limit=20)) == number + 1


async def test_recall_changes_nothing(memori: AsyncMemori) -> None:
    await said(memori, "a grey kitten", "a dog")
    await kept(memori, "Ana has a kitten")
    first = await memori.recall("kitten")
    for _ in range(3):
        assert await memori.recall("kitten") == first
    assert len(await memori.operations()) == 2


async def test_a_day_finds_what_was_said_of_it_later(memori: AsyncMemori) -> None:
    zone = timezone(timedelta(hours=9))
    for day, text in ((8, "Yesterday I sold the piano"), (20, "Yesterday I sold the harp")):
        at = datetime(2024, 5, day, 0, 30, tzinfo=zone)
        await memori.record([Turn(content=text, role="user", at=at)], session_id=f"talk {day}")
    now = datetime(2024, 6, 1, tzinfo=UTC)
    assert (await recalled(memori, "What happened on 7 May?", now=now))[0].endswith("piano")
    assert (await recalled(memori, "What did I sell on 19 May?", now=now))[0].endswith("harp")


async def test_a_store_of_many_languages_answers_each_in_its_own(memori: AsyncMemori) -> None:
    kept_texts = [
        "The bicycles are in the cellar, behind the boxes",
        "Die Fahrräder stehen im Keller, und die Schlüssel sind bei mir",
        "Las bicicletas están en el sótano con las llaves",
        "Велосипеды стоят в подвале",
        "自行车在地下室里",
    ]
    for text in kept_texts:
        await memori.remember(text)
    questions = [
        "Where is the bicycle?",
        "Wo ist das Fahrrad?",
        "¿Dónde está la bicicleta?",
        "Где велосипед?",
        "自行车在哪里？",
    ]
    for question, text in zip(questions, kept_texts, strict=True):
        assert (await recalled(memori, question))[0] == text


async def test_behind_many_memories_that_hold_no_longer_those_that_do_are_found(
    memori: AsyncMemori, clock: Clock
) -> None:
    over = clock.now - timedelta(days=1)
    for number in range(60):  # more than a recall looks at first, and each a better fit
        await kept(memori, f"Otters swim at pier {number}", valid_until=over)
    for name in ("Ana", "Ben"):
        await kept(memori, f"{name} says that otters swim, too, in the cold river of the north")
    found = texts(await memori.recall("where do otters swim?"))
    assert [text.split()[0] for text in found] == ["Ben", "Ana"]


async def test_behind_many_memories_a_standing_instruction_is_found(memori: AsyncMemori) -> None:
    for number in range(60):
        await kept(memori, f"Otter at pier {number}")
    await kept(
        memori,
        "Always name the river and the weather of the day when an otter is spoken of by anybody",
        category="rule",
    )
    assert any(hit.category == "rule" for hit in await memori.recall("otter"))
