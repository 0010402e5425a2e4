"""What the tools answer, as models: they give the output schemas and keep replies small.

Lists are samples with a count beside them; the whole is behind a plan id, a
task id or a report page. Empty parts are left out of the text.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from workers.roster import QueueInfo
from workers.status import TaskStatus

Counts = dict[str, int]
Outcome = Literal["created", "updated", "unchanged", "deleted", "skipped", "failed", "cancelled"]
Next = Annotated[str, Field(description="What to do now")]


class PlanSummary(BaseModel):
    """What a document would change: whole counts, a few samples."""

    objects: int | None = None
    writes: int | None = Field(default=None, description="Changes to be sent; no number: not planned")
    totals: Counts = Field(default_factory=dict, description="By action; by outcome once applied")
    by_type: dict[str, Counts] = Field(default_factory=dict)
    samples: list[str] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)
    plan_id: str | None = Field(default=None, description="netbox_start_bulk_async applies exactly this plan")
    digest: str | None = Field(default=None, description="Equal digests: equal plans")
    applyable: bool | None = Field(default=None, description="There is something to do and no conflict")
    complete: bool | None = None
    stale_at: str | None = None


class PlanReply(PlanSummary):
    """What would be done, and nothing more than that."""

    status: str = Field(description="planned, or queued: a large document is planned as a task")
    target: str
    task_id: str | None = None
    next: Next = ""


class EnsureReply(PlanSummary):
    """What a synchronous run did, or what it would do."""

    status: str = Field(
        description="completed, completed_with_errors or rolled_back; nothing written: planned, dry_run, "
        "confirmation_required"
    )
    target: str
    batch_id: str | None = None
    write_requests: int = 0
    first_errors: list[str] = Field(default_factory=list)
    next: Next = ""


class StartReply(PlanSummary):
    """The handle of a background run, or the plan if nothing was started.

    As the result of an MCP task, also how the run has ended: see `summaries.ended_parts`.
    """

    status: str = Field(description="A task state; or, nothing started: dry_run, confirmation_required")
    target: str
    task_id: str | None = None
    batch_id: str | None = None
    kind: str = "apply"
    total: int | None = None
    poll_after_seconds: int | None = None
    message: str = ""
    first_errors: list[str] = Field(default_factory=list)
    next: Next = ""


class RollbackReply(StartReply):
    """The handle of a rollback, or its plan if nothing was started."""

    kind: str = "rollback"
    undoes: str = Field(description="The batch that is taken back; batch_id is the rollback's own")
    force: bool = False
    cost: str = Field(default="", description="What it takes; NetBox deletes slowly")
    seconds: int | None = Field(default=None, description="NetBox's work, estimated")
    conflicts: list[str] = Field(default_factory=list, description="What stays as it is, and why; a sample")
    conflict_count: int = 0


class PlanDetail(PlanSummary):
    """A plan that is kept, for the person who is to approve it."""

    target: str
    made_at: str
    approved_by: str | None = None
    approved_until: str | None = None


class InputReply(BaseModel):
    """A document that was handed over."""

    input_id: str
    expires_in_seconds: int
    next: Next = ""


class ApprovalReply(BaseModel):
    """What was approved, by whom, until when."""

    plan_id: str
    digest: str
    target: str
    approved_by: str
    expires_at: str


class TaskReply(TaskStatus):
    """Where a task stands, and what to do now."""

    next: Next = ""


class TaskBrief(BaseModel):
    """A task that was asked to stop, or to go on."""

    task_id: str
    batch_id: str | None = None
    status: str
    message: str = ""
    hint: str = ""
    next: Next = ""


class TaskRow(BaseModel):
    """One task in a list."""

    task_id: str
    status: str
    kind: str
    target: str
    percent: int
    created_at: str
    batch_id: str | None = None
    message: str = ""


class TaskList(BaseModel):
    """Tasks, newest first."""

    tasks: list[TaskRow]
    next: Next = ""


class ReportRow(BaseModel):
    """What became of one object."""

    object_type: str
    label: str
    result: str
    object_id: int | None = None
    path: str = ""
    message: str = ""


class ReportReply(BaseModel):
    """One page of outcomes."""

    task_id: str
    counts: dict[str, Counts] = Field(default_factory=dict, description="All outcomes by object type")
    rows: list[ReportRow] = Field(default_factory=list)
    in_flight: int = Field(
        default=0,
        description="Changes on their way; after the task's end: of unknown fate, look in NetBox's changelog",
    )
    next_cursor: str | None = Field(
        default=None, description="Pass as cursor for the next page; null on the last"
    )
    next: Next = ""


class QueueReply(QueueInfo):
    """The state of the queue and of those who work on it."""


class Check(BaseModel):
    """One thing that was looked at: whether it is fine, what was found, and the way out."""

    name: str
    ok: bool
    found: str
    hint: str = ""


class HealthReply(BaseModel):
    """Whether the platform can do its work, part by part."""

    status: str = Field(description="ok, degraded (background work is missing) or down (NetBox is)")
    version: str
    dry_run: bool
    checks: list[Check]
    cache: dict[str, int | float] = Field(default_factory=dict)
