"""The face of the engine: check a document, plan it against a NetBox, apply the plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from orchestrator.desired import Desired
from orchestrator.errors import DocumentError
from orchestrator.execute import SETTLE_SECONDS, apply_plan, carry_on
from orchestrator.live import read_live
from orchestrator.models import Plan, Report
from orchestrator.normalise import normalise
from orchestrator.plan import build_plan
from orchestrator.ports import SILENT, Journal, NetBox, Progress


class NetBoxBulkOrchestrator:
    """Plans and applies batch documents on one NetBox.

    `target` is the name that goes into plans; `lanes` how many write requests
    run side by side; `settle_seconds` how long NetBox may still be at work on
    a request whose answer was lost.
    """

    def __init__(
        self,
        netbox: NetBox,
        target: str = "default",
        lanes: int = 2,
        settle_seconds: float = SETTLE_SECONDS,
    ) -> None:
        self.netbox = netbox
        self.target = target
        self.lanes = lanes
        self.settle_seconds = settle_seconds

    def check(self, document: Any) -> Desired:
        """Everything that can be said about a document without asking NetBox. Raises DocumentError.

        A choice that stock NetBox does not have is left for `plan` to judge.
        """
        desired = normalise(document)
        if desired.problems and not desired.only_choices_doubted:
            raise DocumentError(desired.problems)
        return desired

    def plan(self, document: Any) -> Plan:
        """What would have to be written.

        Raises DocumentError with every problem, NetBoxError when NetBox cannot be read.
        """
        desired = normalise(document)
        if desired.unknown_choices:
            # This NetBox may have choices of its own (FIELD_CHOICES).
            choices = {name: self.netbox.choices(name) for name in sorted(set(desired.unknown_choices))}
            desired = normalise(document, choices)
        if not len(desired):
            raise DocumentError(desired.problems)
        return build_plan(desired, read_live(desired, self.netbox), self.target)

    def apply(
        self,
        plan: Plan,
        batch_id: str,
        journal: Journal,
        progress: Progress = SILENT,
        checkpoint: Callable[[], None] = carry_on,
    ) -> Report:
        """Carry out a plan; see `apply_plan`."""
        return apply_plan(
            plan,
            self.netbox,
            journal,
            progress,
            batch_id=batch_id,
            checkpoint=checkpoint,
            lanes=self.lanes,
            settle_seconds=self.settle_seconds,
        )
