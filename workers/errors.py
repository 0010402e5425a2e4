"""Errors of the background side, in one place.

OrchestratorError (orchestrator/errors.py)
+-- RedisUnavailableError     no Redis configured, or it cannot be used
+-- NoWorkerError             no worker of this machine listens
+-- UnknownTaskError          no such task, or it has expired
+-- UnknownBatchError         no such batch in Redis, or its journal has expired
+-- UnknownDocumentError      the stored document or plan is not (any longer) there
+-- IdempotencyConflictError  the key was used for another document
+-- UnknownTargetError        the worker's configuration has no such NetBox
+-- TargetBusyError           another batch held the target for too long
+-- UnfinishedBatchError     the batch that is to be rolled back is still being written
+-- PlanRequiredError        only plans may be applied here, and this is none
+-- NotApprovedError         nobody has approved the plan, or no longer, or with another token
+-- StoredPlanError          the stored plan is not what its digest says
+-- ForbiddenJobError         a job names a function that workers do not run
+-- TaskTimeoutError          the task ran longer than it may
+-- TaskCancelledError        somebody has asked the task to stop
+-- WorkerStopsError          the worker is told to stop, and hands the task back
+-- TaskEndedError            the task that is to be cancelled has ended already
+-- WorkerNotSignedOffError  the queue has not noticed yet that the worker of the task is dead
+-- NothingToResumeError     the task has done all of its work, or what it did was taken back
+-- TaskFailedError           tells the queue that a task has failed; its reason is in the task's status
"""

from __future__ import annotations

from orchestrator.errors import OrchestratorError


class RedisUnavailableError(OrchestratorError):
    """Redis is not configured or cannot be used. The sentence never holds the password."""

    code = "redis_unavailable"
    retryable = True


class NoWorkerError(OrchestratorError):
    """No worker of this machine or container listens on the queue."""

    code = "no_worker"
    retryable = True


class UnknownTaskError(OrchestratorError):
    """No such task."""

    code = "unknown_task"

    def __init__(self, task_id: str) -> None:
        super().__init__(
            f"There is no task {task_id[:80]!r}.",
            hint="List the tasks to find its id. Ended tasks are kept for a few days only.",
        )


class UnknownBatchError(OrchestratorError):
    """Redis knows no such batch, or no longer."""

    code = "unknown_batch"

    def __init__(self, batch_id: str) -> None:
        super().__init__(
            f"There is no batch {batch_id[:80]!r} in Redis.",
            hint="It may have expired, or been written without Redis: NetBox's changelog still names it.",
        )


class UnknownDocumentError(OrchestratorError):
    """A stored document or plan has expired or never existed."""

    code = "unknown_input"

    def __init__(self, what: str, item_id: str) -> None:
        super().__init__(
            f"There is no stored {what} {item_id[:80]!r}.",
            hint="It may have expired: send the document, or make the plan, again.",
        )


class IdempotencyConflictError(OrchestratorError):
    """The idempotency key already stands for another document."""

    code = "idempotency_conflict"

    def __init__(self, task_id: str) -> None:
        super().__init__(
            f"This idempotency key was used for another document or target, by task {task_id}.",
            hint="Use a new key for a new document; that task's status tells what the key stands for.",
        )


class UnknownTargetError(OrchestratorError):
    """The task names a target that this worker's configuration does not have."""

    code = "unknown_target"

    def __init__(self, target: str, known: list[str]) -> None:
        super().__init__(
            f"The worker knows no target {target[:80]!r}; nothing was written.",
            hint=f"It knows: {', '.join(known) or 'none'}. Give server and workers the same targets.",
        )


class TargetBusyError(OrchestratorError):
    """Another batch held the target's lease for longer than we were ready to wait."""

    code = "target_busy"
    retryable = True


class UnfinishedBatchError(OrchestratorError):
    """A batch cannot be rolled back while it is still waiting or being written."""

    code = "batch_unfinished"
    retryable = True

    def __init__(self, batch_id: str, task_id: str) -> None:
        whose = f" by task {task_id}" if task_id else ""
        super().__init__(
            f"The batch {batch_id} has not ended yet: it is still to be written{whose}; nothing was undone.",
            hint="Wait until that has ended, then roll it back.",
        )


def how_to_roll_back(batch_id: str) -> str:
    """How a batch is taken back, for whoever reads it."""
    return f"netbox_rollback_batch (on the command line: netbox-mcp rollback {batch_id})"


