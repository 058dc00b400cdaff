"""Who comes over HTTP: bearer tokens checked, and each request bound to the one scope it may touch.

The scope is the token's, or for a service's token what its headers name. No argument, address,
cursor or id can change it: the engine itself refuses any other (`memori.acting`).
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import anyio
import anyio.to_thread
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings

from memori.errors import MemoriError, ScopeError
from memori_mcp.logs import hashed

if TYPE_CHECKING:
    from jwt import PyJWKClient
    from starlette.routing import Route

    from memori.acting import Acting
    from memori.config import HttpSettings
    from memori_mcp.door import Door

#: Seconds for which what is known of a token holds: so long a revoked one may still let in.
KNOWN_SECONDS = 5.0
#: Tokens of which something is known at once.
_KNOWN_MOST = 10_000
#: Seconds a fetch of public keys may take, and for which they are kept.
_KEYS_TIMEOUT, _KEYS_KEPT = 5.0, 600.0
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
#: The headers by which a service says for whom it acts.
USER_HEADER, NAMESPACE_HEADER = "memori-user", "memori-namespace"
#: Stands for the issuer of our own tokens, which no client is told.
_NO_ISSUER = "https://localhost"
#: Claims of what a token allows, whoever made it.
_USER, _NAMESPACE, _SERVICE = "memori_user", "memori_namespace", "memori_service"

#: What a client of somebody's memory may ask the OAuth server for.
_SCOPES = ("read", "write", "admin")

_log = logging.getLogger(__name__)


class Tokens:
    """Checks tokens that `memori-mcp token create` made, as the SDK's `TokenVerifier`.

    Args:
        door: where the engine is, whose database has their digests.
    """

    def __init__(self, door: Door) -> None:
        self._door = door
        self._known: OrderedDict[bytes, tuple[float, AccessToken | None]] = OrderedDict()

    async def verify_token(self, token: str) -> AccessToken | None:
        """What it allows; None where it lets nobody in."""
        now, key = time.monotonic(), hashlib.sha256(token.encode()).digest()
        known = self._known.get(key)
        if known is not None and known[0] > now:
            return known[1]
        try:
            found = await self._look_up(token)
        except MemoriError as error:
            # Nobody is let in while it is not known who comes; /ready says that something is wrong.
            _log.warning("no token can be checked: %s", type(error).__name__)
            return None
        self._known[key] = now + KNOWN_SECONDS, found
        self._known.move_to_end(key)
        while len(self._known) > _KNOWN_MOST:
            self._known.popitem(last=False)
        return found

    async def _look_up(self, token: str) -> AccessToken | None:
        found = await (await self._door.engine()).check_token(token)
        if found is None:
            return None
        return AccessToken(
            token=found.id,  # never the secret: this object is handed around
            client_id=found.id,
            subject=found.user_id,
            scopes=list(found.rights),
            expires_at=None if found.expires_at is None else int(found.expires_at.timestamp()),
            claims={
                _USER: found.user_id,
                _NAMESPACE: found.namespace,
                _SERVICE: found.is_service,
            },
        )


class OAuth:
    """Checks tokens of an OAuth 2.1 server: JSON web tokens (RFC 9068) by its public keys.

    Args:
        settings: its issuer, the audience, where its keys are, and which claim is the user.
        namespace: where no claim says it.
    """

    def __init__(self, settings: HttpSettings, namespace: str) -> None:
        self._settings = settings
        self._namespace = namespace
        self._keys: PyJWKClient | None = None

    async def verify_token(self, token: str) -> AccessToken | None:
        """What it allows; None where it lets nobody in."""
        import jwt

        try:
            # Fetching keys blocks, now and then.
            claims = await anyio.to_thread.run_sync(self._decode, token)
        except jwt.PyJWKClientConnectionError:
            _log.warning("the public keys of the OAuth server cannot be had; nobody is let in")
            return None
        except (jwt.PyJWTError, ValueError) as error:
            _log.info("a token was refused: %s", type(error).__name__)
            return None
        named = self._settings.oauth_namespace_claim
        user = claims.get(self._settings.oauth_user_claim)
        namespace = self._namespace if named is None else claims.get(named)
        if not isinstance(user, str) or not isinstance(namespace, str):
            _log.info("a token was refused: it does not say whose memory it is for")
            return None
        client = claims.get("client_id") or claims.get("azp") or user
        return AccessToken(
            token="oauth",  # noqa: S106  # never the token itself: this object is handed around
            client_id=str(client),
            subject=user,
            scopes=_scopes(claims),
            expires_at=int(claims["exp"]),
            claims={
                "iss": claims["iss"],
                _USER: user,
                _NAMESPACE: namespace,
                _SERVICE: False,
            },
        )

    def _decode(self, token: str) -> Mapping[str, Any]:
        import jwt

        if self._keys is None:
            self._keys = jwt.PyJWKClient(
                str(self._settings.oauth_jwks_url), lifespan=_KEYS_KEPT, timeout=_KEYS_TIMEOUT
            )
        key = self._keys.get_signing_key_from_jwt(token)
        return jwt.decode(
            token,
            key,
            algorithms=list(_ALGORITHMS),
            audience=self._settings.oauth_audience or self._settings.public_url,
            issuer=self._settings.oauth_issuer,
            leeway=30,
            options={"require": ["exp", "iss", "aud"]},
        )


def _scopes(claims: Mapping[str, Any]) -> list[str]:
    """The scopes of a token: RFC 9068 has them as one text, some servers as a list."""
    given = claims.get("scope") or claims.get("scp") or ()
    found = given.split() if isinstance(given, str) else given
    return [each for each in cast("list[object]", list(found)) if isinstance(each, str)]


def auth_settings(settings: HttpSettings) -> AuthSettings:
    """What the SDK is told of who is let in.

    Args:
        settings: `auth` is not `none`.
    """
    from pydantic import AnyHttpUrl

    if settings.auth == "token":
        return AuthSettings(issuer_url=AnyHttpUrl(_NO_ISSUER), resource_server_url=None)
    return AuthSettings(
        issuer_url=AnyHttpUrl(str(settings.oauth_issuer)),
        resource_server_url=AnyHttpUrl(str(settings.public_url)),
        validate_token_resource=False,  # the audience is checked with the signature
    )


def metadata_routes(settings: HttpSettings) -> list[Route]:
    """Where a client finds the OAuth server and the scopes there are (RFC 9728).

    Args:
        settings: `auth` is `oauth`.
    """
    from mcp.server.auth.routes import create_protected_resource_routes
    from pydantic import AnyHttpUrl

    return create_protected_resource_routes(
        resource_url=AnyHttpUrl(str(settings.public_url)),
        authorization_servers=[AnyHttpUrl(str(settings.oauth_issuer))],
        scopes_supported=list(_SCOPES),
    )


def whom(token: AccessToken, headers: Mapping[str, str]) -> Acting:
    """The one scope that a request may touch.

    Args:
        token: what let it in.
        headers: of the request.

    Raises:
        ScopeError: it does not say whose memory it is about, or names somebody it may not.
    """
    from memori.acting import Acting
    from memori.intake import check_scope
    from memori.model import MAX_NAME_CHARS

    claims = token.claims or {}
    user, namespace = claims.get(_USER), claims.get(_NAMESPACE)
    actor = f"mcp:{token.client_id}"
    if claims.get(_SERVICE):
        user = headers.get(USER_HEADER)
        asked = headers.get(NAMESPACE_HEADER)
        if user is None:
            raise ScopeError(f"a service says for whom it acts: send the header {USER_HEADER}")
        if namespace is None:
            namespace = asked
        elif asked not in (None, namespace):
            raise ScopeError("this token is good for another namespace only")
        if namespace is None:
            raise ScopeError(f"this token names no namespace: send the header {NAMESPACE_HEADER}")
        actor = f"{actor} for {user}"
    elif USER_HEADER in headers or NAMESPACE_HEADER in headers:
        raise ScopeError(f"only a service's token may name a user by {USER_HEADER}")
    if not isinstance(user, str) or not isinstance(namespace, str):
        raise ScopeError("this token does not say whose memory it is for")
    scope = check_scope(namespace, user)
    if claims.get(_SERVICE):
        # Its reads leave no event: the log has them, without a name.
        _log.info("token=%s acts for scope=%s", token.client_id, hashed(scope))
    return Acting(scope=scope, actor=actor[:MAX_NAME_CHARS])
