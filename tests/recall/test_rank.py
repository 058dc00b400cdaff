"""Ranking on small conversations: what is found, in which order, and that nothing gets lost."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memori.recall.query import Query, parse_query
from memori.recall.rank import (
    PLACE_BITS,
    Candidate,
    CorpusStats,
    LengthNorm,
    choose_terms,
    rank,
)
from memori.recall.rerank import WEIGHTS, Ranked, Row, rerank
from memori.text.analyser import STANDING_MARK, index_terms

NOW = datetime(2024, 3, 20, tzinfo=UTC)
AT = datetime(2023, 5, 7, tzinfo=UTC)


Posting = tuple[str, int, int, int, int]
"""One row of the index: (term, session_no, seq, tf, length)."""


def frequencies(rows: Iterable[Posting], stats: CorpusStats) -> dict[str, dict[int, float]]:
    """What a store's index answers for these rows."""
    norm = LengthNorm.of(stats)
    found: dict[str, dict[int, float]] = {}
    for term, session_no, seq, tf, length in rows:
        place = session_no << PLACE_BITS | seq
        found.setdefault(term, {})[place] = tf / (norm.base + norm.slope * length)
    return found


def _rerank(query: Query, candidates: Sequence[Candidate], rows: Iterable[Row]) -> list[Ranked]:
    """The final order of the candidates that exist."""
    by_place = {(row.session_no, row.seq): row for row in rows}
    places = [(candidate.session_no, candidate.seq) for candidate in candidates]
    pairs = zip(candidates, places, strict=True)
    return rerank(query, [(each, by_place[place]) for each, place in pairs if place in by_place])


@dataclass
class Index:
    """Items indexed with the product's analyser, as a store would."""

    rows: dict[tuple[int, int], Row] = field(default_factory=dict)
    postings: list[Posting] = field(default_factory=list)
    tokens: int = 0

    def add(self, row: Row) -> None:
        terms = index_terms(row.text, row.speaker, row.at)
        self.rows[row.session_no, row.seq] = row
        self.tokens += terms.total()
        self.postings += [
            (term, row.session_no, row.seq, tf, terms.total()) for term, tf in terms.items()
        ]

    def session(self, number: int, *said: tuple[str, str], at: datetime = AT) -> None:
        for seq, (speaker, text) in enumerate(said):
            role = "assistant" if speaker == "assistant" else "user"
            self.add(Row(number, seq, text, speaker=speaker, role=role, at=at))

    def memory(self, number: int, text: str, category: str = "fact") -> None:
        self.add(Row(0, number, text, kind="memory", at=AT, category=category))

    def of(self, terms: Iterable[str]) -> list[Posting]:
        wanted = set(terms)
        return [posting for posting in self.postings if posting[0] in wanted]

    def found(self, terms: Iterable[str]) -> dict[str, dict[int, float]]:
        return frequencies(self.of(terms), self.stats)

    @property
    def stats(self) -> CorpusStats:
        return CorpusStats(items=len(self.rows), tokens=self.tokens)

    def candidates(self, question: str, limit: int = 80) -> tuple[Query, list[Candidate]]:
        query = parse_query(question, NOW)
        return query, rank(query, self.found(query.terms), self.stats, limit=limit)

    def recall(self, question: str) -> list[Ranked]:
        query, candidates = self.candidates(question)
        return _rerank(query, candidates, self.rows.values())

    def best(self, question: str) -> str:
        first = self.recall(question)[0]
        return self.rows[first.session_no, first.seq].text


def filler(index: Index, sessions: Iterable[int]) -> None:
    for number in sessions:
        index.session(
            number,
            ("Ann", "How was your week in the garden with the roses and the tomatoes?"),
            ("Ben", "I repaired the old bicycle and rode along the river to the market."),
            ("Ann", "I tried a recipe with lentils and carrots that my sister gave to me."),
            ("Ben", "My neighbour plays the trumpet all evening and nobody can sleep."),
        )


