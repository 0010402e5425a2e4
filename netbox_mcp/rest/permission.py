"""Which scope a route needs: enforced, and told in the OpenAPI description."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from netbox_mcp.access import Scope, require

# Looked at by TokenGate long before; here it only describes itself.
_bearer = HTTPBearer(auto_error=False, description="See docs/access.md. Of several scopes any one is enough.")


def needs(*any_of: Scope) -> Any:
    """A dependency of a route: whoever calls it holds one of these scopes, or is told what is missing."""
    return Security(_check, scopes=[scope.value for scope in any_of])


async def _check(  # not in a thread: those are for what has to wait
    request: Request,
    wanted: SecurityScopes,
    _described: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> None:
    require(request.auth.scopes, *(Scope(one) for one in wanted.scopes))
