"""The face of the engine: check a document, plan it against a NetBox, apply the plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from orchestrator.absence import with_absent
from orchestrator.aftermath import read_aftermath
from orchestrator.collector import collector_paused
from orchestrator.deeds import Deed, deeds_in, deeds_logged, filled_up, merged
from orchestrator.desired import Desired
from orchestrator.errors import AccessError, DocumentError, NoMessagesError, RollbackError
from orchestrator.execute import SETTLE_SECONDS, apply_plan, carry_on
from orchestrator.export import Exported, export_objects
from orchestrator.gathering import Ids
from orchestrator.graph import type_order
from orchestrator.lanes import LIST_SECONDS
from orchestrator.layered import is_plugin_type
from orchestrator.metadata import Metadata, read_metadata
from orchestrator.models import Action, Plan, Report
from orchestrator.normalise import normalise
from orchestrator.plan import build_plan
from orchestrator.plugin_types import PluginLists, PluginTypes, declare, in_use, keys_in, with_others
from orchestrator.ports import SILENT, History, Journal, NetBox, Progress, Query, Resumable
from orchestrator.resume import NOTHING_DONE, Done, take_up
from orchestrator.rollback import plan_rollback
from orchestrator.stale import refuse_unapplyable
from orchestrator.surroundings import read_details, read_world
from orchestrator.unsettled import find_unsettled
from orchestrator.writes import batch_message

MAY_LACK = "What keeps the journal was started anew since the batch was begun: writes may be missing from it"
FILLED_UP = f"{MAY_LACK}; NetBox's own changelog was asked, and knew more of {{}} objects"
FROM_CHANGELOG = (
    "The journal of the batch is gone; this is rebuilt from NetBox's own changelog, "
    "which does not tell what cables connected and which ports were mapped, "
    "and nothing of permissions, groups, owners and their groups"
)


class NetBoxBulkOrchestrator:
    """Plans and applies batch documents on one NetBox.

    `target` is the name that goes into plans; `lanes` how many write requests
    run side by side, `list_seconds` how much of NetBox's work each of them is
    about; `settle_seconds` how long NetBox may still be at work on a request
    whose answer was lost. `plugin_lists` tells of the lists of NetBox's plugins;
    it is asked where a document names types of plugins.
    """

    def __init__(
        self,
        netbox: NetBox,
        target: str = "default",
        lanes: int = 2,
        settle_seconds: float = SETTLE_SECONDS,
        list_seconds: float = LIST_SECONDS,
        plugin_lists: Callable[[], PluginLists] = dict,
    ) -> None:
        self.netbox = netbox
        self.target = target
        self.lanes = lanes
        self.settle_seconds = settle_seconds
        self.list_seconds = list_seconds
        self._plugin_lists = plugin_lists

    def check(self, document: Any) -> Desired:
        """Everything that can be said about a document without reading objects. Raises DocumentError.

        A choice that stock NetBox does not have is left for `plan` to judge. Raises NetBoxError where the
        document names types of plugins and NetBox cannot be asked for them.
        """
        with in_use(self._types_of(document)):
            desired = normalise(document)
        if desired.problems and not desired.only_choices_doubted:
            raise DocumentError(desired.problems)
        return desired

    def plan(self, document: Any) -> Plan:
        """What would have to be written.

        Raises DocumentError with every problem, NetBoxError when NetBox cannot be read.
        """
        types = self._types_of(document)
        with collector_paused(), in_use(types):
            desired = self._normalise(document)
            del document  # a large one, unless the caller still wants it
            world = read_world(desired, self.netbox)
            plan = build_plan(desired, world, self.target)
            # What our last apply left matters only where something differs: it is read then, and looked at.
            if read_details(plan, world, self.netbox):
                plan = build_plan(desired, world, self.target)
            plan = with_absent(plan, desired, self.netbox)
            del desired, world  # or the collector would look through them first of all
        return replace(plan, types=types) if types else plan

    def _types_of(self, document: Any) -> PluginTypes:
        """The types of plugins that a document names the keys of. Raises DocumentError, NetBoxError."""
        keys = keys_in(document)
        return declare(keys, self._plugin_lists()) if keys not in (None, {}) else ()

    def _normalise(self, document: Any) -> Desired:
        desired = normalise(document)
        if desired.unknown_choices:
            # This NetBox may have choices of its own (FIELD_CHOICES).
            choices = {name: self.netbox.choices(name) for name in sorted(set(desired.unknown_choices))}
            desired = normalise(document, choices)
        if not len(desired):
            raise DocumentError(desired.problems)
        return desired

    def metadata(self) -> Metadata:
        """How an apply would leave its mark on objects here, or why it could not (metadata.py)."""
        return read_metadata(read_world(Desired(), self.netbox), active=True, on_drift="overwrite")

    def export(self, objects: Ids, template: bool = False) -> Exported:
        """The document of these live objects, by type and id; planned again it finds nothing to do.

        A `template` leaves out what only one object can have. Raises NetBoxError when NetBox cannot be read.
        """
        return export_objects(self.netbox, objects, template)

    def plan_rollback(self, batch_id: str, history: History | None, force: bool = False) -> Plan:
        """How to take a batch back, from its journal or, without one, from NetBox's own changelog.

        `force` overrides that objects were changed since. Raises RollbackError where
        nobody knows the batch or it cannot be undone, NetBoxError when NetBox cannot be read.
        """
        types = self._types_for_rollback(batch_id, history)
        with in_use(types):
            deeds, warnings = self._deeds(batch_id, history)
            aftermath = read_aftermath(self.netbox, deeds, batch_id)
            plan = plan_rollback(batch_id, deeds, aftermath, self.target, force, warnings)
        of_plugins = any(is_plugin_type(change.object_type) for change in plan.changes)
        return replace(plan, types=types) if of_plugins else plan

    def _types_for_rollback(self, batch_id: str, history: History | None) -> PluginTypes:
        """Those of the batch, and all others that plugins have here."""
        types, lists = history.types() if history is not None else (), self._plugin_lists()
        if gone := [one.name for one in types if one.name not in lists]:
            raise RollbackError(
                f"Batch {batch_id} is about {' and '.join(gone)}, and this NetBox has no such type.",
                "Is it the NetBox that the batch was applied to, and is the plugin still installed?",
            )
        return with_others(types, lists)

    def _deeds(self, batch_id: str, history: History | None) -> tuple[list[Deed], list[str]]:
        if history is not None:
            if undone := history.undoes():
                raise _was_a_rollback(batch_id, undone)
            deeds, unsettled = deeds_in(history)
            deeds = merged(deeds, find_unsettled(self.netbox, unsettled, batch_id))
            return (deeds, []) if history.is_whole() else self._filled_up(deeds, batch_id)
        deeds = self._deeds_logged(batch_id)
        if not deeds:
            raise RollbackError(
                f"Neither a journal nor NetBox's changelog knows the batch {batch_id!r}.",
                "Batch ids are in the status of a task and in the changelog's messages.",
            )
        return deeds, [FROM_CHANGELOG]

    def _filled_up(self, deeds: list[Deed], batch_id: str) -> tuple[list[Deed], list[str]]:
        """What a journal tells that may have lost its end, and what NetBox's changelog knows beyond that."""
        try:
            logged = self._deeds_logged(batch_id)
        except (NoMessagesError, AccessError) as error:
            return deeds, [f"{MAY_LACK}. {error.message}"]
        known = {request for deed in deeds for request in deed.request_ids}
        more = sum(not deed.request_ids <= known for deed in logged)
        return filled_up(deeds, logged), [FILLED_UP.format(more)]

    def _deeds_logged(self, batch_id: str) -> list[Deed]:
        message = batch_message(batch_id)
        entries = self.netbox.logged(message)
        if any(entry.message.strip() != message for entry in entries):
            raise _was_a_rollback(batch_id)
        tagged = any(entry.before.get("tags") or entry.after.get("tags") for entry in entries)
        rows = self.netbox.read(Query("tags", ("id", "name"))) if tagged else []
        return deeds_logged(entries, {row["name"]: row["id"] for row in rows})

    def take_up(self, batch_id: str, journal: Resumable, checkpoint: Callable[[], None] = carry_on) -> Done:
        """Find out what an interrupted batch has done; then plan again, and `apply` with the answer.

        Raises NetBoxError, JournalError or what `checkpoint` raised; it can be called again after that.
        """
        with in_use(journal.types()):
            return take_up(self.netbox, journal, batch_id, checkpoint, self.settle_seconds)

    def apply(
        self,
        plan: Plan,
        batch_id: str,
        journal: Journal,
        progress: Progress = SILENT,
        checkpoint: Callable[[], None] = carry_on,
        done: Done = NOTHING_DONE,
    ) -> Report:
        """Carry out a plan; see `apply_plan`. Raises NotApplyableError where conflicts forbid it.

        Raises AccessError before the first write where the token may not delete what is to be deleted.
        """
        refuse_unapplyable(plan)
        with in_use(plan.types):
            self._refuse_deletes(plan)
            return apply_plan(
                plan,
                self.netbox,
                journal,
                progress,
                batch_id=batch_id,
                checkpoint=checkpoint,
                lanes=self.lanes,
                list_seconds=self.list_seconds,
                settle_seconds=self.settle_seconds,
                done=done,
            )

    def _refuse_deletes(self, plan: Plan) -> None:
        """A rollback deletes last: half of it would be done before NetBox said no."""
        types = {change.object_type for change in plan.changes if change.action is Action.DELETE}
        kept = [name for name in type_order() if name in types and not self.netbox.may_delete(name)]
        if kept:
            raise AccessError(
                f"NetBox does not let this token delete {' and '.join(kept)}; nothing was written.",
                "Give its user the object permission (delete) and enable writing on the token.",
            )


def _was_a_rollback(batch_id: str, undone: str = "") -> RollbackError:
    what = f" of {undone}" if undone else ""
    return RollbackError(
        f"Batch {batch_id} was itself a rollback{what} and cannot be taken back.", "Apply the document again."
    )
