"""What tells that words of a turn are not its author's own: texts of others, parts that are played,
stories."""

from __future__ import annotations

import re


def _any_of(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


#: Texts, by what they are.
TEXT = (
    r"(?:e-?mails?|mails?|texts?|messages?|dms?|articles?|pages?|websites?|sites?|documents?|docs?"
    r"|letters?|posts?|tweets?|threads?|comments?|reviews?|complaints?|tickets?|transcripts?"
    r"|stor(?:y|ies)|chapters?|excerpts?|passages?|paragraphs?|poems?|lyrics|songs?|essays?"
    r"|drafts?|bios?|readmes?|files?|logs?|notes?|repl(?:y|ies)|responses?|quotes?|scenes?"
    r"|scripts?|prompts?|novels?|sentences?|statements?|applications?|resumes?|cvs?|speech(?:es)?"
    r"|dialogues?|conversations?)"
)
_A_TEXT = rf"(?:\w+ )?{TEXT}\b"
_THIS = r"(?:this|these|the following|the above)"
#: Those who write them.
_OTHERS = (
    r"(?:users?|customers?|clients?|friends?|boss|manager|colleagues?|co-?workers?|neighbou?rs?"
    r"|landlord|tenants?|students?|teacher|patients?|candidates?|recruiter|employees?|reviewers?"
    r"|boyfriend|girlfriend|husband|wife|partner|mom|mum|mother|dad|father|brother|sister|son"
    r"|daughter|cousin|ex|roommate|flatmate|guy|girl|man|woman|person|somebody|someone|stranger|he"
    r"|she|they)"
)
#: A text to be judged or answered, or a riddle: before it and behind it, all may be of others.
PASTED = _any_of(
    rf"\b(?:check|fix|correct) my (?:\w+ )?(?:english|german|french|spanish|grammar|spelling"
    rf"|writing|wording|{TEXT})\b",
    r"\b(?:spot (?:the|my|any)|any) (?:mistakes|typos|errors)[^.?!\n]{0,40}\?",
    r"\bmake (?:this|it|that|these|my \w+) (?:sound|(?:more |less )?(?:formal|polite|professional"
    r"|concise|grammatical|casual|friendly)|shorter|clearer)\b",
    r"\bdoes (?:this|it) (?:sound|read|look)\b",
    rf"\b(?:is|are|does|do) (?:this|these|that|my|the) {_A_TEXT}[^.?!\n]{{0,200}}\?",
    r"(?:(?<=\n)|(?<=[.?!:,] )|\A)(?:what|how|who|why|can|could|would|should|will)\b"
    rf"[^.?!\n]{{0,200}}\b{_THIS} {_A_TEXT}",
    r"\b(?:what|how|which) (?:do|should|would|can|could|shall) (?:i|we|you) (?:\w+ )?(?:answer"
    r"|reply|respond|say to|write back|tell (?:him|her|them))\b",
    r"\b(?:thoughts|feedback|opinions?) (?:on|about) (?:this\W"
    rf"|(?:this|these|my) (?:\w+ ){{0,2}}(?:{TEXT}|profile)\b)",
    r"\A\W*(?:thoughts|opinions?|tl;?dr)\b",
    r"\bguess (?:the|who|my)\b",
    r"\b(?:who|what) am i\b",
    r"\briddle\b",
)
#: What follows is a part that somebody plays, a story, or a text of others.
ROLE = _any_of(
    r"\b(?:let's|let us|wanna) play\b",
    r"\bplay(?:ing|s)? (?:a|the) (?:role|part)\b",
    r"\bin character\b",
    r"\b(?:interview me|(?:mock|practi[cs]e) interview)\b",
    r"\bfrom now on,? you(?:'re| are| will be)\b",
    r"\byou(?:'re| are) (?:now )?(?:playing|talking to|speaking (?:to|with)|chatting with"
    r"|simulating|impersonating)\b",
    r"\b(?:in|for|during) this (?:\w+ )?(?:story|scenario|exercise|game|role|scene|novel|play"
    r"|simulation|dialogue|tale|fantasy|campaign|fiction|test|demo|thought experiment)\b",
    r"\b(?:in|for) (?:the|my|our) (?:\w+ )?(?:story|scenario|novel|screenplay|fanfic\w*|tale"
    r"|simulation|thought experiment)\b",
    r"\bmy (?!favou?rite)(?:[\w&-]+ )?(?:character|protagonist|avatar|persona|oc)\b",
    r"\bthe (?:hero|heroine|protagonist|narrator|villain|main character)\b",
    r"\b(?:song|lyrics|poem|chorus|joke|saying|proverb) (?:goes|says?|went|is|starts|begins)\b",
    r"\btell(?:ing)? you (?:a|the|my) (?:\w+ )?(?:story|joke|riddle)\b",
    r"\bonce upon a time\b",
    r"\A\W*chapter (?:\d+|one)\b",
    r"\brepeat after me\b",
    r"\b(?:test|sample|example|dummy|placeholder) (?:text|sentence|data|input|message)\b",
    r"\bto whom it may concern\b",
    r"\bdear (?:sir|madam|hiring|mr|mrs|ms|dr|prof\w*|customer|team|support|recruiter|diary)\b",
    rf"\b{_OTHERS} (?:(?:just|also|once|always|often|usually) )?(?:said|says|told|asked|wrote"
    r"|writes|texted|messaged|emailed|e-mailed|posted|sent)(?: (?:to )?(?:me|us|him|her|them|back"
    rf"|in|the following|(?:this|the|an?) {_A_TEXT}|this|that))*\s*(?:$|[:.,!])",
    r"\b(?:here(?:'s| is| are| comes?)|below (?:is|are)|following (?:is|are)|attached (?:is|are))\s"
    rf"[^.?!]{{0,200}}\b{TEXT}\b",
    rf"\b(?:this is|these are) (?:\w+ ){{1,3}}?{TEXT}(?:'s)?(?: (?:of|from|by)\b|\W*:)",
    rf"\b(?:got|received|found) (?:(?:this|the following) {_A_TEXT}|an? {_A_TEXT}(?: from\b|\s*:))",
    rf"\b(?:review|judge|rate) my {_A_TEXT}",
    r"\b(?:explain|read|look at|check(?: out)?|review|see|answer|reply to|respond to|comment on"
    rf"|react to) {_THIS}(?: {_A_TEXT}|\W*$)",
)
#: "You are Sarah", "you're the interviewer": a part given to the assistant.
GIVEN_PART = re.compile(
    r"(?:[Yy]ou are|[Yy]ou're|[Yy]ou will be|[Yy]ou play|Be)\s+"
    r"(?:[A-Z][a-z]+(?=\W*$|[,.]|\sand\b)"
    r"|(?:an?|the|my)\s+(?!great|good|best|amazing|awesome|wonderful|true|real)(?:[\w-]+\s+){0,3}"
    r"(?:interviewer|pirate|assistant|character|customer|chatbot|bot|ai|narrator|player|wizard"
    r"|knight|king|queen|detective|spy|robot|patient|boss|examiner|recruiter|therapist|doctor"
    r"|teacher|tutor|coach|lawyer|expert|agent|master|girlfriend|boyfriend)\b)"
)
