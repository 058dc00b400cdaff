"""Secrets told by what is said around them: `password = ...`, "my PIN is ...", headers, URLs.

What follows a name such as `password` or `API_KEY` is redacted when it looks like a secret and
not like code, a description or a placeholder. In doubt a quoted value counts as a secret and a
plain word in a sentence does not: "my password is wrong" says nothing worth hiding, and cannot be
told from a password that is a plain word.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass

from memori.text.placeholders import is_placeholder, is_wordy

Span = tuple[int, int, str]

#: Lower-case literals, one of which is in every text that `find_values` finds something in.
HINTS = (
    *("pass", "pwd", "pw:", "pw=", "secret", "token", "key", "pin", "credential", "kennwort"),
    *("contrase", "senha", "clave", "bearer", "basic", "authorization", "curl"),
)
#: The same for texts that are not ASCII.
WIDE_HINTS = ("密码", "密碼", "口令", "パスワード", "비밀번호", "парол", "密钥", "令牌")

_NAME = re.compile(
    r"(?P<password>pass(?:word|wd|wort|phrase|code)|mot de passe|kennwort|contrase(?:ñ|n)a|senha"
    r"|密码|密碼|口令|パスワード|비밀번호|пароль"
    r"|(?<![a-z])(?:pass|pwd|pw|psw)|(?<=db_)pass|(?<=[_-])pwd)(?![a-zñ])"
    r"|(?P<pin>(?<![a-z])pin(?:[ -]?(?:code|number))?)(?![a-z])"
    r"|(?P<key>(?:api|access|auth|private|signing|encryption|account|subscription|master|license"
    r"|client|app|shared|service|deploy|consumer|storage|webhook|secret|security|bearer|bot)"
    r"[ _-]?(?:key|secret|token)|credentials?|secret|token|(?<=_)key|密钥|令牌)(?![a-z])"
)
# From the name to the value. In order: a parameter's annotation and default, an assignment (also
# of a quoted or bracketed name), or a verb with or without "for the router" before it.
_LINK = re.compile(
    r"(?:[ _-]?(?:base64|b64|prod|production|staging|dev|live|test|[0-9]{1,3}))?"
    r"(?:"
    r"(?P<assign>(?:\\?[\"'`]\]?|\*\*|:\*\*)?[ \t]{0,8}"
    r"(?::[ \t]?[a-z][\w.\[\]|]{0,30}[ \t]?=(?=[ \t]?[\"'])|:=|=>|={1,3}|:(?!=|:|//))\**[ \t]{0,8})"
    r"|(?P<verb>(?:[ \t]{1,3}(?:for|to|of|on|at|f[üu]r|zu[mr]?|vom|von|para|pour|del?|du)"
    r"[ \t][^\n.;:?!=\"]{1,40}?)?"
    r"(?:[ \t]{1,3}(?:is|was|ist|lautet|war|est|es|era|é|это)"
    r"(?:[ \t]+(?:now|still|currently|just|set to|jetzt|ahora))?[ \t]*[:=]?[ \t]+"
    r"|[ \t]?(?:是|为|為|は|이|는|은|:)[ \t:]{0,3}))"
    r")"
)
_CHANGED = re.compile(r"[ \t]to[ \t:]{1,3}")
_CHANGES = ("chang", "reset", "set ", "updat")
_SQL = re.compile(r"[ \t]{1,3}(?=')")
_FLAG = re.compile(r"[ \t]{1,3}")
_LITERAL = re.compile(r"[fbru]{0,2}\\?(?P<quote>[\"'`])")
_BARE = re.compile(r"\S{1,256}+")

_CODE = re.compile(r"[A-Za-z_][\w.]*+[(\[{]|[A-Za-z_]\w*+(?:\.[A-Za-z_]\w*+)++$|[A-Za-z_]\w*+::")
_VARIABLE = re.compile(r"[a-z]+(?:_[a-z0-9]+)+")
_REFERENCE = re.compile(
    r"(?:arn|op|vault|secret|ref|file|env|ssm|gs|s3|https?|sha(?:1|256|512)|md5):|[~.]{0,2}/[\w.~-]"
    r"|[A-Za-z]:\\",
    re.IGNORECASE,
)
_FILE = re.compile(r"\.(?:pem|key|json|ya?ml|txt|toml|env|py|js|ts|crt|pub|cfg|ini|md|html?)$")
# "The password is SHA-256 hashed", "is 8-character", "is 1Password": about it, not it.
_DESCRIBES = re.compile(
    r"(?:sha|md|base|utf|aes|rsa|argon|pbkdf|bcrypt|scrypt|oauth|hs|rs|es|ntlm|v)[-_]?[0-9]"
    r"|[0-9]{1,4}[- ]?(?:char|digit|letter|word|bit|day|month|hour|min|week|year|x\b|st|nd|rd|th\b)"
    r"|[0-9]?password|[0-9][- ]?fa\b|(?:var)?char[0-9(]|(?:u?int|float|string)[0-9]"
    r"|[0-9]{1,4}(?:[-/][0-9]{1,4}){1,2}$|[0-9]{1,2}:[0-9]{2}",
    re.IGNORECASE,
)
_PASSPHRASE = re.compile(r"[a-z]{3,12}(?:[-_. ][a-z]{3,12}){3,9}")
_SYMBOL = re.compile(r"[!@#$%^&*+?~]")
_LETTER = re.compile(r"[^\W\d_]")
_DIGIT = re.compile(r"[0-9]")
_END_MARKS = ".,;:?)]}\"'`\\*>|\u3002\uff0c"


def _looks_random(value: str, least: int) -> bool:
    return (
        len(value) >= least
        and _DIGIT.search(value) is not None
        and _LETTER.search(value) is not None
        and not is_wordy(value)
    )


def _is_password(value: str, *, quoted: bool, said: bool, assertive: bool) -> bool:
    if any(mark in value for mark in " \t"):
        return quoted and _PASSPHRASE.fullmatch(value) is not None
    if quoted or assertive:
        return len(value) >= 5 or (len(value) >= 4 and _DIGIT.search(value) is not None)
    if value.isdigit():
        return len(value) >= (4 if said else 6)
    if len(value) < 5:
        return False
    if not said and (_VARIABLE.fullmatch(value) or is_placeholder(value.rstrip("0123456789_"))):
        return False
    return (
        (_DIGIT.search(value) is not None and _LETTER.search(value) is not None)
        or _SYMBOL.search(value, 0, len(value) - 1) is not None
        or _PASSPHRASE.fullmatch(value) is not None
    )


def _is_secret(
    name: str, kind: str, value: str, *, quoted: bool, said: bool, assertive: bool
) -> bool:
    if len(value) < 4 or is_placeholder(value) or _REFERENCE.match(value):
        return False
    if _FILE.search(value) or "://" in value:
        return False
    if kind == "pin":
        return value.isdigit() and (len(value) == 4 if "code" in name else 4 <= len(value) <= 8)
    if _DESCRIBES.match(value) and not quoted:
        return False
    if kind == "password":
        return _is_password(value, quoted=quoted, said=said, assertive=assertive)
    if " " in value or "\t" in value:
        return False
    if name == "key":  # anything may be called SOME_KEY: only what can hardly be a name
        return _looks_random(value, 20)
    if assertive or (quoted and name not in ("token", "credential", "credentials", "secret")):
        return len(value) >= 8 and not _CODE.match(value) and not _VARIABLE.fullmatch(value)
    return _looks_random(value, 8 if quoted else 10)


def _value(text: str, start: int, *, said: bool, tight: bool) -> tuple[int, int, bool] | None:
    """The value that begins at `start`: its span and whether it was quoted."""
    opening = _LITERAL.match(text, start)
    if opening:
        first = opening.end()
        newline = text.find("\n", first, first + 512)
        close = text.find(opening["quote"], first, newline if newline >= 0 else first + 512)
        if close < 0:
            return None
        while close > first and text[close - 1] == "\\":
            close -= 1
        return first, close, True
    bare = _BARE.match(text, start)
    if not bare or _CODE.match(bare.group()):
        return None
    value = bare.group()
    for mark in "\"'`<>" if said else "\"'`<>,;)&" if tight else "\"'`<>,;)":
        value = value.partition(mark)[0]
    return start, start + len(value.rstrip(_END_MARKS)), False


@dataclass(frozen=True, slots=True)
class _Lead:
    """Where the value of a name begins, and what leads to it.

    `said` in a sentence, `tight` after a bare "=", `element` in an XML element.
    """

    at: int
    said: bool = False
    tight: bool = False
    element: bool = False


def _lead(lower: str, start: int, end: int, group: str) -> _Lead | None:
    """How the name at `start:end` leads to a value, if it does."""
    if link := _LINK.match(lower, end):
        said = link["assign"] is None
        return _Lead(link.end(), said=said, tight=lower[end : link.end()] == "=")
    if lower.startswith("--", max(0, start - 2)):
        flag = _FLAG.match(lower, end)
        return _Lead(flag.end(), tight=True) if flag else None
    if lower[start - 1 : start] == "<" and lower[end : end + 1] == ">":
        return _Lead(end + 1, element=True)
    if group != "password":
        return None
    changed = _CHANGED.match(lower, end)
    if changed and any(word in lower[max(0, start - 24) : start] for word in _CHANGES):
        return _Lead(changed.end(), said=True)
    clause = _SQL.match(lower, end)
    return _Lead(clause.end()) if clause else None


def _assigned(text: str, lower: str) -> Iterator[Span]:
    position = 0
    while found := _NAME.search(lower, position):
        start, position = found.span()
        group, name = str(found.lastgroup), found.group()
        lead = _lead(lower, start, position, group)
        span = lead and _value(text, lead.at, said=lead.said, tight=lead.tight)
        if not lead or not span:
            continue
        first, end, quoted = span
        if lead.element and not text.startswith("</", end):
            continue
        # NAME=value, as in a shell or an .env file
        assertive = lead.tight and text[start:position].isupper()
        if _is_secret(
            name, group, text[first:end], quoted=quoted, said=lead.said, assertive=assertive
        ):
            yield first, end, _KINDS.get(group) or _kind_of_key(name)
            position = max(position, end)


_KINDS = {"password": "password", "pin": "pin"}


def _kind_of_key(name: str) -> str:
    return "token" if "token" in name else "api key" if "api" in name else "secret"


_BEARER = re.compile(r"bearer[ \t]{1,4}([A-Za-z0-9._~+/=-]{6,}+)", re.IGNORECASE)
_BASIC = re.compile(r"basic[ \t]{1,4}([A-Za-z0-9+/]{6,}+={0,2})", re.IGNORECASE)
_RAW = re.compile(
    r"authorization[\"']?[ \t]{0,4}[:=][ \t]{0,4}[\"']?(?:token[ \t]+|apikey[ \t]+|key=)?"
    r"([A-Za-z0-9._~+/=-]{16,}+)",
    re.IGNORECASE,
)
_CURL_USER = re.compile(r"(?<=\s)(?:-u|--user)[ =]?[\"']?[^\s:\"']{1,128}:([^\s\"']{3,128})")


def _headers(text: str, lower: str) -> Iterator[Span]:
    if "bearer" in lower:
        for match in _BEARER.finditer(text):
            token = match.group(1).rstrip(".")
            in_header = "authorization" in lower[max(0, match.start() - 24) : match.start()]
            if not is_placeholder(token) and _looks_random(token, 6 if in_header else 16):
                yield match.start(1), match.start(1) + len(token), "bearer token"
    if "basic" in lower:
        for match in _BASIC.finditer(text):
            if _is_basic(match.group(1)):
                yield *match.span(1), "basic credentials"
    if "authorization" in lower:
        for match in _RAW.finditer(text):
            token = match.group(1)
            if not is_placeholder(token) and _looks_random(token, 16):
                yield *match.span(1), "token"
    if "curl" in lower:
        for match in _CURL_USER.finditer(text):
            command = lower[max(0, match.start() - 400) : match.start()]
            if "curl" in command and not is_placeholder(match.group(1)):
                yield *match.span(1), "password"


def _is_basic(encoded: str) -> bool:
    """Whether `encoded` is base64 of `user:password` (RFC 7617) and not just a long word."""
    try:
        plain = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return False
    return ":" in plain and plain.isprintable()


def find_values(text: str, lower: str) -> Iterator[Span]:
    """Spans `(start, end, kind)` of secrets named or said in `text`; `lower` is it lower-cased."""
    yield from _headers(text, lower)
    yield from _assigned(text, lower)


# The user may be empty (redis); a password may hold "/" but what begins like a port is a path.
_URL = re.compile(
    r"(?<=[A-Za-z0-9])://[^\s/:@?#\[\"'<>]{0,128}+:(?![0-9]{1,5}[/?#])([^\s\"'<>`@]{1,128}+)"
    r"(?:@[^\s\"'<>`@/]{1,64}+(?=@))?@(?=[\w\[$%{<])"
)


def find_url_passwords(text: str) -> Iterator[Span]:
    """Spans of the passwords in URLs of `text` (RFC 3986 userinfo); user and host stay."""
    for match in _URL.finditer(text):
        start, end = match.start(1), match.end() - 1
        if not is_placeholder(text[start:end]):
            yield start, end, "password"
