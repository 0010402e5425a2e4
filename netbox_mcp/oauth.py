"""Bearer tokens that an OAuth authorization server has issued, and how clients learn of that server.

The server's metadata for clients is RFC 9728, as MCP's authorization wants it.
Tokens are JWTs (RFC 9068): signed by the configured issuer, for this server and
no other, not yet expired. What they may do is their `scope`, in the words of access.py.
"""

from __future__ import annotations

import logging
import threading
from typing import Any
from urllib.parse import urlsplit

import anyio.to_thread
import httpx2
import jwt
from mcp.server.auth.provider import AccessToken, TokenVerifier
from mcp.server.auth.routes import build_resource_metadata_url, create_protected_resource_routes
from pydantic import AnyHttpUrl
from starlette.routing import Route

from netbox_mcp.access import EVERYTHING, ONLY_LOOKING, Scope, included

# Signatures that only the issuer can make; a shared secret would let us forge what we are to check.
_ALGORITHMS = [
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
]
_TIMEOUT_SECONDS = 5.0
_LEEWAY_SECONDS = 30
_SCOPES = [scope.value for scope in Scope]

log = logging.getLogger(__name__)


class JwtVerifier(TokenVerifier):
    """Accepts what the issuer has signed for this resource; no scope goes beyond `most`."""

    def __init__(self, issuer: str, resource: str, most: frozenset[Scope]) -> None:
        self._issuer = issuer
        self._resource = resource
        self._most = most
        self._lock = threading.Lock()
        self._keys: jwt.PyJWKClient | None = None

    async def verify_token(self, token: str) -> AccessToken | None:
        """The caller's identity, or None for a token that is no JWT, not for us, expired or not signed."""
        if token.count(".") != 2:
            return None
        try:
            claims = await anyio.to_thread.run_sync(self._claims, token)
        except (jwt.PyJWTError, httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
            log.info("a token was refused: %s", error)
            return None
        scopes = granted(_words(claims.get("scope", claims.get("scp")))) & self._most
        return AccessToken(
            token="jwt",  # noqa: S106  the token itself is kept nowhere
            client_id=str(claims.get("client_id") or claims.get("azp") or claims["sub"]),
            subject=str(claims["sub"]),
            claims={"iss": self._issuer},
            expires_at=int(claims["exp"]),
            resource=self._resource,
            scopes=sorted(scope.value for scope in scopes),
        )

    def _claims(self, token: str) -> dict[str, Any]:
        key = self._issuer_keys().get_signing_key_from_jwt(token)
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=_ALGORITHMS,
            audience=self._resource,
            issuer=self._issuer,
            leeway=_LEEWAY_SECONDS,
            options={"require": ["exp", "iss", "aud", "sub"]},
        )
        return claims

    def _issuer_keys(self) -> jwt.PyJWKClient:
        """Where the issuer publishes its keys, asked for once; the keys are read anew every 5 minutes."""
        with self._lock:
            if self._keys is None:
                self._keys = jwt.PyJWKClient(_find_keys(self._issuer), timeout=_TIMEOUT_SECONDS)
            return self._keys


def granted(words: list[str]) -> frozenset[Scope]:
    """The scopes that a token names, with what they include; approving never goes along with writing."""
    scopes = included(Scope(word) for word in words if word in _SCOPES)
    return scopes - {Scope.APPROVE} if scopes & (EVERYTHING - ONLY_LOOKING) else scopes


def metadata_routes(issuer: str, resource: str) -> list[Route]:
    """The route at which clients learn who issues tokens for this server (RFC 9728)."""
    return create_protected_resource_routes(
        AnyHttpUrl(resource), [AnyHttpUrl(issuer)], _SCOPES, "netbox-mcp-orchestrator"
    )


def metadata_url(resource: str) -> str:
    """Where that route is, as clients reach it."""
    return str(build_resource_metadata_url(AnyHttpUrl(resource)))


def _find_keys(issuer: str) -> str:
    """The address of the issuer's keys, from its own metadata (RFC 8414, OpenID Connect Discovery)."""
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    places = [
        f"{parts.scheme}://{parts.netloc}/.well-known/oauth-authorization-server{path}",
        f"{issuer.rstrip('/')}/.well-known/openid-configuration",
    ]
    for place in places:
        answer = httpx2.get(place, timeout=_TIMEOUT_SECONDS)
        if answer.is_success:
            told = answer.json()
            if told.get("issuer") != issuer:
                raise ValueError(f"{place} describes the issuer {told.get('issuer')!r}, not {issuer!r}")
            return str(told["jwks_uri"])
    raise ValueError(f"the issuer {issuer} has no metadata at {' or '.join(places)}")


def _words(scope: Any) -> list[str]:
    """The scopes of a token, which issuers give as text or as a list."""
    return [str(one) for one in scope] if isinstance(scope, list) else str(scope or "").split()
