"""Memory for any LLM, kept in an SQL database its owner can read.

`Memori` (synchronous) and `AsyncMemori` are one engine. Importing this package imports no
database driver and no model; names load when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from memori.access import AccessToken as AccessToken
    from memori.access import NewToken as NewToken
    from memori.activity import Activity as Activity
    from memori.api import AsyncMemori as AsyncMemori
    from memori.config import Settings as Settings
    from memori.config import load_settings as load_settings
    from memori.configuring import ConfigManager as ConfigManager
    from memori.errors import Closed as Closed
    from memori.errors import ConfigurationError as ConfigurationError
    from memori.errors import Interrupted as Interrupted
    from memori.errors import InvalidArgument as InvalidArgument
    from memori.errors import MemoriError as MemoriError
    from memori.errors import NotFound as NotFound
    from memori.errors import OperationConflict as OperationConflict
    from memori.errors import Paused as Paused
    from memori.errors import ScopeError as ScopeError
    from memori.errors import StoreBusy as StoreBusy
    from memori.errors import StoreUnavailable as StoreUnavailable
    from memori.function_tool import create_memory_tool as create_memory_tool
    from memori.model import Backlog as Backlog
    from memori.model import ContextLine as ContextLine
    from memori.model import Entity as Entity
    from memori.model import Erased as Erased
    from memori.model import Event as Event
    from memori.model import Exported as Exported
    from memori.model import Finding as Finding
    from memori.model import Forgotten as Forgotten
    from memori.model import History as History
    from memori.model import Hit as Hit
    from memori.model import Job as Job
    from memori.model import Memory as Memory
    from memori.model import Operation as Operation
    from memori.model import Page as Page
    from memori.model import Profile as Profile
    from memori.model import ProfileSentence as ProfileSentence
    from memori.model import Promoted as Promoted
    from memori.model import Promotion as Promotion
    from memori.model import Recalled as Recalled
    from memori.model import Receipt as Receipt
    from memori.model import Relation as Relation
    from memori.model import Renamed as Renamed
    from memori.model import Retained as Retained
    from memori.model import RetentionItem as RetentionItem
    from memori.model import RetentionRule as RetentionRule
    from memori.model import Scope as Scope
    from memori.model import ScopeSummary as ScopeSummary
    from memori.model import Session as Session
    from memori.model import ShortTerm as ShortTerm
    from memori.model import Signal as Signal
    from memori.model import Stats as Stats
    from memori.model import TableColumn as TableColumn
    from memori.model import TableShape as TableShape
    from memori.model import Turn as Turn
    from memori.model import Undone as Undone
    from memori.model import Verified as Verified
    from memori.model import WorkingContext as WorkingContext
    from memori.pauses import Pause as Pause
    from memori.providers import ProviderConfig as ProviderConfig
    from memori.store.conflicts import Conflict as Conflict
    from memori.sync import Memori as Memori

_HOME = {
    "memori.activity": ("Activity",),
    "memori.pauses": ("Pause",),
    "memori.store.conflicts": ("Conflict",),
    "memori.access": ("AccessToken", "NewToken"),
    "memori.api": ("AsyncMemori",),
    "memori.sync": ("Memori",),
    "memori.config": ("Settings", "load_settings"),
    "memori.configuring": ("ConfigManager",),
    "memori.function_tool": ("create_memory_tool",),
    "memori.providers": ("ProviderConfig",),
    "memori.errors": (
        "Closed",
        "ConfigurationError",
        "Interrupted",
        "InvalidArgument",
        "MemoriError",
        "NotFound",
        "OperationConflict",
        "Paused",
        "ScopeError",
        "StoreBusy",
        "StoreUnavailable",
    ),
    "memori.model": (
        "Backlog",
        "ContextLine",
        "Entity",
        "Erased",
        "Event",
        "Exported",
        "Finding",
        "Forgotten",
        "History",
        "Hit",
        "Job",
        "Memory",
        "Operation",
        "Page",
        "Profile",
        "ProfileSentence",
        "Promoted",
        "Promotion",
        "Recalled",
        "Receipt",
        "Relation",
        "Renamed",
        "Retained",
        "RetentionItem",
        "RetentionRule",
        "Scope",
        "ScopeSummary",
        "Session",
        "ShortTerm",
        "Signal",
        "Stats",
        "TableColumn",
        "TableShape",
        "Turn",
        "Undone",
        "Verified",
        "WorkingContext",
    ),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = [*sorted(_MODULE_OF), "__version__"]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("memori-mcp")
    try:
        module = _MODULE_OF[name]
    except KeyError:
        raise AttributeError(f"module 'memori' has no attribute {name!r}") from None
    return getattr(import_module(module), name)


def __dir__() -> list[str]:
    return sorted(__all__)
