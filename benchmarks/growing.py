"""A conversation of any length, for the scale benchmark: shaped like a labelled one, its
vocabulary growing as real text's does.

The shape (words in a turn, the share of them that carries content, turns in a session, who
speaks) and the first words are those of a labelled file when one is given, else those of two
people who chat. Words are drawn by the Pitman-Yor process of `synthetic.py`, which begins with
what the file says: its common words stay common, and new ones come ever more seldom.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby

from benchmarks.floors import STOP_WORDS
from benchmarks.labels import LabelledFile
from benchmarks.synthetic import COMMON, Vocabulary, some_common
from memori import Turn

#: When the first session begins, and how long after it the next one.
FIRST_SESSION = datetime(2015, 1, 5, 9, 0, tzinfo=UTC)
BETWEEN_SESSIONS = timedelta(hours=2)
#: Content words a question shares with a turn, least and most.
SHARED_WORDS = (3, 5)
#: Common content words a question of nothing else is made of.
COMMON_ASKED = 4
#: Turns that questions may be asked about, at most.
_KEPT = 4_000

_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Shape:
    """What a conversation looks like. `words` are content words in the order they were said."""

    lengths: tuple[int, ...] = (3, 6, 9, 12, 15, 18, 21, 24, 28, 32, 37, 44, 57)
    content_share: float = 0.5
    sessions: tuple[int, ...] = (14, 18, 20, 23, 30)
    speakers: tuple[str, ...] = ("Anna", "Marcus")
    words: tuple[str, ...] = ()


def shape_of(file: LabelledFile) -> Shape:
    """The shape of a labelled file: every length it holds, as often as it holds it."""
    lengths: list[int] = []
    content: list[str] = []
    sessions: list[int] = []
    speakers: Counter[str] = Counter()
    said = 0
    for conversation in file.conversations:
        for _, turns in groupby(conversation.turns, key=lambda turn: turn.session):
            found = list(turns)
            sessions.append(len(found))
            for turn in found:
                words = _WORD.findall(turn.text.lower())
                lengths.append(max(1, len(words)))
                said += len(words)
                content += [word for word in words if word not in STOP_WORDS]
                if turn.speaker:
                    speakers[turn.speaker] += 1
    names = tuple(name for name, _ in speakers.most_common(2)) or ("user",)
    share = len(content) / max(1, said)
    return Shape(tuple(lengths), share, tuple(sessions), names, tuple(content))


class Speech:
    """A conversation that goes on: each call of `session` continues it.

    Args:
        shape: what it looks like.
        seed: the same one says the same.
    """

    def __init__(self, shape: Shape, seed: int = 1) -> None:
        self.shape = shape
        #: Turns so far.
        self.turns = 0
        self._seed = seed
        self._chance = random.Random(seed)
        self._vocabulary = Vocabulary(self._chance, shape.words)
        self._number = 0
        #: Speaker and content words of turns taken evenly from all so far, to ask about.
        self._asked: list[tuple[str, list[str]]] = []
        self._every = 1

    def session(self, most: int) -> list[Turn]:
        """The next session, of at most `most` turns."""
        self._number += 1
        began = FIRST_SESSION + self._number * BETWEEN_SESSIONS
        count = min(most, self._chance.choice(self.shape.sessions))
        return [self._turn(began + timedelta(minutes=number)) for number in range(count)]

    def sessions(self, turns: int) -> Iterator[tuple[str, list[Turn]]]:
        """Sessions, each with its id, until the conversation has so many turns."""
        while self.turns < turns:
            said = self.session(turns - self.turns)
            yield f"session {self._number}", said

    def questions(self, count: int) -> list[str]:
        """Questions about turns of all ages, half of them naming who speaks."""
        chance = random.Random(f"{self._seed} {self.turns}")
        chosen = chance.sample(self._asked, min(count, len(self._asked)))
        while len(chosen) < count:
            chosen.append(chance.choice(self._asked))
        made: list[str] = []
        for speaker, content in chosen:
            different = list(dict.fromkeys(content))
            shared = chance.sample(different, min(len(different), chance.randint(*SHARED_WORDS)))
            words = [*shared, *some_common(chance, 2)]
            chance.shuffle(words)
            who = f"did {speaker} say" if chance.random() < 0.5 else "was it"
            made.append(f"What {who} {' '.join(words)}?")
        return made

    def common_questions(self, count: int) -> list[str]:
        """Questions of nothing but the commonest content words and a speaker's name."""
        chance = random.Random(f"common {self._seed} {self.turns}")
        often = self._vocabulary.commonest(40)
        return [
            f"What did {chance.choice(self.shape.speakers)} say of "
            f"{' '.join(chance.sample(often, COMMON_ASKED))}?"
            for _ in range(count)
        ]

    def _turn(self, at: datetime) -> Turn:
        chance = self._chance
        words: list[str] = []
        content: list[str] = []
        for _ in range(chance.choice(self.shape.lengths)):
            if chance.random() < self.shape.content_share:
                content.append(self._vocabulary.draw())
                words.append(content[-1])
            else:
                words.append(chance.choice(COMMON))
        speaker = self.shape.speakers[self.turns % len(self.shape.speakers)]
        self.turns += 1
        if len(content) >= SHARED_WORDS[0]:
            self._keep(speaker, content)
        role = "assistant" if speaker == "assistant" else "user"
        text = " ".join(words).capitalize() + "."
        return Turn(content=text, role=role, speaker=speaker, at=at)

    def _keep(self, speaker: str, content: list[str]) -> None:
        """Remember every n-th turn, n doubling, so that a few are kept of any length."""
        if self.turns % self._every == 0:
            self._asked.append((speaker, content))
            if len(self._asked) >= _KEPT:
                del self._asked[::2]
                self._every *= 2
