"""Single objects of any type written for whoever asks: shown first, written on `confirm`, told to the audit.

Types that documents can declare go through the batch engine, as a batch of one
that can be taken back; all others, and deletes, straight to their endpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, Field

from netbox_mcp.affordable import fit_rows, without_noise
from netbox_mcp.audit import caller
from netbox_mcp.dependencies import get_audit, get_endpoints
from netbox_mcp.dependents import count_dependents
from netbox_mcp.failures import UsageError
from netbox_mcp.finding import complete, find_by_name, find_match, redaction_of, the_one
from netbox_mcp.likeness import custom_fields_say, plain, says, with_tags
from netbox_mcp.single import get_netbox_client
from netbox_mcp.sync_apply import one_at_a_time
from orchestrator.catalog import ENSURED, OBJECT_TYPES
from orchestrator.errors import NotThereError, UnknownOutcomeError
from orchestrator.generic import mapped_parts
from orchestrator.netbox.endpoints import EndpointWrapper
from orchestrator.netbox.surface import Endpoint
from orchestrator.ports import Row

_POINTED_AT = (
    "Nothing was deleted: these point at the object. NetBox deletes some of them along with it and refuses "
    "for others. Delete them first, or say with_dependents=true as well."
)
_PAST = {"create": "created", "update": "updated", "delete": "deleted"}
SHOWN = "Nothing was written. Show this to the person, then call again with confirm=true."


class WriteReply(BaseModel):
    """What a single write did, or would do."""

    status: str = Field(description="ok; nothing written: confirmation_required, dry_run, dependents")
    action: str = Field(description="created, updated, unchanged, deleted; or what would be done")
    object: dict[str, Any] | None = None
    before: dict[str, Any] = Field(default_factory=dict, description="fields that differ")
    after: dict[str, Any] = Field(default_factory=dict)
    dependents: dict[str, int] = Field(default_factory=dict, description="by object type")
    batch_id: str | None = Field(default=None, description="netbox_rollback_batch takes it back")
    next: str = ""


def ensure_object(
    object_type: str, fields: Mapping[str, Any], match: Mapping[str, Any] | None, confirm: bool, target: str
) -> WriteReply:
    """Create the object or set the named fields of the one that is there.

    Raises DocumentError, UnknownNameError, UsageError, NetBoxError.
    """
    endpoint = get_endpoints(target).find(object_type)
    if not fields:
        raise UsageError("fields is empty.", 'Name them, for example {"name": "AMS1"}.')
    declared = _declared_as(endpoint.endpoint, fields)
    if declared is not None:
        found = find_match(endpoint, match) if match else None
        entry = {**fields, "id": found["id"]} if found else fields
        return _by_engine(endpoint, declared, entry, confirm, target)
    endpoint.check_fields(fields)
    with one_at_a_time(target):
        found = find_match(endpoint, match) if match else find_by_name(endpoint, fields)
        if found is None:
            return _create(endpoint, complete(endpoint, fields, match or {}), confirm)
        return _update(endpoint, found, fields, confirm)


def update_object(
    object_type: str, object_id: int, fields: Mapping[str, Any], confirm: bool, target: str
) -> WriteReply:
    """Set the named fields of one object. Raises NotThereError and what `ensure_object` raises."""
    endpoint = get_endpoints(target).find(object_type)
    if not fields:
        raise UsageError("fields is empty.", 'Name what is to be set, for example {"status": "active"}.')
    declared = _declared_as(endpoint.endpoint, fields)
    if declared is not None:
        _read(endpoint, object_id)
        return _by_engine(endpoint, declared, {**fields, "id": object_id}, confirm, target)
    endpoint.check_fields(fields)
    with one_at_a_time(target):
        return _update(endpoint, _read(endpoint, object_id), fields, confirm)


def delete_object(
    object_type: str, object_id: int, confirm: bool, with_dependents: bool, target: str
) -> WriteReply:
    """Delete one object; where others depend on it, only if that is said as well. Raises NotThereError."""
    with one_at_a_time(target):
        return _delete(get_endpoints(target).find(object_type), object_id, confirm, with_dependents, target)


def _delete(
    endpoint: EndpointWrapper, object_id: int, confirm: bool, with_dependents: bool, target: str
) -> WriteReply:
    live = _read(endpoint, object_id)
    found = count_dependents(endpoint.endpoint, object_id, target)
    said: dict[str, Any] = {"object": _shown(endpoint, live), "dependents": found.counts}
    blind = f" The token may not see {', '.join(found.unseen)}." if found.unseen else ""
    if found.counts and not with_dependents:
        return WriteReply(status="dependents", action="delete", next=_POINTED_AT + blind, **said)
    if not confirm:
        return _unconfirmed("delete", blind, **said)
    endpoint.delete(object_id, confirm=True, message=_message("delete"))
    return _done(endpoint, "delete", **said)


def update_device_status(name: str, site: str | None, status: str, confirm: bool, target: str) -> WriteReply:
    """Set the status of the one device of that name."""
    at_site = {"site": the_one("sites", {"name": site}, target)["slug"]} if site is not None else {}
    device = the_one("devices", {"name__ie": name, **at_site}, target)
    return update_object("devices", device["id"], {"status": status}, confirm, target)


def delete_by_name(object_type: str, name: str, confirm: bool, target: str) -> WriteReply:
    """Delete the one object of that name, if nothing depends on it."""
    found = the_one(object_type, {"name": name}, target)
    return delete_object(object_type, found["id"], confirm, False, target)


def allocate(
    object_type: str, place: str, fields: Mapping[str, Any], what: str, confirm: bool, target: str
) -> WriteReply:
    """Create an object where NetBox itself chooses what is free: in `ipam/prefixes/7/available-ips`, say."""
    endpoint = get_endpoints(target).find(object_type)
    endpoint.check_fields({name: value for name, value in fields.items() if name != "prefix_length"})
    after = _hidden(endpoint, fields)
    if not confirm:
        return _unconfirmed("create", f" It would be {what}.", after=after)
    made = _sent_once(
        lambda: endpoint.allocate(place, _tagged({}, fields), confirm=True, message=_message("create"))
    )
    return _done(endpoint, "create", object=_shown(endpoint, made[0]), after=after)


def _by_engine(
    endpoint: EndpointWrapper, declared: str, entry: Mapping[str, Any], confirm: bool, target: str
) -> WriteReply:
    """As a batch of one, which has a journal and can be taken back."""
    if redaction_of(endpoint).is_in(entry):
        raise UsageError(
            "These fields hold something secret, and whether it is so already must not be told.",
            "Write them with a document.",
        )
    entry = {name: _named_as_reference(declared, name, value) for name, value in entry.items()}
    done = get_netbox_client(target).ensure(declared, entry, confirm=confirm and not endpoint.dry_run)
    said: dict[str, Any] = {
        "object": _shown(endpoint, _read(endpoint, done.object["id"])) if done.object else None,
        "before": _hidden(endpoint, done.before),
        "after": _hidden(endpoint, done.after),
    }
    if done.status == "ok" or done.action == "unchanged":
        return WriteReply(status="ok", action=done.action, batch_id=done.batch_id or None, **said)
    if not confirm:
        return _unconfirmed(done.action, **said)
    object_type = endpoint.endpoint.model
    get_audit(target).note(status="dry_run", action=done.action, object_type=object_type, objects=[said])
    return _done(endpoint, done.action, **said)


def _create(endpoint: EndpointWrapper, fields: Mapping[str, Any], confirm: bool) -> WriteReply:
    after = _hidden(endpoint, fields)
    if not confirm:
        return _unconfirmed("create", after=after)
    made = _sent_once(lambda: endpoint.create(_tagged({}, fields), confirm=True, message=_message("create")))
    return _done(endpoint, "create", object=_shown(endpoint, made[0]), after=after)


def _sent_once(create: Callable[[], list[Row]]) -> list[Row]:
    """What was created. It is never sent again: whoever called is told to look."""
    try:
        return create()
    except UnknownOutcomeError as error:
        error.hint = "Look whether it is there before you call again: NetBox may have created it."
        error.retryable = False
        raise


def _update(endpoint: EndpointWrapper, live: Row, fields: Mapping[str, Any], confirm: bool) -> WriteReply:
    wanted = _tagged(live, fields)
    differing = {name: value for name, value in wanted.items() if not _is_so(endpoint, live, name, value)}
    if not differing:
        return WriteReply(status="ok", action="unchanged", object=_shown(endpoint, live))
    said: dict[str, Any] = {
        "before": _hidden(endpoint, {name: plain(live.get(name)) for name in differing}),
        "after": _hidden(endpoint, differing),
    }
    if not confirm:
        return _unconfirmed("update", object=_shown(endpoint, live), **said)
    row = {"id": live["id"], **differing}
    now = endpoint.update(row, confirm=True, message=_message("update"))[0]
    return _done(endpoint, "update", object=_shown(endpoint, now), **said)


def _is_so(endpoint: EndpointWrapper, live: Row, name: str, value: Any) -> bool:
    """Whether a field is as it is wanted. A secret never is: the answer would confirm a guess."""
    if redaction_of(endpoint).is_in({name: value}):
        return False
    if name == "custom_fields" and isinstance(value, dict):
        return custom_fields_say(live.get(name) or {}, value)
    return says(live.get(name), value)


def _named_as_reference(declared: str, name: str, value: Any) -> Any:
    """A bare number in a field that points to other objects is an id, as everywhere in NetBox."""
    row = OBJECT_TYPES[declared]
    if name in row.lists and isinstance(value, list):
        return [{"id": one} if type(one) is int else one for one in value]
    if name in row.mapped and isinstance(value, list):
        port = mapped_parts(name)[1]
        return [
            {**one, port: {"id": one[port]}} if isinstance(one, dict) and type(one.get(port)) is int else one
            for one in value
        ]
    return {"id": value} if type(value) is int and name in (*row.references, *row.links) else value


def _tagged(live: Row, fields: Mapping[str, Any]) -> Row:
    """The fields, with the tags that are there besides those that are wanted."""
    others = {name: value for name, value in fields.items() if name != "tags"}
    wanted = fields.get("tags")
    return {**others, "tags": with_tags(live, wanted)} if wanted not in (None, []) else others


def _unconfirmed(action: str, remark: str = "", **said: Any) -> WriteReply:
    return WriteReply(status="confirmation_required", action=action, next=SHOWN + remark, **said)


def _done(endpoint: EndpointWrapper, action: str, **said: Any) -> WriteReply:
    if endpoint.dry_run:
        what_now = "Nothing was written: dry-run is on. This is what would have been sent."
        return WriteReply(status="dry_run", action=action, next=what_now, **said)
    return WriteReply(status="ok", action=_PAST[action], **said)


def _message(action: str) -> str:
    return f"netbox-mcp {action} by {caller()}"


def _declared_as(endpoint: Endpoint, fields: Mapping[str, Any]) -> str | None:
    """The name under which documents declare such objects; None where they cannot, or not these fields.

    Nor do we declare what is called by a number here: numbers are given out again and again, and whoever
    writes one VLAN says by `match`, or by its name, which of those it is.
    """
    rows = (row for row in map(OBJECT_TYPES.__getitem__, ENSURED) if row.path == endpoint.path)
    return next((row.name for row in rows if not row.numbered and not row.refused.keys() & fields), None)


def _read(endpoint: EndpointWrapper, object_id: int) -> Row:
    row = endpoint.get(object_id)
    if row is None:
        raise NotThereError(f"There is no {endpoint.endpoint.model} with the id {object_id}.")
    return row


def _hidden(endpoint: EndpointWrapper, row: Mapping[str, Any]) -> Row:
    return redaction_of(endpoint).of(dict(row))


def _shown(endpoint: EndpointWrapper, row: Row) -> Row:
    return fit_rows([_hidden(endpoint, without_noise(row))], whole=False)[0]
