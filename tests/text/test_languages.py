"""A text and a question of one language share their terms, whatever the language is."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memori.recall.query import parse_query
from memori.recall.rank import with_forms
from memori.text.analyser import MARK, index_terms, split_words
from memori.text.languages import DEFAULT, LATIN, language_of, languages_of_question

NOW = datetime(2024, 3, 20, tzinfo=UTC)

# Language; what is said; what is asked with the words in another form; a word of both.
SAID_AND_ASKED = [
    ("english", "I bought two red bicycles", "Where did you buy the bicycle?", "bicycle"),
    (
        "german",
        "Ich habe gestern zwei rote Fahrräder gekauft",
        "Wann hast du das Fahrrad gekauft?",
        "Fahrrad",
    ),
    (
        "french",
        "J'ai acheté deux bicyclettes rouges et je les aime",
        "Où est la bicyclette que tu as achetée ?",
        "bicyclette",
    ),
    (
        "spanish",
        "Compré unas bicicletas rojas para mis hijos",
        "¿Dónde está la bicicleta de tu hijo?",
        "bicicleta",
    ),
    (
        "portuguese",
        "Eu comprei umas bicicletas vermelhas para os meus filhos",
        "Onde está a bicicleta do seu filho?",
        "bicicleta",
    ),
    (
        "italian",
        "Ho comprato delle biciclette rosse per i miei figli",
        "Dove è la bicicletta di tuo figlio?",
        "bicicletta",
    ),
    (
        "dutch",
        "Ik heb gisteren twee rode fietsen gekocht voor mijn kinderen",
        "Waar is de fiets van het kind?",
        "fiets",
    ),
    (
        "swedish",
        "Jag köpte två röda hästar till mina barn och de är glada",
        "Vad kostade hästen som du köpte?",
        "häst",
    ),
    (
        "norwegian",
        "Jeg kjøpte to røde hester til barna mine og de er glade",
        "Hvor er hesten som du kjøpte?",
        "hest",
    ),
    (
        "danish",
        "Jeg købte nogle røde heste til mine børn, og de er meget glade",
        "Hvornår købte du hesten?",
        "hest",
    ),
    (
        "finnish",
        "Minä olen ostanut kaksi punaista taloa ja ne ovat isoja",
        "Missä se talo on?",
        "talo",
    ),
    (
        "hungarian",
        "Az én barátaim nagyon szeretik a piros almákat, és én is",
        "Hol van az alma?",
        "alma",
    ),
    (
        "romanian",
        "Am cumpărat niște biciclete roșii pentru copiii mei",
        "Unde este bicicleta pe care ai cumpărat?",
        "bicicleta",
    ),
    (
        "turkish",
        "Bu çok güzel bir kitap ve ben kitapları her zaman okurum",
        "Kitaplar nerede ve ne zaman okunur?",
        "kitap",
    ),
    ("russian", "Я купил два красных велосипеда", "Где мой новый велосипед?", "велосипед"),
    ("greek", "Αγόρασα δύο κόκκινα ποδήλατα", "Πού είναι το ποδήλατο;", "ποδηλατο"),
    ("arabic", "اشتريت كتابا جديدا من المكتبة", "أين الكتاب؟", "كتاب"),
    ("hindi", "मैंने दो लाल किताबें खरीदीं", "किताब कहाँ है?", "किताब"),
]


def shared(said: str, asked: str) -> set[str]:
    """The terms that a question finds of a text."""
    query = parse_query(asked, NOW)
    sought = {term for term in with_forms(query, query.terms) if term[0] != MARK}
    return sought & index_terms(said, None, None).keys()


@pytest.mark.parametrize(
    ("language", "said", "asked", "word"), SAID_AND_ASKED, ids=[case[0] for case in SAID_AND_ASKED]
)
def test_a_question_meets_a_text_of_its_language(
    language: str, said: str, asked: str, word: str
) -> None:
    assert shared(said, asked)
    assert shared(said, word)  # a single word says nothing of its language


@pytest.mark.parametrize(
    ("language", "said", "asked", "word"), SAID_AND_ASKED, ids=[case[0] for case in SAID_AND_ASKED]
)
def test_a_text_shows_its_language_by_its_function_words(
    language: str, said: str, asked: str, word: str
) -> None:
    expected = language if language in LATIN else DEFAULT
    assert language_of(split_words(said)) == expected
    assert expected in languages_of_question(split_words(asked))


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ("Ich habe gestern zwei rote Fahrräder gekauft", "Wer sind Sie und was ist das?"),
        ("Compré unas bicicletas rojas para mis hijos", "¿Qué es esto y para quién es?"),
        ("Я купил два красных велосипеда", "Что это и где он?"),
    ],
)
def test_function_words_of_a_language_find_nothing(said: str, asked: str) -> None:
    assert not shared(said, asked)


@pytest.mark.parametrize(
    "text",
    [
        "kayak trip",
        "Die hard is a film I was in",
        "no me",
        "Paris, Lisbon, Rome",
        "console.log(err)",
        "",
    ],
)
def test_what_speaks_for_no_language_is_read_as_english(text: str) -> None:
    assert language_of(split_words(text)) == DEFAULT


def test_an_english_question_is_sought_in_english_only() -> None:
    query = parse_query("What did the doctor say about my knee?", NOW)
    assert query.forms == {}


def test_a_word_with_an_elided_article_is_the_word() -> None:
    assert split_words("l'eau dell'arte d'Anna") == ["eau", "arte", "anna"]
    assert split_words("don't o'clock Anna's I'd") == ["dont", "oclock", "anna", "i"]


@given(st.text(), st.sampled_from([DEFAULT, *LATIN]))
def test_any_text_has_a_language(text: str, language: str) -> None:
    words = split_words(text)
    assert language_of(words) in {DEFAULT, *LATIN}
    named = languages_of_question(words)
    assert named[-1] == DEFAULT or named == (DEFAULT, *LATIN)
