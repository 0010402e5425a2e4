"""What a token may not do: metadata is left off, or the batch is refused before its first write."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack

import pytest

from netbox_mcp.sandbox import SandboxInfo
from orchestrator.catalog import OBJECT_TYPES
from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.errors import AccessError
from orchestrator.netbox import open_netbox
from orchestrator.ports import Query
from tests.integration.worker_process import NetBoxOverHttp
from tests.netbox.tidy_fixture import settings_of
from tests.unit.batches import MemoryJournal

ALL = ("view", "add", "change", "delete")
OTHERS = [row.model for row in OBJECT_TYPES.values() if row.name != "custom_fields"]
DEFINITIONS = "extras.customfield"
ROLES = {"device_roles": [{"name": "Access"}]}


@pytest.fixture
def engine_for(tidy_netbox: SandboxInfo) -> Iterator[Callable[..., NetBoxBulkOrchestrator]]:
    """An engine whose token has these actions on these models, and no others."""
    with ExitStack() as stack:

        def engine_for(*permissions: tuple[Sequence[str], Sequence[str]]) -> NetBoxBulkOrchestrator:
            plain = NetBoxOverHttp(tidy_netbox.url, tidy_netbox.token_v2)
            secret = plain.token_that_may(*permissions)
            netbox = stack.enter_context(open_netbox(settings_of(tidy_netbox, token=secret)))
            return NetBoxBulkOrchestrator(netbox)

        yield engine_for


@pytest.fixture
def full(tidy_netbox: SandboxInfo) -> Iterator[NetBoxBulkOrchestrator]:
    with open_netbox(settings_of(tidy_netbox)) as netbox:
        yield NetBoxBulkOrchestrator(netbox)


def run(engine: NetBoxBulkOrchestrator, document: object, batch_id: str = "b-limited") -> list[str]:
    """Apply a document; the warnings."""
    report = engine.apply(engine.plan(document), batch_id, MemoryJournal())
    assert report.ok, report.first_errors
    return report.warnings


def narrow_definitions(engine: NetBoxBulkOrchestrator) -> None:
    run(engine, {"sites": [{"name": "AMS1"}]})
    rows = engine.netbox.read(Query("custom_fields", ("name",)))
    narrow = [{"id": row["id"], "object_types": ["dcim.site"]} for row in rows]
    engine.netbox.update("custom_fields", narrow, "by hand")


@pytest.mark.parametrize(
    ("actions", "told"),
    [
        (("view",), "may not change custom fields"),
        (("view", "add"), "may not change custom fields"),
        (("view", "change"), ""),
        ((), "may not view custom fields"),
    ],
)
def test_metadata_is_kept_where_the_token_may(
    full: NetBoxBulkOrchestrator,
    engine_for: Callable[..., NetBoxBulkOrchestrator],
    actions: Sequence[str],
    told: str,
) -> None:
    """The definitions lack object types: who may change them adds these, and others do without."""
    narrow_definitions(full)
    permissions = [(OTHERS, ALL), *([([DEFINITIONS], actions)] if actions else [])]
    engine = engine_for(*permissions)
    warnings = run(engine, ROLES)
    assert [told in warning for warning in warnings] == ([True] if told else [])
    assert engine.plan(ROLES).writes == 0


def test_definitions_are_made_where_the_token_may(
    engine_for: Callable[..., NetBoxBulkOrchestrator],
) -> None:
    (told,) = run(
        engine_for((OTHERS, ALL), ([DEFINITIONS], ("view", "change"))), {"device_roles": [{"name": "Core"}]}
    )
    assert "may not define custom fields" in told
    assert run(engine_for((OTHERS, ALL), ([DEFINITIONS], ("view", "add"))), ROLES) == []


def test_a_rollback_that_may_not_delete_does_nothing_at_all(
    full: NetBoxBulkOrchestrator, engine_for: Callable[..., NetBoxBulkOrchestrator]
) -> None:
    run(full, {"sites": [{"name": "AMS1", "facility": "old"}]})
    journal = MemoryJournal()
    both = {"sites": [{"name": "AMS1", "facility": "new"}, {"name": "AMS2"}]}
    full.apply(full.plan(both), "b-limited-2", journal)
    back = full.plan_rollback("b-limited-2", journal)
    limited = engine_for((OTHERS, ("view", "add", "change")))
    with pytest.raises(AccessError, match="does not let this token delete sites; nothing was written"):
        limited.apply(back, "b-limited-3", MemoryJournal())
    rows = full.netbox.read(Query("sites", ("name", "facility")))
    assert {row["name"]: row["facility"] for row in rows} == {"AMS1": "new", "AMS2": ""}
    assert engine_for((OTHERS, ("view", "change", "delete"))).apply(back, "b-limited-4", MemoryJournal()).ok
