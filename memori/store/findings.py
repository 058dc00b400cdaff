"""What a check of a database found, bounded, with what a repair needs to know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy import Connection

from memori.model import Finding, Scope
from memori.store.scopes import read_scope

#: Findings that are named; all of them are counted.
MAX_NAMED = 1_000
Mend = Callable[[Connection], None]


@dataclass(slots=True)
class Findings:
    """Collects findings and the transactions that mend them.

    A repair looks at the rows again in its own transaction, since others may write meanwhile.
    """

    named: list[Finding] = field(default_factory=list[Finding])
    count: int = 0
    items: int = 0
    mends: dict[str, list[Mend]] = field(default_factory=dict[str, list[Mend]])

    def add(
        self,
        check: str,
        scope: Scope | None,
        where: str,
        problem: str,
        *,
        repairable: bool = False,
    ) -> None:
        """Note one finding."""
        self.count += 1
        if len(self.named) < MAX_NAMED:
            self.named.append(
                Finding(
                    check=check,
                    namespace=scope and scope.namespace,
                    user_id=scope and scope.user_id,
                    where=where,
                    problem=problem,
                    repairable=repairable,
                )
            )

    def mend(self, what: str, scope_id: int | None, step: Mend) -> None:
        """Note a transaction that mends something.

        Args:
            what: what to call it.
            scope_id: the scope that it holds first, like every write; None for rows of nobody.
            step: what it does then, unless the scope is gone.
        """
        held = step if scope_id is None else partial(_holding, scope_id=scope_id, step=step)
        self.mends.setdefault(what, []).append(held)


def _holding(connection: Connection, scope_id: int, step: Mend) -> None:
    if read_scope(connection, scope_id, hold=True) is not None:
        step(connection)


def row_name(table: str, *key: Any) -> str:
    """How a finding names a row."""
    return f"{table} {'/'.join(map(str, key))}"
