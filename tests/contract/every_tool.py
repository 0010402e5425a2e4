"""One row per tool: a call that works, one that is refused, what is said without confirm and in dry-run.

Each face has objects of its own in NetBox. In the calls and in what is expected
`@` stands for the beginning of their names, `10.N.` for their network, and
`$site` for the id of their site. What is expected is a part of the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Arguments = Mapping[str, Any]

NO_WORKER, A_WORKER, ENDED_TASKS = "no worker", "a worker", "ended tasks"
NOWHERE = 2_000_000_000


@dataclass(frozen=True)
class Row:
    """`confirmed` tools take `confirm`; `dry_run` is the status, or the code of the error, in dry-run."""

    happy: Arguments
    expected: Arguments
    refused: Arguments
    code: str
    dry_run: str = "dry_run"
    confirmed: bool = False
    needs: str = ""


def writing(happy: Arguments, expected: Arguments, refused: Arguments, code: str, **more: Any) -> Row:
    return Row(happy, expected, refused, code, confirmed=True, **more)


def created(**fields: Any) -> dict[str, Any]:
    return {"status": "ok", "action": "created", "object": fields}


def sites(name: str) -> dict[str, Any]:
    return {"batch": {"sites": [{"name": name}]}}


WRONG_BATCH = {"batch": {"sitez": [{"name": "@"}]}}
ONE_CREATED = {"objects": 1, "totals": {"create": 1}}

ROWS: dict[str, Row] = {
    # Before there is a worker: tasks wait, and all faces see them wait.
    "netbox_cancel_task": Row(
        {"task_id": "$waiting"},
        {"status": "cancelled"},
        {"task_id": "t-000000000000"},
        "unknown_task",
        needs=NO_WORKER,
    ),
    "netbox_resume_task": Row(
        {"task_id": "$cancelled"},
        {"status": "queued"},
        {"task_id": "t-000000000000"},
        "unknown_task",
        dry_run="invalid_arguments",
        needs=NO_WORKER,
    ),
    # read
    "netbox_get_objects": Row(
        {"object_type": "dcim.device", "filters": {"name": "@-sw"}, "fields": ["id", "name", "site"]},
        {"count": 1, "results": [{"name": "@-sw", "site": {"name": "@ site"}}]},
        {"object_type": "dcim.device", "filters": {"nmae": "@-sw"}},
        "unknown_name",
    ),
    "netbox_get_object_by_id": Row(
        {"object_type": "dcim.site", "object_id": "$site"},
        {"name": "@ site", "device_count": 1},
        {"object_type": "dcim.site", "object_id": NOWHERE},
        "not_found",
    ),
    "netbox_search_objects": Row(
        {"query": "@-sw", "object_types": ["dcim.device", "dcim.site"]},
        {"dcim.device": [{"name": "@-sw"}], "dcim.site": []},
        {"query": "@", "object_types": ["dcim.devise"]},
        "unknown_name",
    ),
    "netbox_get_changelogs": Row(
        {
            "filters": {"changed_object_type": "dcim.device", "changed_object_id": "$device"},
            "fields": ["action", "object_repr", "user_name"],
        },
        {"count": 1, "results": [{"action": {"value": "create"}, "object_repr": "@-sw"}]},
        {"filters": {"actoin": "create"}},
        "unknown_name",
    ),
    # inventory
    "netbox_get_device": Row(
        {"name": "@-sw", "site": "@ site"},
        {"name": "@-sw", "role": {"name": "@ role"}},
        {"name": "@-nowhere"},
        "not_found",
    ),
    "netbox_list_devices": Row(
        {"site": "@ site", "manufacturer": "@ maker"},
        {"count": 1, "results": [{"name": "@-sw"}]},
        {"site": "@ nowhere"},
        "not_found",
    ),
    "netbox_get_site_by_name": Row(
        {"name": "@-site"}, {"name": "@ site", "device_count": 1}, {"name": "@ nowhere"}, "not_found"
    ),
    "netbox_find_ip": Row(
        {"address": "10.N.5"},
        {"addresses": [{"address": "10.N.5/24", "assigned_object": {"name": "Eth1"}}]},
        {"address": "10.N.500"},
        "invalid_arguments",
    ),
    "netbox_get_vlan_by_name": Row(
        {"name": "@ guests"}, {"vid": 10, "name": "@ guests"}, {"name": "@ nowhere"}, "not_found"
    ),
    "netbox_get_device_interfaces": Row(
        {"device": "@-sw"},
        {"count": 1, "results": [{"name": "Eth1", "type": {"value": "1000base-t"}}]},
        {"device": "@-nowhere"},
        "not_found",
    ),
    "netbox_get_manufacturers": Row({"limit": 3}, {}, {"limit": 0}, "invalid_arguments"),
    # write
    "netbox_ensure_object": writing(
        {"object_type": "extras.tag", "fields": {"name": "@ new", "slug": "@-new"}},
        created(name="@ new"),
        {"object_type": "extras.tag", "fields": {"nmae": "@ new"}},
        "invalid_document",
    ),
    "netbox_update_object": writing(
        {"object_type": "dcim.site", "object_id": "$site", "fields": {"facility": "F1"}},
        {"status": "ok", "action": "updated", "before": {"facility": None}, "after": {"facility": "F1"}},
        {"object_type": "dcim.site", "object_id": NOWHERE, "fields": {"facility": "F1"}},
        "not_found",
    ),
    "netbox_delete_object": writing(
        {"object_type": "dcim.rackrole", "object_id": "$spare role"},
        {"status": "ok", "action": "deleted"},
        {"object_type": "dcim.rackrole", "object_id": NOWHERE},
        "not_found",
    ),
    "netbox_create_manufacturer": writing(
        {"name": "@ new maker"}, created(name="@ new maker"), {"name": ""}, "invalid_arguments"
    ),
    "netbox_create_site": writing(
        {"name": "@ new site", "status": "planned"},
        created(name="@ new site"),
        {"name": "@ new site", "status": "plannd"},
        "invalid_document",
    ),
    "netbox_create_device_role": writing(
        {"name": "@ new role", "color": "4caf50"},
        created(name="@ new role", color="4caf50"),
        {"name": "@ new role", "color": "green"},
        "invalid_document",
    ),
    "netbox_update_device_status": writing(
        {"name": "@-sw", "status": "planned"},
        {"status": "ok", "action": "updated", "after": {"status": "planned"}},
        {"name": "@-nowhere", "status": "planned"},
        "not_found",
    ),
    "netbox_delete_manufacturer": writing(
        {"name": "@ spare"}, {"status": "ok", "action": "deleted"}, {"name": "@ nowhere"}, "not_found"
    ),
    # ipam
    "netbox_find_available_ip": Row(
        {"prefix": "10.N.0/24", "count": 2},
        {"within": "10.N.0/24", "free": ["10.N.1/24", "10.N.2/24"], "more": True},
        {"prefix": "10.N.0"},
        "not_found",
    ),
    "netbox_get_ip_usage": Row(
        {"prefix": "10.N.0/24"},
        {"prefix": "10.N.0/24", "size": 256, "addresses": 1},
        {"prefix": "10.N.300/24"},
        "invalid_arguments",
    ),
    "netbox_create_ip_address": writing(
        {"prefix": "10.N.0/24", "dns_name": "@.example"},
        created(address="10.N.1/24", dns_name="@.example"),
        {},
        "invalid_arguments",
    ),
    "netbox_create_prefix": writing(
        {"within": "10.N.0/24", "length": 28, "description": "@ lab"},
        created(prefix="10.N.0/28"),
        {"within": "10.N.0/24"},
        "invalid_arguments",
    ),
    "netbox_find_available_vlan_id": Row(
        {"group": "@ group", "count": 2},
        {"within": "@ group", "free": [1, 2], "more": True},
        {},
        "invalid_arguments",
    ),
    "netbox_create_vlan": writing(
        {"name": "@ voice", "group": "@ group"},
        created(name="@ voice", vid=1),
        {"name": "@ voice", "vid": 10, "group": "@ group"},
        "invalid_arguments",
    ),
    "netbox_create_vrf": writing(
        {"name": "@ vrf"}, created(name="@ vrf"), {"name": "@ vrf", "rd": "x" * 22}, "invalid_arguments"
    ),
    # system
    "netbox_health_check": Row({}, {"status": "ok"}, {"loud": True}, "invalid_arguments", needs=A_WORKER),
    # bulk
    "netbox_plan_bulk": Row(
        sites("@ planned"), {"status": "planned", **ONE_CREATED}, WRONG_BATCH, "invalid_document"
    ),
    "netbox_bulk_ensure_devices": writing(
        sites("@ ensured"),
        {"status": "completed", "totals": {"created": 1}, "write_requests": 1},
        WRONG_BATCH,
        "invalid_document",
    ),
    "netbox_start_bulk_async": writing(
        sites("@ started"),
        {"status": "queued", "kind": "apply", "total": 1},
        {"plan_id": "p-000000000000"},
        "unknown_input",
        needs=A_WORKER,
    ),
    "netbox_get_task_status": Row(
        {"task_id": "$ended"},
        {"status": "completed", "kind": "apply", "counts": {"created": 1}},
        {"task_id": "t-000000000000"},
        "unknown_task",
        needs=ENDED_TASKS,
    ),
    "netbox_get_task_report": Row(
        {"task_id": "$ended", "outcome": "created"},
        {"rows": [{"object_type": "sites", "label": "@ ended", "result": "created"}]},
        {"task_id": "$ended", "object_type": "site"},
        "invalid_arguments",
        needs=ENDED_TASKS,
    ),
    "netbox_list_active_tasks": Row(
        {},
        {"tasks": []},
        {"include_finished": "perhaps"},
        "invalid_arguments",
        needs=ENDED_TASKS,
    ),
    "netbox_get_queue_info": Row(
        {},
        {"redis_ok": True, "depth": 0, "workers": [{"state": "idle"}]},
        {"loud": True},
        "invalid_arguments",
        needs=A_WORKER,
    ),
    "netbox_rollback_batch": writing(
        {"batch_id": "$to undo"},
        {"status": "queued", "kind": "rollback", "totals": {"delete": 1}},
        {"batch_id": "b-20260101-00000000"},
        "cannot_roll_back",
        needs=ENDED_TASKS,
    ),
}
