"""The synchronous tools on a real NetBox, without Redis: plan, confirm, dry-run, apply, apply again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.clients import call
from tests.contract.documents import campus
from tests.integration.worker_process import NetBoxOverHttp

OBJECTS = 4  # the parents that a campus document declares beside its devices


def written(netbox: NetBoxOverHttp, prefix: str) -> int:
    """How many objects with these names there are in NetBox."""
    lists = {"dcim/manufacturers": "name", "dcim/sites": "name", "dcim/device-roles": "name"}
    lists |= {"dcim/device-types": "model", "dcim/devices": "name"}
    return sum(netbox.count(path, **{f"{field}__isw": prefix}) for path, field in lists.items())


def test_a_plan_shows_counts_and_samples_and_writes_nothing(netbox: NetBoxOverHttp, prefix: str) -> None:
    reply = call("netbox_plan_bulk", batch=campus(prefix))
    assert not reply.is_error, reply.text
    assert reply.data["status"] == "planned"
    assert reply.data["objects"] == reply.data["writes"] == OBJECTS + 3
    assert reply.data["totals"] == {"create": OBJECTS + 3}
    assert reply.data["by_type"]["devices"] == {"create": 3}
    assert f"create sites {prefix} site" in reply.data["samples"]
    assert reply.data["digest"]
    assert "plan_id" not in reply.data
    assert "netbox_bulk_ensure_devices" in reply.data["next"]
    assert written(netbox, prefix) == 0


def test_without_confirm_the_plan_is_shown_and_nothing_written(netbox: NetBoxOverHttp, prefix: str) -> None:
    reply = call("netbox_bulk_ensure_devices", batch=campus(prefix))
    assert reply.data["status"] == "confirmation_required"
    assert "confirm=true" in reply.data["next"]
    assert reply.data["totals"] == {"create": OBJECTS + 3}
    assert reply.data["samples"]
    assert written(netbox, prefix) == 0


def test_a_report_only_writes_nothing_even_when_confirmed(netbox: NetBoxOverHttp, prefix: str) -> None:
    reply = call("netbox_bulk_ensure_devices", batch=campus(prefix), confirm=True, dry_run_report=True)
    assert reply.data["status"] == "planned"
    assert written(netbox, prefix) == 0


@pytest.mark.parametrize("tool", ["netbox_bulk_ensure_devices", "netbox_start_bulk_async"])
def test_in_dry_run_nothing_is_written_whatever_is_called(
    netbox: NetBoxOverHttp, bare: pytest.MonkeyPatch, prefix: str, tool: str
) -> None:
    bare.setenv("NETBOX_DRY_RUN", "true")
    reply = call(tool, batch=campus(prefix), confirm=True)
    assert reply.data["status"] == "dry_run"
    assert "NETBOX_DRY_RUN" in reply.data["next"]
    assert reply.data["totals"] == {"create": OBJECTS + 3}
    assert written(netbox, prefix) == 0


def test_confirmed_work_is_done_and_the_second_time_there_is_nothing_to_do(
    netbox: NetBoxOverHttp, prefix: str, tmp_path: Path
) -> None:
    first = call("netbox_bulk_ensure_devices", batch=campus(prefix), confirm=True)
    assert first.data["status"] == "completed", first.text
    assert first.data["totals"] == {"created": OBJECTS + 3}
    assert first.data["write_requests"] > 0
    assert written(netbox, prefix) == OBJECTS + 3
    assert (tmp_path / "state" / "journals" / f"{first.data['batch_id']}.sqlite3").is_file()

    second = call("netbox_bulk_ensure_devices", batch=campus(prefix), confirm=True)
    assert second.data["totals"] == {"unchanged": OBJECTS + 3}
    assert second.data["write_requests"] == 0
    assert netbox.count("core/object-changes", q=second.data["batch_id"]) == 0
    assert netbox.count("core/object-changes", q=first.data["batch_id"]) == OBJECTS + 3


def test_the_legacy_list_is_accepted(netbox: NetBoxOverHttp, prefix: str) -> None:
    device = {
        "name": f"{prefix}-legacy",
        "manufacturer": f"{prefix} Acme",
        "model": f"{prefix} X1",
        "site": f"{prefix} site",
        "role": f"{prefix} access",
    }
    reply = call("netbox_bulk_ensure_devices", devices_data=[device], confirm=True)
    assert reply.data["status"] == "completed", reply.text
    assert netbox.count("dcim/devices", name=f"{prefix}-legacy") == 1


def test_one_bad_row_is_told_and_the_others_land(netbox: NetBoxOverHttp, prefix: str) -> None:
    first, second = campus(prefix), campus(prefix)
    model = first["devices"][0]
    first["devices"].append({**model, "name": f"{prefix}-owner", "asset_tag": prefix})
    call("netbox_bulk_ensure_devices", batch=first, confirm=True)
    second["devices"].append({**model, "name": f"{prefix}-thief", "asset_tag": prefix})
    second["devices"].append({**model, "name": f"{prefix}-honest"})
    reply = call("netbox_bulk_ensure_devices", batch=second, confirm=True)
    assert reply.data["status"] == "completed_with_errors"
    assert reply.data["totals"] == {"unchanged": OBJECTS + 3, "failed": 1, "created": 1}
    assert f"{prefix}-thief" in reply.data["first_errors"][0]
    assert "asset tag" in reply.data["first_errors"][0]
    assert netbox.count("dcim/devices", name=f"{prefix}-honest") == 1


def test_a_document_above_the_limit_is_sent_to_the_async_tool(
    netbox: NetBoxOverHttp, bare: pytest.MonkeyPatch, prefix: str
) -> None:
    bare.setenv("NETBOX_MCP_SYNC_MAX_OBJECTS", "5")
    reply = call("netbox_bulk_ensure_devices", batch=campus(prefix), confirm=True)
    assert reply.is_error
    assert reply.data["code"] == "too_large"
    assert "netbox_start_bulk_async" in reply.data["hint"]
    planned = call("netbox_plan_bulk", batch=campus(prefix))
    assert "netbox_bulk_ensure_devices" not in planned.data["next"]
    assert "split the document" in planned.data["next"]
    assert written(netbox, prefix) == 0


def test_replies_stay_small_whatever_the_batch(netbox: NetBoxOverHttp, prefix: str) -> None:
    document = campus(prefix, devices=2_000)
    for name in document:
        for entry in document[name]:
            entry["description"] = "a long description, as people write them " * 4
    reply = call("netbox_plan_bulk", batch=document)
    assert reply.data["objects"] == OBJECTS + 2_000
    assert reply.tokens < 2_000


def test_a_wrong_token_is_one_sentence_without_the_token(
    netbox: NetBoxOverHttp, bare: pytest.MonkeyPatch
) -> None:
    wrong = "nbt_abcdefghijkl.0123456789abcdef0123456789abcdef01234567"
    bare.setenv("NETBOX_TOKEN", wrong)
    reply = call("netbox_plan_bulk", batch={"manufacturers": [{"name": "Acme"}]})
    assert reply.data["code"] == "netbox_access_denied"
    assert wrong not in reply.text
    assert "0123456789abcdef" not in reply.text


def test_health_tells_the_version_of_netbox(netbox: NetBoxOverHttp) -> None:
    reply = call("netbox_health_check")
    assert reply.data["status"] == "degraded"  # no Redis here
    assert reply.data["checks"][0]["ok"]
    assert "NetBox 4." in reply.data["checks"][0]["found"]
