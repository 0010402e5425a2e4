"""Errors of the background side, in one place.

OrchestratorError (orchestrator/errors.py)
+-- RedisUnavailableError     no Redis configured, or it cannot be used
+-- UnknownTaskError          no such task, or it has expired
+-- UnknownDocumentError      the stored document or plan is not (any longer) there
+-- IdempotencyConflictError  the key was used for another document
+-- UnknownTargetError        the worker's configuration has no such NetBox
+-- TargetBusyError           another batch held the target for too long
+-- ForbiddenJobError         a job names a function that workers do not run
+-- TaskTimeoutError          the task ran longer than it may
+-- TaskFailedError           tells the queue that a task has failed; its reason is in the task's status
"""

from __future__ import annotations

from orchestrator.errors import OrchestratorError


class RedisUnavailableError(OrchestratorError):
    """Redis is not configured or cannot be used. The sentence never holds the password."""

    code = "redis_unavailable"
    retryable = True


class UnknownTaskError(OrchestratorError):
    """No such task."""

    code = "unknown_task"

    def __init__(self, task_id: str) -> None:
        super().__init__(
            f"There is no task {task_id[:80]!r}.",
            hint="List the tasks to find its id. Ended tasks are kept for a few days only.",
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


class TaskFailedError(OrchestratorError):
    """Marks the job as failed in the queue. What went wrong is in the task's status and in the log."""

    code = "task_failed"
