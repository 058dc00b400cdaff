"""Tokens: what lets a client in over HTTP, as one user or as a service that names the user."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import cast

from sqlalchemy import Connection

from memori import intake
from memori.arguments import as_count, as_flag, as_text
from memori.engine import COUNT_SECONDS, Engine
from memori.errors import InvalidArgument, NotFound, StoreBusy, StoreUnavailable
from memori.model import DEFAULT_TOKEN_DAYS, MAX_LISTED, MAX_NAME_CHARS, RIGHTS, Right, Scope
from memori.store import access
from memori.store.scopes import ensure_scope

MOST_DAYS = 3_650
_SHAPE = re.compile(r"memori_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")
_NOBODYS = hashlib.sha256(secrets.token_bytes(32)).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """What a token allows; the token itself is not kept.

    Attributes:
        id: names it, in lists and in the history of what it changed.
        name: what its owner calls it.
        user_id: whose memory it reaches; None for a service, which names the user of each request.
        namespace: the one it reaches; None for a service that names that, too.
        rights: of `read`, `write`, `admin` and `metrics`.
        created_at: when it was made.
        expires_at: when it ends; None for never.
        revoked_at: when it was revoked.
        used_at: about when it was last used, within an hour.
    """

    id: str
    name: str
    user_id: str | None
    namespace: str | None
    rights: tuple[Right, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    used_at: datetime | None

    @property
    def is_service(self) -> bool:
        """Whether it names the user of each request."""
        return self.user_id is None

    def is_good(self, now: datetime) -> bool:
        """Whether it lets anybody in."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken:
    """A token just made: `secret` is what a client sends, and is shown this once only."""

    token: AccessToken
    secret: str


class Access(Engine):
    """What makes, lists, checks and revokes tokens."""

    async def create_token(
        self,
        *,
        name: str = "",
        rights: Sequence[Right] = ("read", "write"),
        days: int | None = DEFAULT_TOKEN_DAYS,
        service: bool = False,
        user_id: str | None = None,
        namespace: str | None = None,
    ) -> NewToken:
        """Make a token that lets a client in over HTTP.

        Args:
            name: what to call it in lists.
            rights: `read` (recall, search, working context, resources), `write` (remember,
                update, forget), `admin` (purge), `metrics` (the counts of a whole server, for a
                service alone).
            days: how long it is good for; None for ever.
            service: it may act as any user, named by each request; `user_id` is not for it, and
                `namespace` keeps it to that one.
            user_id: whose memory; the object's unless given.
            namespace: which; the object's unless given.

        Raises:
            InvalidArgument: an argument makes no sense.
        """
        self._check_whole()
        kept = as_text(name, "name")
        allowed = _as_rights(rights)
        if days is not None:
            as_count(days, "days", MOST_DAYS)
        if len(kept) > MAX_NAME_CHARS:
            raise InvalidArgument(f"name is longer than {MAX_NAME_CHARS} characters")
        scope: Scope | None = None
        if as_flag(service, "service"):
            if user_id is not None:
                raise InvalidArgument("a service names the user of each request: leave user_id out")
            if namespace is not None:
                intake.check_scope(namespace, "somebody")
        elif "metrics" in allowed:
            raise InvalidArgument("the counts are of the whole server: metrics is for a service")
        else:
            scope = self._choose_scope(user_id, namespace)
        now, token_id, secret = self._clock(), secrets.token_hex(8), secrets.token_urlsafe(32)
        row = access.TokenRow(
            token_id=token_id,
            digest=_digest(secret),
            scope=scope,
            namespace=namespace if scope is None else None,
            rights=allowed,
            name=kept,
            created_at=now,
            expires_at=None if days is None else now + timedelta(days=days),
            revoked_at=None,
            used_at=None,
        )
        database = await self._open()

        def add(connection: Connection) -> None:
            acts_in = None if scope is None else ensure_scope(connection, scope, now).scope_id
            access.add_token(connection, row=row, acts_in=acts_in)

        await database.write(add)
        return NewToken(token=_shown(row), secret=f"memori_{token_id}_{secret}")

    async def tokens(
        self, *, limit: int = 100, user_id: str | None = None, namespace: str | None = None
    ) -> tuple[AccessToken, ...]:
        """The tokens of the database, the newest first, also those that have ended.

        Args:
            limit: how many at most, up to 1,000.
            user_id: only those of this user.
            namespace: only those of this namespace.
        """
        self._check_whole()
        as_count(limit, "limit", MAX_LISTED)
        if user_id is not None or namespace is not None:
            intake.check_scope(
                self._scope.namespace if namespace is None else namespace,
                self._scope.user_id if user_id is None else user_id,
            )
        database = await self._open()
        listed = partial(access.list_tokens, user_id=user_id, namespace=namespace, limit=limit)
        return tuple(_shown(row) for row in await database.read(listed))

    async def revoke_token(self, token_id: str) -> AccessToken:
        """End a token. Servers that are running let nobody in with it some seconds later.

        Args:
            token_id: as `tokens` shows it, or the token itself.

        Raises:
            NotFound: there is none of this id.
        """
        self._check_whole()
        text = as_text(token_id, "token_id")
        shape = _SHAPE.fullmatch(text)
        wanted, now = shape[1] if shape else text, self._clock()
        database = await self._open()

        def revoke(connection: Connection) -> access.TokenRow | None:
            access.revoke_token(connection, wanted, now)
            return access.find_token(connection, wanted)

        row = await database.write(revoke) if len(wanted) <= access.ID_CHARS else None
        if row is None:
            raise NotFound("no token has this id; `memori-mcp token list` lists all")
        return _shown(row)

    async def check_token(self, secret: str) -> AccessToken | None:
        """What a token that a client sent allows; None if it is none, has ended or was revoked.

        Args:
            secret: the whole token. It is compared in constant time.
        """
        shape = _SHAPE.fullmatch(as_text(secret, "secret"))
        if shape is None:
            return None
        database = await self._open()
        row = await database.read(partial(access.find_token, token_id=shape[1]))
        same = hmac.compare_digest(_digest(shape[2]), _NOBODYS if row is None else row.digest)
        if row is None or not same:
            return None
        token, now = _shown(row), self._clock()
        if not token.is_good(now):
            return None
        if access.is_worth_noting(row, now):
            note = partial(access.note_use, token_id=row.token_id, now=now)
            # When it was used is good to know; that it cannot be noted keeps nobody out.
            with suppress(StoreBusy, StoreUnavailable):
                await database.write(note, wait=COUNT_SECONDS)
        return token


def _as_rights(value: object) -> tuple[Right, ...]:
    given = cast("list[object]", list(value) if isinstance(value, list | tuple) else [value])  # pyright: ignore[reportUnknownArgumentType]
    if not given or any(each not in RIGHTS for each in given):
        raise InvalidArgument(f"rights must be some of {', '.join(RIGHTS)}")
    return tuple(each for each in RIGHTS if each in given)


def _digest(secret: str) -> str:
    """SHA-256 is enough for what is 256 random bits: there is nothing to guess."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _shown(row: access.TokenRow) -> AccessToken:
    return AccessToken(
        id=row.token_id,
        name=row.name,
        user_id=None if row.scope is None else row.scope.user_id,
        namespace=row.namespace if row.scope is None else row.scope.namespace,
        rights=cast("tuple[Right, ...]", row.rights),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        used_at=row.used_at,
    )
