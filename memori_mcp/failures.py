"""Errors as a model should read them: what happened, and what to do next."""

from __future__ import annotations

import logging
import traceback

from memori.errors import (
    Closed,
    ConfigurationError,
    InvalidArgument,
    MemoriError,
    NotFound,
    OperationConflict,
    ScopeError,
    StoreBusy,
    StoreUnavailable,
)

_log = logging.getLogger(__name__)


def explain(error: MemoriError) -> str:
    """Say what an engine error means for a model.

    Args:
        error: what the engine raised.

    Returns:
        The engine's own sentence, and what the model or the person can do about it.
    """
    said = str(error).rstrip(".")
    match error:
        case NotFound():
            return f"{said}. To find ids call search_memories."
        case InvalidArgument():
            return f"{said}. Correct it and call again."
        case StoreBusy():
            return (
                f"{said}. Nothing was changed. Wait a moment and call again; if it fails again, "
                "tell the person that another program holds the memory database."
            )
        case Closed():
            return "The memory server is stopping; nothing was changed. Start it again to go on."
        case OperationConflict():
            return f"{said}. Nothing was changed. Call again."
        case ConfigurationError() | ScopeError() | StoreUnavailable():
            return (
                f"The memory cannot be used: {said}. Calling again will not help: "
                "tell the person this message, only they can repair it."
            )
        case _:
            return f"{said}."


def report_unexpected(what: str, operation_id: str, error: Exception) -> str:
    """Log an unexpected error without any content and word it for a model.

    The exception's own text can hold what was being stored, so only its type and the lines of
    code it passed through are logged.

    Args:
        what: the tool or resource that failed.
        operation_id: the id to look for in the log.
        error: what was raised.

    Returns:
        The sentence for the model.
    """
    frames = "".join(traceback.format_tb(error.__traceback__))
    _log.error(
        "unexpected error what=%s operation=%s type=%s.%s\n%s",
        what,
        operation_id,
        type(error).__module__,
        type(error).__qualname__,
        frames,
    )
    return (
        f"{what} failed inside the memory server, and it is not known whether anything was "
        "changed. Call it once more; if it fails again, tell the person to look in the server's "
        f"log for operation {operation_id}."
    )
