"""What the verbs mean, in plain lists: one owner's memory, for the engine to be compared with.

It follows the docstrings of `memori/writing.py` and `memori/reading.py`. Ids are the engine's:
an item or an operation gets its own after the engine has answered.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any

from memori import InvalidArgument, NotFound

KEPT = timedelta(days=30)
TRUSTED_ENOUGH = {"user", "import"}


@dataclass(eq=False, kw_only=True)
class Op:
    """One write, and what taking it back has to know."""

    verb: str
    at: datetime
    id: str = ""
    memory: Memory | None = None
    replaced: list[Memory] = field(default_factory=list)
    linked: list[Turn] = field(default_factory=list)
    before: Values | None = None
    turns: list[Turn] = field(default_factory=list)
    purged: bool = False
    nothing: bool = False
    undone: bool = False


@dataclass(kw_only=True)
class Values:
    """What `update` changes in place."""

    category: str = "fact"
    importance: float = 0.5
    tags: tuple[str, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)
    pinned: bool = False
    valid_from: datetime | None = None
    valid_until: datetime | None = None

    def changed(self, given: dict[str, Any]) -> Values:
        now = {each.name: getattr(self, each.name) for each in fields(self)}
        return Values(**now | given)


@dataclass(eq=False, kw_only=True)
class Item:
    """What memories and turns have in common."""

    text: str
    word: str
    key: str
    source: str
    quarantined: bool
    agent: str | None
    recorded_at: datetime
    id: str = ""
    hidden: Op | None = None
    hidden_at: datetime | None = None
    root: str | None = None
    gone: bool = False
    events: list[tuple[int, str]] = field(default_factory=list)

    @property
    def visible(self) -> bool:
        return self.hidden is None and not self.gone


@dataclass(eq=False, kw_only=True)
class Memory(Item):
    """A statement."""

    values: Values
    session: str | None = None
    sources: list[Turn] = field(default_factory=list)
    evidence: int = 1
    superseded_by: Memory | None = None
    superseded_from: datetime | None = None
    retired_at: datetime | None = None
    supersedes: Memory | None = None
    meant_to_replace: list[Memory] = field(default_factory=list)
    versions: list[tuple[Op, Values]] = field(default_factory=list)

    @property
    def kind(self) -> str:
        return "memory"

    @property
    def current(self) -> bool:
        return self.visible and self.superseded_by is None

    @property
    def time(self) -> datetime:
        return self.recorded_at

    @property
    def ends(self) -> datetime | None:
        ends = [each for each in (self.values.valid_until, self.superseded_from) if each]
        return min(ends, default=None)

    def seen_sources(self) -> list[Turn]:
        return sorted((turn for turn in self.sources if turn.visible), key=lambda turn: turn.place)

    def holds(self, now: datetime, as_of: datetime | None, known_at: datetime | None) -> bool:
        at = as_of or known_at or now
        ends = self.values.valid_until
        if self.superseded_from and not (
            known_at and self.retired_at and self.retired_at > known_at
        ):
            ends = self.ends
        if ends is not None and ends <= at:
            return False
        return as_of is None or self.values.valid_from is None or self.values.valid_from <= as_of


@dataclass(eq=False, kw_only=True)
class Turn(Item):
    """A message."""

    session: str
    at: datetime | None
    external_id: str | None
    metadata: dict[str, Any]
    place: tuple[int, int] = (0, 0)
    recorded_by: Op | None = None

    @property
    def kind(self) -> str:
        return "turn"

    @property
    def time(self) -> datetime:
        return self.at or self.recorded_at


@dataclass
class Answer:
    """What a write is expected to answer."""

    op: Op
    status: str
    item: Item | None = None
    superseded: Sequence[Memory] = ()


class Owner:
    """One scope."""

    def __init__(self, mark: str) -> None:
        self.mark = mark
        self.memories: list[Memory] = []
        self.turns: list[Turn] = []
        self.sessions: list[str] = []
        self.ops: list[Op] = []
        self.forgotten: set[tuple[str, ...]] = set()
        self._step = 0

    # -- finding

    @property
    def items(self) -> list[Item]:
        return [*self.memories, *self.turns]

    def memory(self, item: Item | None) -> Memory:
        """The memory, which may be hidden."""
        if not isinstance(item, Memory) or item not in self.memories or item.gone:
            raise NotFound
        return item

    def changeable(self, item: Item | None) -> Memory:
        memory = self.memory(item)
        if not memory.current:
            raise InvalidArgument
        return memory

    def answering(
        self, key: str, quarantined: bool, now: datetime, but: Memory | None = None
    ) -> Memory | None:
        """The memory that is current for a text."""
        found = [
            memory
            for memory in self.memories
            if memory.current
            and (memory.key, memory.quarantined) == (key, quarantined)
            and not (memory.values.valid_until and memory.values.valid_until <= now)
            and memory is not but
        ]
        return found[-1] if found else None

    # -- writing

    def remember(
        self,
        op: Op,
        new: Memory,
        supersedes: Sequence[Item] = (),
        sources: Sequence[Item | None] = (),
        *,
        rewording: Memory | None = None,
    ) -> Answer:
        if new.source == "import" and ("memory", new.key) in self.forgotten:
            return Answer(op, "rejected")
        olds = [self.changeable(old) for old in dict.fromkeys(supersedes)]
        said = [self._turn(source) for source in dict.fromkeys(sources)]
        new.meant_to_replace = olds
        believed = [] if new.quarantined else olds
        current = self.answering(new.key, new.quarantined, op.at, but=rewording)
        if current is not None:
            return self._confirm(op, new, current, believed, said)
        if believed and new.values.valid_from is None:
            new.values.valid_from = op.at
        new.sources = list(said)
        self.memories.append(new)
        op.memory, op.replaced = new, believed
        new.supersedes = believed[0] if believed else None
        for old in believed:
            self._retire(old, new, new.values.valid_from or op.at)
        self._note(new, "quarantined" if new.quarantined else "stored")
        status = "quarantined" if new.quarantined else "superseded" if believed else "stored"
        return Answer(op, status, new, believed)

    def _confirm(
        self, op: Op, new: Memory, current: Memory, olds: list[Memory], said: list[Turn]
    ) -> Answer:
        olds = [old for old in olds if old is not current]
        current.evidence += 1
        if current.sources:
            op.linked = [turn for turn in said if turn not in current.sources]
            current.sources += op.linked
        op.memory, op.replaced = current, olds
        self._note(current, "confirmed")
        for old in olds:
            self._retire(old, current, new.values.valid_from or op.at)
        return Answer(op, "superseded" if olds else "duplicate", current, olds)

    def _retire(self, old: Memory, by: Memory, since: datetime) -> None:
        old.superseded_by, old.superseded_from = by, since
        old.retired_at = self._now
        self._note(old, "superseded")

    def update(self, op: Op, item: Item, given: dict[str, Any], reworded: Memory | None) -> Answer:
        memory = self.changeable(item)
        values = memory.values.changed(given)
        if values.valid_from and values.valid_until and values.valid_until <= values.valid_from:
            raise InvalidArgument
        if reworded is not None and reworded.text != memory.text:
            reworded.values = values
            values.valid_from = given.get("valid_from")
            reworded.source, reworded.session = memory.source, memory.session
            reworded.agent = memory.agent
            reworded.quarantined = reworded.quarantined and memory.source not in TRUSTED_ENOUGH
            same = memory if reworded.key == memory.key else None
            return self.remember(op, reworded, [memory], memory.seen_sources(), rewording=same)
        op.memory = memory
        if values != memory.values:
            op.before = memory.values
            memory.versions.append((op, memory.values))
            memory.values = values
            self._note(memory, "changed")
        else:
            op.nothing = True
        return Answer(op, "stored", memory)

    def record(self, op: Op, session: str, given: Sequence[Turn]) -> list[Answer]:
        answers: list[Answer] = []
        made = False
        for turn in given:
            known = next((old for old in self.turns if self._same_name(old, turn)), None)
            if known is not None and known.text != turn.text:
                answers.append(Answer(op, "rejected"))
            elif known is not None and known.hidden is not None:
                if self._tombs(known) & self.forgotten:
                    answers.append(Answer(op, "rejected"))
                else:
                    self._show(known)
                    op.turns.append(known)
                    status = "quarantined" if known.quarantined else "stored"
                    answers.append(Answer(op, status, known))
            elif known is not None:
                answers.append(Answer(op, "duplicate", known))
            elif self._was_forgotten(turn):
                answers.append(Answer(op, "rejected"))
            else:
                if session not in self.sessions:
                    self.sessions.append(session)
                seqs = [old.place[1] for old in self.turns if old.session == session]
                turn.place = (self.sessions.index(session), max(seqs, default=-1) + 1)
                turn.recorded_by = op
                self.turns.append(turn)
                op.turns.append(turn)
                made = True
                status = "quarantined" if turn.quarantined else "stored"
                answers.append(Answer(op, status, turn))
        if made:
            self._step += 1
            for turn in op.turns:
                if turn.recorded_by is op:
                    turn.events.append((self._step, "recorded"))
        return answers

    @staticmethod
    def _same_name(old: Turn, new: Turn) -> bool:
        return (
            not old.gone
            and new.external_id is not None
            and (old.session, old.external_id) == (new.session, new.external_id)
        )

    def _was_forgotten(self, turn: Turn) -> bool:
        said, *named = self._tombs_of(turn)
        return any(tomb in self.forgotten for tomb in named) or (
            turn.source == "import" and said in self.forgotten
        )

    @staticmethod
    def _tombs_of(item: Item) -> list[tuple[str, ...]]:
        """What forgetting an item remembers of it: what was said, and under what name."""
        if isinstance(item, Turn):
            said = ("turn", item.session, item.key)
            named = ("name", item.session, item.external_id)
            return [said] if item.external_id is None else [said, named]  # type: ignore[list-item]
        return [("memory", item.key)]

    def _tombs(self, item: Item) -> set[tuple[str, ...]]:
        return set(self._tombs_of(item))

    # -- forgetting and taking back

    def forget(
        self, op: Op, named: Sequence[Item | str], *, keep_turns: bool, purge: bool
    ) -> dict[str, list[Item]]:
        gathered = _Gathered(self, hidden_too=purge)
        for each in dict.fromkeys(named):
            gathered.root = each if isinstance(each, str) else each.id
            if isinstance(each, str):
                if each not in self.sessions:
                    raise NotFound
                for turn in self.turns:
                    if turn.session == each and not turn.gone:
                        gathered.turn(turn)
            elif each not in self.items or each.gone:
                raise NotFound
            elif isinstance(each, Memory):
                gathered.memory(each, keep_turns=keep_turns)
            elif isinstance(each, Turn):
                gathered.turn(each)
        for item, root in gathered.taken.items():
            self.forgotten |= self._tombs(item)
            if item.visible:
                self._hide(item, op, root)
            if purge:
                self._delete(item)
        for item in gathered.taken:
            self._note(item, "purged" if purge else "forgotten")
        op.purged = purge
        taken = list(gathered.taken)
        return {
            "memories": [each for each in taken if isinstance(each, Memory)],
            "turns": [each for each in taken if isinstance(each, Turn)],
            "sources_left": [turn for turn in dict.fromkeys(gathered.left) if turn not in taken],
            "derived": [each for each in gathered.derived if each not in named],
        }

    def restore(self, op: Op, named: Sequence[Item | str]) -> list[Item]:
        back: list[Item] = []
        for each in named:
            name = each if isinstance(each, str) else each.id
            found = [item for item in self._can_come_back(op.at) if name in (item.id, item.root)]
            if not found:
                raise NotFound
            back += [item for item in found if item not in back]
        self._bring_back(back)
        return back

    def undo(self, op: Op, undone: Op | None) -> tuple[list[Item], list[Item]]:
        """What is hidden and what is restored."""
        if undone is None or undone not in self.ops:
            raise NotFound
        if undone.undone:
            return [], []
        hidden, restored = self._undo(op, undone)
        undone.undone = True
        for item in hidden:
            self._note(item, "undone")
        return hidden, restored

    def _undo(self, op: Op, undone: Op) -> tuple[list[Item], list[Item]]:
        if undone.verb == "forget":
            if undone.purged or undone.at <= op.at - KEPT:
                raise InvalidArgument
            back = [item for item in self._can_come_back(op.at) if item.hidden is undone]
            self._bring_back(back)
            return [], back
        if undone.verb == "record":
            gathered = _Gathered(self, hidden_too=False)
            for turn in undone.turns:
                gathered.turn(turn)
            for item in gathered.taken:
                self._hide(item, op, None)
            return list(gathered.taken), []
        if undone.verb in ("remember", "update"):
            return self._undo_memory(op, undone)
        raise InvalidArgument

    def _undo_memory(self, op: Op, undone: Op) -> tuple[list[Item], list[Item]]:
        memory = undone.memory
        if memory is None:
            return [], []
        if memory.gone:
            raise InvalidArgument
        if undone.before is not None:
            if memory.versions[-1][0] is not undone:
                raise InvalidArgument
            memory.values = undone.before
            memory.versions.pop()
            self._note(memory, "restored")
            return [], [memory]
        if undone.nothing:
            return [], []
        if memory.superseded_by is not None:
            raise InvalidArgument
        hidden: list[Item] = []
        memory.sources = [turn for turn in memory.sources if turn not in undone.linked]
        freed = list(undone.replaced)
        if memory.evidence > 1:
            memory.evidence -= 1
        else:
            # What a memory replaced holds again when it is taken back, however it came to that.
            freed += [old for old in self.memories if old not in freed]
            if memory.visible:
                self._hide(memory, op, None)
                hidden.append(memory)
        restored: list[Item] = []
        for old in freed:
            if old.superseded_by is not memory or old.gone:
                continue
            old.superseded_by = old.superseded_from = old.retired_at = None
            if old.visible:
                self._yield_to_current(old)
                self._note(old, "restored")
                restored.append(old)
        return hidden, restored

    def release(self, op: Op, item: Item) -> Answer:
        if item not in self.items or not item.visible or not item.quarantined:
            raise NotFound
        item.quarantined = False
        replaced: list[Memory] = []
        if isinstance(item, Memory):
            replaced = [old for old in item.meant_to_replace if old.current]
            item.supersedes = replaced[0] if replaced else None
            if replaced and item.values.valid_from is None:
                item.values.valid_from = op.at
            for old in replaced:
                self._retire(old, item, item.values.valid_from or op.at)
            if item.superseded_by is None:
                self._yield_to_current(item)
        self._note(item, "released")
        return Answer(op, "superseded" if replaced else "stored", item, replaced)

    def maintain(self, now: datetime) -> tuple[int, int]:
        due = [each for each in self.items if each.hidden_at and each.hidden_at <= now - KEPT]
        due = [each for each in due if not each.gone]
        for item in due:
            self._delete(item)
            self._note(item, "purged")
        memories = sum(isinstance(item, Memory) for item in due)
        return memories, len(due) - memories

    def begin(self, verb: str, now: datetime) -> Op:
        self._now = now
        return Op(verb=verb, at=now)

    def _turn(self, source: Item | None) -> Turn:
        if not isinstance(source, Turn) or source not in self.turns or source.gone:
            raise NotFound
        return source

    def _note(self, item: Item, action: str) -> None:
        self._step += 1
        item.events.append((self._step, action))

    def _hide(self, item: Item, op: Op, root: str | None) -> None:
        item.hidden, item.hidden_at, item.root = op, op.at, root

    def _show(self, item: Item) -> None:
        item.hidden = item.hidden_at = item.root = None
        self._note(item, "restored")

    def _delete(self, item: Item) -> None:
        item.gone = True
        for memory in self.memories:
            memory.sources = [turn for turn in memory.sources if not turn.gone]

    def _can_come_back(self, now: datetime) -> Iterator[Item]:
        for item in self.items:
            if item.hidden_at and item.hidden_at > now - KEPT and not item.gone:
                yield item

    def _bring_back(self, items: Sequence[Item]) -> None:
        for item in items:
            self.forgotten -= self._tombs(item)
            self._show(item)
            if isinstance(item, Memory) and item.superseded_by is None:
                self._yield_to_current(item)

    def _yield_to_current(self, memory: Memory) -> None:
        """Two of one text cannot both be current: the one that comes back gives way."""
        other = self.answering(memory.key, memory.quarantined, self._now, but=memory)
        if other is not None:
            memory.superseded_by = other
            memory.superseded_from = memory.retired_at = self._now

    # -- reading

    def listed(
        self,
        now: datetime,
        *,
        kind: str | None = None,
        category: str | None = None,
        tag: str | None = None,
        metadata: dict[str, Any] | None = None,
        session_id: str | None = None,
        agent_id: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        as_of: datetime | None = None,
        known_at: datetime | None = None,
        include_superseded: bool = False,
        include_forgotten: bool = False,
    ) -> list[Item]:
        """What a search shows, newest first."""
        found: list[Item] = []
        for item in self.items:
            values = item.values if isinstance(item, Memory) else None
            carried = values.metadata if values else item.metadata  # type: ignore[attr-defined]
            if isinstance(item, Memory):
                truth = include_superseded or item.holds(now, as_of, known_at)
            else:
                truth = as_of is None or item.time <= as_of
            checks = (
                not item.gone,
                not item.quarantined,
                item.hidden is None or include_forgotten,
                kind in (None, item.kind),
                category is None or (values is not None and values.category == category),
                tag is None or (values is not None and tag in map(str.casefold, values.tags)),
                all(carried.get(key) == value for key, value in (metadata or {}).items()),
                session_id in (None, item.session),
                agent_id in (None, item.agent),
                since is None or item.time >= since,
                until is None or item.time < until,
                known_at is None or item.recorded_at <= known_at,
                truth,
            )
            if all(checks):
                found.append(item)
        return sorted(found, key=lambda item: (item.time, item.id), reverse=True)

    def moments(self) -> list[datetime]:
        """When something happened or changes, and just before and after: where reads differ."""
        times: set[datetime] = set()
        for item in self.items:
            times |= {item.time, item.recorded_at}
            if isinstance(item, Memory):
                values = item.values
                ends = (item.superseded_from, item.retired_at)
                times |= {each for each in (values.valid_from, values.valid_until, *ends) if each}
        instant = timedelta(microseconds=1)
        return sorted({time + step for time in times for step in (-instant, 0 * instant, instant)})

    def chain(self, item: Item) -> list[Item]:
        """A memory with all it replaced, and what replaced it, in the order of writing."""
        if not isinstance(item, Memory):
            return [item]
        kept = {item}
        while older := {
            each
            for each in self.memories
            if each.superseded_by in kept and each not in kept and not each.gone
        }:
            kept |= older
        newer = item.superseded_by
        while newer is not None and newer not in kept and not newer.gone:
            kept.add(newer)
            newer = newer.superseded_by
        return [each for each in self.memories if each in kept]

    def history(self, item: Item) -> tuple[list[tuple[str, float | None]], list[str]]:
        """Texts with their importance, and what happened, oldest first."""
        if item.gone:
            return [], [action for _, action in item.events if action != "recorded"]
        versions: list[tuple[str, float | None]] = []
        chain = self.chain(item)
        for each in chain:
            text = "" if each.hidden else each.text
            if isinstance(each, Memory):
                if not each.hidden:
                    versions += [(text, values.importance) for _, values in each.versions]
                versions.append((text, each.values.importance))
            else:
                versions.append((text, None))
        events = sorted(event for each in chain for event in each.events)
        return versions, [action for _, action in events]

    def counts(self) -> dict[str, Any]:
        """The numbers of `stats`."""
        kept = [each for each in self.memories if each.visible]
        said = [each for each in self.turns if each.visible]
        current = [each for each in kept if each.current and not each.quarantined]
        times = [each.recorded_at for each in kept] + [each.at for each in said if each.at]
        return {
            "memories": len(current),
            "memories_by_category": {
                category: sum(each.values.category == category for each in current)
                for category in sorted({each.values.category for each in current})
            },
            "superseded": sum(each.superseded_by is not None for each in kept),
            "quarantined": sum(each.quarantined for each in (*kept, *said)),
            "forgotten": sum(each.hidden is not None and not each.gone for each in self.items),
            "turns": sum(not each.quarantined for each in said),
            "sessions": len({each.session for each in said if not each.quarantined}),
            "oldest": min(times, default=None),
            "newest": max(times, default=None),
        }

    def conversations(self) -> list[tuple[str, int]]:
        """Sessions with their number of turns, most recently active first."""
        found: list[tuple[datetime, int, str, int]] = []
        for number, session in enumerate(self.sessions):
            turns = [each for each in self.turns if each.session == session]
            seen = sum(each.visible and not each.quarantined for each in turns)
            times = [each.at for each in turns if each.at]
            active = max(times) if times else turns[0].recorded_at
            if seen:
                found.append((active, number, session, seen))
        return [(session, seen) for _, _, session, seen in sorted(found, reverse=True)]


class _Gathered:
    """What goes with what is forgotten."""

    def __init__(self, owner: Owner, *, hidden_too: bool) -> None:
        self.owner = owner
        self.hidden_too = hidden_too
        self.taken: dict[Item, str | None] = {}
        self.derived: list[Item] = []
        self.left: list[Turn] = []
        self.root: str | None = None

    def _take(self, item: Item) -> bool:
        if item in self.taken or item.gone or (item.hidden and not self.hidden_too):
            return False
        self.taken[item] = self.root
        return True

    def memory(self, memory: Memory, *, keep_turns: bool) -> None:
        """A memory takes its earlier versions along, and the turn that is its only source."""
        if not self._take(memory):
            return
        for other in self.owner.memories:
            undone_wording = other.supersedes is memory and other.hidden is not None
            if other.superseded_by is memory or (self.hidden_too and undone_wording):
                before = len(self.taken)
                self.memory(other, keep_turns=keep_turns)
                if len(self.taken) > before:
                    self.derived.append(other)
        seen = memory.seen_sources()
        if keep_turns or len(seen) > 1:
            self.left += seen
            return
        for turn in list(memory.sources) if self.hidden_too else seen:
            if turn not in self.taken:
                self.derived.append(turn)
            self.turn(turn)

    def turn(self, turn: Turn) -> None:
        """A turn takes along what comes from nothing else."""
        if not self._take(turn):
            return
        for memory in self.owner.memories:
            if turn in memory.sources and all(
                source.hidden or source in self.taken for source in memory.sources
            ):
                before = len(self.taken)
                self.memory(memory, keep_turns=True)
                if len(self.taken) > before:
                    self.derived.append(memory)


def same_text(text: str) -> str:
    """What two spellings of one statement have in common."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(folded.split()).rstrip(".!? ")


def ids(items: Iterable[Item]) -> list[str]:
    """Ids, sorted."""
    return sorted(item.id for item in items)