@pytest.fixture
def index() -> Index:
    made = Index()
    filler(made, range(1, 6))
    return made


def test_inflected_and_irregular_words_are_found(index: Index) -> None:
    index.session(9, ("Ben", "I bought two violins at the auction house."))
    assert "violins" in index.best("Who buys a violin?")


def test_a_turn_is_found_by_what_was_said_around_it(index: Index) -> None:
    index.session(
        9,
        ("Ann", "What is the name of your new puppy?"),
        ("Ben", "We have called him Ozymandias after the poem, and he answers to it already."),
    )
    assert "Ozymandias" in index.best("What is the name of Ben's puppy?")


def test_a_window_does_not_cross_into_another_session(index: Index) -> None:
    index.session(8, ("Ann", "xylophone"), ("Ann", "We went home afterwards and slept very well."))
    index.session(9, ("Ann", "The morning was grey and the streets were still empty."))
    _, found = index.candidates("xylophone")
    assert {(c.session_no, c.seq) for c in found if (c.session_no, c.seq) in index.rows} == {
        (8, 0),
        (8, 1),
    }


def test_the_author_named_in_the_question_comes_first(index: Index) -> None:
    index.session(8, ("Ann", "I enjoy painting landscapes on rainy Sunday afternoons."))
    index.session(9, ("Ben", "I enjoy painting landscapes on rainy Sunday afternoons."))
    for name in ("Ann", "Ben"):
        first = index.recall(f"What does {name} enjoy painting?")[0]
        assert index.rows[first.session_no, first.seq].speaker == name


def test_the_author_named_counts_for_less_where_somebody_else_said_what_fits(index: Index) -> None:
    index.session(8, ("Ben", "The charity race made me realise how much rest matters."))
    shared = "What did {} realise at the charity race about rest?"
    of_ben, of_ann = (index.recall(shared.format(name)) for name in ("Ben", "Ann"))
    assert of_ben[0].values["author"] == 1
    assert (of_ann[0].session_no, of_ann[0].seq) == (8, 0)
    theirs = [item.values["author"] for item in of_ann if "author" in item.values]
    assert theirs
    assert 0.5 <= max(theirs) < 0.8


def test_a_question_about_oneself_prefers_the_users_own_words() -> None:
    made = Index()
    made.session(
        1,
        ("assistant", "Running shoes for the marathon cost about 120 in most of the shops."),
        ("user", "I have bought running shoes for the marathon, they cost 95 in the shop."),
    )
    assert "95" in made.best("What did I pay for my running shoes?")


def test_the_time_named_in_the_question_decides_between_equals() -> None:
    made = Index()
    for number, day in ((1, 5), (2, 12), (3, 19)):
        at = datetime(2024, 3, day, tzinfo=UTC)
        made.session(number, ("Ann", "I went to the dentist."), at=at)
    first = made.recall("What did Ann do at the dentist last week?")[0]
    assert first.session_no == 2


def test_a_time_near_the_one_named_is_worth_more_than_one_far_away() -> None:
    made = Index()
    for number, day in ((1, 1), (2, 13), (3, 19)):
        at = datetime(2024, 3, day, tzinfo=UTC)
        made.session(number, ("Ann", "I went to the dentist."), at=at)
    found = made.recall("What did Ann do at the dentist on 12 March 2024?")
    assert [item.session_no for item in found] == [2, 3, 1]


def test_the_reply_to_a_question_about_it_comes_first(index: Index) -> None:
    index.session(
        8,
        ("Ann", "Ben, how long have you kept your turtles by now?"),
        ("Ben", "For three years, and they bring me plenty of joy."),
        ("Ann", "Lovely."),
    )
    index.session(9, ("Ben", "I took my turtles for a walk and met other people with turtles."))
    assert "three years" in index.best("For how long has Ben kept his turtles?")
    named = {s.name for i in index.recall("How long has Ben kept turtles?") for s in i.signals}
    assert "answer" in named


