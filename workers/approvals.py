"""Approvals: a person has seen what a plan would do, and lets it be done until a certain time.

An approval lies in Redis, where the server that a model talks to may write as
well. So it is signed with the approve token, which that server does not have,
and the worker, which has it, trusts nothing but the signature.
"""

from __future__ import annotations

import hashlib
import hmac
import socket
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import orjson
from pydantic import SecretStr
from redis import Redis

from orchestrator.netbox import ConfigError
from orchestrator.stale import refuse_outdated, refuse_unapplyable
from workers import keys
from workers.errors import NotApprovedError, StoredPlanError
from workers.settings import WorkerSettings
from workers.store import Store

MAX_APPROVER = 100


@dataclass(frozen=True, slots=True)
class Approval:
    """Who lets be done what plans of this digest would do to the target, and until when (ISO 8601, UTC)."""

    digest: str
    target: str
    approved_by: str
    expires_at: str

    def is_over(self, now: datetime) -> bool:
        """Whether its time is past."""
        return now >= datetime.fromisoformat(self.expires_at)

    def signature(self, token: SecretStr) -> str:
        """What only a holder of the token can write beneath exactly this."""
        said = orjson.dumps([self.digest, self.target, self.approved_by, self.expires_at])
        return hmac.new(token.get_secret_value().encode(), said, hashlib.sha256).hexdigest()


class Digested(Protocol):
    """A plan, or what is known of one without its body."""

    @property
    def digest(self) -> str:
        """Names what the plan would do."""
        ...

    @property
    def target(self) -> str:
        """Where it would do it."""
        ...


class Approvals:
    """The approvals in Redis."""

    def __init__(self, redis: Redis, settings: WorkerSettings) -> None:
        self._redis = redis
        self._settings = settings
        self._store = Store(redis, settings)

    def approve(self, plan_id: str, token: SecretStr, approver: str, digest: str | None = None) -> Approval:
        """Approve what a stored plan would do; `digest` is that of the plan which the person was shown.

        Raises UnknownDocumentError, StalePlanError for one that is too old,
        NotApplyableError for one with conflicts, StoredPlanError for one that was tampered with.
        """
        plan, now = self._store.load_plan(plan_id), datetime.now(UTC)
        if digest not in (None, plan.digest):
            raise StoredPlanError(plan_id)
        refuse_outdated(plan, now, f"Plan {plan_id}")
        refuse_unapplyable(plan)
        expires_at = (now + timedelta(seconds=self._settings.approval_ttl_seconds)).isoformat(
            timespec="seconds"
        )
        approval = Approval(plan.digest, plan.target, _one_line(approver), expires_at)
        record = {**asdict(approval), "signature": approval.signature(token)}
        # Kept beyond its time, so that it can be said that there was one.
        retention = self._settings.task_retention_seconds + self._settings.approval_ttl_seconds
        self._redis.set(keys.approval(plan.digest), orjson.dumps(record), ex=retention)
        return approval

    def find(self, plan: Digested) -> Approval | None:
        """The approval that is on record for the plan, unless its time is past. Nobody has verified it."""
        approval, _ = self._read(plan)
        return None if approval is None or approval.is_over(datetime.now(UTC)) else approval

    def expect(self, plan: Digested, plan_id: str) -> None:
        """Raise NotApprovedError if no approval is on record. For servers, which cannot verify one."""
        self._expect(plan, plan_id)

    def check(self, plan: Digested, plan_id: str) -> None:
        """Raise NotApprovedError unless a holder of this worker's approve token has approved the plan.

        Raises ConfigError where the worker has no such token.
        """
        token = self._settings.approve_token
        if token is None:
            raise ConfigError(
                f"On the worker at {socket.gethostname()}: NETBOX_MCP_APPROVE_TOKEN is not set, so that no "
                "approval can be verified; nothing was written.",
                "Give the workers the token of those who approve, and start them again.",
            )
        approval, signature = self._expect(plan, plan_id)
        if not hmac.compare_digest(approval.signature(token).encode(), signature.encode()):
            raise NotApprovedError(
                f"The approval of plan {plan_id} was signed with another token than the worker has", plan_id
            )

    def _expect(self, plan: Digested, plan_id: str) -> tuple[Approval, str]:
        approval, signature = self._read(plan)
        if approval is None:
            raise NotApprovedError(f"Plan {plan_id} has not been approved", plan_id)
        if approval.is_over(datetime.now(UTC)):
            raise NotApprovedError(
                f"The approval of plan {plan_id} by {_one_line(approval.approved_by)} was good until "
                f"{approval.expires_at} and has expired",
                plan_id,
            )
        return approval, signature

    def _read(self, plan: Digested) -> tuple[Approval | None, str]:
        body: Any = self._redis.get(keys.approval(plan.digest))
        try:
            record = orjson.loads(body) if body is not None else {}
            expires_at = datetime.fromisoformat(record["expires_at"]).astimezone(UTC).isoformat()
            approved_by, signature = str(record["approved_by"]), str(record["signature"])
        except (ValueError, KeyError, TypeError, OverflowError):
            return None, ""
        # Digest and target are the plan's own: what the record says of them proves nothing.
        return Approval(plan.digest, plan.target, approved_by, expires_at), signature


def _one_line(approver: str) -> str:
    shown = "".join(one if one.isprintable() else " " for one in approver).strip()
    return shown[:MAX_APPROVER] or "somebody"
