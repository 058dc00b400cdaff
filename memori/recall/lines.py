"""One stored item as one line: quoted, dated and attributed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from memori.model import Hit
from memori.store.rows import in_offset
from memori.text.quoting import name, quote
from memori.text.tokens import estimate_tokens

_MAX_LINE_CHARS = 600


class Line(NamedTuple):
    """A line and its size by the estimator."""

    text: str
    tokens: int


def line_of(hit: Hit) -> str:
    """One line: date, category and source or speaker, whether it is in doubt or holds no longer,
    and the text in quotation marks."""
    return sized_line(hit).text


def sized_line(hit: Hit) -> Line:
    """`line_of`, with its size."""
    if hit.kind == "memory":
        label = _label(hit.category, hit.source, hit.metadata)
        return _line(hit.valid_from or hit.at, label, hit.text)
    label = f"said by {name(hit.speaker or hit.role or hit.source)}"
    if hit.superseded_by is not None:
        label += " · part no longer holds" if hit.holds_partly else " · no longer holds"
    return _line(hit.at, label, hit.text)


def line_of_memory(row: Any) -> Line:
    """The line of a row of `memories`, as it would be of its hit."""
    since = in_offset(row.valid_from, row.valid_from_offset) or row.recorded_at
    return _line(since, _label(row.category, row.source, row.metadata), row.content)


def _label(category: str | None, source: str, metadata: Mapping[str, Any]) -> str:
    doubt = " · uncertain" if metadata.get("uncertain") is True else ""
    return f"{category} · {source}{doubt}"


def _line(at: datetime | None, label: str, text: str) -> Line:
    return _written(f"{at:%Y-%m-%d} · {label}" if at else label, text)


@lru_cache(maxsize=1_024)
def _written(label: str, text: str) -> Line:
    # The same lines are written again and again: with every working context of a scope.
    text = " ".join(text.split())
    if len(text) > _MAX_LINE_CHARS:
        text = text[: _MAX_LINE_CHARS - 1].rstrip() + "…"
    line = f"- [{label}] {quote(text)}"
    return Line(line, estimate_tokens(line))
