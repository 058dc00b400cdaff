"""Reading what a model answered: the schema asked for, and a parser that forgives its form but
never its content. What is not as asked is left out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from memori.learn.learnt import Heard, Learnt, Relation
from memori.model import CATEGORIES

_MOST = 40
_LONGEST = 500
_LONGEST_NAME = 120

TEXT = {"type": "string"}
_SHARE = {"type": "number"}
_FLAG = {"type": "boolean"}


def make_object(properties: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """The schema of an object that has exactly these properties."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
        **more,
    }


SCHEMA = make_object(
    {
        "memories": {
            "type": "array",
            "items": make_object(
                {
                    "content": TEXT,
                    "category": {"type": "string", "enum": list(CATEGORIES)},
                    "importance": _SHARE,
                    "confidence": _SHARE,
                    "entities": {"type": "array", "items": TEXT},
                    "turns": {"type": "array", "items": {"type": "integer"}},
                    "relation": {
                        "anyOf": [
                            make_object(
                                {
                                    "subject": TEXT,
                                    "predicate": TEXT,
                                    "object": TEXT,
                                    "single": _FLAG,
                                }
                            ),
                            {"type": "null"},
                        ]
                    },
                    "ended": _FLAG,
                    "uncertain": _FLAG,
                }
            ),
        }
    }
)
_FENCED = re.compile(r"```(?:json)?\s*(.*?)```", re.DOTALL)
_TRAILING_COMMA = re.compile(r",\s*([}\]])")


class Unreadable(Exception):
    """The answer is not what was asked for."""


def read_reply(text: str, heard: Sequence[Heard]) -> list[Learnt]:
    """The memories in an answer.

    Args:
        text: what the model said: JSON, perhaps in a fence or with words around it.
        heard: the turns it was given, numbered from 1.

    Raises:
        Unreadable: there is no list of memories in it, or no memory in the list is as asked.
    """
    value = find_json(text)
    given: Any = value.get("memories") if isinstance(value, Mapping) else value  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if not isinstance(given, list):
        raise Unreadable
    made = [_memory(each, heard) for each in cast("list[Any]", given)[:_MOST]]
    read = [learnt for learnt in made if learnt is not None]
    if made and not read:
        raise Unreadable
    return read


def find_json(text: str) -> Any:
    """The JSON value in an answer, perhaps in a fence or with words around it.

    Raises:
        Unreadable: there is none.
    """
    for candidate in _candidates(text):
        for attempt in (candidate, _TRAILING_COMMA.sub(r"\1", candidate)):
            try:
                return json.loads(attempt)
            except (ValueError, RecursionError):  # or brackets nested without an end
                continue
    raise Unreadable


def _candidates(text: str) -> Iterator[str]:
    yield text.strip()
    for fenced in _FENCED.findall(text):
        yield fenced.strip()
    for opening, closing in (("{", "}"), ("[", "]")):
        start, end = text.find(opening), text.rfind(closing)
        if 0 <= start < end:
            yield text[start : end + 1]


def _memory(given: Any, heard: Sequence[Heard]) -> Learnt | None:
    if not isinstance(given, Mapping):
        return None
    fields = cast("Mapping[str, Any]", given)
    content, category = fields.get("content"), fields.get("category")
    if not isinstance(content, str) or not 3 <= len(content.strip()) <= _LONGEST:
        return None
    numbers: Any = fields.get("turns")
    if category not in CATEGORIES or not isinstance(numbers, list):
        return None
    # A statement that names no turn that was given is nobody's.
    said = [n for n in cast("list[Any]", numbers) if type(n) is int and 1 <= n <= len(heard)]
    if not said:
        return None
    return Learnt(
        content=content.strip(),
        category=category,
        importance=_share(fields.get("importance"), 0.5),
        confidence=_share(fields.get("confidence"), 0.5),
        turns=tuple(dict.fromkeys(heard[number - 1].id for number in said)),
        relation=_relation(fields.get("relation")),
        entities=_names(fields.get("entities")),
        ended=fields.get("ended") is True,
        uncertain=fields.get("uncertain") is True,
    )


def _relation(given: Any) -> Relation | None:
    if not isinstance(given, Mapping):
        return None
    fields = cast("Mapping[str, Any]", given)
    parts = [fields.get(name) for name in ("subject", "predicate", "object")]
    texts = [part.strip() for part in parts if isinstance(part, str)]
    if len(texts) < 3 or not all(0 < len(text) <= _LONGEST_NAME for text in texts):
        return None
    return Relation(
        subject=texts[0],
        predicate=texts[1],
        object=texts[2],
        single=fields.get("single") is True,
    )


def _names(given: Any) -> tuple[str, ...]:
    if not isinstance(given, list):
        return ()
    names = [name.strip() for name in cast("list[Any]", given) if isinstance(name, str)]
    return tuple(name for name in names if 0 < len(name) <= _LONGEST_NAME)[:10]


def _share(given: Any, default: float) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float):
        return default
    return min(1.0, max(0.0, float(given)))