def same_document(task_id: str, from_plan: bool) -> str:
    """What to tell somebody who starts what has been started already, perhaps by accident."""
    then = "is refused, since its plan is out of date by then" if from_plan else "finds nothing left to do"
    return (
        f"Task {task_id} was sent the same document and has not ended: this one waits for it, then {then}. "
        "With an idempotency key the second call is the first task."
    )


def how_to_resume(task_id: str) -> str:
    """How a task that did not do all of its work is gone on with, for whoever reads it."""
    return f"netbox_resume_task (on the command line: netbox-mcp resume {task_id})"


class PlanRequiredError(OrchestratorError):
    """The configuration lets nothing but plans be applied (NETBOX_MCP_REQUIRE_PLAN)."""

    code = "plan_required"

    def __init__(self, hint: str = "") -> None:
        super().__init__(
            "Only a plan that was made before may be applied here; nothing was written.",
            hint or "Make a plan (netbox_plan_bulk, or netbox-mcp plan), look at it, and apply its plan_id.",
        )


class NotApprovedError(OrchestratorError):
    """The plan lacks the approval of a person (NETBOX_MCP_REQUIRE_APPROVAL)."""

    code = "not_approved"

    def __init__(self, reason: str, plan_id: str) -> None:
        super().__init__(f"{reason}; nothing was written.", hint=how_to_approve(plan_id))


def how_to_approve(plan_id: str) -> str:
    """What a person has to do about a plan that waits for approval."""
    return f"A person has to approve it: netbox-mcp approve {plan_id}"


class StoredPlanError(OrchestratorError):
    """Somebody has changed the stored plan: it would do something else than its digest says."""

    code = "stored_plan_changed"

    def __init__(self, plan_id: str) -> None:
        super().__init__(
            f"The stored plan {plan_id} is not what its digest says; it was changed after it was kept.",
            hint="Find out who writes to this Redis. Make the plan again before anything is applied.",
        )


class ForbiddenJobError(OrchestratorError):
    """A job names a function that is not on the allow-list."""

    code = "forbidden_job"


class TaskTimeoutError(OrchestratorError):
    """The task ran longer than NETBOX_MCP_JOB_TIMEOUT and was stopped."""

    code = "task_timeout"

    def __init__(self) -> None:
        super().__init__(
            "The task ran longer than it may and was stopped.",
            hint="Raise NETBOX_MCP_JOB_TIMEOUT and send the document again: it does the rest.",
        )


class TaskCancelledError(OrchestratorError):
    """Somebody has asked the task to stop: it sends nothing more."""

    code = "task_cancelled"

    def __init__(self) -> None:
        super().__init__("Cancelled; nothing more was sent.")


class WorkerStopsError(OrchestratorError):
    """The worker is told to stop: it hands the task back, and another run goes on with it."""

    code = "worker_stops"
    retryable = True

    def __init__(self) -> None:
        super().__init__("The worker was told to stop and hands the task back.")


class TaskEndedError(OrchestratorError):
    """A task that has ended cannot be cancelled any more."""

    code = "task_ended"

    def __init__(self, task_id: str, state: str, batch_id: str | None) -> None:
        super().__init__(
            f"The task {task_id} has ended already ({state}); there is nothing left to cancel.",
            hint=f"To undo what it did: {how_to_roll_back(batch_id)}." if batch_id else "",
        )


class WorkerNotSignedOffError(OrchestratorError):
    """The queue takes a dead worker for the one that runs the task."""

    code = "worker_not_signed_off"
    retryable = True

    def __init__(self, task_id: str) -> None:
        super().__init__(
            f"The queue has not noticed yet that the worker of {task_id} is gone.",
            hint="Make sure that a worker listens (netbox-mcp worker), and resume it again in a minute.",
        )


class NothingToResumeError(OrchestratorError):
    """A task that has done all of its work, or was taken back, cannot be gone on with."""

    code = "nothing_to_resume"

    def __init__(self, task_id: str, state: str) -> None:
        why = "is completed" if state == "completed" else "was taken back, or a part of it"
        super().__init__(
            f"The task {task_id} {why}; there is nothing to go on with.",
            hint="To make NetBox match the document again, send it again.",
        )


class TaskFailedError(OrchestratorError):
    """Marks the job as failed in the queue. What went wrong is in the task's status and in the log."""

    code = "task_failed"
