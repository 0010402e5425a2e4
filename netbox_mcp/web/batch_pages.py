"""The pages of a batch: what became of each object, and taking it back."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import Response

from netbox_mcp import rollbacks
from netbox_mcp.access import Scope
from netbox_mcp.background import background, check_object_type
from netbox_mcp.failures import UsageError, did_you_mean
from netbox_mcp.web.answers import go_to, page
from netbox_mcp.web.links import changelog_of, objects_in
from netbox_mcp.web.permission import Form, acts, looks
from orchestrator.catalog import OBJECT_TYPES
from orchestrator.layered import is_plugin_type
from orchestrator.models import Result
from workers.errors import UnknownTaskError

ROWS_ON_A_PAGE = 100
_RESULTS = [result.value for result in Result]


@looks(Scope.READ)
def show_batch(request: Request) -> Response:
    """What became of each object so far, or of those that are asked for. Raises UnknownBatchError."""
    batch_id, wanted = request.path_params["batch_id"], request.query_params
    outcome, object_type = wanted.get("outcome") or None, wanted.get("object_type") or None
    _check_outcome(outcome)
    check_object_type(object_type)
    with background() as manager:
        batch = manager.batch(batch_id)
        rows = manager.batch_report(batch_id, outcome, object_type, wanted.get("cursor"), ROWS_ON_A_PAGE)
        try:
            task = manager.status(batch.task_id)
        except UnknownTaskError:  # forgotten sooner than its batch
            task = None
    return page(
        request,
        "batch.html",
        batch=batch,
        task=task,
        rows=rows.rows,
        in_flight=rows.in_flight,
        totals=rows.totals(),
        results=_RESULTS,
        types=[*(name for name in OBJECT_TYPES if name in rows.counts), *filter(is_plugin_type, rows.counts)],
        outcome=outcome or "",
        object_type=object_type or "",
        is_first=not wanted.get("cursor"),
        first=_address(batch_id, wanted, None),
        following=_address(batch_id, wanted, rows.next_cursor) if rows.next_cursor else "",
        link=objects_in(batch.target),
        changelog=changelog_of(batch.target, batch_id),
    )


@looks(Scope.WRITE)
def show_rollback(request: Request) -> Response:
    """What taking a batch back means, before it is planned. Raises UnknownBatchError."""
    with background() as manager:
        batch = manager.batch(request.path_params["batch_id"])
    return page(request, "rollback.html", batch=batch, nothing=None)


@acts(Scope.WRITE)
def plan_rollback(request: Request, form: Form) -> Response:
    """Plan to take a batch back, and show the plan. Nothing is written."""
    batch_id = request.path_params["batch_id"]
    planned = rollbacks.rollback(batch_id, None, force=form.get("force") == "yes", confirm=False)
    if planned.plan_id is not None:
        return go_to(f"/plans/{planned.plan_id}")
    if planned.task_id is not None:
        return go_to(f"/tasks/{planned.task_id}")
    with background() as manager:
        batch = manager.batch(batch_id)
    return page(request, "rollback.html", batch=batch, nothing=planned)


def _check_outcome(outcome: str | None) -> None:
    if outcome is not None and outcome not in _RESULTS:
        hint = did_you_mean(outcome, _RESULTS) or f"Known: {', '.join(_RESULTS)}."
        raise UsageError(f"There is no outcome {outcome[:40]!r}.", hint)


def _address(batch_id: str, wanted: Mapping[str, str], cursor: str | None) -> str:
    kept = {name: wanted[name] for name in ("outcome", "object_type") if wanted.get(name)}
    asked = urlencode({**kept, **({"cursor": cursor} if cursor else {})})
    return f"/batches/{quote(batch_id, safe='')}" + (f"?{asked}" if asked else "")