def test_nobody_answers_their_own_question(index: Index) -> None:
    index.session(9, ("Ben", "Are turtles slow?"), ("Ben", "They all walk home at night."))
    found = {(i.session_no, i.seq): i for i in index.recall("Are turtles slow?")}
    assert "answer" not in {signal.name for signal in found[9, 1].signals}


def test_what_opens_a_session_comes_before_what_follows() -> None:
    made = Index()
    text = "I have bought a kayak and want to paddle down the river with it."
    made.session(1, ("user", "Hello there."), ("user", text))
    made.session(2, ("user", text), ("user", "See you."))
    first = made.recall("kayak on the river")[0]
    assert (first.session_no, first.seq) == (2, 0)


@pytest.mark.parametrize(
    ("question", "wanted"),
    [
        ("Which city did the choir visit?", "The choir went on a visit to Lisbon, a city."),
        ("How many people sang in the choir?", "The choir has 41 people who sang in it."),
        ("When did the choir sing?", "The choir did sing in the square yesterday."),
    ],
)
def test_the_kind_of_thing_asked_for_decides_between_equals(question: str, wanted: str) -> None:
    made = Index()
    made.session(1, ("Ann", "The choir went to sing, and many people sang on a visit to a city."))
    made.session(2, ("Ann", wanted))
    found = {item.session_no: item for item in made.recall(question)}
    assert "kind" in {signal.name for signal in found[2].signals}
    assert "kind" not in {signal.name for signal in found[1].signals}


def test_a_speakers_name_is_not_the_name_that_is_asked_for() -> None:
    made = Index()
    made.session(1, ("Ann", "As I told you, Ben, the city was nice."), ("Ben", "A city? Fine."))
    found = made.recall("Which city was nice?")
    assert "kind" not in {signal.name for item in found for signal in item.signals}


def test_a_summary_counts_what_the_assistant_said_as_much() -> None:
    made = Index()
    text = "My plan for the kayak trip: three days down the river, with two nights in a tent."
    made.session(1, ("user", "Hello there."), ("user", text), ("assistant", text))
    scores = {i.seq: i.score for i in made.recall("Give me a summary of my plan for the kayak.")}
    assert scores[1] == pytest.approx(scores[2], rel=0.05)
    scores = {i.seq: i.score for i in made.recall("What is my plan for the kayak?")}
    assert scores[1] > scores[2] * 1.2


def test_an_answer_comes_before_a_short_question_of_the_same_words(index: Index) -> None:
    index.session(8, ("Ann", "Did the kayak trip go well?"))
    index.session(9, ("Ann", "The kayak trip did go well."))
    assert index.best("How did the kayak trip go?").endswith(".")


def test_a_standing_instruction_is_found_by_what_it_is_about() -> None:
    made = Index()
    for number in range(1, 121):
        made.session(number, ("user", f"How do I plan sprint {number} and the sprint timeline?"))
    made.session(200, ("user", "Always use ISO dates when I ask about a timeline."))
    query, candidates = made.candidates("Can you draft a sprint timeline?", limit=10)
    assert (200, 0) in {(c.session_no, c.seq) for c in candidates}
    ranked = _rerank(query, candidates, made.rows.values())
    assert "instruction" in {signal.name for item in ranked for signal in item.signals}


def test_standing_instructions_about_something_else_are_not_found(index: Index) -> None:
    index.session(9, ("user", "Always use ISO dates when I ask about a timeline."))
    assert 9 not in {item.session_no for item in index.recall("Who repaired the bicycle?")}


def test_a_memory_without_neighbours_ranks_beside_turns(index: Index) -> None:
    index.session(
        9,
        ("Ann", "Do you like any music at all?"),
        ("Ben", "Well, music is fine."),
        ("Ann", "What music do you mean?"),
    )
    index.memory(1, "Ben's favourite music is Baltic jazz.")
    assert index.best("What is Ben's favourite music?") == "Ben's favourite music is Baltic jazz."


