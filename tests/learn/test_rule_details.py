"""Homes, employers, names and lists: what the rules take for one, how much of it, and what not."""

from __future__ import annotations

import pytest

from memori.learn.learnt import Heard, Learnt
from memori.learn.rules import learn_from


def _learnt(text: str) -> list[Learnt]:
    return list(learn_from(Heard(id="t", text=text)))


def _contents(text: str) -> list[str]:
    return [each.content for each in _learnt(text)]


@pytest.mark.parametrize(
    "said",
    [
        "I'm based in Lisbon for the conference.",
        "I'm living in Lisbon this summer",
        "I live in Lisbon from Monday",
        "I live in Oslo half of the year",
        "I live in Oslo for a month",
        "I moved to Berlin for a year in 2010.",
        "I moved to Berlin for two years",
        "I moved to Berlin in 2015 but I left",
        "I moved to Berlin and came back in 2020",
        "I live in Minecraft lol",
        "I live in Ankh Morpork haha",
        "I live in VS Code all day",
        "I live in the Shire",
        "I live near work",
        "I moved to Linux last year",
        "I moved to React",
        "I've moved to Plan B",
        "I'm from HR",
    ],
)
def test_a_stay_is_no_home(said: str) -> None:
    assert _contents(said) == []


@pytest.mark.parametrize(
    ("said", "learnt"),
    [
        ("I live in Lisbon for ten years now", "The user lives in Lisbon"),
        ("I moved to Berlin in 2015", "The user lives in Berlin"),
        ("I moved to Berlin for work", "The user lives in Berlin"),
        ("I moved to Texas from Ohio", "The user lives in Texas"),
        ("I've moved back to Porto", "The user lives in Porto"),
        ("I live in Rio de Janeiro", "The user lives in Rio de Janeiro"),
        ("I live in the US", "The user lives in the US"),
        ("I live in the Netherlands", "The user lives in the Netherlands"),
        ("i live in the netherlands", "The user lives in the netherlands"),
        ("I live near Naples", "The user lives near Naples"),
        ("I'm from Brazil originally", "The user is from Brazil"),
        ("I'm from Los Angeles, born and raised.", "The user is from Los Angeles"),
        ("I'm from Houston, Texas", "The user is from Houston, Texas"),
    ],
)
def test_a_home_is_learnt_by_its_name(said: str, learnt: str) -> None:
    assert _contents(said) == [learnt]


def test_what_is_near_is_about_the_place() -> None:
    [near] = _learnt("I live near Naples")
    assert near.entities == ("Naples",)
    assert near.relation is not None
    assert (near.relation.predicate, near.relation.single) == ("lives in", True)


@pytest.mark.parametrize(
    "said",
    [
        "I started Ozempic last week",
        "I started Python last week",
        "I joined Discord yesterday",
        "I began Chapter 3 today",
        "I joined Zoom late",
        "I started The Witcher yesterday",
        "I joined Slack to read messages",
        "I joined Reddit as a joke",
        "I started at Level 3",
        "I work for a living",
        "I work for free",
    ],
)
def test_not_all_that_is_begun_or_joined_employs_one(said: str) -> None:
    assert _contents(said) == []


@pytest.mark.parametrize(
    ("said", "learnt"),
    [
        ("I started at Siemens last week", "The user works at Siemens"),
        ("I started a new job at Siemens", "The user works at Siemens"),
        ("I just started working for Bank of America", "The user works at Bank of America"),
        ("I joined Figma as a designer", "The user works at Figma"),
        ("I joined Google last year", "The user joined Google"),
        ("I work at Acme in Porto", "The user works at Acme"),
        ("I work for a startup", "The user works at a startup"),
    ],
)
def test_an_employer_is_learnt_by_its_name(said: str, learnt: str) -> None:
    assert _contents(said) == [learnt]


def test_whoever_joined_something_need_not_work_there() -> None:
    [joined] = _learnt("I joined Google last year")
    assert joined.relation is not None
    assert joined.relation.predicate == "joined"


@pytest.mark.parametrize(
    "said",
    [
        "Call me ASAP",
        "Please call me Monday",
        "I'm Team Edward",
        "I don't smoke anymore",
        "I'm part of the furniture by now",
        "I wanted my son to be a doctor but I never had one",
        "I never wanted kids. My kids are my plants.",
        "In React, my parent re-renders and my children unmount.",
        "Remember that scene in Titanic where Jack dies",
        "Remember that time we got lost in Rome",
        "Remember, remember the fifth of November",
    ],
)
def test_what_only_looks_like_a_statement_is_left_alone(said: str) -> None:
    assert _contents(said) == []


def test_languages_are_statements_of_their_own() -> None:
    made = _learnt("I speak English, Portuguese and some German")
    assert [each.content for each in made] == [
        "The user speaks English",
        "The user speaks Portuguese",
        "The user speaks some German",
    ]
    assert [each.entities for each in made] == [("English",), ("Portuguese",), ("German",)]
    assert _contents("I'm fluent in Rust and Go") == [
        "The user is proficient in Rust",
        "The user is proficient in Go",
    ]


