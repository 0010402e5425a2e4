"""Every error of the engine, in one place.

    OrchestratorError
    +-- DocumentError        the batch document cannot be planned; carries every problem found
    +-- StalePlanError       NetBox has moved on since the plan was made
    +-- NotApplyableError    the plan has conflicts that forbid to apply it
    +-- RollbackError        a batch cannot be rolled back
    +-- LeaseLostError       another worker has taken over; this one must not write any more
    +-- JournalError         the journal could not be made durable; nothing may be sent
    +-- NotConfirmedError    nobody has agreed to a write
    +-- NetBoxError          NetBox, or the way to it
        +-- UnreachableError     no connection, or a read that kept failing
        +-- AccessError          the token is wrong, or may not do this
        +-- NotThereError        there is no such object
        +-- BadFilterError       NetBox would take the question for another one
        +-- NoMessagesError      this NetBox's changelog cannot be searched for a batch
        +-- UnknownNameError     this NetBox has no such app, object type, filter or field
        +-- DryRunError          dry-run is on and a write was about to leave
        +-- RejectedError        NetBox refused a list write; says which rows and why
        +-- UnknownOutcomeError  the request left and no usable answer came back

What happens to one object is not an exception but an `Outcome` (models.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a document: where, what, and the way out."""

    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        """One line: `devices[17].role: unknown ... (did you mean ...)`."""
        return f"{self.path}: {self.message}" + (f" ({self.hint})" if self.hint else "")


class OrchestratorError(Exception):
    """Base of all engine errors: a sentence, a stable `code`, a `hint`, and whether a retry may help."""

    code = "error"
    retryable = False

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def details(self) -> list[dict[str, Any]]:
        """Machine-readable particulars; empty unless a subclass has some."""
        return []


class DocumentError(OrchestratorError):
    """The document cannot be planned. `problems` holds all that was found."""

    code = "invalid_document"

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        noun = "problem" if count == 1 else "problems"
        super().__init__(
            f"The document has {count} {noun}; nothing was written. First: {self.problems[0]}",
            hint="Correct the places named and send the document again.",
        )

    def details(self) -> list[dict[str, Any]]:
        """One entry per problem: `{path, message, hint}`."""
        return [{"path": p.path, "message": p.message, "hint": p.hint} for p in self.problems]


class StalePlanError(OrchestratorError):
    """NetBox has moved in something the plan touches. Raised before the first write."""

    code = "stale_plan"

    def __init__(self, message: str, hint: str = "", moved: Sequence[dict[str, Any]] = ()) -> None:
        super().__init__(message, hint)
        self._moved = list(moved)

    def details(self) -> list[dict[str, Any]]:
        """One entry per object that moved: `{object_type, label, message}`."""
        return self._moved


class NotApplyableError(OrchestratorError):
    """The plan has conflicts, so that nothing of it may be written. Raised before the first write."""

    code = "not_applyable"

    def __init__(self, message: str, hint: str = "", conflicts: Sequence[dict[str, Any]] = ()) -> None:
        super().__init__(message, hint)
        self._conflicts = list(conflicts)

    def details(self) -> list[dict[str, Any]]:
        """One entry per conflict: `{path, object_type, label, message}`."""
        return self._conflicts


class RollbackError(OrchestratorError):
    """A batch cannot be rolled back: it is unknown, or what it did cannot be undone. Nothing was written."""

    code = "cannot_roll_back"


class LeaseLostError(OrchestratorError):
    """This process no longer holds the lease of its batch and must not write."""

    code = "lease_lost"


class JournalError(OrchestratorError):
    """The journal could not be written, so nothing may be sent to NetBox."""

    code = "journal_unavailable"
    retryable = True


class NotConfirmedError(OrchestratorError):
    """Nobody has agreed to a write, so nothing was written."""

    code = "not_confirmed"


class NetBoxError(OrchestratorError):
    """Something between us and NetBox went wrong."""

    code = "netbox_error"


class UnreachableError(NetBoxError):
    """NetBox did not answer. Nothing is known to have been written by the failed request."""

    code = "netbox_unreachable"
    retryable = True


class AccessError(NetBoxError):
    """NetBox answered 401 or 403: the token is wrong, expired, or lacks a permission."""

    code = "netbox_access_denied"


class NotThereError(NetBoxError):
    """NetBox has no object with this id, or the token may not see it."""

    code = "not_found"


class BadFilterError(NetBoxError):
    """A question that NetBox would take for another one: an empty filter, several values where one counts.

    Nothing was sent.
    """

    code = "invalid_filter"


class NoMessagesError(NetBoxError):
    """NetBox before 4.4: its changelog keeps no messages, so nobody can tell from it what a batch did."""


class UnknownNameError(NetBoxError, AttributeError):
    """This NetBox has no such app, object type, filter or field. Nothing was sent: it would be ignored.

    An AttributeError as well, since `client.dcim.devices` is one way to name them.
    """

    code = "unknown_name"

    def __init__(self, message: str, hint: str = "", problems: Sequence[Problem] = ()) -> None:
        super().__init__(message, hint[:1].upper() + hint[1:])
        self.problems = tuple(problems)

    def details(self) -> list[dict[str, Any]]:
        """One entry per name: `{path, message, hint}`."""
        return [asdict(problem) for problem in self.problems]


class DryRunError(NetBoxError):
    """A write reached the client while dry-run was on. The last line of defence; see NETBOX_DRY_RUN."""

    code = "dry_run"


class RejectedError(NetBoxError):
    """NetBox refused a list write as a whole, and nothing of it was written.

    `rows` maps the index of each refused row to NetBox's reason. It is empty
    when the answer does not say which rows were at fault (NetBox before 4.7).
    """

    code = "rejected"

    def __init__(self, message: str, rows: Mapping[int, str] | None = None) -> None:
        super().__init__(message)
        self.rows = dict(rows or {})


class UnknownOutcomeError(NetBoxError):
    """A write left and its fate is unknown (time-out, connection lost, 5xx): read back before sending again.

    `over` says that NetBox itself answered (HTTP 500): whatever the request
    did, it is not still at it.
    """

    code = "unknown_outcome"
    retryable = True

    def __init__(self, message: str, hint: str = "", over: bool = False) -> None:
        super().__init__(message, hint)
        self.over = over
