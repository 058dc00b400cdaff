"""The memory agent without a model: plain statements by rules, and the names in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from memori.learn.learnt import Extracted, Heard, Learnt
from memori.learn.names import Names
from memori.learn.rules import learn_from
from memori.store.jobs import is_learnt_from


class RuleAgent:
    """The memory agent without a model.

    Args:
        names: finds names in what was learnt, where one is configured.
    """

    name = "rules"
    local = True

    def __init__(self, names: Names | None = None) -> None:
        self._names = names

    def cost(self, heard: Sequence[Heard]) -> int:
        """Nothing."""
        return 0

    async def extract(self, heard: Sequence[Heard]) -> Extracted:
        """The plain statements in what people said, in order."""
        learnt = [
            each
            for turn in heard
            if is_learnt_from(turn.role, turn.source)
            for each in learn_from(turn)
        ]
        if self._names is not None and learnt:
            found = await self._names.find([each.content for each in learnt])
            learnt = list(map(_with_names, learnt, found))
        return Extracted(tuple(learnt))


def _with_names(learnt: Learnt, found: Sequence[str]) -> Learnt:
    known = {name.casefold() for name in learnt.entities}
    more = [name for name in found if name.casefold() not in known]
    return replace(learnt, entities=(*learnt.entities, *more))