@pytest.mark.parametrize(
    ("said", "learnt"),
    [
        ("I'm from Brazil, living in Canada now", ["is from Brazil", "lives in Canada"]),
        (
            "I'm 30 years old, live in Bern and work as a chef",
            ["is 30 years old", "lives in Bern", "is a chef"],
        ),
        ("I'm Lactose Intolerant", ["is lactose intolerant"]),
        ("I don't eat meat anymore", ["never eats meat"]),
        ("I don't like tea any more", ["does not like tea"]),
    ],
)
def test_each_statement_has_its_own_part(said: str, learnt: list[str]) -> None:
    assert _contents(said) == [f"The user {each}" for each in learnt]


def test_what_somebody_is_also_called_is_beside_their_name() -> None:
    name, also = _learnt("My name is Robert. Call me Bob.")
    assert (name.content, also.content) == (
        "The user is called Robert",
        "The user is also called Bob",
    )
    assert also.relation is not None
    assert (also.relation.predicate, also.relation.single) == ("is also called", False)
    assert also.entities == ("Bob",)


@pytest.mark.parametrize(
    ("said", "learnt"),
    [
        ("Sorry, I meant I live in Porto, not Lisbon", ["lives in Porto"]),
        ("I used to live in Berlin but now I'm in Vienna", ["lives in Vienna"]),
        ("I used to live in Berlin, and now I live in Vienna", ["lives in Vienna"]),
        ("I live in downtown Chicago", ["lives in downtown Chicago"]),
        ("I live in Paris, France with my wife and son", ["lives in Paris, France"]),
        ("I have two cats, Miso and Tofu", ["has two cats, Miso and Tofu"]),
        ("I have three kids: Tom, Anna and Leo", ["has three kids: Tom, Anna and Leo"]),
        ("I have a dog named Rex", ["has a dog named Rex"]),
        ("I'm 34", ["is 34 years old"]),
        ("Hi, I'm Tom!", ["is called Tom"]),
        ("Hi, I'm Tom and I live in Bern", ["is called Tom", "lives in Bern"]),
        ("hey! i'm tom, a designer", ["is called tom", "is a designer"]),
        (
            "I'm Marta, a 29-year-old architect from Sevilla",
            ["is called Marta", "is an architect", "is 29 years old", "is from Sevilla"],
        ),
        ("I quit Stripe and joined Figma", ["no longer works at Stripe", "works at Figma"]),
        ("I left Stripe and joined Figma", ["works at Figma"]),
        ("I got fired from Stripe", ["no longer works at Stripe"]),
        ("I was laid off from Stripe last week", ["no longer works at Stripe"]),
        ("I can't eat gluten", ["cannot eat gluten"]),
        ("I'm no longer vegan", ["is no longer vegan"]),
    ],
)
def test_more_plain_statements_are_learnt(said: str, learnt: list[str]) -> None:
    assert _contents(said) == [f"The user {each}" for each in learnt]


def test_relatives_and_pets_are_learnt_by_name() -> None:
    assert _contents("my cat is called luna") == ["The user's cat is called luna"]
    assert _contents("My daughter Mia turns 5 next week") == [
        "The user's daughter is called Mia",
        "The user has a daughter",
    ]
    [cats] = _learnt("I have two cats, Miso and Tofu")
    assert cats.entities == ("Miso", "Tofu")


def test_what_is_to_be_remembered_needs_no_that() -> None:
    assert _contents("Please remember my wife is allergic to nuts") == [
        "The user asked to remember: their wife is allergic to nuts"
    ]
    assert _contents("Remember I'm allergic to nuts") == ["The user is allergic to nuts"]


def test_what_has_ended_is_marked() -> None:
    for said in ("I got fired from Stripe", "I'm no longer vegan"):
        [ended] = _learnt(said)
        assert ended.ended


@pytest.mark.parametrize(
    ("said", "learnt"),
    [
        ("Don't use emojis.", "wants the assistant to never use emojis"),
        ("Please do not use any emojis", "wants the assistant to never use any emojis"),
        ("Please respond in Spanish from now on.", "wants, from now on: respond in Spanish"),
        ("Please stop using emojis", "wants the assistant to never use emojis"),
        ("Keep answers under 50 words", "wants the assistant to keep answers under 50 words"),
        ("Answer in German from now on please", "wants, from now on: answer in German"),
        ("Keep answers short.", "wants the assistant to keep answers short"),
        ("Keep your replies concise, please", "wants the assistant to keep its replies concise"),
        ("Use British spelling please.", "wants the assistant to use British spelling"),
    ],
)
def test_how_to_answer_is_a_rule(said: str, learnt: str) -> None:
    [rule] = _learnt(said)
    assert (rule.category, rule.content) == ("rule", f"The user {learnt}")


@pytest.mark.parametrize(
    "said",
    [
        "I'm Aries",
        "Hi, I'm Swedish",
        "Hey! I'm tired, a lot",
        "I'm 25 minutes late",
        "I used to live in Berlin but now I'm in trouble",
        "I quit Twitter and joined Mastodon",
        "I left Paris and joined the navy",
        "I got fired from my job",
        "I can't eat right now",
        "I'm not vegan",
        "my dog is called back",
        "Remember my trip to Porto",
        "Remember I told you about Tom",
        "Don't use numpy",
        "Use bullet points",
        "Keep it short",
        "I will be careful from now on",
    ],
)
def test_what_only_comes_near_a_statement_is_left_alone(said: str) -> None:
    assert _contents(said) == []
