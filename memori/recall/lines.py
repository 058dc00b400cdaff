"""One stored item as one line: quoted, dated and attributed."""

from __future__ import annotations

from memori.model import Hit
from memori.text.quoting import name, quote

_MAX_LINE_CHARS = 600


def line_of(hit: Hit) -> str:
    """One line: date, category and source or speaker, and the text in quotation marks."""
    date = hit.valid_from or hit.at if hit.kind == "memory" else hit.at
    label = f"{hit.category} · {hit.source}"
    if hit.kind == "turn":
        label = f"said by {name(hit.speaker or hit.role or hit.source)}"
        label += " · no longer holds" if hit.superseded_by is not None else ""
    text = " ".join(hit.text.split())
    if len(text) > _MAX_LINE_CHARS:
        text = text[: _MAX_LINE_CHARS - 1].rstrip() + "…"
    when = f"{date:%Y-%m-%d} · " if date else ""
    return f"- [{when}{label}] {quote(text)}"
