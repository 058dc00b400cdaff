"""Redacting secrets: what every text goes through before it is written anywhere.

    >>> redact("the deploy URL is postgres://app:hunter2@db.example.org/app").text
    'the deploy URL is postgres://app:[redacted: password]@db.example.org/app'

Time is linear in the text. docs/secrets.md says what is found, what is not, and why these
patterns are ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from memori.text.cards import CARD_LIKE, find_cards
from memori.text.folding import Folded, fold
from memori.text.private_keys import HINTS as PRIVATE_KEY_HINTS
from memori.text.private_keys import find_private_keys
from memori.text.secret_tokens import TOKEN_LIKE, find_tokens
from memori.text.secret_values import HINTS as VALUE_HINTS
from memori.text.secret_values import WIDE_HINTS, find_url_passwords, find_values

# A replacement can uncover a secret it stood beside, so it is repeated until nothing is found; the
# limit keeps a text made to resist from costing more than a constant factor.
_MAX_PASSES = 6


@dataclass(frozen=True, slots=True)
class Redacted:
    """A text without its secrets.

    `kinds` names what was replaced, each kind once, in the order met; empty when nothing was,
    and then `text` is the text that was given.
    """

    text: str
    kinds: tuple[str, ...] = ()


def redact(text: str) -> Redacted:
    """`text` with each secret replaced by `[redacted: <kind>]`.

    Found are keys and tokens of common providers, private key blocks, passwords in URLs and
    assignments, authorization headers and payment card numbers; placeholders such as
    `YOUR_API_KEY` stay. Redacting a redacted text changes nothing. Raises nothing.
    """
    kinds: dict[str, None] = {}
    for _ in range(_MAX_PASSES):
        folded = fold(text)
        spans = _merged(_find(folded))
        if not spans:
            break
        pieces: list[str] = []
        position = 0
        for start, end, kind in spans:
            first, last = folded.origin(start, end)
            pieces += text[position:first], f"[redacted: {kind}]"
            position = last
            kinds[kind] = None
        text = "".join((*pieces, text[position:]))
    return Redacted(text, tuple(kinds))


def _find(folded: Folded) -> Iterator[tuple[int, int, str]]:
    """All finds, overlapping or not; of two that overlap the one yielded first names the kind."""
    text, lower = folded.text, folded.lower
    if any(hint in lower for hint in PRIVATE_KEY_HINTS):
        yield from find_private_keys(text)
    if TOKEN_LIKE.search(text):
        yield from find_tokens(text, lower)
    if "://" in text and "@" in text:
        yield from find_url_passwords(text)
    if any(hint in lower for hint in VALUE_HINTS) or (
        not text.isascii() and any(hint in lower for hint in WIDE_HINTS)
    ):
        yield from find_values(text, lower)
    if CARD_LIKE.search(text):
        yield from find_cards(text, lower)


def _merged(found: Iterator[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Disjoint spans in order, overlapping ones joined."""
    ranked = sorted(
        (start, rank, end, kind) for rank, (start, end, kind) in enumerate(found) if start < end
    )
    merged: list[tuple[int, int, str]] = []
    best = 0
    for start, rank, end, kind in ranked:
        if merged and start < merged[-1][1]:
            before = merged[-1]
            merged[-1] = (before[0], max(before[1], end), kind if rank < best else before[2])
            best = min(best, rank)
        else:
            merged.append((start, end, kind))
            best = rank
    return merged
