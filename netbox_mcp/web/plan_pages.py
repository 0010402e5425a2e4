"""The pages of plans: those that wait, and one as a diff, to be approved and applied by whoever may.

A rollback is a plan as well. Applying one asks for more than a tick: the end of the batch's id.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import Response

from netbox_mcp import rollbacks
from netbox_mcp.access import Scope
from netbox_mcp.audit import caller
from netbox_mcp.background import background
from netbox_mcp.dependencies import get_settings
from netbox_mcp.failures import UsageError
from netbox_mcp.service import get_service
from netbox_mcp.web.answers import go_to, page
from netbox_mcp.web.links import Link, objects_in
from netbox_mcp.web.permission import Form, acts, looks
from orchestrator.models import Action, Change, Plan
from orchestrator.plan_text import (
    KEPT,
    ToldField,
    heading,
    sign,
    summary_line,
    tally,
    told_fields,
    told_groups,
)
from orchestrator.plugin_types import in_use
from workers.manager import KeptPlan

MOST_LISTED = 50
CHANGES_ON_A_PAGE = 200
MOST_FIELDS_AT_ONCE = 12


@dataclass(frozen=True, slots=True)
class Line:
    """One change as the page shows it. `href` leads to the object in NetBox, where there is one."""

    sign: str
    action: str
    label: str
    href: str
    place: str
    reason: str
    fields: list[ToldField]
    drifts: bool


@dataclass(frozen=True, slots=True)
class Group:
    """Changes of one type: what they are in all, and those on this page."""

    heading: str
    tally: str
    lines: list[Line]


@dataclass(frozen=True, slots=True)
class Diff:
    """One page of the changes of a plan, and the addresses of its neighbours."""

    groups: list[Group]
    first: int
    last: int
    total: int
    previous: str
    following: str


@looks(Scope.READ, Scope.APPROVE)
def show_list(request: Request) -> Response:
    """The plans that wait to be approved or applied, and the others that are kept."""
    with background() as manager:
        plans = manager.list_plans(MOST_LISTED)
    waiting = [plan for plan in plans if _is_waiting(plan)]
    others = [plan for plan in plans if not _is_waiting(plan)]
    return page(
        request,
        "plans.html",
        waiting=waiting,
        others=others,
        needs_approval=get_settings().require_approval,
        is_old=_is_old,
    )


@looks(Scope.READ, Scope.APPROVE)
def show_plan(request: Request) -> Response:
    """What a plan would do. Raises UnknownDocumentError, StoredPlanError."""
    return _plan_page(request)


@acts(Scope.APPROVE)
def approve_plan(request: Request, form: Form) -> Response:
    """Let the plan be applied, in the name of whoever was shown it."""
    plan_id = request.path_params["plan_id"]
    get_service().approve_here(plan_id, form.get("approved_by", "").strip() or caller(), form.get("digest"))
    return go_to(_path(plan_id))


@acts(Scope.WRITE)
def apply_plan(request: Request, form: Form) -> Response:
    """Put the plan in line, once however often that is asked for. The rules are those of every start."""
    plan_id = request.path_params["plan_id"]
    plan, key = get_service().load_plan(plan_id, None), f"page-{plan_id}"
    if plan.undoes:
        if form.get("typed", "").strip() != word_to_type(plan.undoes):
            return _plan_page(request, f"Nothing was undone: type {word_to_type(plan.undoes)} to confirm it.")
        return go_to(f"/tasks/{rollbacks.start_plan(plan_id, plan, key).task_id}")
    if form.get("confirm") != "yes":
        return _plan_page(request, "Nothing was written: tick the box to confirm it.")
    status = get_service().start_task(None, plan_id=plan_id, target=None, idempotency_key=key)
    return go_to(f"/tasks/{status.task_id}")


def word_to_type(batch_id: str) -> str:
    """What somebody types who means to take this batch back: the end of its id."""
    return batch_id[-8:]


def _plan_page(request: Request, complaint: str = "") -> Response:
    plan_id = request.path_params["plan_id"]
    with background() as manager:
        kept = manager.find_plan(plan_id)
        plan = manager.load_plan(plan_id)
    wanted = request.query_params
    return page(
        request,
        "plan.html",
        422 if complaint else 200,
        plan=plan,
        kept=kept,
        summary=summary_line(plan),
        diff=_diff(plan, _path(plan_id), wanted),
        types=list(plan.counts()),
        wanted_type=wanted.get("type", ""),
        actions=[action.value for action in Action if action is not Action.UNCHANGED],
        wanted_action=wanted.get("action", ""),
        is_old=_is_old(kept),
        needs_approval=get_settings().require_approval,
        approver="" if caller().startswith("token-") else caller(),
        word=word_to_type(plan.undoes) if plan.undoes else "",
        complaint=complaint,
        most_fields=MOST_FIELDS_AT_ONCE,
    )


def _is_old(kept: KeptPlan) -> bool:
    return datetime.now(UTC) >= datetime.fromisoformat(kept.facts.stale_at)


def _is_waiting(kept: KeptPlan) -> bool:
    return bool(kept.facts.writes) and not (kept.facts.blocked or kept.is_taken or _is_old(kept))


def _diff(plan: Plan, path: str, wanted: Mapping[str, str]) -> Diff:
    """The changes that are asked for, of one page."""
    groups = [
        (heading(group), tally(group), some)
        for group in told_groups(plan)
        if (some := [change for change in group if _is_wanted(change, wanted)])
    ]
    total = sum(len(some) for _, _, some in groups)
    pages = max(1, -(-total // CHANGES_ON_A_PAGE))
    number = min(_number(wanted.get("page", "")), pages)
    start = (number - 1) * CHANGES_ON_A_PAGE
    with in_use(plan.types):
        found = list(_cut(groups, start, start + CHANGES_ON_A_PAGE, plan))

    def address(of: int) -> str:
        kept = {name: wanted[name] for name in ("type", "action") if wanted.get(name)}
        return f"{path}?{urlencode({**kept, 'page': of})}" if 1 <= of <= pages else ""

    last = min(total, start + CHANGES_ON_A_PAGE)
    return Diff(found, start + 1 if total else 0, last, total, address(number - 1), address(number + 1))


def _cut(groups: list[tuple[str, str, list[Change]]], start: int, end: int, plan: Plan) -> Iterator[Group]:
    """The changes from `start` to `end`, counted over all groups."""
    link, at = objects_in(plan.target), 0
    for head, sums, changes in groups:
        some = changes[max(0, start - at) : max(0, end - at)]
        at += len(changes)
        if some:
            yield Group(head, sums, [_line(change, plan, link) for change in some])


def _line(change: Change, plan: Plan, link: Link) -> Line:
    fields = list(told_fields(change, plan.names))
    fields += [ToldField(name, None, KEPT) for name in change.kept_drift]
    return Line(
        sign(change),
        change.action.value,
        change.label,
        link(change.object_type, change.live_id),
        change.path,
        change.reason,
        fields,
        bool(change.drift),
    )


def _is_wanted(change: Change, wanted: Mapping[str, str]) -> bool:
    return wanted.get("type") in (None, "", change.object_type) and wanted.get("action") in (
        None,
        "",
        change.action.value,
    )


def _number(text: str) -> int:
    if not text:
        return 1
    if not (text.isascii() and text.isdigit() and int(text[:9]) >= 1):
        raise UsageError(f"There is no page {text[:20]!r}.", "Pages are counted from 1.")
    return int(text[:9])


def _path(plan_id: str) -> str:
    return f"/plans/{quote(plan_id, safe='')}"
