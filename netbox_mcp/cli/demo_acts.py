"""The acts of `netbox-mcp demo`, in the order in which they are played.

Each opens with one line that says what is about to be seen; then the thing
itself happens, between a real MCP client, a real approval and a NetBox that
somebody else changes as well. An act is true where it went as its line says.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from netbox_mcp.cli.demo_people import APPROVER, People, ToolRefusedError
from netbox_mcp.cli.demo_view import note, show_act, show_differences, show_plan, show_report
from orchestrator.document import read_document

BRANCH = """
sites: [{name: BRU1, facility: Brussels}]
device_roles: [{name: Branch Switch, color: 2196f3}]
device_types: [{manufacturer: Juniper, model: EX2300-24P}]
devices:
  - name: sw-bru1-[01-04]
    site: BRU1
    role: Branch Switch
    device_type: {manufacturer: Juniper, model: EX2300-24P}
    status: active
    interfaces: [{name: me0, type: 1000base-t, mgmt_only: true}]
    ip_addresses: [{address: "2001:db8:b1::{1}/64", interface: me0}]
    primary_ip6: "2001:db8:b1::{1}/64"
"""
"""A document small enough to be read, whatever the one that the demo was called with holds."""

MORE_SWITCHES = """
devices:
  - name: sw-bru1-[11-16]
    site: BRU1
    role: Branch Switch
    device_type: {manufacturer: Juniper, model: EX2300-24P}
    asset_tag: A-10{1}
    interfaces: [{name: me0, type: 1000base-t, mgmt_only: true}]
"""
CHANGED_BY_HAND = "sw-bru1-02"
TAGGED_BY_HAND, TAKEN_TAG, REFUSED = "sw-bru1-01", "A-1013", "sw-bru1-13"


@dataclass(slots=True)
class Scene:
    """What the acts work with, and what they leave to those after them."""

    people: People
    document: Any
    plan: dict[str, Any] = field(default_factory=dict)
    batch_id: str = ""
    inventories: list[dict[str, int]] = field(default_factory=list)

    async def approved(self, plan: dict[str, Any]) -> dict[str, Any]:
        """Have a plan approved, if it writes anything, and carry it out; how its task ended."""
        if plan["writes"]:
            approval = await self.people.approver.approve(plan)
            note(f"Approved by {approval['approved_by']} until {approval['expires_at']}.")
        began = time.monotonic()
        assistant = self.people.assistant
        started = await assistant.start(plan["plan_id"])
        status = await assistant.follow(started["task_id"])
        report = await assistant.call("netbox_get_task_report", task_id=started["task_id"], limit=1)
        show_report(status, report["counts"], time.monotonic() - began)
        return status


@dataclass(frozen=True, slots=True)
class Act:
    """Its title, the line that explains it, and what happens; `play` tells whether that is so."""

    title: str
    explanation: str
    play: Callable[[Scene], Awaitable[bool]]


async def play_acts(scene: Scene) -> bool:
    """All acts, one after the other. True where each went as its line says."""
    held = []
    for number, act in enumerate(ACTS, 1):
        show_act(number, len(ACTS), act.title, act.explanation)
        held.append(await act.play(scene))
        if not held[-1]:
            note(f"This is not what act {number} was to show.")
    return all(held)


async def plan_first(scene: Scene) -> bool:
    """The client hands the document over and gets a plan."""
    scene.plan = await scene.people.assistant.plan(scene.document)
    show_plan(scene.plan)
    entries = await scene.people.colleague.changelog_entries()
    note(f"The changelog of this new NetBox has {entries} entries.")
    return bool(scene.plan["applyable"]) and entries == 0


async def approve(scene: Scene) -> bool:
    """The client's own word does not do; the person's does."""
    try:
        await scene.people.assistant.start(scene.plan["plan_id"])
    except ToolRefusedError as error:
        note(f"confirm=true without it: {error.message}")
        refused = error.code == "not_approved"
    else:
        refused = False
    status = await scene.approved(scene.plan)
    return refused and status["status"] == "completed"


async def apply_again(scene: Scene) -> bool:
    """The same document, planned and applied once more."""
    before = await scene.people.colleague.changelog_entries()
    status = await scene.approved(await scene.people.assistant.plan(scene.document))
    writes = sum(status["counts"].get(result, 0) for result in ("created", "updated"))
    new_entries = await scene.people.colleague.changelog_entries() - before
    note(f"Second run: {writes} writes, {new_entries} new changelog entries in NetBox.")
    return bool(status["status"] == "completed" and writes == new_entries == 0)


async def drift(scene: Scene) -> bool:
    """A branch office is set up, and somebody changes it in NetBox."""
    people, document = scene.people, read_document(BRANCH, "the branch office")
    await scene.approved(await people.assistant.plan(document))
    await people.colleague.change_device(CHANGED_BY_HAND, status="offline")
    await people.colleague.change_device(TAGGED_BY_HAND, asset_tag=TAKEN_TAG)
    note(f"By hand: {CHANGED_BY_HAND} is offline, {TAGGED_BY_HAND} has the asset tag {TAKEN_TAG}.")
    plan = await people.assistant.plan(document)
    show_plan(plan)
    marked = any(CHANGED_BY_HAND in line and "since the last apply" in line for line in plan["samples"])
    await scene.approved(plan)
    status = (await people.colleague.device(CHANGED_BY_HAND))["status"]["value"]
    tag = (await people.colleague.device(TAGGED_BY_HAND))["asset_tag"]
    note(f"{CHANGED_BY_HAND} is {status} again; the asset tag, which no document names, is still {tag}.")
    return marked and plan["totals"].get("update") == 1 and (status, tag) == ("active", TAKEN_TAG)


async def one_bad_row(scene: Scene) -> bool:
    """Six more switches, one with the asset tag that was given away by hand."""
    people = scene.people
    scene.inventories.append(await people.colleague.inventory())
    plan = await people.assistant.plan(read_document(MORE_SWITCHES, "more switches"))
    show_plan(plan)
    status = await scene.approved(plan)
    scene.batch_id = status["batch_id"]
    scene.inventories.append(await people.colleague.inventory())
    landed = scene.inventories[1]["devices"] - scene.inventories[0]["devices"]
    note(f"{landed} of 6 switches are in NetBox. What hung on the refused one was skipped.")
    named = [error["label"] for error in status["first_errors"]]
    return status["status"] == "completed_with_errors" and REFUSED in named and landed == 5


async def roll_back(scene: Scene) -> bool:
    """The last batch is taken back, by a plan that is approved as any other."""
    plan = await scene.people.assistant.plan_rollback(scene.batch_id)
    show_plan(plan)
    status = await scene.approved(plan)
    scene.inventories.append(await scene.people.colleague.inventory())
    show_differences(("before", "with the batch", "rolled back"), scene.inventories)
    return status["status"] == "completed" and scene.inventories[0] == scene.inventories[2]


ACTS = (
    Act("Plan", "what the document would change; nothing is written.", plan_first),
    Act("Approval", f"here nothing is written before a person, {APPROVER}, has approved the plan.", approve),
    Act("Again", "the same document a second time finds nothing to do.", apply_again),
    Act("Drift", "somebody changes what we wrote; the next plan says so, and puts it right.", drift),
    Act("A bad row", "NetBox refuses one of six new switches; the others land.", one_bad_row),
    Act("Rollback", "that batch is taken back, and NetBox is as it was before.", roll_back),
)
