"""The public face: these names and no others, and importing them costs nothing."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

import memori
from memori import AsyncMemori, Memori, errors

NAMES = [
    "AccessToken",
    "Activity",
    "AsyncMemori",
    "Backlog",
    "Closed",
    "ConfigManager",
    "ConfigurationError",
    "Conflict",
    "ContextLine",
    "Entity",
    "Erased",
    "Event",
    "Exported",
    "Finding",
    "Forgotten",
    "History",
    "Hit",
    "Interrupted",
    "InvalidArgument",
    "Job",
    "Memori",
    "MemoriError",
    "Memory",
    "NewToken",
    "NotFound",
    "Operation",
    "OperationConflict",
    "Page",
    "Pause",
    "Paused",
    "Profile",
    "ProfileSentence",
    "Promoted",
    "Promotion",
    "ProviderConfig",
    "Recalled",
    "Receipt",
    "Relation",
    "Renamed",
    "Retained",
    "RetentionItem",
    "RetentionRule",
    "Scope",
    "ScopeError",
    "ScopeSummary",
    "Session",
    "Settings",
    "ShortTerm",
    "Signal",
    "Stats",
    "StoreBusy",
    "StoreUnavailable",
    "TableColumn",
    "TableShape",
    "Turn",
    "Undone",
    "Verified",
    "WorkingContext",
    "__version__",
    "create_memory_tool",
    "load_settings",
]
VERBS = [
    "activity",
    "backlog",
    "backup",
    "check_token",
    "close",
    "confirm",
    "conflicts",
    "context_mark",
    "create_token",
    "entities",
    "erase_user",
    "export",
    "export_user",
    "flush",
    "forget",
    "get",
    "history",
    "import_export",
    "jobs",
    "learn",
    "maintain",
    "open",
    "operations",
    "pause",
    "pauses",
    "ping",
    "profile",
    "promote",
    "promote_due",
    "quarantined",
    "recall",
    "record",
    "relations",
    "release",
    "remember",
    "rename_user",
    "restore",
    "resume",
    "retain",
    "revoke_token",
    "schema",
    "search",
    "sessions",
    "settle",
    "short_term",
    "source_turns",
    "start_learning",
    "start_promoting",
    "stats",
    "table_rows",
    "tables",
    "tokens",
    "turn_texts",
    "turns",
    "undo",
    "update",
    "users",
    "verify",
    "working_context",
]
PACKAGE = Path(memori.__file__).parent


def _loaded_by(program: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after running a program."""
    program += (
        "; import sys, json; print(json.dumps(sorted({n.split('.')[0] for n in sys.modules})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_public_names_are_these() -> None:
    assert sorted(memori.__all__) == sorted(NAMES)
    assert dir(memori) == sorted(NAMES)
    for name in NAMES:
        assert getattr(memori, name) is not None


def test_star_import_gives_the_public_names() -> None:
    space: dict[str, object] = {}
    exec("from memori import *", space)
    assert set(space) - {"__builtins__"} == set(NAMES)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = memori.nothing_like_it  # type: ignore[attr-defined]


def test_the_version_is_a_version() -> None:
    assert memori.__version__[0].isdigit()


def test_importing_memori_loads_nothing_heavy() -> None:
    loaded = _loaded_by("import memori")
    heavy = {
        "sqlalchemy",
        "aiosqlite",
        "sqlite3",
        "alembic",
        "pydantic",
        "anyio",
        "asyncio",
        "mcp",
        "Stemmer",
        "platformdirs",
        "numpy",
        "openai",
        "anthropic",
        "litellm",
    }
    assert loaded & heavy == set()


def test_errors_and_types_need_no_database() -> None:
    loaded = _loaded_by(
        "from memori import Turn, Hit, Scope, NotFound, load_settings; load_settings()"
    )
    assert loaded & {"sqlalchemy", "aiosqlite", "alembic", "mcp", "Stemmer"} == set()


def test_the_engine_never_imports_mcp() -> None:
    program = (
        "from memori import Memori\n"
        "with Memori('sqlite:///:memory:') as m:\n"
        "    m.remember('x y'); m.recall('x'); m.working_context()\n"
    )
    loaded = _loaded_by(f"exec({program!r})")
    assert loaded & {"mcp", "memori_mcp", "openai", "anthropic", "litellm", "numpy"} == set()
    for file in PACKAGE.rglob("*.py"):
        for line in file.read_text(encoding="utf-8").splitlines():
            words = line.split()
            if words[:1] in (["import"], ["from"]):
                assert words[1].split(".")[0] not in ("mcp", "memori_mcp"), file


def test_opening_a_database_that_is_there_loads_no_migration_tool(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'm.db'}"
    opening = f"from memori import Memori; m = Memori({url!r}); m.open(); m.close()"
    assert "alembic" in _loaded_by(opening)
    assert "alembic" not in _loaded_by(opening)


def test_every_error_is_a_memori_error() -> None:
    for name, value in vars(errors).items():
        if inspect.isclass(value) and issubclass(value, Exception):
            assert issubclass(value, memori.MemoriError), name
    assert issubclass(memori.NotFound, LookupError)
    assert issubclass(memori.InvalidArgument, ValueError)
    assert issubclass(memori.ScopeError, ValueError)


def _public(cls: type[object]) -> dict[str, object]:
    return {name: value for name, value in inspect.getmembers(cls) if not name.startswith("_")}


def test_both_faces_have_the_same_verbs_arguments_and_documentation() -> None:
    asynchronous = {
        name: value
        for name, value in _public(AsyncMemori).items()
        if inspect.iscoroutinefunction(value)
    }
    assert sorted(asynchronous) == VERBS
    synchronous = _public(Memori)
    for name, verb in asynchronous.items():
        assert name in synchronous
        same = inspect.unwrap(synchronous[name])  # type: ignore[arg-type]
        assert inspect.signature(same) == inspect.signature(verb), name  # type: ignore[arg-type]
        if name != "close":  # the synchronous face leaves intercepted calls alone, too
            assert inspect.getdoc(synchronous[name]) == inspect.getdoc(verb)
    assert inspect.signature(Memori) == inspect.signature(AsyncMemori)


def test_every_public_name_is_documented() -> None:
    for name in NAMES:
        if name != "__version__":
            assert inspect.getdoc(getattr(memori, name)), name
    for face in (AsyncMemori, Memori):
        for name, value in _public(face).items():
            assert inspect.getdoc(value), f"{face.__name__}.{name}"


def test_the_package_tells_type_checkers_that_it_is_typed() -> None:
    assert (PACKAGE / "py.typed").is_file()
