"""The words of memori as types: what crosses the boundary between the engine and its doors.

Everything here is frozen, plain data. `as_json` turns any of it into JSON-ready values.
All datetimes are timezone-aware; an instant is stored in UTC with microseconds and the offset
it was given in is kept beside it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, Generic, Literal, Self, TypeVar, cast, get_args

from memori.pauses import Pause

T = TypeVar("T")

Category = Literal["fact", "preference", "skill", "rule", "context"]
Source = Literal["user", "assistant", "tool", "web", "import", "agent"]
Kind = Literal["memory", "turn"]
Status = Literal["stored", "duplicate", "superseded", "quarantined", "rejected"]
ExportFormat = Literal["sqlite", "jsonl", "markdown"]
Right = Literal["read", "write", "admin", "metrics"]
JsonObject = Mapping[str, Any]

CATEGORIES: tuple[Category, ...] = get_args(Category)
SOURCES: tuple[Source, ...] = get_args(Source)
EXPORT_FORMATS: tuple[ExportFormat, ...] = get_args(ExportFormat)
RIGHTS: tuple[Right, ...] = get_args(Right)
#: Days a token is good for, unless said.
DEFAULT_TOKEN_DAYS = 90

#: How the names of memori's own agents begin; nobody else may write under one.
OWN_AGENTS = "memori:"
#: By whom profiles are written, and their tag.
PROFILE_AGENT, PROFILE_TAG = f"{OWN_AGENTS}profile", "profile"

#: How far each source is trusted, 0..1, unless the writer says otherwise.
DEFAULT_TRUST: Mapping[Source, float] = {
    "user": 0.9,
    "agent": 0.7,
    "assistant": 0.6,
    "import": 0.5,
    "tool": 0.3,
    "web": 0.2,
}
#: Instruction-like text from a source trusted less than this is quarantined.
QUARANTINE_BELOW = 0.5

#: `recall`, `search` and `context`: somebody asked. `injection`: a hook or the interceptor added
#: notes unasked. `record` and `remember`: something was kept.
ActivityKind = Literal["recall", "search", "context", "injection", "record", "remember"]
ACTIVITY_KINDS: tuple[ActivityKind, ...] = get_args(ActivityKind)

MAX_MEMORY_CHARS = 8_000
MAX_TURN_BYTES = 1_048_576
MAX_NAME_CHARS = 128
#: The most a list answers at once.
MAX_LISTED = 1_000
DEFAULT_NAMESPACE = "default"
DEFAULT_USER = "default"


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose memory it is: the only isolation boundary. Compared byte for byte."""

    namespace: str = DEFAULT_NAMESPACE
    user_id: str = DEFAULT_USER


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One message of a conversation, kept verbatim.

    When given to `record`, only `content` is needed; `id`, `session_id` and `seq` are the
    store's and are filled in on what `turns` and `get` return.
    """

    content: str
    role: str = "user"
    speaker: str | None = None
    at: datetime | None = None
    external_id: str | None = None
    metadata: JsonObject = field(default_factory=dict[str, Any])
    source: Source | None = None
    trust: float | None = None
    id: str | None = None
    session_id: str | None = None
    seq: int | None = None
    agent_id: str | None = None
    recorded_at: datetime | None = None
    quarantined: bool = False
    forgotten_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """One atomic statement worth keeping.

    `valid_from`/`valid_until` say when it is true, `recorded_at`/`retired_at` when we knew it.
    `evidence` counts how often it was said; `sources` are ids of the turns that said so.
    """

    id: str
    content: str
    category: Category
    importance: float
    confidence: float
    tags: tuple[str, ...] = ()
    entities: tuple[str, ...] = ()
    metadata: JsonObject = field(default_factory=dict[str, Any])
    source: Source = "user"
    trust: float = 0.9
    pinned: bool = False
    evidence: int = 1
    sources: tuple[str, ...] = ()
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    recorded_at: datetime
    retired_at: datetime | None = None
    supersedes: str | None = None
    superseded_by: str | None = None
    quarantined: bool = False
    forgotten_at: datetime | None = None
    session_id: str | None = None
    agent_id: str | None = None
    namespace: str = DEFAULT_NAMESPACE


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One reason a hit was ranked where it is: `points` are its share of the score."""

    name: str
    points: float
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One recalled memory or turn. `score` is comparable only within one answer.

    `superseded_by` of a turn is what holds by now instead of what it says; with `holds_partly`, of
    a part of that.
    """

    kind: Kind
    id: str
    text: str
    score: float
    at: datetime | None
    speaker: str | None = None
    role: str | None = None
    session_id: str | None = None
    external_id: str | None = None
    category: Category | None = None
    importance: float | None = None
    tags: tuple[str, ...] = ()
    entities: tuple[str, ...] = ()
    metadata: JsonObject = field(default_factory=dict[str, Any])
    source: Source = "user"
    trust: float = 0.9
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    superseded_by: str | None = None
    holds_partly: bool = False
    sources: tuple[str, ...] = ()
    namespace: str = DEFAULT_NAMESPACE
    why: tuple[Signal, ...] = ()


class Recalled(tuple[Hit, ...]):
    """What `recall` answers: hits, best first.

    `withheld` is None, or says why there are none although some words of the question occur:
    nothing fits it. `search` shows what comes nearest.
    """

    withheld: str | None

    def __new__(cls, hits: Iterable[Hit] = (), withheld: str | None = None) -> Self:
        """Hits, best first; or none, and why."""
        recalled = super().__new__(cls, hits)
        recalled.withheld = withheld
        return recalled


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a write answers: the truth about what is now durable.

    `id` is the row that now stands for what was said (for `duplicate` the one that was
    already there), None when nothing was kept. `redacted` names the kinds of secret that were
    removed before writing. `operation_id` can be given to `undo`.
    """

    status: Status
    id: str | None
    reason: str
    operation_id: str
    redacted: tuple[str, ...] = ()
    superseded: tuple[str, ...] = ()
    session_id: str | None = None
    external_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What `forget` answers.

    `memories` and `turns` are the ids now hidden (or purged), `derived` those of them hidden
    only because they came from another one; `sources_left` are turns that still say it.
    `purge_at` is when hidden content will be removed for good; None when `purged`, or when
    nothing was hidden. `file_clean` is False while a purged row's bytes may still lie in the
    database file because another process is reading it.
    """

    memories: tuple[str, ...]
    turns: tuple[str, ...]
    derived: tuple[str, ...]
    sources_left: tuple[str, ...]
    purge_at: datetime | None
    purged: bool
    reason: str
    operation_id: str
    file_clean: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """What `undo` and `restore` answer: the ids that are as they were before."""

    restored: tuple[str, ...]
    hidden: tuple[str, ...]
    reason: str
    operation_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One row of the append-only history: who changed what, when and why. Never content."""

    id: str
    at: datetime
    action: str
    item_kind: str
    item_id: str
    operation_id: str
    actor: str | None = None
    reason: str = ""
    detail: JsonObject = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Everything known about one memory or turn: versions oldest first, and events."""

    versions: tuple[Memory | Turn, ...]
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One conversation."""

    id: str
    turns: int
    started_at: datetime | None
    last_at: datetime | None
    agent_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One write as a whole, the unit of `undo`."""

    id: str
    verb: str
    at: datetime
    actor: str | None = None
    summary: str = ""
    undone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """A page of a longer list; pass `cursor` back for the next one, None at the end."""

    items: tuple[T, ...]
    cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextLine:
    """One line of a working context and why it is there."""

    kind: Kind
    id: str
    text: str
    section: str
    at: datetime | None
    category: Category | None = None
    namespace: str = DEFAULT_NAMESPACE


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkingContext:
    """The short text a model should see first. `tokens` is its size by the estimator."""

    text: str
    tokens: int
    max_tokens: int
    lines: tuple[ContextLine, ...]


@dataclass(frozen=True, slots=True)
class EmbeddingStats:
    """How the vectors of a scope stand.

    `generation` is what recall reads, `building` what is in the making, `vectors` and `waiting`
    count items; `trouble` says why the embedder does not work at the moment.
    """

    embedder: str
    generation: str | None
    building: str | None
    vectors: int
    waiting: int
    trouble: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """Somebody or something that memories are about: its name, other names, how many memories."""

    name: str
    aliases: tuple[str, ...]
    memories: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """What a memory says of whom: `user`, `lives in`, `Lisbon`.

    `memory_id` is the memory, `sources` are the turns that say so; `since` is when it began to
    hold, `superseded_by` what holds instead by now. `uncertain` if it was said in doubt, or may
    hold beside another or not.
    """

    subject: str
    predicate: str
    object: str
    memory_id: str
    sources: tuple[str, ...]
    since: datetime | None
    superseded_by: str | None = None
    uncertain: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is still to be learnt from turns of one conversation.

    `state` is `waiting`, `working` (a worker has it) or `dead` (given up after many tries);
    `turns` counts those it covers, `not_before` is when it is tried again, `trouble` why the last
    try failed.
    """

    id: str
    kind: str
    state: str
    session_id: str
    turns: int
    attempts: int
    created_at: datetime
    not_before: datetime | None = None
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class DayTokens:
    """Tokens of one user and one day.

    Attributes:
        day: the day (UTC), as 2026-03-01.
        injected: of notes that the interceptor sent along, by estimate.
        spent: what the memory agent's model took.
        capped: jobs put off because `agents.max_tokens_per_day` was reached.
    """

    day: str
    injected: int
    spent: int
    capped: int


