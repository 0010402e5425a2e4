"""rq-dashboard as a WSGI application, for whoever looks after the queue: it shows, and changes nothing.

Tasks are stopped, resumed and undone by our own commands, which keep journal and
status true; the dashboard's buttons would go past them. What it needs mending
for, as of 0.9: workers and jobs are read with pickle, the page of a job puts texts
into HTML as they are, looking takes deleted jobs out of the queue, and every
request opens a connection of its own.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import orjson
import rq_dashboard
from flask import Flask, Response, request
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, Worker
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.worker import BaseWorker
from rq_dashboard import web

from workers.connection import explain
from workers.queues import AllowListedJob, TaskQueue

READ_ONLY = (
    "This page only shows. Use netbox-mcp cancel, resume and rollback, which keep journal and status true.\n"
)
# Its scripts are inline and compile templates; nothing is loaded from elsewhere.
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
_CHANGES = {"requeue_all", "requeue_job_view", "delete_job_view", "empty_queue", "compact_queue"}
_UNESCAPED = {"job_info", "list_workers", "list_queues"}


class _JsonWorker(Worker):
    """Workers, listed with the serializer and the job class of their jobs."""

    @classmethod
    def all(
        cls,
        connection: Redis | None = None,
        job_class: type[Job] | None = AllowListedJob,
        queue_class: type[Queue] | None = TaskQueue,
        queue: Queue | None = None,
        serializer: Any = JSONSerializer,
    ) -> list[BaseWorker]:
        """Every worker that RQ has in its books."""
        return super().all(connection, job_class, queue_class, queue, serializer)


class _JsonJob(AllowListedJob):
    """Jobs, read with their serializer. RQ's default one runs whatever somebody has put into Redis."""

    @classmethod
    def fetch(cls, id: str, connection: Redis | None = None, serializer: Any = JSONSerializer) -> Job:
        """The job. Raises NoSuchJobError."""
        return super().fetch(id, connection, serializer)


class _LookedAtQueue(TaskQueue):
    """A queue out of which nothing is taken, not even a job that has just been deleted to be put in anew."""

    def remove(self, *_: Any, **__: Any) -> None:
        """Leave it."""


def build_dashboard(redis: Redis) -> Flask:
    """The application, on this connection. Authentication is the business of whoever mounts it."""
    web.config.serializer = JSONSerializer
    web.Worker, web.Job, web.Queue = _JsonWorker, _JsonJob, _LookedAtQueue
    static = files(rq_dashboard) / "static"
    app = Flask("rq-dashboard", static_folder=str(static), static_url_path="/static/app")
    app.config["RQ_DASHBOARD_REDIS_URL"] = ["this queue"]  # only shown: no address, no password
    app.config["RQ_DASHBOARD_DISABLE_DELETE"] = True
    app.redis_conn = redis  # type: ignore[attr-defined]
    blueprint = rq_dashboard.blueprint
    _drop_hook(blueprint.before_request_funcs, web.push_rq_connection)
    app.register_blueprint(blueprint)
    app.before_request(_refuse_changes)
    app.after_request(_make_safe)
    app.register_error_handler(RedisError, _without_redis)
    return app


def _drop_hook(hooks: dict[Any, list[Callable[..., Any]]], hook: Callable[..., Any]) -> None:
    hooks[None] = [one for one in hooks.get(None, []) if one is not hook]


def _refuse_changes() -> Response | None:
    name = (request.endpoint or "").rpartition(".")[2]
    if name in _CHANGES or request.method not in ("GET", "HEAD"):
        return Response(READ_ONLY, 403, content_type="text/plain")
    return None


def _make_safe(response: Response) -> Response:
    """Escape what the pages put into HTML as it is, and let the browser load nothing from elsewhere."""
    name = (request.endpoint or "").rpartition(".")[2]
    if name in _UNESCAPED and response.is_json:
        response.set_data(orjson.dumps(_escape(response.get_json())))
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _escape(value: Any) -> Any:
    if isinstance(value, str):
        return html.escape(value)
    if isinstance(value, dict):
        return {html.escape(str(name)): _escape(one) for name, one in value.items()}
    return [_escape(one) for one in value] if isinstance(value, list) else value


def _without_redis(error: RedisError) -> Response:
    message, hint = explain(error)
    return Response(f"{message} {hint}\n", 503, content_type="text/plain")
