"""Documents and plans in Redis, compressed, kept for the task retention time.

Jobs carry ids only; this is where the ids lead. A document's id is the digest
of its content, so the same document has the same id and is stored once.
"""

from __future__ import annotations

import hashlib
import secrets
import zlib
from dataclasses import dataclass
from typing import Any

import orjson
from redis import Redis

from orchestrator.models import Plan
from orchestrator.plan_json import dump_plan, load_plan
from workers import keys
from workers.errors import UnknownDocumentError
from workers.settings import WorkerSettings

Document = dict[str, Any] | list[Any]


@dataclass(frozen=True, slots=True)
class StoredPlan:
    """A plan and the document it was made from."""

    plan_id: str
    document_id: str
    plan: Plan


class Store:
    """Documents and plans, by id."""

    def __init__(self, redis: Redis, settings: WorkerSettings) -> None:
        self._redis = redis
        self._retention = settings.task_retention_seconds

    def save_document(self, document: Document) -> str:
        """Keep a document; returns its id. Saving it again renews its time."""
        body = orjson.dumps(document, option=orjson.OPT_SORT_KEYS, default=str)
        document_id = "d-" + hashlib.sha256(body).hexdigest()[:24]
        # Level 1: a twentieth of the size already, at a fraction of the time.
        self._redis.set(keys.document(document_id), zlib.compress(body, 1), ex=self._retention)
        return document_id

    def load_document(self, document_id: str) -> Document:
        """The document. Raises UnknownDocumentError when it has expired."""
        body = self._redis.get(keys.document(document_id))
        if body is None:
            raise UnknownDocumentError("document", document_id)
        document: Document = orjson.loads(zlib.decompress(body))
        return document

    def save_plan(self, plan: Plan, document_id: str) -> str:
        """Keep a plan made from a stored document; returns the plan's id."""
        plan_id = f"p-{secrets.token_hex(6)}"
        key = keys.plan(plan_id)
        fields: dict[str, Any] = {
            "document_id": document_id,
            "target": plan.target,
            "digest": plan.digest,
            "body": zlib.compress(dump_plan(plan), 1),
        }
        pipe = self._redis.pipeline()
        pipe.hset(key, mapping=fields)
        pipe.expire(key, self._retention)
        # The plan is of no use without its document.
        pipe.expire(keys.document(document_id), self._retention)
        pipe.execute()
        return plan_id

    def load_plan(self, plan_id: str) -> StoredPlan:
        """The plan and the id of its document. Raises UnknownDocumentError when it has expired."""
        body, document_id = self._redis.hmget(keys.plan(plan_id), ["body", "document_id"])
        if body is None or document_id is None:
            raise UnknownDocumentError("plan", plan_id)
        return StoredPlan(plan_id, document_id.decode(), load_plan(zlib.decompress(body)))

    def plan_facts(self, plan_id: str) -> tuple[str, str, str]:
        """Target, document id and digest of a stored plan, without reading the plan itself."""
        target, document_id, digest = self._redis.hmget(keys.plan(plan_id), ["target", "document_id", "digest"])
        if target is None or document_id is None or digest is None:
            raise UnknownDocumentError("plan", plan_id)
        return target.decode(), document_id.decode(), digest.decode()
