"""The sentences of a turn that its author says in earnest: no code, quotation, paste, task, role or
story."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

#: A text longer than this is a document, not something a person says about themselves.
_LONGEST_TEXT = 4_000
_LONGEST_SENTENCE = 300
_CODE = re.compile(r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|<(\w+)[^>]*>.*?</\1>", re.DOTALL)
_QUOTED = re.compile(
    r'"[^"\n]{0,2000}"|“[^”]{0,2000}”|«[^»]{0,2000}»|„[^“”]{0,2000}[“”]'
    r"|(?<![\w'])'(?=[^'\n]{0,400}\s)[^'\n]{0,400}'(?!\w)|`[^`\n]*`"
)
#: A mail that was pasted, to its end.
_MAIL_HEAD = re.compile(r"^\s*(?:from|subject|to|date|sent):\s.*\Z", re.I | re.M | re.S)
#: Lines that somebody else wrote, or a machine: quotations, code, the speakers of a script, logs.
_FOREIGN_LINE = re.compile(
    r"\s*>|(?: {4}|\t)\S"
    r"|\s*[A-Z][\w .'-]{0,30}:\s+\S|\s*\[?\d{1,4}[-:/]\d\d[-:/]\d\d|\s*[{}\[\]|#$]|\s*//"
    r"|.*[;{}]\s*$",
    re.IGNORECASE,
)
_OWN_LINE = re.compile(
    r"\s*(?:ps|p\.s\.|fyi|btw|note to self|remember|please remember|also|note|important|"
    r"from now on|in future|going forward):",
    re.IGNORECASE,
)
#: A request to do something with a text: what follows it is that text, or fiction.
_TASK = re.compile(
    r"\b(?:translate|rewrite|rephrase|paraphrase|proof-?read|summari[sz]e|correct|edit|revise"
    r"|polish"
    r"|improve|shorten|draft|compose|pretend|imagine|suppose|role[- ]?play\w*|act as|you are now"
    r"|complete the|continue the|finish the|convert this|analy[sz]e th|classify|fix (?:the|this"
    r"|my) "
    r"(?:text|grammar|sentence|paragraph|email|essay)|(?:write|create|make|generate|tell)"
    r"(?: me| us)? (?:an?|the|some|my|this|another) (?:\w+[ -]){0,4}?(?:email|e-mail|mail|letter"
    r"|story"
    r"|poem|song|speech|essay|script|dialogue|conversation|bio|biography|post|tweet|blog|paragraph"
    r"|monologue|resume|cv|cover|profile|character|message|text|toast|scene|review|caption|sentence"
    r"|joke|statement|example))\b",
    re.IGNORECASE,
)
#: Words of others, by what they are.
_TEXT = (
    r"(?:e-?mails?|mails?|texts?|messages?|dms?|articles?|pages?|websites?|sites?|documents?|docs?"
    r"|letters?|posts?|tweets?|threads?|comments?|reviews?|complaints?|tickets?|transcripts?"
    r"|stor(?:y"
    r"|ies)|chapters?|excerpts?|passages?|paragraphs?|poems?|lyrics|songs?|essays?|drafts?|bios?"
    r"|readmes?|files?|logs?|notes?|repl(?:y|ies)|responses?|quotes?|scenes?|scripts?|prompts?"
    r"|novels?"
    r"|sentences?|statements?|applications?|resumes?|cvs?|speech(?:es)?|dialogues?|conversations?)"
)
_OTHERS = (
    r"(?:users?|customers?|clients?|friends?|boss|manager|colleagues?|co-?workers?|neighbou?rs?"
    r"|landlord|tenants?|students?|teacher|patients?|candidates?|recruiter|employees?|reviewers?"
    r"|boyfriend|girlfriend|husband|wife|partner|mom|mum|mother|dad|father|brother|sister|son"
    r"|daughter|cousin|ex|roommate|flatmate|guy|girl|man|woman|person|somebody|someone|stranger|he"
    r"|she|they)"
)
#: Everything that stands with it may be somebody else's words, before it and behind it: a text that
#: is to be judged or answered.
_PASTED = re.compile(
    r"(?:\b(?:check|fix|correct|review|improve|judge|rate)\s+my\s+(?:\w+\s+)?(?:english|german"
    r"|french"
    rf"|spanish|grammar|spelling|writing|wording|{_TEXT})\b|\b(?:any|spot (?:the"
    rf"|my)) (?:mistakes|typos"
    r"|errors)"
    rf"|\b(?:is|are|does|do)\s+(?:this|these|that|my|the)\s+(?:\w+\s+)?{_TEXT}\b[^.?!\n]{{0,200}}\?"
    rf"|(?:(?<=\n)|(?<=[.?!:,] )|\A)(?:what|how|who|why|can|could|would|should"
    rf"|will)\b[^.?!\n]{{0,200}}\b(?:this|these|the following"
    rf"|the above)\s+(?:\w+\s+)?{_TEXT}\b"
    r"|\b(?:what|how|which)\s+(?:do|should|would|can|could|shall)\s+(?:i|we"
    r"|you)\s+(?:\w+\s+)?(?:answer"
    r"|reply|respond|say to|write back|tell (?:him|her|them))"
    r"|\bdoes (?:this|that|it) (?:sound|read|look)\b)",
    re.IGNORECASE,
)
#: What follows is a part that somebody plays, a story, or somebody else's words.
_ROLE = re.compile(
    r"\b(?:let's play|let us play|wanna play|play(?:ing|s)? (?:a|the) (?:role|part)|in character"
    r"|interview me|mock interview|practi[cs]e interview"
    r"|(?:in|for|during) this (?:\w+ )?(?:story|scenario|exercise|game|role|scene|novel|play"
    r"|simulation|dialogue|tale|fantasy|campaign|world|fiction|test|demo|thought experiment)\b"
    r"|(?:in|for) (?:the|my|our) (?:\w+ )?(?:story|scenario|novel|screenplay|fanfic\w*|tale"
    r"|simulation|thought experiment)\b"
    r"|my (?:\w+ )?(?:character|protagonist|avatar|persona|oc)\b"
    r"|the (?:hero|heroine|protagonist|narrator|villain|main character)\b"
    r"|(?:song|lyrics|poem|chorus|joke|saying|proverb) (?:goes|says?|went|is|starts|begins)\b"
    r"|once upon a time|to whom it may concern|dear (?:sir|madam|hiring|mr|mrs|ms|dr|prof\w*"
    r"|customer|team|support|recruiter|diary)\b"
    rf"|{_OTHERS}\s+(?:just |also |once )?(?:wrote|writes|texted|messaged|emailed|e-mailed"
    rf"|posted|says"
    rf"|sent)(?:\s+(?:to\s+)?(?:me|us|him|her|them|back|in|this|that|the following|(?:this|the|an?)"
    rf" (?:\w+ )?{_TEXT}))*\s*(?:$|[:.,!])"
    rf"|(?:here(?:'s| is| are| comes?)|below (?:is|are)|(?:the )?following (?:is|are)"
    rf"|attached (?:is"
    rf"|are))\s+[^.?!]{{0,200}}\b{_TEXT}\b"
    rf"|(?:this is|these are)\s+(?:\w+\s+){{1,3}}?{_TEXT}(?:'s)?(?:\s+(?:of|from|by)\b|\W*:)"
    rf"|(?:got|received|found) (?:this|the following|an?) (?:\w+ )?{_TEXT}(?:\s+from\b|\s*[:.])"
    r"|(?:explain|read|look at|check(?: out)?|review|see|answer|reply to|respond to|comment on"
    rf"|react to) (?:this|these|the following|the above)(?:\s+(?:\w+\s+)?{_TEXT}\b|\W*$))"
    r"|\A\W*chapter (?:\d+|one)\b",
    re.IGNORECASE,
)
#: "You are Sarah", "you're the interviewer": a part given to the assistant.
_GIVEN_PART = re.compile(
    r"(?:[Yy]ou are|[Yy]ou're|[Yy]ou will be|[Yy]ou play)\s+(?:[A-Z][a-z]+(?=\W*$|[,.]|\sand\b)"
    r"|(?:an?|the|my)\s+(?!great|good|best|amazing|awesome|wonderful|true|real)(?:[\w-]+\s+){0,3}"
    r"(?:interviewer|pirate|assistant|character|customer|chatbot|bot"
    r"|ai|narrator|player|wizard|knight|king|queen|detective|spy|robot|patient|boss|examiner"
    r"|recruiter"
    r"|therapist|doctor|teacher|tutor|coach|lawyer|expert|agent|master|girlfriend|boyfriend)\b)"
)
#: A line that announces a text, and those that announce what somebody says of themselves.
_ANNOUNCED = re.compile(
    r"(?:here(?:'s| is| are)|below|the following|following|as follows|this is what)\b.*:\s*",
    re.IGNORECASE,
)
_ANNOUNCED_OWN = re.compile(
    r"\b(?:about (?:me|myself|us)|myself|background|situation|context|setup|details|info\w*|facts"
    r"|preferences|profile)\b",
    re.IGNORECASE,
)
#: Takes back the sentence before; in jest, all of them.
_TAKEN_BACK = re.compile(
    r"(?:not|psych|sike|scratch that|nope|or not|as if|no wait)\W*", re.IGNORECASE
)
_JEST = (
    r"(?:(?:i'm|i am|im|i was|i|it's|it was|that's|that was|this was|haha+|lol|ok|okay|no|nah"
    r"|just|only|obviously|totally)\W+)*(?:kidding|joking|jk|j/k|jks|trolling|messing with you"
    r"|pulling your leg|a joke|a lie|lied|sarcasm)"
)
_IN_JEST = re.compile(rf"{_JEST}\b|.*[.,!]\s+{_JEST}\W*$", re.IGNORECASE)
_SARCASM = re.compile(
    r".*(?:, ?not!+|(?-i:\bNOT)[.!]*)$|(?:oh,? )?(?:yeah,? right|yeah,? sure|sure,? because"
    r"|of course,? because)\b"
    r"|(?:oh|wow|just|well),? (?:great|joy|wonderful|fantastic|perfect|lovely|yay|brilliant)\b,",
    re.IGNORECASE,
)
_HYPOTHETICAL = re.compile(
    r"\b(?:if|unless|would|could|imagine|suppose|supposing|pretend|hypothetical\w*|what if"
    r"|let's say"
    r"|say i|as though|wish|for example|e\.g|for instance|in my dream|dreamt|dreamed|in the book"
    r"|in the movie|in the film|in the story|in the game|character|lyrics|kidding|joking|jk|j/k"
    r"|not really serious|sarcas\w+|should have|might have)\b|/s\b",
    re.IGNORECASE,
)
_DOUBT = re.compile(
    r"\b(?:maybe|perhaps|possibly|probably|i think|i guess|i suppose|might|i'm not sure|not sure"
    r"|apparently|kind of|sort of|i believe|supposedly|i may)\b",
    re.IGNORECASE,
)
_END = re.compile(r"(?<=[.!?…])[\"')\]]*\s+(?=[^a-z])|\n+|(?<=[!?])\s+|\s*[—–]\s+|\s+--?\s+|;\s+")
_ABBREVIATED = re.compile(r"\b(?:Dr|Mr|Mrs|Ms|Prof|St|Jr|Sr|vs|e\.g|i\.e|etc|No|approx|[A-Z])\.$")
_GAP = "\x00"
_APOSTROPHES = str.maketrans({"’": "'", "‘": "'", "ʼ": "'"})


class Sentence(NamedTuple):
    """One sentence, whether its author doubts it, and whether it may be from a page or a mail that
    was pasted below a question, so that it orders nothing."""

    text: str
    doubtful: bool
    pasted: bool


def earnest_sentences(text: str) -> Iterator[Sentence]:
    """The sentences a person says for themselves.

    Args:
        text: a turn's content.

    Yields:
        Neither questions nor what is hypothetical or taken back; nothing from where a task, a part
        to play or a text of others begins.
    """
    if len(text) > _LONGEST_TEXT:
        return
    own = _own_text(text)
    if _PASTED.search(own):
        return
    lines = own.splitlines()
    in_block = sum(bool(line.strip()) for line in lines) > 2 and any(map(_asks, lines))
    kept: list[Sentence] = []
    for line in lines:
        for sentence in _sentences(line):
            if _TASK.search(sentence) or _ROLE.search(sentence) or _GIVEN_PART.match(sentence):
                yield from kept
                return
            if _IN_JEST.match(sentence):
                kept.clear()
            elif _TAKEN_BACK.fullmatch(sentence):
                del kept[-1:]
            elif _is_earnest(sentence):
                doubtful = _DOUBT.search(sentence) is not None
                kept.append(Sentence(sentence, doubtful, in_block and not _asks(line)))
        if _ANNOUNCED.fullmatch(line) and not _ANNOUNCED_OWN.search(line):
            break
    yield from kept


def _asks(line: str) -> bool:
    return line.rstrip(' )"*').endswith("?")


def _own_text(text: str) -> str:
    cleared = _CODE.sub(f"\n{_GAP}\n", text.translate(_APOSTROPHES))
    cleared = _MAIL_HEAD.sub(_GAP, cleared)
    lines = [
        _GAP if _FOREIGN_LINE.match(line) and not _OWN_LINE.match(line) else line
        for line in cleared.splitlines()
    ]
    # A quotation leaves a hole: what stands around it is not a whole sentence any more.
    return _QUOTED.sub(_GAP, "\n".join(lines))


def _sentences(text: str) -> Iterator[str]:
    kept = ""
    for piece in _END.split(text):
        kept = f"{kept} {piece}".strip() if kept else (piece or "").strip()
        if _ABBREVIATED.search(kept):
            continue
        if kept:
            yield kept
        kept = ""
    if kept:
        yield kept


def _is_earnest(sentence: str) -> bool:
    return (
        len(sentence) <= _LONGEST_SENTENCE
        and "?" not in sentence
        and _GAP not in sentence
        and not _HYPOTHETICAL.search(sentence)
        and not _SARCASM.match(sentence)
    )
