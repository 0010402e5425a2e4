"""What the tools answer, as models: they give the output schemas and keep replies small.

Lists are samples with a count beside them; the whole is behind a plan id, a
task id or a report page. Empty parts are left out of the text.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field

Counts = dict[str, int]
Next = Annotated[str, Field(description="What to do now")]


class PlanReply(BaseModel):
    """What would be done, and nothing more than that."""

    status: str = Field(description="planned, dry_run, confirmation_required, or queued (see task_id)")
    target: str
    objects: int = 0
    writes: int = 0
    totals: Counts = Field(default_factory=dict)
    by_type: dict[str, Counts] = Field(default_factory=dict)
    warnings: list[str] = Field(default_factory=list)
    warning_count: int = 0
    samples: list[str] = Field(default_factory=list, description="A few changes and all conflicts that fit")
    plan_id: str | None = Field(None, description="Apply exactly this plan with netbox_start_bulk_async")
    digest: str | None = None
    task_id: str | None = None
    next: Next = ""


class EnsureReply(BaseModel):
    """What a synchronous run did, or what it would do."""

    status: str = Field(
        description="completed, completed_with_errors, planned, dry_run or confirmation_required"
    )
    target: str
    batch_id: str | None = None
    totals: Counts = Field(default_factory=dict, description="By outcome, or by action if nothing was written")
    by_type: dict[str, Counts] = Field(default_factory=dict)
    write_requests: int = 0
    first_errors: list[str] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)
    samples: list[str] = Field(default_factory=list)
    next: Next = ""


class StartReply(BaseModel):
    """The handle of a background run, or the plan if it was not confirmed."""

    status: str = Field(description="queued or a later task state; confirmation_required or dry_run: not started")
    target: str
    task_id: str | None = None
    batch_id: str | None = None
    kind: str = "apply"
    total: int | None = Field(None, description="Objects in the document")
    poll_after_seconds: int | None = None
    plan_id: str | None = None
    totals: Counts = Field(default_factory=dict, description="Of the plan, by action")
    by_type: dict[str, Counts] = Field(default_factory=dict)
    warnings: list[str] = Field(default_factory=list)
    next: Next = ""


class TaskReply(BaseModel):
    """Where a task stands."""

    task_id: str
    batch_id: str | None = None
    status: str
    kind: str
    target: str
    passes: str | None = Field(None, alias="pass", description="build or link")
    stage: str | None = None
    done: int = 0
    total: int | None = None
    percent: float | None = None
    rate_per_second: float | None = None
    eta_seconds: float | None = None
    totals: Counts = Field(default_factory=dict)
    by_type: dict[str, Counts] = Field(default_factory=dict)
    first_errors: list[str] = Field(default_factory=list)
    message: str = ""
    poll_after_seconds: int | None = None
    plan_id: str | None = None
    next: Next = ""

    model_config = {"populate_by_name": True}


class TaskList(BaseModel):
    """Tasks, newest first."""

    tasks: list[dict[str, Any]]
    shown: int
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
    status: str | None = None
    totals: Counts = Field(default_factory=dict)
    rows: list[ReportRow] = Field(default_factory=list)
    next_cursor: str | None = Field(None, description="Pass as cursor for the next page; null on the last")
    next: Next = ""


class QueueReply(BaseModel):
    """The state of the queue and of those who work on it."""

    redis: str
    depth: int = 0
    running: int = 0
    failed: int = 0
    workers: list[dict[str, Any]] = Field(default_factory=list)
    next: Next = ""


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
