"""What each signal is worth: the same questions, asked with one signal's weight at 0."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from unittest.mock import patch

from benchmarks.labels import Conversation, LabelledQuestion
from benchmarks.methods import MemoriMethod, Method
from memori.recall import rerank

#: What the table of the ablation shows.
SHOWN = ("recall@10", "MRR")


class Without(Method):
    """memori with one signal out; it asks what another method has loaded.

    The weights themselves are changed while a question is asked, so that nothing in the product
    exists for the sake of this measurement.
    """

    def __init__(self, whole: MemoriMethod, signal: str) -> None:
        self.name = f"without {signal}"
        self.signal = signal
        self._whole = whole

    async def load(self, conversation: Conversation) -> None:
        await self._whole.load(conversation)

    async def ask(
        self, conversation: Conversation, question: LabelledQuestion, limit: int
    ) -> list[str]:
        with patch.object(rerank, "WEIGHTS", {**rerank.WEIGHTS, self.signal: 0.0}):
            return await self._whole.ask(conversation, question, limit)


def ablations(whole: MemoriMethod) -> list[Method]:
    """memori without each of its signals in turn."""
    return [Without(whole, signal) for signal in rerank.WEIGHTS]


@dataclass(frozen=True, slots=True)
class Worth:
    """What a signal adds to a measure, over the questions of one file: the mean of the
    differences question by question, with its standard error."""

    file: str
    method: str
    measure: str
    mean: float
    error: float


def worth(
    file: str, method: str, measure: str, whole: Sequence[float], without: Sequence[float]
) -> Worth:
    """Compare two methods on the same questions, in the same order."""
    differences = [a - b for a, b in zip(whole, without, strict=True)]
    n = len(differences)
    mean = sum(differences) / n
    spread = sum((d - mean) ** 2 for d in differences)
    return Worth(file, method, measure, mean, sqrt(spread / (n - 1) / n) if n > 1 else 0.0)
