"""What a verb is asked with besides content: ids, words, flags and counts, checked first.

Types alone do not keep a wrong value out, since arguments come from JSON, shells and models; and
each database would meet one in its own way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath
from typing import Any, cast

from memori.errors import InvalidArgument, NotFound
from memori.model import MAX_NAME_CHARS
from memori.text.analyser import normalise


def as_text(value: object, what: str) -> str:
    """A text, which may be empty.

    Raises:
        InvalidArgument: it is none.
    """
    if not isinstance(value, str):
        raise InvalidArgument(f"{what} must be text, not {type(value).__name__}")
    return value


def as_flag(value: object, what: str) -> bool:
    """True or False; a word such as "false" would count as true.

    Raises:
        InvalidArgument: it is neither.
    """
    if not isinstance(value, bool):
        raise InvalidArgument(f"{what} must be True or False, not {type(value).__name__}")
    return value


def as_count(value: object, what: str, most: int | None = None) -> int:
    """A whole number from 1 on.

    Raises:
        InvalidArgument: it is none, or more than `most`.
    """
    if (
        not isinstance(value, int)
        or isinstance(value, bool)
        or value < 1
        or (most is not None and value > most)
    ):
        reach = "at least 1" if most is None else f"a number from 1 to {most:,}"
        raise InvalidArgument(f"{what} is {str(value)[:40]}; it must be {reach}")
    return value


def as_id(value: object, what: str) -> str:
    """An id to look up.

    Raises:
        InvalidArgument: it is no text.
        NotFound: no id can be like that, since it could not be stored.
    """
    text = as_text(value, what)
    shown = normalise(text)
    if shown != text:
        raise NotFound(f"nothing here has the id {shown[:MAX_NAME_CHARS]}; look it up with search")
    return text


def as_ids(value: object, what: str) -> list[str]:
    """One id, or several.

    Raises:
        InvalidArgument: it is neither a text nor a list of texts.
        NotFound: no id can be like one of them.
    """
    return [as_id(each, what) for each in as_list(value, what)]


def as_path(value: object, what: str) -> Path:
    """The name of a file.

    Raises:
        InvalidArgument: no file can have it.
    """
    name = str(value) if isinstance(value, str | PurePath) else ""
    if not name.strip() or "\x00" in name:
        raise InvalidArgument(f"{what} must be the name of a file")
    return Path(name)


def as_list(value: object, what: str) -> list[Any]:
    """A list; one text counts as a list of it.

    Raises:
        InvalidArgument: it is no list.
    """
    kind = type(value).__name__
    if isinstance(value, str):
        return [value]
    if isinstance(value, bytes | Mapping) or not isinstance(value, Iterable):
        raise InvalidArgument(f"{what} must be a list, not {kind}")
    return list(cast("Iterable[Any]", value))