@dataclass(frozen=True, slots=True)
class LearningStats:
    """How learning goes in a scope.

    Attributes:
        waiting: jobs that wait or are worked on.
        dead: jobs given up.
        tokens_today: what the agent's model took today (UTC).
        capped_today: jobs put off today because `agents.max_tokens_per_day` was reached.
    """

    waiting: int
    dead: int
    tokens_today: int = 0
    capped_today: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What a whole database still has to learn.

    Attributes:
        waiting: jobs that wait or are worked on.
        dead: jobs given up.
        age_seconds: for how long the oldest of those that wait has; 0 where none does.
    """

    waiting: int
    dead: int
    age_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ShortTerm:
    """How short-term memory stands to one memory, and why.

    Attributes:
        id: the memory.
        text: its content.
        category: its category.
        pinned: whether a person wants it in every working context.
        member: whether it is in short-term memory.
        score: how essential it is, 0 to 1.
        why: what each part gave to the score.
        reason: why it is in, or is not, in words.
        tokens: size of its line in a working context.
        entered_at: since when it is in.
        run_id: the run that put it so; `undo` takes it back.
        held_until: until then it stays as it is, because a person took a run back.
        recalled: how often recall found it.
        shown: how often a working context showed it.
        confirmed: how often a person confirmed that it is useful.
    """

    id: str
    text: str
    category: Category
    pinned: bool
    member: bool
    score: float
    why: tuple[Signal, ...]
    reason: str
    tokens: int
    entered_at: datetime | None = None
    run_id: str | None = None
    held_until: datetime | None = None
    recalled: int = 0
    shown: int = 0
    confirmed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Promoted:
    """What a run decided of one memory: its scores before and after, and why.

    `before` is None when the memory was not in short-term memory, `after` when it is no longer
    there to be scored.
    """

    id: str
    text: str
    category: Category
    before: float | None
    after: float | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """One run over a scope: what entered short-term memory, what left, what stayed.

    `run_id` can be given to `undo`; None after a dry run, which changes nothing. `tokens` is the
    size of what is in, of `max_tokens`; `considered` how many memories were scored.
    """

    run_id: str | None
    at: datetime
    entered: tuple[Promoted, ...]
    left: tuple[Promoted, ...]
    kept: tuple[Promoted, ...]
    considered: int
    tokens: int
    max_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileSentence:
    """One sentence of a profile, and the ids of the memories it rests on."""

    text: str
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a model wrote of the user from short-term memory.

    Attributes:
        id: the memory it is kept as.
        at: when it was written.
        sentences: what it says.
        holds: whether all memories it rests on do; if not, it is not shown to models.
    """

    id: str
    at: datetime
    sentences: tuple[ProfileSentence, ...]
    holds: bool


