"""Private key blocks: PEM (RFC 7468), OpenSSH, PGP (RFC 9580), PuTTY and age, whole or cut short.

A block pasted into a conversation often lacks its end, or its line breaks are written `\\n`.
The header of a block without any key material ("files begin with -----BEGIN ...") is no secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

KIND = "private key"

#: Lower-case literals, one of which is in every text that `find_private_keys` finds something in.
HINTS = ("private key", "private-lines", "age-secret-key-1", "b3blbnnzac1rzxktdje")

_BEGIN = re.compile(r"-{2,5}\s?BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?\s?-{2,5}")
_END = re.compile(r"-{2,5}\s?END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?\s?-{2,5}")
_MATERIAL = re.compile(r"[A-Za-z0-9+/]{16}")
# What may stand between the header and the end: white space as such or written out, quoting of
# the language around it, header fields, and base64. Possessive, so that it never backtracks.
_BODY = re.compile(
    r"(?:[\s\"',|>+]"
    r"|\\[nrt]|\\(?=\s|$)"
    r"|(?:Proc-Type|DEK-Info|Version|Comment|Hash|Charset|Encryption)\s?:[^\n\\]{0,200}+"
    r"|[A-Za-z0-9+/=]{16,}+)*+"
    r"(?:[A-Za-z0-9+/]{1,15}={0,2}(?=[ \t]*(?:[\r\n\"'\\]|$)))?"
)
_MARK_TAIL = re.compile(r"[\s\"',+\\]*$")
_OTHER = re.compile(
    r"Private-Lines: ?\d{1,4}\s+(?:[A-Za-z0-9+/=]{16,}+\s*+)+"
    r"|AGE-SECRET-KEY-1[0-9A-Z]{40,}+"
    r"|(?<![A-Za-z0-9+/])b3BlbnNzaC1rZXktdjE[A-Za-z0-9+/]{20,}+(?:\s[A-Za-z0-9+/]{16,}+)*+={0,2}"
)
_BASE64_LINE = re.compile(r"\s*[A-Za-z0-9+/=]{1,120}\s*")


def _blocks(text: str) -> Iterator[tuple[int, int]]:
    begins = [(match.start(), match.end()) for match in _BEGIN.finditer(text)]
    ends = [(match.start(), match.end()) for match in _END.finditer(text)]
    used = 0
    reached = 0
    for place, (start, body) in enumerate(begins):
        if start < reached:
            continue
        following = begins[place + 1][0] if place + 1 < len(begins) else len(text)
        while used < len(ends) and ends[used][0] < body:
            # An end whose beginning was cut off: the lines of base64 above it are key material.
            yield from _above(text, reached, *ends[used])
            used += 1
        if used < len(ends) and ends[used][0] <= following:
            stop = ends[used][1]
            used += 1
            inner = ends[used - 1][0]
        else:
            matched = _BODY.match(text, body, following)
            inner = matched.end() if matched else body
            stop = inner - len(_MARK_TAIL.findall(text[max(body, inner - 64) : inner])[0])
        if _MATERIAL.search(text, body, inner):
            yield start, max(stop, body)
            reached = stop
    for start, end in ends[used:]:
        yield from _above(text, reached, start, end)
        reached = end


def _above(text: str, floor: int, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The block that ends with the mark `start:end` and whose first lines may be missing."""
    top = start
    while top > floor:
        line = text.rfind("\n", floor, top - 1) + 1 or floor
        if top - line > 160 or not _BASE64_LINE.fullmatch(text, line, top):
            break
        top = line
    if _MATERIAL.search(text, top, start):
        yield top, end


def find_private_keys(text: str) -> Iterator[tuple[int, int, str]]:
    """Spans `(start, end, kind)` of the private key blocks in `text`, in no set order."""
    for start, end in _blocks(text):
        yield start, end, KIND
    for match in _OTHER.finditer(text):
        yield match.start(), match.end(), KIND
