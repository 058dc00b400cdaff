"""Recall answers when something fits, says so when nothing does, and says the same only once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from asking import id_of, kept, recalled, texts
from conftest import Clock, Opener

from memori import AsyncMemori, Turn

pytestmark = pytest.mark.anyio

_TALK = (
    ("Caroline", "I finally signed up for the pottery workshop in the old town."),
    ("Melanie", "Wonderful! What will you make there?"),
    ("Caroline", "A big blue bowl for my mother, she collects them."),
    ("Melanie", "My kids painted a sunset over the lake last week."),
    ("Caroline", "Did you go camping with them again?"),
    ("Melanie", "Yes, we hiked up to the waterfall and roasted marshmallows."),
    ("Caroline", "My dentist moved the appointment to Tuesday."),
    ("Melanie", "The parade was loud, we left before the fireworks."),
    ("Caroline", "I read a book about adoption and talked to an agency."),
    ("Melanie", "Running helps me to clear my head."),
)


async def _talk(memori: AsyncMemori) -> None:
    for number in range(3):
        turns = [Turn(content=text, role="user", speaker=who) for who, text in _TALK]
        await memori.record(turns, session_id=f"talk {number}")


@pytest.mark.parametrize(
    "question",
    [
        "When did Roberto buy the old boat for his nephew?",
        "What did Ingrid paint at the workshop in Oslo?",
        "How did the customers find Gina's dance workshop?",
    ],
)
async def test_questions_about_somebody_never_mentioned_have_no_answer(
    memori: AsyncMemori, question: str
) -> None:
    await _talk(memori)
    answer = await memori.recall(question)
    assert answer == ()
    assert answer.withheld is not None
    assert "never said here" in answer.withheld


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("dentist", "dentist"),
        ("dentist reminder postponed", "dentist"),
        ("What is Caroline making for her mother?", "bowl"),
        ("Where did Melanie's children see a gorgeous waterfall?", "waterfall"),
        ("Was the parade in Vienna loud with fireworks?", "parade"),
        ("what about the workshop?", "workshop"),
        ("Has Caroline spoken to an adoption agency in Denver?", "agency"),
        ("DID CAROLINE READ A BOOK ABOUT ADOPTION?", "adoption"),
    ],
)
async def test_questions_that_fit_are_answered_in_spite_of_unknown_words(
    memori: AsyncMemori, question: str, found: str
) -> None:
    await _talk(memori)
    answer = await memori.recall(question)
    assert found in texts(answer)[0]
    assert answer.withheld is None


async def test_german_nouns_are_not_taken_for_names(memori: AsyncMemori) -> None:
    for number in range(40):
        await memori.remember(f"Das Fahrrad Nummer {number} steht im Keller neben der Heizung.")
    assert await memori.recall("Wo steht denn das Fahrrad von der Nachbarin im Keller?")


async def test_a_small_memory_gives_what_it_has(memori: AsyncMemori) -> None:
    await kept(memori, "The user is allergic to peanuts.")
    assert await recalled(memori, "Which meals must the user avoid in Bangkok?")


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("Which seat should I book for Tokyo?", "seats"),
        ("Help me add authentication to my FastAPI app", "FastAPI"),
        ("What instrument does my kid play?", "cello"),
        ("Does Mia like football?", "cello"),
        ("What car does Peter drive?", None),
    ],
)
async def test_a_memory_that_holds_a_rare_word_of_the_question_fits(
    memori: AsyncMemori, question: str, found: str | None
) -> None:
    for text in (
        "Prefers window seats on long flights",
        "Building a FastAPI project with Postgres",
        "Daughter Mia plays the cello",
        "Drives a blue Skoda",
        *(f"Note {n}: module number {n} was refactored by the team" for n in range(60)),
    ):
        await memori.remember(text)
    answer = await memori.recall(question)
    assert found in texts(answer)[0] if found else answer.withheld is not None


async def test_a_request_is_helped_by_what_a_turn_says_of_it(memori: AsyncMemori) -> None:
    await _talk(memori)
    await memori.record([{"role": "user", "content": "I'm building a FastAPI project"}])
    answer = await memori.recall("Help me add authentication to my FastAPI app")
    assert "FastAPI" in texts(answer)[0]


async def test_one_word_of_a_long_request_is_no_help(memori: AsyncMemori) -> None:
    await _talk(memori)
    await memori.record([{"role": "user", "content": "I'm building a FastAPI project"}])
    request = "Can you suggest cushioned sneakers with grippy soles for my marathon project?"
    assert (await memori.recall(request)).withheld is not None


async def test_search_shows_what_recall_withholds(memori: AsyncMemori) -> None:
    await _talk(memori)
    question = "What did Ingrid paint at the workshop in Oslo?"
    assert await memori.recall(question) == ()
    assert (await memori.search(question)).items


async def test_abstention_can_be_switched_off(
    opened_file: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    memori = await opened_file()
    await _talk(memori)
    monkeypatch.setenv("MEMORI_RECALL__ABSTAIN", "false")
    always = await opened_file()
    question = "What did Ingrid paint at the workshop in Oslo?"
    assert await memori.recall(question) == ()
    answer = await always.recall(question)
    assert answer
    assert answer.withheld is None


async def test_the_same_said_twice_is_one_hit_with_its_sources(memori: AsyncMemori) -> None:
    first, second, other = [
        id_of(receipt)
        for receipt in await memori.record(
            [
                Turn(content="The spare key lies under the flower pot.", speaker="Ana"),
                Turn(content="The spare key lies under that flower pot!", speaker="Ana"),
                Turn(content="The spare key lies under the flower pot.", speaker="Ben"),
            ],
            session_id="talk",
        )
    ]
    hits = await memori.recall("Where is the spare key?")
    assert {hit.id for hit in hits} | {s for hit in hits for s in hit.sources} == {
        *(first, second, other)
    }
    assert sorted(len(hit.sources) for hit in hits) == [0, 1]
    assert len((await memori.search("spare key")).items) == 3


async def test_memories_of_other_wording_fold_with_the_turns_behind_them(
    memori: AsyncMemori,
) -> None:
    [turn] = await memori.record([{"content": "I keep bees on the roof"}], session_id="talk")
    older = await kept(memori, "Ana keeps bees on the roof", sources=[id_of(turn)])
    newer = await kept(memori, "Ana is keeping bees on a roof")
    hit, *others = await memori.recall("bees roof")
    assert {hit.id, *hit.sources} == {older, newer, id_of(turn)}
    assert {other.kind for other in others} <= {"turn"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ana owns two grey cats", "Ana owns three grey cats"),
        ("Ana likes strong black coffee", "Ana does not like strong black coffee"),
        ("Ana lent Ben the ladder", "Ben lent Ana the ladder"),
        ("Ana moved to Porto in spring", "Ana moved to Lisbon in spring"),
        ("Ana drinks coffee before breakfast", "Ana drinks coffee after breakfast"),
    ],
)
async def test_what_differs_in_substance_is_not_folded(
    memori: AsyncMemori, one: str, other: str
) -> None:
    await kept(memori, one)
    await kept(memori, other)
    assert set(await recalled(memori, "Ana cats coffee ladder moved")) == {one, other}


@pytest.mark.parametrize(
    ("signal", "better", "worse"),
    [
        ("importance", {"importance": 0.9}, {}),
        ("importance", {}, {"importance": 0.1}),
        ("trust", {}, {"source": "web"}),
        ("pinned", {"pinned": True}, {}),
    ],
)
async def test_of_equal_memories_the_weightier_comes_first(
    memori: AsyncMemori, signal: str, better: dict[str, object], worse: dict[str, object]
) -> None:
    first = await kept(memori, "The green suitcase is in the attic", **better)
    await kept(memori, "The green suitcase is in the cellar", **worse)
    hits = await memori.recall("green suitcase")
    assert hits[0].id == first
    assert any(signal in {s.name for s in hit.why} for hit in hits)


async def test_of_equal_memories_the_newer_comes_first(memori: AsyncMemori, clock: Clock) -> None:
    await kept(memori, "The green suitcase is in the attic")
    clock.advance(days=30)
    newer = await kept(memori, "The green suitcase is in the cellar")
    clock.advance(days=30)
    hits = await memori.recall("green suitcase", now=clock.now + timedelta(days=1))
    assert hits[0].id == newer
    assert "recency" in {signal.name for signal in hits[0].why}


async def test_no_standing_outweighs_what_is_asked_for(memori: AsyncMemori) -> None:
    asked = await kept(memori, "The green suitcase is in the attic", importance=0.0, source="web")
    await kept(memori, "The green garden door is never locked", importance=1.0, pinned=True)
    hits = await memori.recall("Where is the green suitcase?")
    assert hits[0].id == asked
