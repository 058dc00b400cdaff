"""Tokens: who may act over HTTP, and in which scope. Only digests are stored."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, or_, select, update

from memori.model import Scope
from memori.store.scopes import OWNED
from memori.store.tables import TOKEN_CHARS, access_tokens, scopes

_c = access_tokens.c
ID_CHARS = TOKEN_CHARS
#: A use within this time of the last one noted is not noted again.
_NOTE_EVERY = timedelta(hours=1)
_FOUND = select(
    access_tokens, scopes.c.user_id, scopes.c.namespace.label("scope_namespace")
).outerjoin(scopes, (scopes.c.scope_id == _c.acts_in) & OWNED)


class TokenRow(NamedTuple):
    """A token as it is stored; `scope` is None for a service, whose `namespace` may be fixed."""

    token_id: str
    digest: str
    scope: Scope | None
    namespace: str | None
    rights: tuple[str, ...]
    name: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    used_at: datetime | None


def add_token(connection: Connection, *, row: TokenRow, acts_in: int | None) -> None:
    """Keep a new token.

    Args:
        connection: in a transaction.
        row: the token.
        acts_in: the number of its scope; None for a service.
    """
    connection.execute(
        access_tokens.insert().values(
            token_id=row.token_id,
            digest=row.digest,
            acts_in=acts_in,
            namespace=row.namespace,
            rights=" ".join(row.rights),
            name=row.name,
            created_at=row.created_at,
            expires_at=row.expires_at,
        )
    )


def find_token(connection: Connection, token_id: str) -> TokenRow | None:
    """The token of this id; None where there is none, or its scope is being erased."""
    row = connection.execute(_FOUND.where(_c.token_id == token_id)).first()
    return None if row is None or _orphaned(row) else _token(row)


def list_tokens(
    connection: Connection, *, user_id: str | None, namespace: str | None, limit: int
) -> list[TokenRow]:
    """Tokens, the newest first.

    Args:
        connection: a snapshot.
        user_id: only those of this user.
        namespace: only those of this namespace.
        limit: how many at most.
    """
    statement = _FOUND.order_by(_c.created_at.desc(), _c.token_id).limit(limit)
    if user_id is not None:
        statement = statement.where(scopes.c.user_id == user_id)
    if namespace is not None:
        statement = statement.where(or_(_c.namespace == namespace, scopes.c.namespace == namespace))
    found = connection.execute(statement).fetchall()
    return [_token(row) for row in found if not _orphaned(row)]


def revoke_token(connection: Connection, token_id: str, now: datetime) -> None:
    """Let nobody in with this token from now on; the first revocation counts."""
    connection.execute(
        update(access_tokens)
        .where(_c.token_id == token_id, _c.revoked_at.is_(None))
        .values(revoked_at=now)
    )


def is_worth_noting(row: TokenRow, now: datetime) -> bool:
    """Whether a use of it is to be noted; not each one is."""
    return row.used_at is None or now - row.used_at > _NOTE_EVERY


def note_use(connection: Connection, token_id: str, now: datetime) -> None:
    """Note that somebody came with this token."""
    connection.execute(update(access_tokens).where(_c.token_id == token_id).values(used_at=now))


def _orphaned(row: Row[Any]) -> bool:
    return row.acts_in is not None and row.user_id is None


def _token(row: Row[Any]) -> TokenRow:
    return TokenRow(
        token_id=row.token_id,
        digest=row.digest,
        scope=None if row.acts_in is None else Scope(row.scope_namespace, row.user_id),
        namespace=row.namespace,
        rights=tuple(row.rights.split()),
        name=row.name,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        used_at=row.used_at,
    )
