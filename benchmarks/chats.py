"""Replaying labelled conversations as a chat with a model: what each way of sending would send.

Nothing is sent to anyone. Each message of a person is a call; what memori would add to it is what
`Memori.context_for` answers, as the interceptor asks it, before the message is recorded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Literal, Self

from benchmarks.labels import Conversation, LabelledQuestion, LabelledTurn
from benchmarks.methods import ASKED_AFTER
from memori import Hit, Memori, Memory, Settings, Turn
from memori.config import amend_settings
from memori.ids import new_id
from memori.recall.lines import line_of
from memori.text.quoting import quote
from memori.text.tokens import estimate_tokens

Mode = Literal["conscious", "auto", "both"]
#: Pages of memories are read whole; a conversation has fewer than this.
_PAGE = 200


@dataclass(frozen=True, slots=True)
class Way:
    """One way to send a conversation.

    Attributes:
        name: what the table calls it.
        messages: how many of the last messages are sent, the new one included; None is all.
        mode: what memori adds, if anything.
    """

    name: str
    messages: int | None = None
    mode: Mode | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What one way sent with a question.

    Attributes:
        category: the question's.
        tokens: of the whole call.
        found: share of the evidence that was sent, 0 to 1.
        found_or_cut: the same, where a turn that memori cut short counts as sent.
    """

    category: str
    tokens: int
    found: float
    found_or_cut: float


@dataclass(slots=True)
class Sent:
    """What one way sent in a whole conversation: tokens of each call, and the questions."""

    calls: list[int] = field(default_factory=list[int])
    asked: list[Asked] = field(default_factory=list[Asked])


class Replay:
    """A database of its own in which conversations are replayed, each as a user of its own.

    Args:
        ways: what to compare.
        settings: memori's, where not the default.
    """

    def __init__(self, ways: Sequence[Way], settings: Settings) -> None:
        self.ways = tuple(ways)
        self._now = datetime.now(UTC)
        self._open = ExitStack()
        folder = self._open.enter_context(TemporaryDirectory(prefix="memori-tokens-"))
        database = f"sqlite:///{Path(folder) / 'tokens.db'}"
        self._settings = amend_settings(settings, {"database.connection_string": database})
        self._replayed: dict[str, dict[str, str]] = {}
        self._kept = self._make(None)
        self._memories = {way: self._make(way.mode) for way in self.ways if way.mode is not None}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()

    def _make(self, mode: Mode | None) -> Memori:
        made = Memori(
            settings=self._settings,
            clock=lambda: self._now,
            conscious_ingest=mode in ("conscious", "both"),
            auto_ingest=mode in ("auto", "both"),
        )
        return self._open.enter_context(made)

    def run(self, conversation: Conversation) -> dict[Way, Sent]:
        """Replay a conversation, unless its turns were, and ask its questions that name evidence.

        Returns:
            What each way sent; no calls of turns that were replayed before.
        """
        sent = {way: Sent() for way in self.ways}
        if conversation.owner not in self._replayed:
            self._replayed[conversation.owner] = self._replay(conversation, sent)
        self._ask(conversation, self._replayed[conversation.owner], sent)
        return sent

    def _replay(self, conversation: Conversation, sent: dict[Way, Sent]) -> dict[str, str]:
        """Call and record, turn by turn; by the ids of the stored turns, those of the labels."""
        user = conversation.owner
        tokens: list[int] = []
        ids: dict[str, str] = {}
        session: str | None = None
        for place, turn in enumerate(conversation.turns):
            self._now = turn.at or self._now
            if turn.session != session:
                session = turn.session
                self._begin(session, user)
            tokens.append(estimate_tokens(turn.text))
            if _is_human(turn):
                history = conversation.turns[: place + 1]
                for way, kept in sent.items():
                    notes = self._notes(way, history, user)
                    kept.calls.append(_cost(way, notes, tokens))
            ids |= self._record(turn, user)
        return ids

    def _ask(self, conversation: Conversation, ids: dict[str, str], sent: dict[Way, Sent]) -> None:
        user = conversation.owner
        tokens = [estimate_tokens(turn.text) for turn in conversation.turns]
        evidence = _Evidence(conversation, self._learnt(user, ids), self._cut_lines(user, ids))
        ended = (conversation.last_at or self._now) + ASKED_AFTER
        for question in conversation.questions:
            if not question.evidence:
                continue
            self._now = question.asked_at or ended
            self._begin(new_id(), user)
            asked = LabelledTurn(id="", session="", text=question.question)
            history = [*conversation.turns, asked]
            costs = [*tokens, estimate_tokens(asked.text)]
            for way, kept in sent.items():
                notes = self._notes(way, history, user)
                shown = {turn.id for turn in _window(way, history)}
                found, cut = evidence.found(question, notes, shown)
                cost = _cost(way, notes, costs)
                kept.asked.append(Asked(question.category, cost, found, cut))

    def _begin(self, session: str, user: str) -> None:
        self._kept.promote_due()  # the background does it between two sessions
        for memori in self._memories.values():
            memori.new_session(session, user_id=user)

    def _notes(self, way: Way, history: Sequence[LabelledTurn], user: str) -> str:
        if way not in self._memories:
            return ""
        messages = [_message(turn) for turn in _window(way, history)]
        return self._memories[way].context_for(messages, user_id=user)

    def _record(self, turn: LabelledTurn, user: str) -> dict[str, str]:
        """Record a turn and learn from it at once; the stored turn's id and the labelled one."""
        human = _is_human(turn)
        given = Turn(
            content=turn.text,
            role="user" if human else "assistant",
            speaker=_name(turn) if human else None,
            at=turn.at,
            external_id=turn.id,
        )
        receipts = self._kept.record([given], session_id=turn.session, user_id=user, learn=human)
        if human:
            self._kept.learn()
        return {receipt.id: turn.id for receipt in receipts if receipt.id is not None}

    def _learnt(self, user: str, ids: dict[str, str]) -> list[tuple[str, frozenset[str]]]:
        """Every memory as it is quoted, and the labelled turns it comes from."""
        return [
            (quote(hit.text), frozenset(ids[turn] for turn in memory.sources if turn in ids))
            for hit in self._all("memory", user)
            if isinstance(memory := self._kept.get(hit.id, user_id=user), Memory)
        ]

    def _cut_lines(self, user: str, ids: dict[str, str]) -> dict[str, str]:
        """By labelled turn, what memori quotes of it, where that is not all of it."""
        lines = {
            ids[hit.id]: line_of(hit).partition("] ")[2]
            for hit in self._all("turn", user)
            if hit.id in ids
        }
        return {turn: line for turn, line in lines.items() if line.endswith('…"')}

    def _all(self, kind: Literal["memory", "turn"], user: str) -> Iterator[Hit]:
        cursor: str | None = None
        while True:
            page = self._kept.search(
                kind=kind, limit=_PAGE, cursor=cursor, include_superseded=True, user_id=user
            )
            yield from page.items
            cursor = page.cursor
            if cursor is None:
                return