def test_a_memory_is_not_outranked_for_having_no_conversation_around_it() -> None:
    text = "I keep bees behind the old mill, and sell the honey in the village every week."
    rows = [Row(0, 1, text, kind="memory"), Row(1, 5, text, speaker="Ben", role="user", at=AT)]
    candidates = [
        Candidate(0, 1, score=10.0, own=10.0, window=10.0, session=10.0, coverage=1.0),
        Candidate(1, 5, score=20.0, own=8.0, window=30.0, session=30.0, coverage=1.0),
    ]
    ranked = _rerank(parse_query("Who keeps bees?", NOW), candidates, rows)
    assert [item.session_no for item in ranked] == [0, 1]


def test_a_window_is_worth_the_same_however_many_candidates_are_asked_for(index: Index) -> None:
    for number in range(10, 30):
        index.session(number, ("Ann", "Bees like lavender."), ("Ben", "Bees like thyme, too."))
    _, many = index.candidates("bees")
    _, few = index.candidates("bees", limit=10)
    windows = {(c.session_no, c.seq): c.window for c in many}
    assert {candidate.seq for candidate in few} == {0, 1}  # each in the reach of the other
    for candidate in few:
        place = (candidate.session_no, candidate.seq)
        assert candidate.window == pytest.approx(windows[place])
        assert candidate.window > candidate.own


def test_memories_next_to_each_other_are_not_neighbours(index: Index) -> None:
    index.memory(1, "Ben collects stamps.")
    index.memory(2, "The rent is due on Monday.")
    assert [(i.session_no, i.seq) for i in index.recall("stamps")] == [(0, 1)]


def test_a_question_of_stop_words_still_finds_its_like(index: Index) -> None:
    index.session(9, ("Ann", "Who are you?"))
    assert index.best("who are you") == "Who are you?"


@pytest.mark.parametrize("question", ["", "   ", "???", "\ud800", "\x00"])
def test_a_question_without_a_word_finds_nothing(index: Index, question: str) -> None:
    assert index.recall(question) == []


def test_a_single_han_character_and_a_sentence_both_find_chinese(index: Index) -> None:
    index.session(9, ("user", "\u6211\u5bb6\u7684\u732b\u559c\u6b22\u665a\u4e0a\u5531\u6b4c"))
    assert index.recall("\u732b")[0].session_no == 9
    assert index.recall("\u5531\u6b4c\u597d\u542c")[0].session_no == 9


def test_coverage_tells_a_question_about_nothing_here(index: Index) -> None:
    index.session(9, ("Ben", "I bought two violins at the auction house."))
    here = index.recall("violins at the auction")[0].coverage
    elsewhere = index.recall("quantum chromodynamics lattice house")[0].coverage
    assert here > 0.95 > 0.5 > elsewhere


def test_signals_add_up_to_the_score_and_are_known(index: Index) -> None:
    for item in index.recall("What did Ben repair on 7 May 2023, and how many bicycles?"):
        assert sum(s.points for s in item.signals) == pytest.approx(item.score, abs=0.001)
        assert {s.name for s in item.signals} <= WEIGHTS.keys()


WORDS = "tea green garden river Ben Ann bicycle always I prefer when 2023 ?".split()
sentence = st.lists(st.sampled_from(WORDS), min_size=1, max_size=8).map(" ".join)
conversation = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(["Ann", "assistant"]), sentence),
    min_size=1,
    max_size=25,
)


def build(said: Sequence[tuple[int, str, str]]) -> Index:
    made = Index()
    following = [0, 0, 0, 0]
    for number, speaker, text in said:
        if number:
            role = "assistant" if speaker == "assistant" else "user"
            made.add(Row(number, following[number], text, speaker=speaker, role=role, at=AT))
        else:
            made.add(Row(0, following[0], text, kind="memory"))
        following[number] += 1
    return made


