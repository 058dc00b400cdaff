"""Statements that need no model: what people plainly say of themselves, in English.

Each rule is for a whole clause that begins with "I" or "my" (or is an order for always). It would
rather miss than be wrong: what points at something else ("I love it"), is in doubt or might be
somebody else's words makes no memory. The turn stays recallable in any case.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from memori.learn.learnt import THE_USER, USER, Heard, Learnt, Relation
from memori.learn.sentences import earnest_sentences
from memori.learn.statements import (
    ADVERB,
    STAY,
    VISIT,
    Build,
    Made,
    about,
    age,
    also_called,
    birthday,
    born,
    decision,
    diet,
    employer,
    family,
    favourite,
    from_now_on,
    habit,
    introduced,
    kin,
    kin_named,
    languages,
    manner,
    moved_on,
    name,
    no_diet,
    no_food,
    occasion,
    occupation,
    order,
    owns,
    parent,
    place,
    project,
    skills,
    status,
)
from memori.learn.vocabulary import CLOSE_KIN, DIETS, KIN, PETS
from memori.learn.wording import clauses, points_elsewhere, third_person
from memori.model import Category

#: How sure a rule is of what it makes; with a doubt in the sentence, much less.
_CONFIDENCE, _DOUBTED = 0.8, 0.4
_I = rf"(?:i)\s+{ADVERB}"
_I_AM = rf"(?:i'm|i\s+am|im)\s+{ADVERB}"
_I_HAVE = rf"(?:i've|i\s+have)\s+{ADVERB}"
_NAME = r"[A-Z][\w'’-]*(?:\s+[A-Z][\w'’-]*){0,2}"
_DATE = (
    r"(?:(?:on|in)\s+)?(?:the\s+)?(?P<date>(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day,?\s*)?"
    r"(?:(?:the\s+)?\d{1,2}(?:st|nd|rd|th)?\s+(?:of\s+)?(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct"
    r"|nov|dec)[a-z]*\.?(?:,?\s+\d{4})?"
    r"|(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?\s+\d{1,2}(?:st|nd|rd|th)?"
    r"(?:,?\s+\d{4})?|\d{4}-\d\d-\d\d|\d{1,2}[/.]\d{1,2}(?:[/.]\d{2,4})?))"
)


@dataclass(frozen=True, slots=True)
class _Rule:
    pattern: re.Pattern[str]
    category: Category
    importance: float
    build: Build
    unless: re.Pattern[str] | None = None
    """Not where the sentence has this."""


def learn_from(turn: Heard) -> Iterator[Learnt]:
    """The plain statements in one turn."""
    seen: set[str] = set()
    before = ""
    for sentence in earnest_sentences(turn.text):
        orders = turn.speaker is None and not sentence.pasted
        asked = _remember_that(turn, sentence.text, before) if orders else None
        for learnt in [asked] if asked else _statements(turn, sentence.text, before):
            if learnt.category == "rule" and not orders:
                continue  # people among themselves give the assistant no orders, nor do pages
            if learnt.content in seen:
                continue
            seen.add(learnt.content)
            if sentence.doubtful:
                learnt = replace(learnt, confidence=_DOUBTED, uncertain=True)
            yield learnt
        before = sentence.text


def _statements(turn: Heard, sentence: str, before: str) -> Iterator[Learnt]:
    for whole in (f"{before} {sentence}", sentence, _OPENING.sub("", sentence)):
        read = tuple(_read(turn, whole.strip(" .!"), sentence, _WHOLE))
        if read:
            yield from read
            return
    yield from _read(turn, f"{before} {sentence}".strip(), sentence, (_INTRODUCTION,))
    understood = False
    for clause in clauses(sentence):
        # "and love X" goes on with "I" only if what came before was such a statement.
        goes_on = understood or not clause.carried
        learnt = tuple(_read(turn, clause.text, sentence, _RULES)) if goes_on else ()
        understood = bool(learnt)
        yield from learnt


_ASKED = re.compile(
    r"(?:(?:please|also|and|hey|ok|okay|just)[,\s]+)*(?:remember|don't forget|do not forget"
    r"|keep in mind"
    r"|bear in mind|make a note|take note)(?:\s+that\b|\s*[:,]|(?=\s+(?:i|i'm|i've|we)\s"
    r"|\s+my\s.*\b(?:is|are|isn't|has|have|hates?|likes?|loves?|prefers?|can't|cannot|works?"
    r"|lives?|needs?|wants?)\b))\s*(?P<what>.+)",
    re.IGNORECASE,
)


#: "Remember that scene in ..." tells nothing that is to be remembered.
_RECALLED = re.compile(
    r"(?:remember|me|us|when|how|what|why|who|where|the time|(?:i|we) (?:told|said|mentioned|asked"
    r"|used|had|were|was|went|met|did|talked|spoke))\b"
    r"|(?:scene|time|one|day|night|moment|song|movie|film|show|episode|book|line|quote|joke|meme"
    r"|guy"
    r"|girl|man|woman|kid|trip|game|party|summer|place|restaurant|feeling)\s+(?:in|where|when|from"
    r"|who|we|i|you|with|at|on|of|about)\b|\w+(?:\s\w+)?\s(?:where|when|who)\b",
    re.IGNORECASE,
)


def _remember_that(turn: Heard, sentence: str, before: str) -> Learnt | None:
    asked = _ASKED.fullmatch(sentence)
    if asked is None:
        return None
    what = asked["what"].strip(" .!")
    if len(what.split()) < 3 or _RECALLED.match(what):
        return None
    for learnt in _statements(turn, what, ""):
        if learnt.relation is None or learnt.relation.predicate != "has family":
            return replace(learnt, importance=max(learnt.importance, 0.8))
    if before and points_elsewhere(what):
        what = f"{before.rstrip(' .!')}; {what}"  # whose train it is that arrives
    return Learnt(
        content=f"{_who(turn)} asked to remember: {third_person(what)}",
        category="fact",
        importance=0.8,
        confidence=_CONFIDENCE,
        turns=(turn.id,),
    )


def _read(turn: Heard, clause: str, sentence: str, rules: tuple[_Rule, ...]) -> Iterator[Learnt]:
    for rule in rules:
        match = rule.pattern.fullmatch(clause)
        if match is None or (rule.unless is not None and rule.unless.search(sentence)):
            continue
        made = rule.build(match)
        if made is not None:
            for each in (made, *made.more):
                yield _learnt(turn, rule, each)
            return


def _learnt(turn: Heard, rule: _Rule, made: Made) -> Learnt:
    who = _who(turn)
    relation = None
    if made.predicate:
        relation = Relation(
            subject=USER if turn.speaker is None else turn.speaker,
            predicate=made.predicate,
            object=third_person(made.object),
            single=made.single,
        )
    return Learnt(
        content=made.whole.replace("{who}", who, 1) or f"{who} {third_person(made.says)}",
        category=rule.category,
        importance=rule.importance,
        confidence=_CONFIDENCE,
        turns=(turn.id,),
        relation=relation,
        entities=made.entities,
        ended=made.ended,
    )


def _who(turn: Heard) -> str:
    return THE_USER if turn.speaker is None else turn.speaker


def _rule(
    pattern: str, category: Category, importance: float, build: Build, *, unless: str = ""
) -> _Rule:
    but = re.compile(unless, re.IGNORECASE) if unless else None
    return _Rule(re.compile(pattern, re.IGNORECASE), category, importance, build, but)


def _exact(pattern: str, category: Category, importance: float, build: Build) -> _Rule:
    """Upper and lower case tell names; what is not a name is in `(?i:...)`."""
    return _Rule(re.compile(pattern), category, importance, build)


def _over(build: Build) -> Build:
    """What held once and does not "any more": "I don't live in Porto" alone may never have."""
    return lambda match: build(match) if match["longer"] or match["more"] else None


_NOT, _MORE = r"(?:(?P<longer>no longer)|don't|do not)", r"(?P<more>\s+any\s?more)?"
_PLACE = r"(?P<place>[^,;:!?()]{2,50}?(?:,\s*(?-i:[A-Z])[\w .]{1,30}?)?)"
_NEAR = r"(?:in|(?P<near>near|close to|(?:just )?outside(?: of)?))"
_NOW = r"(?:\s+(?:now|currently|these days|at the moment|right now|nowadays))?"
_WHEN = r"(?: (?:last|this) .+| (?:today|yesterday|recently)| in (?:\w+ )?\d{4})?"
_FOR = (
    r"(?:\s+(?P<tail>(?:for|from|with|since|and|near|close to|as|to|after|last|this|these|a few"
    r"|about"
    r"|over|at)\s.*|in \d{4}\b.*))?"
)
#: A home in a game ("In Stardew Valley, I live ...") or that is none; one that was left.
_ELSEWHERE = r"\A\W*(?:in|on)\s+(?:the\s+)?(?-i:[A-Z])[^,]{1,40},"
_NO_HOME = rf"{_ELSEWHERE}|\b(?:lol|lmao|rofl|haha\w*)\b"
_LEFT = (
    r"\b(?:lol|lmao|rofl|haha\w*)\b|\b(?:but|then|and|before|until)\s+(?:i\s+|we\s+|i've\s+"
    r"|have\s+|i\s+have\s+)?"
    r"(?:since\s+|then\s+|later\s+|already\s+|soon\s+)?(?:left|moved (?:away|out|on|back)"
    r"|came back|went back|returned|gone|am back|i'm back)\b"
)
#: "My children" of a program, and of a song or a wish.
_NO_FAMILY = (
    r"\b(?:never (?:wanted|had)|wanted my|wish(?:ed)?|lyrics|song|react|vue|angular|svelte|jsx"
    r"|html|css|dom|props|components?|re-?render\w*|unmount\w*|subclass\w*|flexbox|child (?:process"
    r"|node)\w*)\b|\b(?:is|are) (?:basically |just |really )?(?:my |the |all )?(?:plants?|cats?"
    r"|dogs?|pets?|books?|projects?|students|paintings?|code|cars?|business|startup|work)\b"
)
_WHAT = r"(?P<what>.+)"
_NO_LIKING = (
    r"(?:to (?:think|say|see|hear|know|imagine|believe|point|ask|add|thank|know|be able)\b"
    r"|the (?!(?:beach|ocean|sea|mountains?|outdoors|rain|snow|smell|sound|taste|cold|heat|city"
    r"|desert"
    r"|countryside|forest|woods|water|sun|summer|winter|autumn|fall|spring)\b)"
    r"|not |my |all |every|when |where |some |any|seeing (?:my|our)|more |being able|hearing|our "
    r"|about "
    r"|and |who |than |or |as |at |for |with |in |like )"
)
_NAMES = r"(?P<names>(?-i:[A-Z][\w'-]*)(?:(?:,\s*(?:and\s+)?|\s+(?:and|&)\s+)(?-i:[A-Z][\w'-]*))*)"
_STYLE = (
    r"(?:(?:american|british|us|uk|canadian|australian|oxford) (?:english|spelling)|(?:metric"
    r"|imperial|si) units|(?:the )?(?:24|12)[- ]hour (?:clock|format|times?)|celsius|fahrenheit)"
)
_MANNERISM = (
    r"(?:any )?(?:emojis?|emoticons|exclamation (?:marks|points)|em[- ]?dashes|slang"
    r"|filler(?: words)?|curse words|swear words)"
)
_ANSWERS = r"(?:(?:your|all|all your|the) )?(?:answers|replies|responses|explanations)"
#: Said before the point of a sentence that is read whole.
_OPENING = re.compile(
    r"(?:(?:actually|well|so|also|hi|hey|hello|and|oh|fyi|update)\b[\s,.!:]*)+", re.IGNORECASE
)
_GREETING = r"(?i:(?:hi|hello|hey|good (?:morning|evening|afternoon))(?: there| all| everyone)?)"
#: Whoever says "I'm Tom" with a greeting gives their name; else it may be "I'm Aries".
_INTRODUCTION = _exact(
    rf"{_GREETING}[\s,.!-]+(?i:i am|i'm)\s+(?P<name>[A-Z][a-z]+)"
    r"(?:\s*[,.!;].*|\s+(?:and|from)\s.*)?",
    "fact",
    0.8,
    name,
)
#: Rules for whole sentences: of their clauses, none says it alone.
_WHOLE = (
    _rule(
        r"i used to live in [^,;:]{2,40}?,? (?:but|and) (?:(?:now(?:adays)?|these days) (?:i live"
        r"|i(?:'m| am)(?: living| based)?)|i(?:'m| am) now(?: living| based)?)(?: back)? in "
        r"(?P<place>[^,;:]{2,40}?)",
        "fact", 0.7, place("lives in", "lives in", single=True), unless=_NO_HOME,
    ),
    _rule(
        r"(?:i|i've)(?: just| recently)? (?P<how>quit"
        r"|left) (?P<before>(?-i:[A-Z])[\w&.' -]*?),? (?:and"
        r"|to|for) (?:(?:i )?(?:have )?(?:just )?(?:joined|join|started at|started working (?:at"
        r"|for)"
        rf"|now work (?:at|for)) )(?P<place>(?-i:[A-Z]).+?)(?: as an? .+)?{_WHEN}",
        "fact", 0.7, moved_on,
    ),
    _exact(
        rf"(?i:i'm|i am|my name is|my name's)\s+(?P<name>{_NAME}),?\s+(?:and\s+(?i:i'm"
        rf"|i am)\s+)?an?"
        r"\s+(?:(?P<age>1[3-9]|[2-9]\d)[- ]years?[- ]old\s+)?(?P<what>[a-z][\w -]*?)"
        r"(?:\s+(?:based in\s.+|from\s+(?P<place>[A-Z][\w -]+(?:,\s[A-Z]\w+)?)))?",
        "fact", 0.8, introduced,
    ),
    _exact(
        rf"{_GREETING}[\s,.!-]+i'm\s+(?P<name>[a-z]+),\s+an?\s+(?P<what>[a-z][\w -]*?)",
        "fact", 0.8, introduced,
    ),
)  # fmt: skip
_RULES = (
    _exact(rf"(?i:my\s+(?:full\s+|first\s+)?name\s*(?:is|'s))\s+(?P<name>{_NAME})", "fact",
    0.8, name),
    _exact(
        rf"(?i:(?:you can |please |everyone |people |friends "
        rf"|just )?call(?:s)? me)\s+(?P<name>{_NAME})",
        "fact", 0.8, also_called,
    ),
    _exact(r"(?:I'm|I am|i'm|i am)\s+(?P<name>[A-Z][a-z]+(?:\s[A-Z][a-z]+))", "fact", 0.8, name),
    _rule(
        rf"{_I}live {_NEAR} {_PLACE}{_NOW}{_FOR}",
        "fact", 0.7, place("lives in", "lives in", single=True, stay=STAY), unless=_NO_HOME,
    ),
    _rule(
        rf"{_I_AM}(?:living|based|located|residing) {_NEAR} {_PLACE}{_NOW}{_FOR}",
        "fact", 0.7, place("lives in", "lives in", single=True, stay=STAY), unless=_NO_HOME,
    ),
    _rule(
        rf"(?:{_I}|{_I_HAVE})(?:moved|relocated)(?: (?:back|here|over))? to {_PLACE}{_NOW}{_FOR}"
        r"(?:\s+(?:recently|yesterday))?",
        "fact", 0.7, place("lives in", "lives in", single=True, stay=VISIT), unless=_LEFT,
    ),
    _rule(
        rf"{_I}{_NOT} live in {_PLACE}{_MORE}(?:\s+now)?",
        "fact", 0.5, _over(place("lives in", "no longer lives in", single=False, ended=True)),
    ),
    _rule(
        rf"(?:{_I_AM}(?:originally )?from|{_I}(?:come from|grew up in)) {_PLACE}"
        r"(?:,? born (?:and|&) (?:raised|bred))?",
        "fact", 0.6, place("is from", "is from", single=False),
    ),
    _rule(
        rf"{_I}work (?:at|for) (?P<place>.+?){_NOW}(?: as (?:an? )?.+)?",
        "fact", 0.7, employer("works at"),
    ),
    _rule(rf"{_I_AM}(?:working|employed) (?:at|for|by) (?P<place>.+?){_NOW}", "fact",
    0.7, employer("works at")),
    _rule(
        rf"(?:{_I}|{_I_HAVE})(?:started|began) (?:(?:work|working|(?:an?|my|the) (?:new )?(?:job"
        r"|role|position|internship)) (?:at|for|with)|at) (?P<place>(?-i:[A-Z]).+?)"
        rf"(?: as an? .+)?{_WHEN}",
        "fact", 0.7, employer("works at"),
    ),
    _rule(
        rf"(?:{_I}|{_I_HAVE})joined (?P<place>(?-i:[A-Z]).+?) as an? (?P<what>.+?){_WHEN}",
        "fact", 0.7, lambda m: employer("works at")(m) if occupation(m) else None,
    ),
    _rule(
        # Whoever joined Google works there, whoever joined a club does not.
        rf"(?:{_I}|{_I_HAVE})joined (?P<place>(?-i:[A-Z]).+?) (?:(?:last|this) (?:year|month|spring"
        r"|summer|autumn|fall|winter)|in (?:\w+ )?\d{4})",
        "fact", 0.5, employer("joined", "joined"),
    ),
    _rule(
        r"i (?:just |recently )?(?:(?:got|was) (?:fired|laid off|let go|made redundant) (?:from|by)"
        r"|(?:quit|left) my (?:old )?job (?:at|with)|(?:quit|stopped) working (?:at"
        rf"|for)|resigned from(?= (?-i:[A-Z]))) (?P<place>.+?){_WHEN}",
        "fact", 0.6, employer("no longer works at", ended=True),
    ),
    _rule(
        rf"{_I}{_NOT} work (?:at|for) (?P<place>.+?){_MORE}",
        "fact", 0.5, _over(employer("no longer works at", ended=True)),
    ),
    _rule(rf"{_I}work as an? {_WHAT}", "fact", 0.7, occupation),
    _rule(rf"{_I_AM}(?:working as )?an? {_WHAT}", "fact", 0.7, occupation),
    _rule(
        rf"(?:{_I_AM}(?:studying|majoring in)|{_I}study|{_I}major in) {_WHAT}",
        "fact", 0.6, about("studies", "studies",
        refused=r"(?:for|at|hard|abroad|in|with|to|a lot|every)\b"),
    ),
    _rule(rf"{_I_AM}(?P<age>1[3-9]|[2-9]\d)(?: years old| y/?o)", "fact", 0.6, age),
    _rule(r"(?:i'm|i am) (?P<age>1[89]|[2-7]\d)", "fact", 0.6, age),
    _rule(rf"(?:i'm|i am) no longer (?:an? )?(?P<diet>{DIETS})", "preference", 0.6, no_diet),
    _rule(rf"(?:i'm|i am) not (?:an? )?(?P<diet>{DIETS}) any\s?more", "preference", 0.6, no_diet),
    _rule(rf"{_I}(?:can't|cannot|can not) eat {_WHAT}", "fact", 0.7, no_food),
    _rule(
        rf"{_I_AM}(?:an? )?(?P<diet>{DIETS})", "preference", 0.7, diet,
    ),
    _rule(rf"{_I_AM}(?P<status>married|single|divorced|widowed|engaged)", "fact", 0.6, status),
    _rule(
        rf"{_I_AM}(?:severely |very |deathly |highly )?(?:allergic|intolerant) to {_WHAT}",
        "fact", 0.8, about("is allergic to", "is allergic to"),
    ),
    _rule(rf"my birthday\s*(?:is|'s) {_DATE}", "fact", 0.7, birthday),
    _rule(
        r"i was born (?P<when>(?:on|in) (?:the )?\S*\d\S*(?:\s\S+){0,3}|(?:in|on) (?:january"
        r"|february|march"
        r"|april|may|june|july|august|september|october|november|december)\b.{0,20})",
        "fact", 0.6, born,
    ),
    _rule(rf"my (?P<what>[\w' -]{{3,40}}?) is {_DATE}(?:\s+at\s+[\d:apm. ]+)?", "context",
    0.7, occasion),
    _exact(
        rf"(?i:my\s+(?P<kin>(?:\w+\s)?(?:{'|'.join(sorted(KIN | PETS))}))(?:'s name)?\s+is"
        rf"(?:\s+(?:called|named))?)\s+(?P<name>[A-Z][a-z]+)",
        "fact", 0.6, kin,
    ),
    _exact(
        rf"(?i:my\s+(?P<kin>(?:\w+\s)?(?:{'|'.join(sorted(KIN | PETS))}))"
        r"(?:'s name is| is (?:called|named)))\s+(?P<name>[a-z]{2,})",
        "fact", 0.6, kin,
    ),
    _exact(
        rf"(?i:my\s+(?P<kin>{'|'.join(sorted(KIN | PETS))}))\s+(?P<name>[A-Z][a-z]+)\s+(?:is|has"
        r"|turns|turned|likes|loves|hates|lives|works|plays|goes|wants|needs|started|just|will|was)"
        r"\s.*",
        "fact", 0.6, kin_named,
    ),
    _rule(
        rf"(?:{_I}have|{_I_HAVE}got|we have|we've got) (?P<many>an?|one|two|three|four|five|\d) "
        rf"(?P<what>(?:[\w-]+ ){{0,3}}?[\w-]+"
        rf")(?:(?P<named>,\s*|:\s*| (?:named|called) ){_NAMES})?",
        "fact", 0.5, owns,
    ),
    _rule(
        rf"my (?:all-time |all time |absolute |personal )?favou?rite (?P<kind>[\w -]+?) (?:is"
        rf"|are) {_WHAT}",
        "preference", 0.6, favourite,
    ),
    _rule(
        rf"{_I}(?:love|adore) {_WHAT}", "preference", 0.5, about("loves", "likes",
        refused=_NO_LIKING)
    ),
    _rule(rf"{_I}like {_WHAT}", "preference", 0.5, about("likes", "likes", refused=_NO_LIKING)),
    _rule(rf"{_I}enjoy {_WHAT}", "preference", 0.5, about("enjoys", "likes", refused=_NO_LIKING)),
    _rule(
        rf"{_I_AM}an? (?:big|huge|massive|great|lifelong)\s+fan of {_WHAT}",
        "preference", 0.5, about("is a fan of", "likes", refused=_NO_LIKING),
    ),
    _rule(
        rf"i(?:'ve| have) always (?:loved|adored|liked|enjoyed) {_WHAT}",
        "preference", 0.5, about("has always liked", "likes", refused=_NO_LIKING),
    ),
    _rule(
        rf"{_I_AM}(?:passionate about|obsessed with) {_WHAT}",
        "preference", 0.5, about("is passionate about", "likes", refused=_NO_LIKING),
    ),
    _rule(rf"{_I}prefer {_WHAT}", "preference", 0.7, about("prefers", "prefers",
    refused=r"not to|the (?!metric)")),
    _rule(
        rf"{_I}(?:hate|dislike|detest|can't stand|cannot stand|loathe) {_WHAT}",
        "preference", 0.6, about("dislikes", "dislikes", refused=_NO_LIKING),
    ),
    _rule(
        rf"{_I}(?:don't|do not) (?:really |particularly |much )?(?:like|enjoy) {_WHAT}",
        "preference", 0.6, about("does not like", "dislikes", refused=_NO_LIKING),
    ),
    _rule(
        rf"{_I_AM}not (?:an? )?(?:big |huge |great )?(?:fan of|fond of|into) {_WHAT}",
        "preference", 0.6, about("does not like", "dislikes", refused=_NO_LIKING),
    ),
    _rule(
        rf"{_I}(?P<how>always|never|don't|do not) (?P<verb>eat|drink|smoke|drive|wear) {_WHAT}",
        "preference", 0.6, habit,
    ),
    _rule(
        r"(?:please,? |i want you to |i'd like you to |you (?:should|must) |make sure (?:to "
        r"|you )?)*"
        rf"(?P<when>always|never|don't ever|do not ever) {_WHAT}",
        "rule", 0.8, order,
    ),
    _rule(
        rf"(?:please,? )?(?:don't use|do not use|stop using) (?P<not>{_MANNERISM})(?:,? please)?",
        "rule", 0.8, manner,
    ),
    _rule(
        rf"(?:please,? )?(?P<do>use {_STYLE}|keep {_ANSWERS} (?:(?:very |really )?(?:short|brief"
        r"|concise|simple|to the point|short and simple)|(?:under|below|within) \d+ (?:words|lines"
        r"|sentences)))(?:,? please)?",
        "rule", 0.8, manner,
    ),
    _rule(
        rf"(?:please,? |can you |could you )*{_WHAT},? (?:from now on|going forward|from here on"
        r"|in (?:the )?future)(?:,? please)?",
        "rule", 0.8, from_now_on,
    ),
    _rule(
        rf"(?:from now on|in (?:the )?future|going forward|from here on)(?: on)?,?\s+{_WHAT}",
        "rule", 0.8, from_now_on,
    ),
    _rule(rf"(?:{_I}|i can )(?:speak|am fluent in) {_WHAT}", "skill", 0.6, languages),
    _rule(
        rf"{_I_AM}(?:fluent|proficient|experienced|skilled|certified|well versed) (?:in|with"
        rf"|at) {_WHAT}",
        "skill", 0.6, skills,
    ),
    _rule(rf"{_I}know how to {_WHAT}", "skill", 0.5, about("knows how to", "knows how to")),
    _rule(
        rf"(?:{_I}|i can )play (?:the )?(?P<what>(?:acoustic |electric |bass "
        rf"|classical )?(?:guitar|piano"
        r"|violin|drums|cello|flute|clarinet|saxophone|bass|trumpet|ukulele|harp|banjo|keyboard"
        r"|chess"
        r"|tennis|football|soccer|basketball|golf|badminton|volleyball|rugby|cricket|hockey)"
        r"(?: and (?:the )?\w+)?)(?:\s+(?:for|in|with|every|on|at|since)\s.*)?",
        "skill", 0.5, about("plays", "plays"),
    ),
    _rule(
        rf"(?:{_I_AM}|{_I_HAVE}(?:been )?)(?P<verb>building|developing|writing|creating|designing"
        rf"|making"
        rf"|working on|launching|organi[sz]ing|planning|filming|recording|renovating"
        rf"|preparing for|prepping for|training for|studying for|saving (?:up )?for|applying for"
        rf"|applying to) {_WHAT}",
        "context", 0.7, project,
    ),
    _rule(
        rf"{_I_AM}looking (?:for|into) (?P<what>.*\b(?:jobs?|internships?|careers?|apartments?"
        rf"|flats?|houses?|roommates?))(?:\s(?:in|at|near|as|with)\s.+)?",
        "context", 0.6, about("is looking for", "is looking for"),
    ),
    _rule(
        rf"(?:{_I_AM}|{_I_HAVE}been )learning how to {_WHAT}", "context", 0.6,
        about("is learning how to", "is learning how to"),
    ),
    _rule(
        rf"(?:{_I_AM}|{_I_HAVE}been )learning (?P<what>(?:to |the (?=\w+$)|(?-i:[A-Z])).+)",
        "context", 0.6, about("is learning", "is learning"),
    ),
    _rule(
        rf"(?:{_I}|{_I_HAVE}|we (?:have |all )?|we've )(?:(?P<verb>decided|agreed|settled) "
        r"(?P<what>(?:to|on|against) .+))",
        "context", 0.6, decision,
    ),
    _rule(
        rf"{_I}lost my job(?: (?P<what>(?:at|as) .+))?", "fact", 0.6,
        lambda m: about("lost their job", "lost their job")(m) if m["what"]
        else Made("lost their job", "lost their job", "job"),
    ),
    _rule(
        rf"{_I_AM}(?:an? (?:\w+ )?member|part) of {_WHAT}", "fact", 0.6,
        about("is part of", "is part of",
        refused=r"(?:the (?:problem|solution|team|furniture)$|an? )"),
    ),
    _rule(
        rf"(?:{_I}volunteer|{_I_AM}volunteering) (?P<what>(?:at|with|for|as) .+)",
        "fact", 0.5, about("volunteers", "volunteers"),
    ),
    _rule(
        rf"{_I_AM}(?P<what>(?:an?|the) (?:(?:single|proud|new|busy|working) )*(?:mom|mum|mother"
        rf"|dad|father|parent)(?: of .+)?)",
        "fact", 0.6, parent,
    ),
    # Whoever speaks of "my kids" in earnest has some, whatever else the clause says.
    _rule(
        rf"(?P<all>.*\bmy (?P<kin>{'|'.join(sorted(CLOSE_KIN))})\b.*)", "fact", 0.5, family,
        unless=_NO_FAMILY,
    ),
)  # fmt: skip
