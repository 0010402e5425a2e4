"""NetBox's background worker for a small machine: runs jobs in its own process.

Started by ``netbox_mcp.sandbox.netbox`` as ``netbox rqworker --worker-class``.
NetBox queues a small job for every object written, for its search index; to fork a
process of NetBox's size for each took as much CPU as the write itself.
"""

# mypy: disable-error-code="import-not-found,import-untyped,misc"
from typing import Any

from django.db import connections
from rq.worker import SimpleWorker


class SandboxWorker(SimpleWorker):
    """RQ's worker that does not fork."""

    def perform_job(self, *arguments: Any, **options: Any) -> Any:
        """Run a job, and let go of the database, which a reset may replace before the next one."""
        try:
            return super().perform_job(*arguments, **options)
        finally:
            connections.close_all()
