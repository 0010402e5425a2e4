"""Documents and plans in Redis, compressed, kept for the task retention time.

Jobs carry ids only; this is where the ids lead. A document's id is the digest
of its content, so the same document has the same id and is stored once.
"""

from __future__ import annotations

import hashlib
import secrets
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from redis import Redis

from orchestrator.errors import DocumentError, Problem
from orchestrator.models import Plan
from orchestrator.plan import digest_of
from orchestrator.plan_json import dump_parts, load_plan
from orchestrator.stale import date_plan, is_blocked
from workers import keys
from workers.connection import text_of
from workers.errors import StoredPlanError, UnknownDocumentError
from workers.settings import WorkerSettings

Document = dict[str, Any] | list[Any]

_FACTS = ("target", "document_id", "digest", "total", "writes", "blocked", "made_at", "stale_at")
_LATER_FACTS = ("undoes", "force", "started_by")
# Only where the plan is still there: a hash that nobody had made would be kept for ever.
# KEYS: plan   ARGV: task
NOTE_STARTED = """
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], 'started_by', ARGV[1]) end
"""


@dataclass(frozen=True, slots=True)
class PlanFacts:
    """What a stored plan stands for, without its body. `total` is the number of its changes.

    `blocked` says that conflicts forbid to apply it. A plan that `undoes` a batch has no document.
    `started_by` is the latest task that was to apply it.
    """

    target: str
    document_id: str
    digest: str
    total: int
    writes: int
    blocked: bool
    made_at: str
    stale_at: str
    undoes: str = ""
    force: bool = False
    started_by: str = ""


class Store:
    """Documents and plans, by id."""

    def __init__(self, redis: Redis, settings: WorkerSettings) -> None:
        self._redis = redis
        self._retention = settings.task_retention_seconds
        self._plan_valid_seconds = settings.plan_valid_seconds

    def save_document(self, document: Document) -> str:
        """Keep a document; returns its id. Saving it again renews its time.

        Raises DocumentError for what JSON cannot hold: half a character, a number beyond 64 bits.
        """
        try:
            body = orjson.dumps(document, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS, default=str)
        except TypeError as error:
            raise DocumentError([Problem("document", f"cannot be kept as JSON: {error}")]) from None
        document_id = "d-" + hashlib.sha256(body).hexdigest()[:24]
        # Level 1: a twentieth of the size already, at a fraction of the time.
        self._redis.set(keys.document(document_id), zlib.compress(body, 1), ex=self._retention)
        return document_id

    def load_document(self, document_id: str) -> Document:
        """The document. Raises UnknownDocumentError when it has expired."""
        body: Any = self._redis.get(keys.document(document_id))
        if body is None:
            raise UnknownDocumentError("document", document_id)
        document: Document = orjson.loads(zlib.decompress(body))
        return document

    def save_plan(self, plan: Plan, document_id: str = "") -> str:
        """Keep a plan made from a stored document, or to undo a batch; returns the plan's id.

        One that does not say until when it is good is taken as made now.
        """
        if not plan.stale_at:
            plan = date_plan(plan, datetime.now(UTC), self._plan_valid_seconds)
        plan_id = f"p-{secrets.token_hex(6)}"
        key = keys.plan(plan_id)
        fields: dict[Any, Any] = {
            "document_id": document_id,
            "target": plan.target,
            "digest": plan.digest,
            "total": len(plan.changes),
            "writes": plan.writes,
            "blocked": int(is_blocked(plan)),
            "made_at": plan.made_at,
            "stale_at": plan.stale_at,
            "undoes": plan.undoes,
            "force": int(plan.force),
            "body": _compressed(dump_parts(plan)),
        }
        pipe = self._redis.pipeline()
        pipe.hset(key, mapping=fields)
        pipe.expire(key, self._retention)
        now = datetime.now(UTC).timestamp()
        pipe.zadd(keys.PLANS, {plan_id: now})
        pipe.zremrangebyscore(keys.PLANS, "-inf", now - self._retention)
        pipe.expire(keys.PLANS, self._retention)
        if document_id:  # the plan is of no use without it
            pipe.expire(keys.document(document_id), self._retention)
        pipe.execute()
        return plan_id

    def load_plan(self, plan_id: str) -> Plan:
        """The plan itself. Raises UnknownDocumentError when it has expired, or an older version kept it.

        Raises StoredPlanError if it would do something else than its digest says.
        """
        body: Any = self._redis.hget(keys.plan(plan_id), "body")
        if body is None:
            raise UnknownDocumentError("plan", plan_id)
        try:
            plan = load_plan(zlib.decompress(body))
        except (ValueError, KeyError, TypeError, zlib.error):
            raise UnknownDocumentError("plan of this version", plan_id) from None
        if digest_of(plan) != plan.digest:
            raise StoredPlanError(plan_id)
        return plan

    def plan_facts(self, plan_id: str) -> PlanFacts:
        """What the plan stands for. Raises UnknownDocumentError when it has expired."""
        facts = _facts(self._redis.hmget(keys.plan(plan_id), [*_FACTS, *_LATER_FACTS]))
        if facts is None:
            raise UnknownDocumentError("plan", plan_id)
        return facts

    def newest_plans(self, limit: int) -> dict[str, PlanFacts]:
        """The plans that were kept last, newest first, by their ids; without those that have expired."""
        plan_ids = [text_of(plan_id) for plan_id in self._redis.zrevrange(keys.PLANS, 0, limit - 1)]
        pipe = self._redis.pipeline(transaction=False)
        for plan_id in plan_ids:
            pipe.hmget(keys.plan(plan_id), [*_FACTS, *_LATER_FACTS])
        found = zip(plan_ids, map(_facts, pipe.execute()), strict=True)
        return {plan_id: facts for plan_id, facts in found if facts is not None}

    def note_started(self, plan_id: str, task_id: str) -> None:
        """Note which task is to apply the plan."""
        self._redis.eval(NOTE_STARTED, 1, keys.plan(plan_id), task_id)


def _facts(found: Sequence[Any]) -> PlanFacts | None:
    """The facts as Redis has them; None where the plan has expired, or an older version kept it."""
    if None in found[: len(_FACTS)]:
        return None
    text = dict(zip((*_FACTS, *_LATER_FACTS), map(text_of, found), strict=True))
    return PlanFacts(
        target=text["target"],
        document_id=text["document_id"],
        digest=text["digest"],
        total=int(text["total"]),
        writes=int(text["writes"]),
        blocked=text["blocked"] == "1",
        made_at=text["made_at"],
        stale_at=text["stale_at"],
        undoes=text["undoes"],
        force=text["force"] == "1",
        started_by=text["started_by"],
    )


def _compressed(parts: Iterable[bytes]) -> bytes:
    """Piece by piece: the whole of a large plan as JSON takes as much memory as the plan itself."""
    packer = zlib.compressobj(1)
    packed = [packer.compress(part) for part in parts]
    return b"".join((*packed, packer.flush()))
