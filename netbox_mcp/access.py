"""Who may do what: the scopes that a bearer token holds, and what each of them opens.

`read`, `plan`, `write` and `admin` each include those before them. `approve` stands
apart: who writes must not approve what is written. Whoever is on this machine, at
the command line or over stdio, holds all but `approve`, whose secret is asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, field_validator

from orchestrator.errors import OrchestratorError


class Scope(StrEnum):
    """What a caller may do.

    `read`: look at NetBox and at tasks, plans and reports. `plan`: hand over and plan documents. `write`:
    change NetBox, start, stop and take back batches. `admin`: the queue's dashboard. `approve`: let a plan
    be applied, where that needs somebody's word.
    """

    READ = "read"
    PLAN = "plan"
    WRITE = "write"
    ADMIN = "admin"
    APPROVE = "approve"


_LADDER = (Scope.READ, Scope.PLAN, Scope.WRITE, Scope.ADMIN)
EVERYTHING = frozenset(_LADDER)
ONLY_LOOKING = frozenset({Scope.READ, Scope.PLAN})


class ForbiddenError(OrchestratorError):
    """The caller is known and may not do this."""

    code = "forbidden"


class Client(BaseModel):
    """A caller over HTTP: its name in the audit, the SHA-256 of its bearer token, what it may do."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    scopes: tuple[Scope, ...] = Field(min_length=1)

    @field_validator("scopes")
    @classmethod
    def _nobody_approves_their_own(cls, scopes: tuple[Scope, ...]) -> tuple[Scope, ...]:
        if Scope.APPROVE in scopes and writes(scopes):
            raise ValueError(
                "a client that approves plans must not write them as well: give it another token"
            )
        return scopes


def included(scopes: Iterable[Scope]) -> frozenset[Scope]:
    """The scopes, and those that they include."""
    held = set(scopes)
    for at, scope in enumerate(_LADDER):
        if scope in held:
            held.update(_LADDER[:at])
    return frozenset(held)


def writes(scopes: Iterable[Scope]) -> bool:
    """Whether their holder may change NetBox."""
    return Scope.WRITE in included(scopes)


def require(held: Collection[str], *any_of: Scope) -> None:
    """Raise ForbiddenError unless one of these scopes is held."""
    if not any(scope in held for scope in any_of):
        has = f"the scope {', '.join(_highest(held))}" if held else "no scope"
        raise ForbiddenError(
            f"This needs the scope {' or '.join(any_of)}, and the bearer token has {has}.",
            "Use a token that may, or ask whoever runs this server for one.",
        )


def _highest(held: Collection[str]) -> list[str]:
    """What is worth telling of the scopes: the last of those that include each other, and `approve`."""
    ladder = [scope.value for scope in _LADDER if scope in held]
    return [*ladder[-1:], *(["approve"] if Scope.APPROVE in held else [])]
