"""A database as plain code sees it, so that one transaction can feed another.

A copy reads inside one transaction of its source, which is a plain function, and writes what it
read to its target, which is asynchronous.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.util import await_only

from memori.store.database import Database

T = TypeVar("T")


class WaitingDatabase:
    """Runs transactions and waits for them; made on the event loop that the database lives on."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()

    def read(self, transaction: Callable[[Connection], T]) -> T:
        """Run `transaction` on one snapshot."""
        return self._wait(self._database.read(transaction))

    def write(self, transaction: Callable[[Connection], T]) -> T:
        """Run `transaction` and commit."""
        return self._wait(self._database.write(transaction))

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        if threading.get_ident() == self._thread:
            # A server's transaction runs on the loop's own thread, in SQLAlchemy's greenlet.
            return await_only(work)
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()
