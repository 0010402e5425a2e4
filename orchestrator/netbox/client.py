"""One NetBox from Python: single objects made true by one call, and every endpoint to read.

`ensure_*` is the batch engine with a document of one entry: the same normalising,
planning, journalling and undoing as for ten thousand, so that a call and a batch
can never disagree about what an object is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from orchestrator.catalog import OBJECT_TYPES
from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.errors import RejectedError
from orchestrator.live import find_by_id
from orchestrator.models import Action, Change, Plan, Report
from orchestrator.netbox.endpoints import AppWrapper, Endpoints
from orchestrator.netbox.surface import Endpoint
from orchestrator.ports import Row

Apply = Callable[[Any], tuple[Plan, Report]]
"""Plans and applies a document under the target's lock, with a journal."""


@dataclass(frozen=True, slots=True)
class Ensured:
    """What an `ensure_*` call did, or would do.

    `status` is "ok", or "confirmation_required" when nothing was sent for want
    of `confirm=True`; `action` is created, updated or unchanged (create, update
    or unchanged when nothing was sent); `object` is the object as NetBox has it
    now, None while it does not exist; `before` and `after` are the fields that
    differ; `batch_id` names the batch by which the call can be rolled back.
    """

    status: str
    action: str
    object: Row | None
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    batch_id: str = ""


class NetBoxClient:
    """One target, object by object, and its apps as attributes (endpoints.py).

    Fields are named as in documents: `site="AMS1"`, `site_id=3`,
    `device_type={"manufacturer": "Cisco", "model": "C9300-48P"}`.

    Every `ensure_*` raises DocumentError with all that is wrong with its fields,
    and NetBoxError when NetBox refuses the object or cannot be reached.
    """

    def __init__(
        self, engine: NetBoxBulkOrchestrator, apply: Apply, endpoints: Endpoints | None = None
    ) -> None:
        self._engine = engine
        self._apply = apply
        self._endpoints = endpoints

    def __getattr__(self, name: str) -> AppWrapper:
        """The app of that name: `client.dcim.devices.filter(site="ams1")`. Raises UnknownNameError."""
        if name.startswith("_") or self._endpoints is None:
            raise AttributeError(name)
        return self._endpoints.app(name)

    def endpoints(self) -> Mapping[str, Endpoint]:
        """Every endpoint of this NetBox by its path, with its fields, filters and methods."""
        return self._endpoints.surface.endpoints if self._endpoints is not None else {}

    def ensure_manufacturer(self, *, confirm: bool = False, **fields: Any) -> Ensured:
        """Create the manufacturer or bring it up to date."""
        return self.ensure("manufacturers", fields, confirm)

    def ensure_site(self, *, confirm: bool = False, **fields: Any) -> Ensured:
        """Create the site or bring it up to date."""
        return self.ensure("sites", fields, confirm)

    def ensure_device_role(self, *, confirm: bool = False, **fields: Any) -> Ensured:
        """Create the device role or bring it up to date."""
        return self.ensure("device_roles", fields, confirm)

    def ensure_device_type(self, *, confirm: bool = False, **fields: Any) -> Ensured:
        """Create the device type or bring it up to date, and its manufacturer if need be."""
        return self.ensure("device_types", fields, confirm)

    def ensure_device(self, *, confirm: bool = False, **fields: Any) -> Ensured:
        """Create the device or bring it up to date, and its parents, interfaces and addresses with it."""
        return self.ensure("devices", fields, confirm)

    def ensure(self, object_type: str, fields: Mapping[str, Any], confirm: bool = False) -> Ensured:
        """Create an object of a type that documents can declare, or bring it up to date."""
        document = {"options": {"expand": False}, object_type: [dict(fields)]}
        if not confirm:
            change = _own_change(self._engine.plan(document), object_type)
            live = self._read(object_type, change.live_id)
            return Ensured("confirmation_required", change.action.value, live, change.before, change.after)
        plan, report = self._apply(document)
        if report.first_errors:
            first = report.first_errors[0]
            refused = RejectedError(
                f"NetBox refused the {OBJECT_TYPES[first.object_type].noun} {first.label!r}: {first.message}"
            )
            refused.hint = f"What was written before that is batch {report.batch_id}."
            raise refused
        change, done = _own_change(plan, object_type), _own_change(self._engine.plan(document), object_type)
        return Ensured(
            status="ok",
            action=_DONE[change.action],
            object=self._read(object_type, done.live_id),
            before=change.before,
            after=change.after,
            batch_id=report.batch_id,
        )

    def _read(self, object_type: str, object_id: int | None) -> Row | None:
        row = OBJECT_TYPES[object_type]
        return find_by_id(self._engine.netbox, row, [object_id])[0] if object_id is not None else None


_DONE = {Action.CREATE: "created", Action.UPDATE: "updated", Action.UNCHANGED: "unchanged"}


def _own_change(plan: Plan, object_type: str) -> Change:
    """What happens to the object itself, among its parents and children; its link change counts with it."""
    own = next(
        change
        for change in plan.changes
        if change.path == f"{object_type}[0]" and change.object_type == object_type and not change.subject
    )
    for link in plan.changes:
        if link.subject == own.id and link.writes:
            own = replace(
                own,
                action=Action.UPDATE if own.action is Action.UNCHANGED else own.action,
                before={**own.before, **link.before},
                after={**own.after, **link.after},
            )
    return own
