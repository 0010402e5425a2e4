"""The HTTP status that each of our error codes has, over REST and on the pages."""

from __future__ import annotations

_CODES_BY_STATUS = {
    403: ("forbidden",),
    404: ("unknown_input", "unknown_task", "unknown_batch", "unknown_target", "not_found"),
    409: (
        "task_ended",
        "nothing_to_resume",
        "stale_plan",
        "not_applyable",
        "stored_plan_changed",
        "idempotency_conflict",
        "batch_unfinished",
        "cannot_roll_back",
        "plan_required",
        "not_approved",
        "dry_run",
        "target_busy",
        "rejected",
    ),
    413: ("too_large",),
    422: ("invalid_arguments", "invalid_document", "invalid_filter", "unknown_name", "bad_cursor"),
    429: ("rate_limited",),
    502: ("netbox_error", "netbox_access_denied", "unknown_outcome"),
    503: (
        "netbox_unreachable",
        "redis_unavailable",
        "invalid_configuration",
        "worker_not_signed_off",
        "journal_unavailable",
        "lease_lost",
    ),
}
STATUS_BY_CODE = {code: status for status, codes in _CODES_BY_STATUS.items() for code in codes}
