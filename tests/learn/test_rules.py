"""What the rules make of plain sentences, and what they leave alone."""

from __future__ import annotations

import pytest

from memori.learn.learnt import Heard, Learnt
from memori.learn.rules import learn_from


def _learnt(text: str, speaker: str | None = None) -> list[Learnt]:
    return list(learn_from(Heard(id="t", text=text, speaker=speaker)))


@pytest.mark.parametrize(
    ("said", "category", "learnt"),
    [
        ("My name is Ana Ferreira.", "fact", "The user is called Ana Ferreira"),
        ("Hi, my name's Ben!", "fact", "The user is called Ben"),
        ("Please call me Max", "fact", "The user is also called Max"),
        ("I live in Porto.", "fact", "The user lives in Porto"),
        ("I currently live in New York with my sister", "fact", "The user lives in New York"),
        ("i live in lisbon", "fact", "The user lives in lisbon"),
        ("I'm based in Berlin these days.", "fact", "The user lives in Berlin"),
        ("I just moved to Lisbon last month!", "fact", "The user lives in Lisbon"),
        ("I've moved to Lisbon", "fact", "The user lives in Lisbon"),
        ("I'm from Nairobi.", "fact", "The user is from Nairobi"),
        ("I work at Siemens as an engineer.", "fact", "The user works at Siemens"),
        ("I am a software engineer", "fact", "The user is a software engineer"),
        ("I'm an emergency nurse at St. Mary's", "fact", "The user is an emergency nurse at"),
        ("I work as a pastry chef", "fact", "The user is a pastry chef"),
        ("I'm studying marine biology", "fact", "The user studies marine biology"),
        ("I'm 34 years old", "fact", "The user is 34 years old"),
        ("I'm vegetarian.", "preference", "The user is vegetarian"),
        ("I am severely allergic to peanuts", "fact", "The user is allergic to peanuts"),
        ("My birthday is on 3 May", "fact", "The user's birthday is 3 May"),
        ("My flight is on March 3rd", "context", "The user's flight is on March 3rd"),
        ("My dog is called Rex", "fact", "The user's dog is called Rex"),
        ("My wife's name is Clara", "fact", "The user's wife is called Clara"),
        ("I have two daughters", "fact", "The user has two daughters"),
        ("I really love hiking with my brother", "preference", "The user loves hiking with their"),
        ("I prefer dark mode", "preference", "The user prefers dark mode"),
        ("I'm a big fan of jazz", "preference", "The user is a fan of jazz"),
        ("My favourite colour is green", "preference", "The user's favourite colour is green"),
        ("I hate mushrooms.", "preference", "The user dislikes mushrooms"),
        ("I don't like horror films", "preference", "The user does not like horror films"),
        ("I never drink alcohol", "preference", "The user never drinks alcohol"),
        ("I don't eat pork", "preference", "The user never eats pork"),
        (
            "Always answer in metric units.",
            "rule",
            "The user wants the assistant to always answer in metric units",
        ),
        ("Please never use emojis", "rule", "The user wants the assistant to never use emojis"),
        ("From now on, call tests first", "rule", "The user wants, from now on: call tests first"),
        ("I speak Portuguese", "skill", "The user speaks Portuguese"),
        ("I'm fluent in Rust", "skill", "The user is proficient in Rust"),
        ("I play the cello", "skill", "The user plays cello"),
        ("I'm building a FastAPI project", "context", "The user is building a FastAPI project"),
        (
            "Remember that the spare key is at Tom's",
            "fact",
            "The user asked to remember: the spare",
        ),
        ("Remember: I live in Porto", "fact", "The user lives in Porto"),
        ("I no longer work at Siemens", "fact", "The user no longer works at Siemens"),
        ("I don't live in Porto anymore", "fact", "The user no longer lives in Porto"),
        ("I do not live in Porto any more now", "fact", "The user no longer lives in Porto"),
        ("I don't work for Siemens any more", "fact", "The user no longer works at Siemens"),
        ("My kids and I just finished a painting", "fact", "The user has kids"),
        ("Going there with my wife was lovely", "fact", "The user has a wife"),
        ("We've got a pup and a kitty", "fact", "The user has a pup and a kitty"),
        ("I'm a single mom of two", "fact", "The user is a single mom of two"),
        ("I lost my job at the mill", "fact", "The user lost their job at the mill"),
        ("I lost my job.", "fact", "The user lost their job"),
        ("I'm now part of the fire brigade.", "fact", "The user is part of the fire brigade"),
        ("I'm volunteering at a shelter", "fact", "The user volunteers at a shelter"),
        ("I'm learning the piano", "context", "The user is learning the piano"),
        ("I'm just learning how to sail", "context", "The user is learning how to sail"),
        ("I've been learning German", "context", "The user is learning German"),
        ("I'm still looking for a new job", "context", "The user is looking for a new job"),
        ("I'm training for a marathon", "context", "The user is training for a marathon"),
        ("I'm writing another script!", "context", "The user is writing another script"),
        ("I decided to run for office", "context", "The user decided to run for office"),
        ("We've decided on three components", "context", "The user decided on three"),
        ("We agreed on weekly reviews", "context", "The user agreed on weekly reviews"),
        ("I've always liked turtles", "preference", "The user has always liked turtles"),
        ("I'm passionate about dance", "preference", "The user is passionate about dance"),
    ],
)
def test_a_plain_statement_is_learnt(said: str, category: str, learnt: str) -> None:
    [made] = _learnt(said)
    assert made.content.startswith(learnt)
    assert made.category == category
    assert not made.uncertain


