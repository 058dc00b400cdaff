"""What a check of a database found, bounded, with what a repair needs to know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from memori.model import Finding, Scope

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

    def mend(self, what: str, step: Mend) -> None:
        """Note a transaction that mends something, and what to call it."""
        self.mends.setdefault(what, []).append(step)


def row_name(table: str, *key: Any) -> str:
    """How a finding names a row."""
    return f"{table} {'/'.join(map(str, key))}"
