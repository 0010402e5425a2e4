"""`GET /api/v1/tasks/TASK/report.html`: the report of a batch as a file, streamed while it is made.

Stands beside rest/ and not in it: what makes pages (web/) and what answers programs know nothing of each
other.
"""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from netbox_mcp.access import Scope
from netbox_mcp.auth import REST_PATH
from netbox_mcp.failures import PROBLEM_TYPE
from netbox_mcp.rest.permission import needs
from netbox_mcp.rest.problems import ProblemDetails
from netbox_mcp.web.batch_report import open_report

router = APIRouter(
    prefix=REST_PATH,
    tags=["tasks"],
    responses={"default": {"model": ProblemDetails, "content": {PROBLEM_TYPE: {}}}},
)


@router.get(
    "/tasks/{task_id}/report.html",
    dependencies=[needs(Scope.READ)],
    response_class=StreamingResponse,
    responses={200: {"content": {"text/html": {}}, "description": "The report, to be saved"}},
)
def download_report(task_id: str) -> StreamingResponse:
    """The report as one HTML file, to mail or to keep: what became of each object, without any network."""
    report = open_report(task_id)
    headers = {
        "Content-Disposition": f'attachment; filename="{report.file_name}"',
        "Content-Security-Policy": f"{report.policy}; sandbox; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    return StreamingResponse(report.parts, media_type="text/html; charset=utf-8", headers=headers)
