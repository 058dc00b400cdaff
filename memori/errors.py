"""The exception tree. Every message says what went wrong and what to do about it."""

from __future__ import annotations


class MemoriError(Exception):
    """Base of every error memori raises on purpose."""


class ConfigurationError(MemoriError):
    """The settings cannot work: bad URL, missing driver, unreachable or too new a database.

    Raised as early as the mistake can be known; never answered by falling back to
    another database.
    """


class ScopeError(MemoriError, ValueError):
    """A scope is empty, too long, or required and missing."""


class InvalidArgument(MemoriError, ValueError):
    """An argument has a value the verb cannot take; the message names the allowed ones."""


class NotFound(MemoriError, LookupError):
    """No such memory, turn, session or operation in this scope."""


class OperationConflict(MemoriError):
    """The operation id was already used for a different payload."""


class StoreBusy(MemoriError):
    """Another process holds the database; the write was not made. Try again."""


class StoreUnavailable(MemoriError):
    """The database failed while working (disk full, file gone, corruption)."""


class Paused(MemoriError):
    """Whose memory it is has paused it: nothing was recalled and nothing stored."""


class Closed(MemoriError):
    """The object was closed and cannot be used any more."""


class Interrupted(MemoriError):
    """A long verb was asked to stop, and did; nothing half done is left."""