@given(conversation, sentence, st.randoms(use_true_random=False), st.integers(1, 30))
def test_the_order_of_postings_and_rows_does_not_matter(
    said: list[tuple[int, str, str]], question: str, chance: random.Random, limit: int
) -> None:
    made = build(said)
    query, candidates = made.candidates(question, limit)
    shuffled = made.of(query.terms)
    chance.shuffle(shuffled)
    found = frequencies(shuffled, made.stats)
    assert rank(query, found, made.stats, limit=limit) == candidates
    rows = list(made.rows.values())
    ranked = _rerank(query, candidates, rows)
    chance.shuffle(rows)
    chance.shuffle(candidates)
    assert _rerank(query, candidates, rows) == ranked


@given(conversation, sentence)
def test_every_item_that_shares_a_term_is_found_and_no_signal_drops_it(
    said: list[tuple[int, str, str]], question: str
) -> None:
    made = build(said)
    query = parse_query(question, NOW)
    sharing = {(s, q) for term, s, q, _, _ in made.of(query.terms) if term != STANDING_MARK}
    answered = {(item.session_no, item.seq) for item in made.recall(question)}
    assert sharing <= answered <= made.rows.keys()


@given(conversation, sentence, st.integers(1, 5))
def test_a_limit_bounds_the_candidates(
    said: list[tuple[int, str, str]], question: str, limit: int
) -> None:
    assert len(build(said).candidates(question, limit)[1]) <= limit


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_can_be_asked(text: str) -> None:
    query = parse_query(text, NOW)
    assert all(weight > 0 for weight in query.terms.values())
    found = {term: {1 << PLACE_BITS: 1.0} for term in query.terms}
    assert rank(query, found, CorpusStats(0, 0)) is not None


def test_common_terms_are_left_out_of_a_big_scope_and_the_rarest_kept() -> None:
    query = parse_query("Ann likes xylophones and tea", NOW)
    counts = {"ann": 500_000, "like": 40_000, "xylophon": 12, "tea": 900, STANDING_MARK: 40}
    assert choose_terms(query, counts, max_postings=8_000) == ("xylophon", STANDING_MARK, "tea")
    only_common = parse_query("Ann", NOW)
    assert "ann" in choose_terms(only_common, counts, max_postings=8_000)


def test_of_nothing_but_common_terms_a_few_are_looked_at() -> None:
    query = parse_query("Ann likes cats dogs tea milk", NOW)
    counts = dict.fromkeys(query.terms, 9_000)
    chosen = choose_terms(query, counts, max_postings=8_000, max_rarest=8_500)
    assert chosen == ("ann", "like", "cat", "dog")
    assert len(choose_terms(query, counts, max_postings=8_000, max_rarest=9_000)) == 1


def test_a_term_left_out_for_being_common_is_not_missing() -> None:
    query = parse_query("tea xylophone", NOW)
    stats = CorpusStats(items=1_000, tokens=10_000)
    found = frequencies([("xylophon", 2, 0, 1, 10)], stats)
    (missing,) = rank(query, found, stats, limit=1)
    (left_out,) = rank(
        query, found, stats, limit=1, document_frequencies={"tea": 900, "xylophon": 1}
    )
    assert missing.coverage < left_out.coverage == 1.0
    (nowhere,) = rank(query, found, stats, limit=1, document_frequencies={"tea": 0, "xylophon": 1})
    assert nowhere.coverage == missing.coverage


def test_a_term_whose_rows_were_capped_keeps_its_true_weight() -> None:
    query = parse_query("tea xylophone", NOW)
    rows: list[Posting] = [("tea", 1, 0, 1, 10), ("xylophon", 2, 0, 1, 10)]
    stats = CorpusStats(items=1_000, tokens=10_000)
    found = frequencies(rows, stats)
    capped = rank(query, found, stats, document_frequencies={"tea": 900, "xylophon": 1})
    assert (capped[0].session_no, capped[0].seq) == (2, 0)
