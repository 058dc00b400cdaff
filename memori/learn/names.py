"""Names in what was learnt, found by a spaCy pipeline that the user has installed.

Rules know names only where a rule says so ("my dog is called Rex"); a pipeline finds those of
people, places and organisations in any statement.
https://spacy.io/usage/linguistic-features#named-entities
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from memori.errors import ConfigurationError
from memori.learn.learnt import Unavailable
from memori.learn.threads import in_background

#: What pipelines mark that is nobody and nothing: amounts and times (labels of OntoNotes).
_NO_NAMES = frozenset({"CARDINAL", "DATE", "MONEY", "ORDINAL", "PERCENT", "QUANTITY", "TIME"})
_ARTICLE = re.compile(r"^(?:an?|the)\s+", re.IGNORECASE)
_MOST, _LONGEST = 10, 120


def require_pipeline(pipeline: str) -> None:
    """See that spaCy and a pipeline are there; neither is imported.

    Raises:
        ConfigurationError: one is missing; the message says what to install.
    """
    if find_spec("spacy") is None:
        raise ConfigurationError(
            f"learning.entities {pipeline!r} needs the package spacy: "
            "pip install 'memori-mcp[entities]'"
        )
    installed = pipeline.isidentifier() and find_spec(pipeline) is not None
    if not installed and not (Path(pipeline) / "meta.json").is_file():
        raise ConfigurationError(
            f"learning.entities {pipeline!r} is neither an installed pipeline of spaCy nor the "
            "folder of one: python -m spacy download en_core_web_sm"
        )


class Names:
    """Finds names with one pipeline, which is loaded when it is first asked.

    Args:
        pipeline: its name as a package, or its folder.
    """

    def __init__(self, pipeline: str) -> None:
        self._pipeline = pipeline
        self._loaded: Any = None

    async def find(self, texts: Sequence[str]) -> list[tuple[str, ...]]:
        """The names in each text, in order.

        Raises:
            Unavailable: the pipeline cannot be loaded.
        """
        # Off the loop: loading takes a second, and what needs the loop must not wait.
        return await asyncio.wrap_future(in_background(lambda: self._find(texts)))

    def _find(self, texts: Sequence[str]) -> list[tuple[str, ...]]:
        if self._loaded is None:
            try:
                self._loaded = import_module("spacy").load(self._pipeline)
            except (ImportError, OSError, ValueError) as error:
                trouble = f"spaCy could not load learning.entities ({type(error).__name__})"
                raise Unavailable(trouble) from None
        return [_names(document) for document in self._loaded.pipe(texts)]


def _names(document: Any) -> tuple[str, ...]:
    marked = [each.text for each in document.ents if each.label_ not in _NO_NAMES]
    names = (_ARTICLE.sub("", " ".join(text.split())) for text in marked)
    kept = dict.fromkeys(name for name in names if 0 < len(name) <= _LONGEST)
    return tuple(kept)[:_MOST]
