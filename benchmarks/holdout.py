"""Do the weights hold for other conversations? `python -m benchmarks.holdout FILE...`.

For each signal of `memori/recall/rerank.py` its weight is chosen anew, among 0, half, once and
twice what it is, on all conversations but one, and tried on that one, for each in turn: by the mean
of recall@10 and MRR, every file counting alike. The table says what the weight so chosen is worth
on the conversation left out, beside no such signal at all. The other weights stay as they are.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from unittest.mock import patch

from benchmarks.ablation import SHOWN, Worth, worth
from benchmarks.answers import Answer, answer_all
from benchmarks.conversations import read_labelled_files
from benchmarks.labels import Conversation, LabelledFile, LabelledFileError, LabelledQuestion
from benchmarks.methods import MemoriMethod, Method
from benchmarks.recall import setting_argument
from benchmarks.report import Progress, table
from memori import MemoriError
from memori.recall import rerank

#: What a weight is multiplied by.
FACTORS = (0.0, 0.5, 1.0, 2.0)
#: How deep each answer is looked at.
LIMIT = 20


class Weighed(Method):
    """memori with one weight multiplied; it asks what another method has loaded."""

    def __init__(self, whole: Method, signal: str, factor: float) -> None:
        self.name = f"{signal} x{factor:g}"
        self._whole = whole
        self._weights = {**rerank.WEIGHTS, signal: rerank.WEIGHTS[signal] * factor}

    async def load(self, conversation: Conversation) -> None:
        await self._whole.load(conversation)

    async def ask(
        self, conversation: Conversation, question: LabelledQuestion, limit: int
    ) -> list[str]:
        with patch.object(rerank, "WEIGHTS", self._weights):
            return await self._whole.ask(conversation, question, limit)


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What a signal is worth where its weight was not chosen, and how often each factor was."""

    signal: str
    worths: tuple[Worth, ...]
    chosen: Mapping[float, int]


def hold_out(signal: str, by_factor: Mapping[float, Sequence[Answer]]) -> HeldOut:
    """Choose the factor on all conversations but one, for each in turn.

    Args:
        signal: whose weight it is.
        by_factor: the answers under each factor, the same questions in the same order; 0 is one.
    """
    plain = by_factor[0.0]
    best = {name: _best(by_factor, name) for name in dict.fromkeys(map(_owner, plain))}
    tried = [by_factor[best[_owner(a)]][number] for number, a in enumerate(plain)]
    worths: list[Worth] = []
    for file in dict.fromkeys(answer.file for answer in plain):
        for measure in SHOWN:
            pairs = [
                (with_it.scores[measure], without.scores[measure])
                for with_it, without in zip(tried, plain, strict=True)
                if without.file == file
            ]
            worths.append(worth(file, signal, measure, *zip(*pairs, strict=True)))
    return HeldOut(signal, tuple(worths), Counter(best.values()))


def _owner(answer: Answer) -> str:
    return answer.conversation


def _best(by_factor: Mapping[float, Sequence[Answer]], left_out: str) -> float:
    """The factor that serves the other conversations best; the nearest to 1 of equals."""

    def value(factor: float) -> float:
        others = [answer for answer in by_factor[factor] if _owner(answer) != left_out]
        files = dict.fromkeys(answer.file for answer in others)
        return fmean(
            fmean(fmean(a.scores[m] for m in SHOWN) for a in others if a.file == file)
            for file in files
        )

    return max(by_factor, key=lambda factor: (value(factor), -abs(factor - 1)))


async def measure(
    files: Sequence[LabelledFile], whole: Method, signals: Sequence[str]
) -> list[HeldOut]:
    """Ask every question under every factor of every signal."""
    found: list[HeldOut] = []
    same = await answer_all(files, [whole], LIMIT, Progress())
    for signal in signals:
        changed = [Weighed(whole, signal, factor) for factor in FACTORS if factor != 1]
        answers = await answer_all(files, changed, LIMIT, Progress())
        by_factor = {
            factor: [a for a in answers if a.method == f"{signal} x{factor:g}"]
            for factor in FACTORS
        }
        found.append(hold_out(signal, {**by_factor, 1.0: same}))
    return found


def render(found: Sequence[HeldOut]) -> str:
    """A row a signal, a column a file and measure; points of 100."""
    columns = [(w.file, w.measure) for w in found[0].worths]
    header = ["held out", *(f"{file} {name}" for file, name in columns), "factors chosen"]
    rows = [
        [
            each.signal,
            *(f"{w.mean * 100:+.1f} ±{w.error * 100:.1f}" for w in each.worths),
            ", ".join(f"x{factor:g}: {n}" for factor, n in sorted(each.chosen.items())),
        ]
        for each in found
    ]
    return table(header, rows)


def parser() -> argparse.ArgumentParser:
    """The command line of `python -m benchmarks.holdout`."""
    made = argparse.ArgumentParser(prog="python -m benchmarks.holdout", description=__doc__)
    made.add_argument("files", nargs="+", type=Path, metavar="FILE", help="labelled conversations")
    made.add_argument(
        "--signals", metavar="NAME,...", help="only these signals (default: all of them)"
    )
    made.add_argument(
        "--set",
        action="append",
        type=setting_argument,
        metavar="KEY=VALUE",
        help="a setting of memori, e.g. embedding.provider=minilm; may be repeated",
    )
    return made


async def run(arguments: argparse.Namespace) -> None:
    """Read, load, ask, print. Raises LabelledFileError and MemoriError."""
    signals = arguments.signals.split(",") if arguments.signals else list(rerank.WEIGHTS)
    unknown = [signal for signal in signals if signal not in rerank.WEIGHTS]
    if unknown:
        raise LabelledFileError(f"no signal {unknown[0]!r}; there are {', '.join(rerank.WEIGHTS)}")
    files = read_labelled_files(arguments.files)
    # What a weight is worth should not depend on which questions are answered.
    settings: dict[str, object] = {"recall.abstain": False}
    settings.update(arguments.set or ())
    async with MemoriMethod(None, settings) as whole:
        print(render(await measure(files, whole, signals)))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 when it measured, 1 when it could not, 2 for wrong usage."""
    try:
        asyncio.run(run(parser().parse_args(argv)))
    except (LabelledFileError, MemoriError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