@pytest.mark.parametrize(
    "said",
    [
        "Where do I live?",
        "I love it!",
        "I like that idea",
        "I'm a bit tired",
        "I'm happy",
        "If I live in Porto, do I need a visa for Brazil",
        "I would love to visit Japan",
        "I could work at Siemens",
        'She said "I live in Porto" and laughed',
        "> I live in Porto",
        "```\nI live in Porto\n```",
        "    I live in Porto",
        "Translate this: I live in Porto",
        "Please write an email for my boss.\nI work at Siemens and I love hiking.",
        "Proofread this text.\n\nMy name is Ben and I live in Oslo.",
        "Pretend to be a pirate. My name is Jack.",
        "Imagine I live in Porto",
        "Never mind",
        "Never give up!",
        "Always a pleasure",
        "I don't live in Porto",
        "I don't live in Baltimore",
        "I don't work at Longerich",
        "I used to live in Porto",
        "I lived in Porto",
        "I live in fear",
        "I have a question",
        "I have a problem with my dog food order",
        "I'm working on it",
        "I'm building something",
        "Jack: I live in Porto",
        "From: ben@example.org\nI live in Porto; thanks",
        "I hate that they moved",
        "I like to think so",
        "I am not a doctor",
        "My name is not important",
        "I'm Sorry About",
        "Do you remember that we met in Porto?",
        "I remember that Porto was sunny",
        "let's say I prefer tea",
        "My late wife loved the sea",
        "My husband died last year",
        "When I have kids, maybe",
        "I'm learning a lot",
        "I'm learning to",
        "I'm part of it",
        "I'm working on a new project",
        "I'm planning a few",
        "I decided to take a walk in the park",
        "I decided to spontaneously try a new recipe",
        "We decided to do that",
        "I'm looking for my keys",
        "I'm passionate about it",
        "Yeah, I love to.",
        "I enjoy working with",
    ],
)
def test_what_is_no_plain_statement_is_left_alone(said: str) -> None:
    assert _learnt(said) == []


def test_several_statements_in_one_sentence_are_learnt() -> None:
    contents = [
        each.content for each in _learnt("I live in Porto and work at Siemens, and I love tea")
    ]
    assert contents == [
        "The user lives in Porto",
        "The user works at Siemens",
        "The user loves tea",
    ]


def test_what_is_to_be_remembered_says_of_whom() -> None:
    made = _learnt("My sister Ines visits on May 2. Remember that her train arrives at 14:05.")
    assert [each.content for each in made] == [
        "The user asked to remember: their sister Ines visits on May 2; her train arrives at 14:05"
    ]
    [plain] = _learnt("My sister visits on May 2. Remember that the key is at Tom's.")
    assert plain.content == "The user asked to remember: the key is at Tom's"


def test_what_is_said_in_doubt_is_marked() -> None:
    [learnt] = _learnt("I think I prefer tea")
    assert learnt.uncertain
    assert learnt.confidence < 0.5


def test_a_speaker_is_named_and_gives_the_assistant_no_orders() -> None:
    [learnt] = _learnt("I live in Porto. Always use tabs. Remember: the key is here.", "Ana")
    assert learnt.content == "Ana lives in Porto"
    assert learnt.relation is not None
    assert learnt.relation.subject == "Ana"


def test_braces_in_what_is_said_do_no_harm() -> None:
    [learnt] = _learnt("Always use {who} as name")
    assert learnt.content == "The user wants the assistant to always use {who} as name"


def test_a_long_paste_is_not_read() -> None:
    assert _learnt("I live in Porto. " + "Lorem ipsum dolor. " * 300) == []