class _Evidence:
    """Whether evidence is in what was sent: as a message, quoted whole, or as what was learnt."""

    def __init__(
        self,
        conversation: Conversation,
        learnt: Sequence[tuple[str, frozenset[str]]],
        cut: dict[str, str],
    ) -> None:
        self._quoted = {turn.id: quote(" ".join(turn.text.split())) for turn in conversation.turns}
        self._learnt = learnt
        self._cut = cut

    def found(self, question: LabelledQuestion, notes: str, shown: set[str]) -> tuple[float, float]:
        """Share of a question's evidence that was sent: whole, and cut short ones included."""
        told = {turn for line, turns in self._learnt if line in notes for turn in turns}
        whole = {
            turn
            for turn in question.evidence
            if turn in shown or turn in told or self._quoted.get(turn, notes + " ") in notes
        }
        cut = {turn for turn in question.evidence if self._cut.get(turn, notes + " ") in notes}
        wanted = set(question.evidence)
        return len(whole) / len(wanted), len(whole | cut) / len(wanted)


def _window(way: Way, history: Sequence[LabelledTurn]) -> Sequence[LabelledTurn]:
    return history if way.messages is None else history[-way.messages :]


def _cost(way: Way, notes: str, tokens: Sequence[int]) -> int:
    kept = tokens if way.messages is None else tokens[-way.messages :]
    return estimate_tokens(notes) + sum(kept)


def _is_human(turn: LabelledTurn) -> bool:
    return turn.speaker != "assistant"


def _name(turn: LabelledTurn) -> str | None:
    """The speaker, where it is somebody and not just the user of the chat."""
    return None if turn.speaker == "user" else turn.speaker


def _message(turn: LabelledTurn) -> dict[str, Any]:
    message = {"role": "user" if _is_human(turn) else "assistant", "content": turn.text}
    named = _name(turn) if _is_human(turn) else None
    return message if named is None else {**message, "name": named}
