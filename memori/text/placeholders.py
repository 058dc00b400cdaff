"""Telling a secret from what stands in for one: YOUR_API_KEY, <token>, sk-..., "testpassword".

Documentation and example code are full of them; redacting them would only make notes unreadable.
"""

from __future__ import annotations

import re

_WORDS = """
a abc access account actual add admin administrator an another anthropic any api app application
auth authorization aws azure bad bar base bearer bot change changed changeme clave client cloud
code confirm confirmed contrasena correct credential credentials current data database db de
default dein demo dev different dummy email empty encrypted enter env environ environment example
expired fake false field fill foo for form fresh from geheim generated github gitlab goes good
google hash hashed here hidden id ihr in incorrect initial input insert invalid is it json jwt
kennwort key keys live local long mail masked me mein mine missing mot my name new nil none null
number of old omitted one openai or original other our own pass passe passphrase passwd password
passwords passwort paste personal placeholder plain plaintext private prod production project
provided public put pw pwd random raw real redacted refresh removed replace required reset root
sample secret secrets secure senha server service session set short site sk slack some something
stored str string stripe strong stuff super tbd temp temporary test tester testing text that the
this to todo token tokens true txt type undefined unset use user username valid value var variable
very weak with word wrong xxx xxxx yes you your youre
"""

_ALL_WORDS = re.compile(
    r"(?:(?>"
    + "|".join(sorted(set(_WORDS.split()), key=lambda word: (-len(word), word)))
    + r")[\W_]*+)++"
)
_FILLER = re.compile(
    r"x{4,}|[*\u2022\u25cf.]{3,}|\u2026|_{4,}|#{4,}|\?{3,}|\$\{|\{\{|\$\(|%\(|^[\[{<]"
    r"|^\$[a-z_]\w*+$|^%\w*+%?$"
    r"|your[_ -]?(?:own|new|real|actual|api|key|token|secret|access|org|open|app|bot|pass|client)"
    r"|placeholder|redacted|replace[_-]?me|change[_-]?me|[_-]here\b|_goes_|insert[_-]"
    r"|process\.env|os\.environ|getenv|^env[.:]"
)
_WORDY = re.compile(r"[a-z]{1,15}(?:[._-][a-z]{1,15})*+(?:[._-]?v?[0-9]{1,2})?")
# How much of a long value is looked at: what it begins with says which of the two it is.
_ENOUGH = 100
_PREFIX = re.compile(r"(?:sk|rk|pk|gh[a-z]|hf|api|npm|pypi|xai|gsk|key|secret)[_-]")


def is_placeholder(value: str) -> bool:
    """Whether `value` of an assignment stands in for a secret instead of being one.

    A value made only of words such as "my", "test", "secret" and "password" does; with a
    digit added it is taken for a secret, since people choose such passwords.
    """
    lower = value[:_ENOUGH].lower()
    return not lower or _FILLER.search(lower) is not None or bool(_ALL_WORDS.fullmatch(lower))


def is_placeholder_token(token: str) -> bool:
    """Whether `token`, shaped like a provider's key, is an example of the shape.

    Such as `sk-your-api-key-here`, `ghp_xxxxxxxx...` or `sk-learn-contrib-projects`.
    """
    lower = token[:_ENOUGH].lower()
    if _FILLER.search(lower):
        return True
    if token != token.lower():
        return False
    body = _PREFIX.sub("", lower, count=1)
    return is_wordy(body) or _ALL_WORDS.fullmatch(body) is not None


def is_wordy(value: str) -> bool:
    """Whether `value` reads as a few lower-case words joined by `-`, `_` or `.`, as names do."""
    return _WORDY.fullmatch(value[:_ENOUGH]) is not None