@dataclass(frozen=True, slots=True)
class Background:
    """How promotion in the background does, in this process.

    Attributes:
        looks: how often it looked for what is due.
        last_at: when it looked last.
        failures: how often in a row it failed.
        trouble: why it failed last, while it does.
        retry_in: seconds until it is tried again, while it fails.
    """

    looks: int = 0
    last_at: datetime | None = None
    failures: int = 0
    trouble: str | None = None
    retry_in: float | None = None


@dataclass(frozen=True, slots=True)
class PromotionStats:
    """How short-term memory stands in a scope.

    Attributes:
        memories: how many are in it.
        ran_at: when it was last decided on; None if it never was.
        trouble: why the last run in this scope failed, while it has not been mended.
        background: what runs in this process; None when nothing does.
    """

    memories: int
    ran_at: datetime | None
    trouble: str | None
    background: Background | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TableColumn:
    """A column of a table: its name, and what it holds (`int`, `str`, `datetime`, ...)."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TableShape:
    """A table whose rows belong to a scope, with the columns a reader sees."""

    name: str
    columns: tuple[TableColumn, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """What lies in this scope, and where; `tokens` are those of its last 30 days with any."""

    namespace: str
    user_id: str
    database: str
    dialect: str
    schema_version: int
    memories: int
    memories_by_category: Mapping[str, int]
    superseded: int
    quarantined: int
    forgotten: int
    turns: int
    sessions: int
    size_bytes: int | None
    oldest: datetime | None
    newest: datetime | None
    learning: LearningStats
    promotion: PromotionStats
    tokens: tuple[DayTokens, ...] = ()
    embedding: EmbeddingStats | None = None
    paused: Pause | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeSummary:
    """One scope of a database, counted: what is visible, and what is forgotten but still kept."""

    namespace: str
    user_id: str
    memories: int
    turns: int
    sessions: int
    forgotten: int
    created_at: datetime
    last_write_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What `erase_user` answers: the namespaces erased and how many rows went, by table.

    `file_clean` is False while their bytes may still lie in the database file because another
    process is reading it.
    """

    user_id: str
    namespaces: tuple[str, ...]
    rows: Mapping[str, int]
    file_clean: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Renamed:
    """What `rename_user` answers: the namespaces in which the user has the new name."""

    user_id: str
    new_user_id: str
    namespaces: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What `export` and `backup` answer: the file, how many scopes are in it and how many rows
    by table. A backup of a SQLite file counts no rows: it is copied as it is."""

    file: str
    format: ExportFormat
    scopes: int
    rows: Mapping[str, int]
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing `verify` found wrong. Ids and numbers only, never content.

    Attributes:
        check: what was checked: `reference`, `digest`, `index`, `label`, `count`, `order` or
            `leftover`.
        namespace: the scope it concerns; None when nobody's.
        user_id: likewise.
        where: the table and the row.
        problem: what is wrong with it.
        repairable: whether `repair` mends it.
    """

    check: str
    namespace: str | None
    user_id: str | None
    where: str
    problem: str
    repairable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What `verify` answers.

    Attributes:
        scopes: how many scopes were checked.
        items: how many memories and turns were checked against the index.
        findings: what is wrong, the first 1,000 of `finding_count`; after a repair what is left.
        finding_count: how much is wrong.
        repaired: what a repair mended, in words.
    """

    scopes: int
    items: int
    findings: tuple[Finding, ...]
    finding_count: int
    repaired: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionRule:
    """What one retention rule deleted, or would delete now.

    Attributes:
        rule: the setting: a category, `turns`, `events` or `jobs`.
        keep: how long it keeps things: `permanent`, or a number of days such as `30_days`.
        items: how many are due, or were deleted; of `events`, rows of the history.
        oldest: since when the oldest of them is kept.
    """

    rule: str
    keep: str
    items: int = 0
    oldest: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionItem:
    """One thing that a retention rule deleted, or would delete now.

    `since` is what its age counts from; `text` is how it begins, of a memory or turn, and only
    in a dry run.
    """

    kind: str
    id: str
    rule: str
    user_id: str
    namespace: str
    since: datetime
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retained:
    """What `retain` answers.

    Attributes:
        at: what time it was.
        dry_run: nothing was deleted; everything here is what would be.
        store_turns: whether turns are kept after they were learnt from.
        rules: every rule in force, also those that keep for ever.
        items: the first 1,000 memories, turns and jobs, in the order in which they go.
        scopes: how many scopes were looked at.
        interrupted: it was stopped before everything was done; doing it again continues.
        file_clean: False while bytes of what was deleted may still lie in the database's file
            because another process is reading it.
    """

    at: datetime
    dry_run: bool
    store_turns: bool
    rules: tuple[RetentionRule, ...]
    items: tuple[RetentionItem, ...] = ()
    scopes: int = 0
    interrupted: bool = False
    file_clean: bool = True


@cache
def _field_names(kind: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))


def as_json(value: Any) -> Any:
    """Turn model objects into JSON-ready values: dicts, lists, ISO 8601 times. None fields stay."""
    if value is None or isinstance(value, str | int | float):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [(name, getattr(value, name)) for name in _field_names(type(value))]
        return {
            name: item if item is None or type(item) is str else as_json(item)
            for name, item in fields
        }
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        pairs = cast("Mapping[Any, Any]", value).items()
        return {str(key): as_json(item) for key, item in pairs}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [as_json(item) for item in cast("Sequence[Any]", value)]
    return value
