"""What a verb cannot take is said plainly, alike on every database, and does nothing."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from asking import id_of, kept, said

from memori import AsyncMemori, InvalidArgument, MemoriError, NotFound, Receipt, ScopeError

pytestmark = pytest.mark.anyio

REJECTED = "rejected"
Expected = str | type[MemoriError]


class Odd:
    """A value no argument is made for."""


#: Values that no name can have, no text, no time, no number from 0 to 1, and so on.
NAME = ["", " ", "\t\n", "x" * 129, "a\x00b", "\ud800", 5, 0, False, b"x", ["x"], Odd()]
TEXT = [5, True, b"x", ["x"], {"x": 1}, Odd()]
TIME = ["soon", "", "2026-13-01", "26/01/2026", 5, True, 1.5, b"2026", [], Odd()]
OUTSIDE_TIME = ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]
UNIT = [-0.01, 1.01, float("nan"), float("inf"), "high", "0.5", True, [], b"x", Odd()]
LABELS = [5, [5], [None], [[]], [b"x"], b"x", {"a": 1}, "x" * 129, ["x" * 129], Odd()]
LABELS += [[str(number) for number in range(65)]]
FLAG = ["yes", "false", "", 0, 1, [], Odd()]
JSON = [5, "x", [], [1], b"x", {"x": Odd()}, {"x": {1}}, {"x": b"x"}, {"x": float("nan")}, Odd()]
LIMIT = [0, -1, 1_001, 10**30, 1.5, float("nan"), "10", True, None, [], Odd()]
COUNT = [0, -1, 1.5, float("nan"), "10", True, [], Odd()]
CURSOR = ["", "x", "é", "\ud800", 5, True, b"x", [], Odd()]
#: What is no id at all, and what could be one and is none.
NO_ID = [5, None, True, b"x", ["x"], {"x": 1}, Odd()]
NO_IDS = [5, None, True, b"x", [5], [None], [["x"]], {"x": 1}, Odd()]
UNKNOWN_ID = ["", " ", "nothing", "%", "_", "'", "x" * 5_000, "a\x00b", "\ud800"]
UNKNOWN_IDS = [*UNKNOWN_ID, ["nothing"], ["\x00"]]

#: Longer than anything can be paused.
NEVER = timedelta(days=10_000)
OPERATION = {"operation_id": [(NAME, InvalidArgument)]}
VALID = {
    "valid_from": [(TIME, REJECTED), (OUTSIDE_TIME, REJECTED)],
    "valid_until": [(TIME, REJECTED), (OUTSIDE_TIME, REJECTED)],
}
VALUES = {
    "category": [(["opinion", "", 5, ["fact"], b"fact", Odd()], REJECTED)],
    "importance": [(UNIT, REJECTED)],
    "tags": [(LABELS, REJECTED)],
    "entities": [(LABELS, REJECTED)],
    "metadata": [(JSON, REJECTED), ([{"x": "y" * 70_000}], REJECTED)],
    "pinned": [(FLAG, REJECTED)],
    **VALID,
}
PLACE = {"session_id": [(NAME, InvalidArgument)], "agent_id": [(NAME, InvalidArgument)]}
MOMENT: list[tuple[list[Any], Expected]] = [
    (TIME, InvalidArgument),
    (OUTSIDE_TIME, InvalidArgument),
]

FILE: dict[str, list[tuple[list[Any], Expected]]] = {
    "file": [(["", " ", "a\x00b", 5, None, True, b"x", ["x"], Odd()], InvalidArgument)]
}
NOBODY: list[tuple[list[Any], Expected]] = [([*NAME, None], ScopeError)]
FORMAT: dict[str, list[tuple[list[Any], Expected]]] = {
    "format": [(["xml", "", 5, None, ["jsonl"], Odd()], InvalidArgument)],
    "include_forgotten": [([*FLAG, None], InvalidArgument)],
    "force": [([*FLAG, None], InvalidArgument)],
}

#: By verb and argument: wrong values and what is said of them.
WRONG: dict[str, dict[str, list[tuple[list[Any], Expected]]]] = {
    "remember": {
        "content": [([*TEXT, None, "", "  \n", "x" * 8_001, "\x00\x01\x02"], REJECTED)],
        **VALUES,
        "confidence": [(UNIT, REJECTED)],
        "trust": [(UNIT, REJECTED)],
        "source": [(["god", "", "User", 5, None, ["user"], Odd()], REJECTED)],
        "sources": [(NO_IDS, InvalidArgument), (UNKNOWN_IDS, NotFound)],
        "supersedes": [
            ([each for each in NO_IDS if each is not None], InvalidArgument),
            (UNKNOWN_IDS, NotFound),
        ],
        **PLACE,
        **OPERATION,
    },
    "record": {
        "turns_given": [
            ([5, None, b"x", "text", {}, {"content": "x"}, Odd()], InvalidArgument),
            ([[5], ["x"], [None], [[]], [{"mood": 1, "content": "x"}], [Odd()]], InvalidArgument),
            ([[{}], [{"content": ""}], [{"content": 5}], [{"content": None}]], REJECTED),
            ([[{"content": "x", "metadata": each}] for each in JSON if each], REJECTED),
            ([[{"content": "x", "trust": each}] for each in UNIT], REJECTED),
            ([[{"content": "x", "at": each}] for each in TIME], REJECTED),
            ([[{"content": "x", "source": each}] for each in ("god", "", 5, [])], REJECTED),
            ([[{"content": "x", "role": "r" * 129}], [{"content": "x", "role": " "}]], REJECTED),
            ([[{"content": "x", "external_id": "i" * 513}]], REJECTED),
            ([[{"content": "x" * 1_048_577}]], REJECTED),
        ],
        "source": [(["god", "", 5, ["user"], [], Odd()], REJECTED)],
        "learn": [(FLAG, InvalidArgument)],
        "injected": [(COUNT, InvalidArgument)],
        **PLACE,
        **OPERATION,
    },
    "update": {
        "memory_id": [(NO_ID, InvalidArgument), (UNKNOWN_ID, NotFound)],
        "content": [([*TEXT, "", "  \n", "x" * 8_001], REJECTED)],
        **VALUES,
        **OPERATION,
    },
    "forget": {
        "ids": [(NO_IDS, InvalidArgument), (UNKNOWN_IDS, NotFound)],
        "reason": [([*TEXT, None], InvalidArgument)],
        "keep_turns": [([*FLAG, None], InvalidArgument)],
        "purge": [([*FLAG, None], InvalidArgument)],
        **OPERATION,
    },
    "restore": {"ids": [(NO_IDS, InvalidArgument), (UNKNOWN_IDS, NotFound)], **OPERATION},
    "undo": {"operation": [(NO_ID, InvalidArgument), (UNKNOWN_ID, NotFound)], **OPERATION},
    "release": {"item_id": [(NO_ID, InvalidArgument), (UNKNOWN_ID, NotFound)], **OPERATION},
    "recall": {
        "query": [([*TEXT, None], InvalidArgument)],
        "limit": [(LIMIT, InvalidArgument)],
        "max_tokens": [(COUNT, InvalidArgument)],
        "kinds": [([5, None, b"x", "turns", ["memory", "x"], [["memory"]], [5]], InvalidArgument)],
        "as_of": MOMENT,
        "known_at": MOMENT,
        "now": MOMENT,
        "include_superseded": [([*FLAG, None], InvalidArgument)],
        **PLACE,
    },
    "search": {
        "query": [(TEXT, InvalidArgument)],
        "kind": [(["session", "", 5, [], ["memory"], Odd()], InvalidArgument)],
        "category": [(["opinion", "", 5, [], ["fact"], Odd()], InvalidArgument)],
        "tag": [(TEXT, InvalidArgument)],
        "entity": [(TEXT, InvalidArgument)],
        "metadata": [(JSON, InvalidArgument)],
        "since": MOMENT,
        "until": MOMENT,
        "as_of": MOMENT,
        "known_at": MOMENT,
        "include_superseded": [([*FLAG, None], InvalidArgument)],
        "include_forgotten": [([*FLAG, None], InvalidArgument)],
        "limit": [(LIMIT, InvalidArgument)],
        "cursor": [(CURSOR, InvalidArgument)],
        **PLACE,
    },
    "working_context": {
        "task": [(TEXT, InvalidArgument)],
        "max_tokens": [([*COUNT, None], InvalidArgument)],
    },
    "context_mark": {
        "ids": [(NO_IDS, InvalidArgument)],
        "since": [(TEXT, InvalidArgument), (["x", "1", "1:2", "1:2.3/", "a:1.1"], InvalidArgument)],
    },
    "source_turns": {"ids": [(NO_IDS, InvalidArgument)]},
    "turn_texts": {"ids": [(NO_IDS, InvalidArgument)]},
    "get": {"item_id": [(NO_ID, InvalidArgument), (UNKNOWN_ID, NotFound)]},
    "history": {"item_id": [(NO_ID, InvalidArgument), (UNKNOWN_ID, NotFound)]},
    "sessions": {"limit": [(LIMIT, InvalidArgument)], "cursor": [(CURSOR, InvalidArgument)]},
    "turns": {
        "session_id": [(NO_ID, InvalidArgument), (UNKNOWN_ID, NotFound)],
        "limit": [(LIMIT, InvalidArgument)],
        "cursor": [(CURSOR, InvalidArgument)],
    },
    "operations": {
        "verb": [(["nothing", "", "Remember", "\x00", "\ud800", *TEXT], InvalidArgument)],
        "limit": [(LIMIT, InvalidArgument)],
    },
    "quarantined": {"limit": [(LIMIT, InvalidArgument)]},
    "entities": {"limit": [(LIMIT, InvalidArgument)]},
    "relations": {
        "name": [([*TEXT, None], InvalidArgument)],
        "include_superseded": [([*FLAG, None], InvalidArgument)],
        "limit": [(LIMIT, InvalidArgument)],
    },
    "jobs": {"retry": [([*FLAG, None], InvalidArgument)], "limit": [(LIMIT, InvalidArgument)]},
    "promote": {"dry_run": [([*FLAG, None], InvalidArgument)], **OPERATION},
    "short_term": {
        "why": [
            ([each for each in NO_ID if each is not None], InvalidArgument),
            (UNKNOWN_ID, NotFound),
        ]
    },
    "confirm": {"ids": [(NO_IDS, InvalidArgument), (UNKNOWN_IDS, NotFound)], **OPERATION},
    "retain": {"dry_run": [([*FLAG, None], InvalidArgument)]},
    "profile": {},
    "stats": {},
    "users": {"limit": [(LIMIT, InvalidArgument)], "cursor": [(CURSOR, InvalidArgument)]},
    "rename_user": {"user_id": NOBODY, "new_user_id": NOBODY},
    "erase_user": {"user_id": NOBODY},
    "export": {**FILE, **FORMAT, "everyone": [([*FLAG, None], InvalidArgument)]},
    "export_user": {"user_id": NOBODY, **FILE, **FORMAT},
    "import_export": {**FILE, "everyone": [([*FLAG, None], InvalidArgument)]},
    "backup": {**FILE, "force": [([*FLAG, None], InvalidArgument)]},
    "verify": {"repair": [([*FLAG, None], InvalidArgument)]},
    "create_token": {
        "name": [([*TEXT, None, "x" * 129], InvalidArgument)],
        "rights": [([5, None, "", [], "all", ["read", "x"], [None], Odd()], InvalidArgument)],
        "days": [([each for each in COUNT if each is not None] + [3_651], InvalidArgument)],
        "service": [([*FLAG, None], InvalidArgument)],
    },
    "tokens": {"limit": [(LIMIT, InvalidArgument)]},
    "revoke_token": {
        "token_id": [([*TEXT, None], InvalidArgument), (["x", "0" * 16, "x" * 99], NotFound)]
    },
    "table_rows": {
        "table": [(TEXT, InvalidArgument), (["access_tokens", "scopes", "", "x; --"], NotFound)],
        "limit": [([*LIMIT, 201], InvalidArgument)],
        "cursor": [(CURSOR, InvalidArgument)],
    },
    "conflicts": {"limit": [(LIMIT, InvalidArgument)]},
    "settle": {
        "memory_id": [(NO_ID, InvalidArgument), (UNKNOWN_ID, NotFound)],
        "both": [([*FLAG, None], InvalidArgument)],
        **OPERATION,
    },
    "pause": {
        "duration": [(["1h", "", 60, 0.5, True, [], timedelta(0), NEVER, Odd()], InvalidArgument)]
    },
    "resume": {},
    "pauses": {},
    "activity": {
        "kind": [(["gossip", "", 5, [], ["recall"], Odd()], InvalidArgument)],
        "limit": [(LIMIT, InvalidArgument)],
        "cursor": [(CURSOR, InvalidArgument)],
    },
    "check_token": {"secret": [([5, None, b"x", [], Odd()], InvalidArgument)]},
    "flush": {"timeout": [(["1", b"1", [], True, Odd()], InvalidArgument)]},
}
#: Verbs that take nothing, and what every other verb takes besides.
BARE = {
    *(
        "open",
        "close",
        "ping",
        "backlog",
        "tables",
        "schema",
        "maintain",
        "learn",
        "start_learning",
    ),
    *("promote_due", "start_promoting"),
}
UNOWNED = {"flush", "backup", "revoke_token", "check_token"}
#: Functions that are called back.
CALLED = {"progress", "stopped"}
SCOPE = {"user_id": [(NAME, ScopeError)], "namespace": [(NAME, ScopeError)]}


def _arguments(verb: str) -> dict[str, list[tuple[list[Any], Expected]]]:
    return ({} if verb in UNOWNED else SCOPE) | WRONG[verb]


def _cases(verb: str) -> Iterator[tuple[str, Any, Expected]]:
    for argument, groups in _arguments(verb).items():
        for values, expected in groups:
            for value in values:
                yield argument, value, expected


def test_every_argument_of_every_verb_is_in_the_table() -> None:
    verbs = {
        name
        for name, value in inspect.getmembers(AsyncMemori, inspect.iscoroutinefunction)
        if not name.startswith("_")
    }
    assert verbs == set(WRONG) | BARE
    for verb in WRONG:
        taken = set(inspect.signature(getattr(AsyncMemori, verb)).parameters) - {"self", *CALLED}
        assert taken == set(_arguments(verb)), verb


@pytest.mark.parametrize("verb", WRONG)
async def test_a_wrong_value_is_said_plainly_and_does_nothing(
    memori: AsyncMemori, verb: str, tmp_path: Path
) -> None:
    memory_id = await kept(memori, "Ana lives in Porto", tags=["home"], operation_id="first")
    await said(memori, "my kitten is grey")
    given: dict[str, Any] = {
        "remember": {"content": "Ana has a dog"},
        "record": {"turns_given": [{"content": "my dog is old"}]},
        "update": {"memory_id": memory_id, "importance": 0.9},
        "forget": {"ids": memory_id},
        "restore": {"ids": memory_id},
        "undo": {"operation": "first"},
        "release": {"item_id": memory_id},
        "settle": {"memory_id": memory_id},
        "recall": {"query": "Porto"},
        "source_turns": {"ids": memory_id},
        "turn_texts": {"ids": memory_id},
        "get": {"item_id": memory_id},
        "history": {"item_id": memory_id},
        "turns": {"session_id": "talk"},
        "relations": {"name": "Ana"},
        "confirm": {"ids": memory_id},
        "rename_user": {"user_id": "default", "new_user_id": "ana"},
        "erase_user": {"user_id": "default"},
        "export": {"file": tmp_path / "file"},
        "export_user": {"user_id": "default", "file": tmp_path / "file"},
        "import_export": {"file": tmp_path / "file"},
        "backup": {"file": tmp_path / "file"},
        "table_rows": {"table": "memories"},
    }.get(verb, {})
    before = await _everything(memori)
    wrong: list[tuple[str, Any, Any]] = []
    for argument, value, expected in _cases(verb):
        answer = await _answer(memori, verb, {**given, argument: value})
        if answer != expected:
            wrong.append((argument, value, answer))
    assert wrong == []
    assert await _everything(memori) == before
    assert not (tmp_path / "file").exists()


async def _answer(memori: AsyncMemori, verb: str, given: dict[str, Any]) -> Any:
    """What a call answers: the kind of error, or the status of every receipt."""
    try:
        answer = await getattr(memori, verb)(**given)
    except MemoriError as error:
        return type(error)
    receipts: Sequence[Any] = answer if isinstance(answer, tuple) else [answer]
    if receipts and all(isinstance(each, Receipt) for each in receipts):
        assert all(each.reason for each in receipts)
        return " ".join(each.status for each in receipts)
    return answer


async def _everything(memori: AsyncMemori) -> Any:
    shown = await memori.search(include_superseded=True, include_forgotten=True, limit=100)
    return shown, await memori.operations(), await memori.sessions()


async def test_an_id_of_another_kind_is_not_found(memori: AsyncMemori) -> None:
    """A turn is no memory, a memory no session, an operation none of them."""
    receipt = await memori.remember("Ana lives in Porto")
    memory = id_of(receipt)
    [turn] = await said(memori, "my kitten is grey", session_id="talk")
    for call in (
        memori.update(turn, pinned=True),
        memori.update("talk", pinned=True),
        memori.remember("x", supersedes=turn),
        memori.remember("x", sources=[memory]),
        memori.remember("x", sources=["talk"]),
        memori.turns(memory),
        memori.turns(turn),
        memori.get("talk"),
        memori.get(receipt.operation_id),
        memori.forget(receipt.operation_id),
        memori.undo(memory),
        memori.undo("talk"),
        memori.release("talk"),
    ):
        with pytest.raises(NotFound):
            await call
