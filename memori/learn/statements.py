"""What a matched clause says, in the third person, and the relation in it: one function a kind of
statement. None means that it was no such statement after all."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from memori.learn.vocabulary import (
    CLOSE_KIN,
    KIN,
    NO_NAMES,
    NO_PLACES,
    OCCASIONS,
    ORDERS,
    PART_OF_PLACE,
    PETS,
    PROFESSIONS,
    SITES,
    SMALL_WORDS,
    THE_PLACES,
    THINGS,
)
from memori.learn.wording import thing, third_person

#: Adverbs that change nothing.
ADVERB = (
    r"(?:(?:really|absolutely|totally|just|also|still|now|currently|always|truly|actually|both"
    r"|do|definitely|usually|generally|mostly|mainly|especially|particularly|much|strongly"
    r"|personally|simply|sometimes|often|only|recently|already|finally|officially)\s+)*"
)


class Made(NamedTuple):
    """What a rule makes of a clause: the rest of "<who> ...", and the relation."""

    says: str
    predicate: str = ""
    object: str = ""
    single: bool = False
    entities: tuple[str, ...] = ()
    ended: bool = False
    whole: str = ""
    more: tuple[Made, ...] = ()


#: Makes a statement of what a pattern matched.
Build = Callable[[re.Match[str]], Made | None]


def name(match: re.Match[str]) -> Made | None:
    """What somebody is called."""
    name = match["name"].strip(" .")
    if {word.lower() for word in name.split()} & NO_NAMES:
        return None
    return Made(f"is called {name}", "is called", name, True, (name,))


def also_called(match: re.Match[str]) -> Made | None:
    """What somebody likes to be called, beside their name."""
    made = name(match)
    if made is None:
        return None
    return made._replace(
        says=f"is also called {made.object}", predicate="is also called", single=False
    )


_DURATION = (
    r"(?:(?:about|over|almost|nearly|around|more than|at least|the (?:last|past)|now) )*"
    r"(?:(?:\d+|two|three|four|five|six|seven|eight|nine|ten|twenty|thirty|several|many|a few"
    r"|a couple"
    r" of|some|my whole|my entire) )?(?:years|months|ages|decades|a (?:long|good) (?:time|while)"
    r"|long"
    r"|good|ever|life)\b"
)
_SEASON = r"(?:summer|winter|spring|autumn|fall|week|month|year|semester|term|weekend)s?\b"
#: How the rest of a clause begins that speaks of a stay; after "moved", of a visit.
STAY = re.compile(
    rf"from |for (?!{_DURATION})|(?:this|over the|at|at the|for the|last) {_SEASON}", re.IGNORECASE
)
VISIT = re.compile(
    r"for (?!(?:my (?:job|work|studies|wife|husband)|work|an? (?:new )?(?:job|role|position)|school"
    r"|college|uni\w*|love|family|good)\b)|over the ",
    re.IGNORECASE,
)
_PLACE_TRAILING = re.compile(
    r"(?:,?\s+(?:originally|initially|actually|too|now|myself|as well|though|today|again|btw))+$",
    re.I,
)


def place(
    predicate: str,
    says: str,
    *,
    single: bool,
    ended: bool = False,
    stay: re.Pattern[str] | None = None,
) -> Build:
    """Where somebody lives or comes from; `stay` says by what follows that it was not for long."""

    def build(match: re.Match[str]) -> Made | None:
        place = _PLACE_TRAILING.sub("", match["place"].strip(" .,"))
        found = match.groupdict()
        if not _is_place(place, careless=not match.string[:1].isupper() and not found.get("near")):
            return None
        if stay is not None and stay.match(found.get("tail") or ""):
            return None
        if found.get("near"):
            near = f"near {place}"
            return Made(f"lives {near}", predicate, near, single, (place,), ended)
        return Made(f"{says} {place}", predicate, place, single, (place,), ended)

    return build


def _is_place(text: str, *, careless: bool) -> bool:
    """Whether it can be the name of a place; who writes without capitals writes names so, too."""
    words = text.split()
    if words and words[0].lower() == "the" and len(words) > 1:
        if words[1].lower() not in THE_PLACES:
            return False
        words = words[1:]
    if len(words) > 1 and words[0].lower() in PART_OF_PLACE and words[1][0].isupper():
        words = words[1:]
    if not words or words[0].lower() in NO_PLACES | THINGS | SITES or len(words) > 6:
        return False
    if not words[0][0].isupper():
        return careless and len(words) <= 2
    return _is_name(words)


def _is_name(words: list[str]) -> bool:
    """Whether words are written as a name is."""
    return all(not word[0].islower() or word in SMALL_WORDS for word in words)


#: What "I work for" is followed by that employs nobody.
_NO_EMPLOYER = frozenset(
    "moment home job time night project weekend weekends living money free fun change day".split()
)
_BESIDE_EMPLOYER = re.compile(
    r"\s(?:in|near|from|since|for|with|on|doing|where|full|part|every|these)\s.*"
)


def employer(says: str, predicate: str = "works at", *, ended: bool = False) -> Build:
    """Whom somebody works for."""

    def build(match: re.Match[str]) -> Made | None:
        place = thing(match["place"])
        if place is None or not re.match(r"(?:an?|the|my)\s|[A-Z]", place):
            return None
        named = place[0].isupper()
        if named:
            place = _BESIDE_EMPLOYER.sub("", place)
            if predicate == "joined" and place.lower() in SITES:
                return None
            if not _is_name(place.split()) or re.search(r"\s\d+$", place):
                return None
        if place.split()[-1].lower() in _NO_EMPLOYER:
            return None
        return Made(f"{says} {place}", predicate, place, False, (place,) if named else (), ended)

    return build


def occupation(match: re.Match[str]) -> Made | None:
    """What somebody does for a living."""
    what = thing(match["what"])
    if what is None:
        return None
    noun = re.split(r"\s(?:at|for|in|from|with|and|who|on|specializing|by)\s", what)[0]
    words = re.split(r"[\s-]+", noun.lower())
    if words[-1] not in PROFESSIONS or len(words) > 5:
        return None
    article = "an" if words[0][0] in "aeiou" else "a"
    return Made(f"is {article} {what}", "is a", noun)


def about(says: str, predicate: str, *, refused: str = "", entity: bool = False) -> Build:
    """The object `what` of a statement that reads `says` in the third person."""
    refuses = re.compile(refused, re.IGNORECASE) if refused else None

    def build(match: re.Match[str]) -> Made | None:
        what = thing(match["what"])
        if what is None or (refuses and refuses.match(what)):
            return None
        named = (what,) if entity and what[0].isupper() else ()
        return Made(f"{says} {what}", predicate, what, entities=named)

    return build


def languages(match: re.Match[str]) -> Made | None:
    """Languages somebody speaks, each in a statement of its own."""
    return _each("speaks", "speaks", match["what"])


def skills(match: re.Match[str]) -> Made | None:
    """What somebody is good at; several names are several statements."""
    says, predicate = "is proficient in", "knows"
    return _each(says, predicate, match["what"]) or about(says, predicate)(match)


_LISTED = re.compile(r"\s*(?:,\s*(?:and|but also|plus)\b|,|\band\b|\bplus\b|&|\bas well as\b)\s*")
_LANGUAGE = re.compile(
    r"(?P<how>(?:(?:some|a (?:little|bit)(?: of)?|fluent|basic|broken|conversational|native|both"
    r"|also"
    r"|mostly|only|decent|good)\s+)*)(?P<name>[A-Z][\w#+.-]*(?:\s[A-Z][\w#+.-]*)?)"
    r"(?:\s(?:fluently|well|natively|a (?:bit|little)|too|as well|(?:at|with|to|in)\s.*))?"
)


def _each(says: str, predicate: str, what: str) -> Made | None:
    made: list[Made] = []
    for item in _LISTED.split(what.strip(" .!")):
        found = _LANGUAGE.fullmatch(item)
        if found is None or found["name"].split()[0].lower() in ("i", "to", "with"):
            return None
        how = "" if found["how"].strip() in ("both", "also", "only") else found["how"]
        named = found["name"].rstrip(".")
        made.append(Made(f"{says} {how}{named}", predicate, named, entities=(named,)))
    return made[0]._replace(more=tuple(made[1:]))


def favourite(match: re.Match[str]) -> Made | None:
    """What somebody likes best of a kind."""
    kind, what = thing(match["kind"]), thing(re.sub(rf"^{ADVERB}", "", match["what"]))
    if kind is None or what is None or len(kind.split()) > 4:
        return None
    if re.match(
        r"(?:to|when|definitely|probably|at|not|in|with|from|of|by|also)\s", what, re.IGNORECASE
    ):
        return None
    predicate = f"favourite {kind.lower()}"
    whole = f"{{who}}'s favourite {kind} is {third_person(what)}"
    return Made("", predicate, what, True, whole=whole)


_ONE_NAME = r"[A-Z][\w'-]*"


def kin_named(match: re.Match[str]) -> Made | None:
    """What a relative or pet is called, of whom something else is said: "my daughter Mia ..."."""
    made = kin(match)
    family = CLOSE_KIN.get(match["kin"].lower())
    if made is None or family is None:
        return made
    return made._replace(more=(Made(f"has {family}", "has family", family),))


def introduced(match: re.Match[str]) -> Made | None:
    """Name, age, profession and origin: "I'm Marta, a 29-year-old architect from Sevilla"."""
    called = name(match)
    work = occupation(match)
    if called is None or work is None:
        return None
    found = match.groupdict()
    more = [work]
    if found.get("age"):
        more.append(age(match))
    if found.get("place"):
        origin = place("is from", "is from", single=False)(match)
        more += [] if origin is None else [origin]
    return called._replace(more=tuple(more))


def moved_on(match: re.Match[str]) -> Made | None:
    """That somebody left one employer for another."""
    before, now = match["before"], employer("works at")(match)
    if now is None or not _is_name(before.split()) or before.lower().startswith("the "):
        return None
    if {before.lower(), now.object.lower()} & SITES:
        return None
    if match["how"].lower() == "left":  # a town, perhaps
        return now
    ended = Made(f"no longer works at {before}", "works at", before, False, (before,), True)
    return ended._replace(more=(now,))


def kin(match: re.Match[str]) -> Made | None:
    """What a relative or pet is called."""
    name, kin = match["name"], match["kin"].lower()
    if name.lower() in NO_NAMES:
        return None
    whole = f"{{who}}'s {kin} is called {name}"
    single = kin.split()[-1] in ("wife", "husband", "partner", "mother", "father", "mom", "dad")
    return Made("", f"{kin} is called", name, single, (name,), whole=whole)


def owns(match: re.Match[str]) -> Made | None:
    """Relatives and pets somebody has."""
    what, names = match["what"], match["names"] or ""
    words = re.split(r"[\s-]+", what.lower())
    heads = [word for word in words if word in KIN or word in PETS]
    if not heads or _unclear(what):
        return None
    named = tuple(name for name in re.findall(_ONE_NAME, names) if name.lower() not in NO_NAMES)
    whom = f"{what}{match['named'] or ''}{names}"
    return Made(f"has {match['many']} {whom}", "has", whom, entities=named)


def _unclear(text: str) -> bool:
    return thing(text) is None


def diet(match: re.Match[str]) -> Made | None:
    """How somebody eats."""
    return Made(f"is {match['diet'].lower()}", "diet", match["diet"].lower(), True)


def no_diet(match: re.Match[str]) -> Made:
    """How somebody ate once."""
    eats = match["diet"].lower()
    return Made(f"is no longer {eats}", "diet", eats, ended=True)


_NO_FOOD = re.compile(
    r"(?:right|now|yet|before|after|at|until|in|out|without|more|much|too|as|with|for|because|when"
    r"|on|breakfast|lunch|dinner|another|enough|well|properly|alone|like|today|and|or|any(?! )"
    r"|a lot)\b",
    re.IGNORECASE,
)


def no_food(match: re.Match[str]) -> Made | None:
    """What somebody cannot eat."""
    what = thing(match["what"])
    if what is None or _NO_FOOD.match(what) or len(what.split()) > 4:
        return None
    return Made(f"cannot eat {what}", "cannot eat", what)


def age(match: re.Match[str]) -> Made:
    """How old somebody is."""
    return Made(f"is {match['age']} years old", "age", match["age"], True)


def status(match: re.Match[str]) -> Made:
    """Whether somebody is married."""
    return Made(f"is {match['status'].lower()}", "marital status", match["status"].lower(), True)


def birthday(match: re.Match[str]) -> Made:
    """When somebody has their birthday."""
    whole = f"{{who}}'s birthday is {match['date']}"
    return Made("", "birthday", match["date"], True, whole=whole)


def born(match: re.Match[str]) -> Made:
    """When somebody was born."""
    return Made(f"was born {match['when'].strip(' .')}", "born", match["when"].strip(" ."), True)


def occasion(match: re.Match[str]) -> Made | None:
    """When something of somebody takes place."""
    what = match["what"].strip()
    if what.lower().split()[-1] not in OCCASIONS or _unclear(what):
        return None
    whole = f"{{who}}'s {third_person(what)} is on {match['date']}"
    return Made("", f"{what.lower()} is on", match["date"], True, whole=whole)


def order(match: re.Match[str]) -> Made | None:
    """What the assistant is to do always or never."""
    when, what = match["when"].lower(), match["what"].strip(" .")
    verb = what.split()[0].lower()
    if what.lower().startswith("give up") or verb not in ORDERS or len(what.split()) > 25:
        return None
    when = "never" if when.startswith(("never", "don't ever", "do not ever")) else "always"
    whole = f"{{who}} wants the assistant to {when} {third_person(what)}"
    return Made("", whole=whole)


def manner(match: re.Match[str]) -> Made:
    """How the assistant is to write: what a pattern takes whole."""
    found = match.groupdict()
    never = found.get("not")
    if never:
        return Made("", whole=f"{{who}} wants the assistant to never use {never}")
    do = match["do"][0].lower() + re.sub(r"\byour\b", "its", match["do"][1:])
    return Made("", whole=f"{{who}} wants the assistant to {do}")


def from_now_on(match: re.Match[str]) -> Made | None:
    """What the assistant is to do from now on."""
    what = match["what"].strip(" .")
    words = re.sub(r"^(?:please|always|never|don't|do not|only)\s+", "", what, flags=re.IGNORECASE)
    if not words or words.split()[0].lower() not in ORDERS or len(what.split()) > 25:
        return None
    return Made("", whole=f"{{who}} wants, from now on: {third_person(what[0].lower() + what[1:])}")


def habit(match: re.Match[str]) -> Made | None:
    """What somebody always or never eats, drinks, wears."""
    what = thing(match["what"])
    if what is None:
        return None
    verb = match["verb"].lower()
    return Made(f"{_how(match['how'])} {verb}s {what}", f"{_how(match['how'])} {verb}", what)


def _how(said: str) -> str:
    return "never" if said.lower() in ("don't", "do not", "never") else "always"


#: What is said of somebody who is no more, or no more theirs.
_GONE = re.compile(r"\b(?:died|passed|late|lost|dead|deceased|ex|divorced?|funeral|memory)\b")


def family(match: re.Match[str]) -> Made | None:
    """Whom somebody has, of those one has for long."""
    kin = match["kin"].lower()
    if _GONE.search(match["all"].lower()):
        return None
    whom = CLOSE_KIN[kin]
    return Made(f"has {whom}", "has family", whom)


def parent(match: re.Match[str]) -> Made | None:
    """That somebody has children."""
    what = thing(match["what"])
    return None if what is None else Made(f"is {what}", "has family", what)


#: What was decided on the way, and is done by now.
_PASSING = re.compile(
    r"to (?:\w+ly )?(?:take a|try|do|make|check|watch|cook|bake|treat|just|give|go for|grab|come"
    r"|stay|skip|order|explore|see|visit|start (?:an?|my) (?:new )?(?:tv |book|show|series|movie))"
    r"\b",
    re.IGNORECASE,
)


def decision(match: re.Match[str]) -> Made | None:
    """What somebody has decided."""
    what = thing(match["what"])
    if what is None or len(what.split()) < 3 or _PASSING.match(what):
        return None
    return Made(f"{match['verb'].lower()} {what}", "decided", what)


#: A project of which nothing is said.
_NO_PROJECT = re.compile(
    r"(?:the|my|our|an?|another)\s+(?:(?:new|big|next|small|little|cool|fun|great|nice|huge|first)"
    r"\s+)*(?:projects?|idea|plan|post|list|move|effort|decision|point|change|difference|habit"
    r"|break|mess|meal|dinner|living|few|couple)",
    re.IGNORECASE,
)


def project(match: re.Match[str]) -> Made | None:
    """What somebody is making."""
    what = thing(match["what"])
    if what is None or not re.match(r"(?:an?|another|my|our|the|[A-Z]|\w+ing)\b", what):
        return None
    what = what.removesuffix(" more than ever")
    if len(what.split()) < 2 or _NO_PROJECT.fullmatch(what):
        return None
    verb = match["verb"].lower()
    return Made(f"is {verb} {what}", "is working on", what)
