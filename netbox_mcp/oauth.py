"""Bearer tokens that an OAuth authorization server has issued, and how clients learn of that server.

The server's metadata for clients is RFC 9728, as MCP's authorization wants it.
Tokens are JWTs (RFC 9068): signed by the configured issuer, for this server and
no other, not yet expired. What they may do is their `scope`, in the words of access.py.
"""

from __future__ import annotations

import logging
import time
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx2
import jwt
from mcp.server.auth.handlers.metadata import ProtectedResourceMetadataHandler
from mcp.server.auth.provider import AccessToken, TokenVerifier
from mcp.server.auth.routes import build_resource_metadata_url, cors_middleware
from mcp.shared.auth import ProtectedResourceMetadata
from pydantic import AnyHttpUrl
from starlette.routing import Route

from netbox_mcp.access import Scope, included, writes
from netbox_mcp.addresses import parse_address

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
_KEYS_SECONDS = 300.0
_RETRY_SECONDS = 30.0
_LEEWAY_SECONDS = 30
_SCOPES = [scope.value for scope in Scope]

log = logging.getLogger(__name__)


class JwtVerifier(TokenVerifier):
    """Accepts what the issuer has signed for this resource; no scope goes beyond `most`."""

    def __init__(self, issuer: str, resource: str, most: frozenset[Scope]) -> None:
        self._issuer = issuer
        self._resource = resource
        self._most = most
        self._keys = IssuerKeys(issuer)

    async def verify_token(self, token: str) -> AccessToken | None:
        """The caller's identity, or None for a token that is no JWT, not for us, expired or not signed."""
        if token.count(".") != 2:
            return None
        try:
            key = await self._keys.find(str(jwt.get_unverified_header(token).get("kid")))
            claims = self._claims(token, key)
        except (jwt.PyJWTError, ValueError) as error:
            log.info("a token was refused: %s", error)
            return None
        scopes = granted(_words(claims.get("scope", claims.get("scp")))) & self._most
        return AccessToken(
            token="jwt",  # noqa: S106  the token itself is kept nowhere
            client_id=str(claims.get("client_id") or claims.get("azp") or claims["sub"]),
            subject=str(claims["sub"]),
            claims={"iss": self._issuer},
            expires_at=int(claims["exp"]) + _LEEWAY_SECONDS,
            resource=self._resource,
            scopes=sorted(scope.value for scope in scopes),
        )

    def _claims(self, token: str, key: jwt.PyJWK) -> dict[str, Any]:
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


class IssuerKeys:
    """The keys that an issuer publishes, asked for when one is needed that is not known or too long.

    Nobody's token makes us ask more than twice a minute, and nobody whose key is known waits for an issuer
    that does not answer. While it cannot be asked the keys that are known stay good.
    """

    def __init__(self, issuer: str) -> None:
        self._issuer = issuer
        self._lock = anyio.Lock()
        self._keys: dict[str, jwt.PyJWK] = {}
        self._read_at = self._tried_at = float("-inf")

    async def find(self, kid: str) -> jwt.PyJWK:
        """The key of that id. Raises ValueError where the issuer has none, or does not say."""
        is_fresh = time.monotonic() - self._read_at < _KEYS_SECONDS
        if kid not in self._keys or not (is_fresh or self._lock.locked()):
            await self._refresh()
        if kid not in self._keys:
            raise ValueError(
                "it is signed with a key that the issuer does not publish, or cannot be asked for"
            )
        return self._keys[kid]

    async def _refresh(self) -> None:
        async with self._lock:
            if time.monotonic() - self._tried_at < _RETRY_SECONDS:
                return
            try:
                async with httpx2.AsyncClient(timeout=_TIMEOUT_SECONDS) as http:
                    with anyio.fail_after(2 * _TIMEOUT_SECONDS):
                        self._keys = await self._read(http)
                self._read_at = time.monotonic()
            except (httpx2.HTTPError, jwt.PyJWTError, OSError, ValueError) as error:
                log.warning("the keys of the issuer %s cannot be read: %s", self._issuer, error)
            finally:
                self._tried_at = time.monotonic()

    async def _read(self, http: httpx2.AsyncClient) -> dict[str, jwt.PyJWK]:
        place = str((await self._metadata(http)).get("jwks_uri"))
        parse_address(place)
        published = jwt.PyJWKSet.from_dict((await http.get(place)).raise_for_status().json())
        return {
            key.key_id: key for key in published.keys if key.key_id and key.public_key_use in ("sig", None)
        }

    async def _metadata(self, http: httpx2.AsyncClient) -> dict[str, Any]:
        """What the issuer says of itself (RFC 8414, OpenID Connect Discovery)."""
        parts = urlsplit(self._issuer)
        path = parts.path.rstrip("/")
        for place in (
            f"{parts.scheme}://{parts.netloc}/.well-known/oauth-authorization-server{path}",
            f"{self._issuer.rstrip('/')}/.well-known/openid-configuration",
        ):
            try:
                told = (await http.get(place)).raise_for_status().json()
            except (httpx2.HTTPError, ValueError):
                continue
            if isinstance(told, dict) and told.get("issuer") == self._issuer and "jwks_uri" in told:
                return told
        raise ValueError("it has no metadata that names it and its keys")


def granted(words: list[str]) -> frozenset[Scope]:
    """The scopes that a token names, with what they include; approving never goes along with writing."""
    scopes = included(Scope(word) for word in words if word in _SCOPES)
    return scopes - {Scope.APPROVE} if writes(scopes) else scopes


def metadata_routes(issuer: str, resource: str) -> list[Route]:
    """The route at which clients learn who issues tokens for this server (RFC 9728).

    The scopes there are those that a client asks for by itself; `admin` and `approve` are for people.
    """
    metadata = ProtectedResourceMetadata.model_validate(
        {
            "resource": resource,
            "authorization_servers": [issuer],
            "scopes_supported": [Scope.READ, Scope.PLAN, Scope.WRITE],
            "resource_name": "netbox-mcp-orchestrator",
        }
    )
    methods = ["GET", "OPTIONS"]
    endpoint = cors_middleware(ProtectedResourceMetadataHandler(metadata).handle, methods)
    return [Route(urlsplit(metadata_url(resource)).path, endpoint=endpoint, methods=methods)]


def metadata_url(resource: str) -> str:
    """Where that route is, as clients reach it."""
    return str(build_resource_metadata_url(AnyHttpUrl(resource)))


def _words(scope: Any) -> list[str]:
    """The scopes of a token, which issuers give as text or as a list."""
    return [str(one) for one in scope] if isinstance(scope, list) else str(scope or "").split()
