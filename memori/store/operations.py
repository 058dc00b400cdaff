"""Operations (one write as a whole, the unit of retry and undo) and the events they leave."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, bindparam, select

from memori.errors import OperationConflict
from memori.ids import new_id, new_number
from memori.store.prepared import Prepared
from memori.store.scopes import IndexState
from memori.store.tables import events, operations

T = TypeVar("T")

_FIND = select(operations.c.payload_hash, operations.c.answer, operations.c.verb).where(
    operations.c.scope_id == bindparam("scope"), operations.c.operation_id == bindparam("op")
)
_INSERT = Prepared(
    operations.insert(),
    [column.name for column in operations.columns if column.name != "undone_by"],
)
_INSERT_EVENT = Prepared(events.insert(), [column.name for column in events.columns])


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """What every statement of one write needs to know.

    `caller_named` is True when the operation id came from the caller, or when this is not the
    first run, so an earlier run of the same operation may be there already.
    """

    connection: Connection
    scope_id: int
    now: datetime
    operation_id: str
    caller_named: bool
    actor: str | None
    digest_key: bytes
    index_state: IndexState

    def digest(self, *parts: str) -> str:
        """Keyed digest of `parts` in this scope; see `keyed_digest`."""
        return keyed_digest(self.digest_key, *parts)

    def event(
        self,
        action: str,
        item_kind: str,
        item_id: str,
        *,
        reason: str = "",
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """Append one event. `detail` holds ids and names, never content."""
        row = self._event(action, item_kind, item_id, reason, detail)
        _INSERT_EVENT.run(self.connection, row)

    def same_events(
        self,
        action: str,
        item_kind: str,
        items: Sequence[tuple[str, str, Mapping[str, Any]]],
    ) -> None:
        """Append an event for each of many items (id, reason, detail), in one statement."""
        if items:
            self.connection.execute(
                events.insert(), [self._event(action, item_kind, *each) for each in items]
            )

    def _event(
        self,
        action: str,
        item_kind: str,
        item_id: str,
        reason: str,
        detail: Mapping[str, Any] | None,
    ) -> dict[str, Any]:
        return {
            "scope_id": self.scope_id,
            "id": new_id(),
            "at": self.now,
            "action": action,
            "item_kind": item_kind,
            "item_id": item_id,
            "operation_id": self.operation_id,
            "actor": self.actor,
            "reason": reason,
            "detail": dict(detail or {}),
        }

    def earlier_answer(self, verb: str, payload_hash: str) -> Any | None:
        """The answer of an earlier run of this operation, None when this is the first.

        Raises:
            OperationConflict: the id was used for something else.
        """
        if not self.caller_named:
            return None
        row = self.connection.execute(
            _FIND, {"scope": self.scope_id, "op": self.operation_id}
        ).one_or_none()
        if row is None:
            return None
        # A purge blanks the digest of what it removed: only the verb can be compared then.
        if row.payload_hash not in ("", payload_hash) or row.verb != verb:
            raise OperationConflict(
                f"operation id {self.operation_id!r} was already used for another {row.verb}; "
                "use a new id for a new operation"
            )
        return row.answer

    def finish(self, verb: str, payload_hash: str, answer: Any) -> None:
        """Commit the operation's row with its data."""
        _INSERT.run(
            self.connection,
            {
                "scope_id": self.scope_id,
                "operation_id": self.operation_id,
                "number": new_number(),
                "verb": verb,
                "payload_hash": payload_hash,
                "answer": answer,
                "actor": self.actor,
                "at": self.now,
            },
        )


def keyed_digest(key: bytes, *parts: str) -> str:
    """Digest of `parts`, 32 hexadecimal characters; says nothing without the key."""
    mac = hashlib.blake2b(key=key, digest_size=16)
    for part in parts:
        data = part.encode()
        mac.update(len(data).to_bytes(8, "big") + data)
    return mac.hexdigest()


def revive(kind: type[T], answer: Mapping[str, Any]) -> T:
    """Make the answer of an earlier run again from the JSON it was kept as."""
    values: dict[str, Any] = {}
    for name, value in answer.items():
        if isinstance(value, list):
            values[name] = tuple(cast("list[Any]", value))
        elif name.endswith("_at") and value is not None:
            values[name] = datetime.fromisoformat(value)
        else:
            values[name] = value
    return kind(**values)


def hash_payload(values: Mapping[str, Any], key: bytes) -> str:
    """Digest of what a write was asked to do, after redaction, to tell retries from reuse."""
    text = _PAYLOAD.encode(values)
    return hashlib.blake2b(text.encode(), key=key, digest_size=16).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple):
        return list(cast("tuple[Any, ...]", value))
    raise TypeError(f"{type(value).__name__} cannot be part of a payload")


_PAYLOAD = json.JSONEncoder(sort_keys=True, default=_plain, ensure_ascii=False)
