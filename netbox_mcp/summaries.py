"""From plans and reports to replies that a language model can afford.

Counts are whole, lists are samples; nothing here asks NetBox or Redis.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.models import Action, Change, Plan, Report

from netbox_mcp.failures import shorten

MAX_SAMPLES = 8
MAX_WARNINGS = 5
MAX_ERRORS = 5
MAX_LINE = 200


def plan_totals(plan: Plan) -> dict[str, int]:
    """Number of changes by action, those that do not occur left out."""
    return {action: count for action, count in plan.totals().items() if count}


def report_totals(report: Report) -> dict[str, int]:
    """Number of outcomes by result, those that do not occur left out."""
    return {result: count for result, count in report.totals().items() if count}


def short_warnings(warnings: Iterable[str]) -> list[str]:
    """The first warnings, each cut to a line; the last entry says how many more there are."""
    every = list(warnings)
    shown = [shorten(warning, MAX_LINE) for warning in every[:MAX_WARNINGS]]
    if len(every) > MAX_WARNINGS:
        shown.append(f"and {len(every) - MAX_WARNINGS} more")
    return shown


def sample_changes(plan: Plan) -> list[str]:
    """A few changes, one of each kind first: conflicts, then updates, then creates."""
    writing = [change for change in plan.changes if change.action is not Action.UNCHANGED]
    rank = {Action.CONFLICT: 0, Action.UPDATE: 1, Action.CREATE: 2}
    firsts: dict[tuple[Action, str], Change] = {}
    for change in writing:
        firsts.setdefault((change.action, change.object_type), change)
    conflicts = [change for change in writing if change.action is Action.CONFLICT]
    picked = list({id(change): change for change in [*conflicts, *firsts.values()]}.values())
    picked.sort(key=lambda change: rank[change.action])
    return [describe_change(change) for change in picked[:MAX_SAMPLES]]


def describe_change(change: Change) -> str:
    """One line: `update devices sw-1: status active -> offline`."""
    line = f"{change.action.value} {change.object_type} {change.label}"
    if change.action is Action.UPDATE:
        line += ": " + ", ".join(
            f"{name} {_value(change.before.get(name))} -> {_value(value)}" for name, value in change.after.items()
        )
    if change.reason:
        line += f" ({change.reason})"
    return shorten(line, MAX_LINE)


def describe_outcome(outcome: Mapping[str, Any]) -> str:
    """One line: `failed devices sw-1 (devices[3]): NetBox's reason`."""
    line = f"{outcome['result']} {outcome['object_type']} {outcome['label']}"
    if outcome.get("path"):
        line += f" ({outcome['path']})"
    return shorten(f"{line}: {outcome.get('message') or 'no reason given'}", MAX_LINE)


def first_errors(report: Report) -> list[str]:
    """The first failures of a report, one line each."""
    return [describe_outcome(outcome.as_dict()) for outcome in report.first_errors[:MAX_ERRORS]]


def _value(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, (str, int, float, bool)):
        return shorten(str(value), 40) or '""'
    return shorten(str(getattr(value, "change_id", value)), 40)
