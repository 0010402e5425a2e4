"""What a delete takes along, clears or is refused for, in the NetBox in memory (testing.py).

The rules are those of NetBox 4.7's models. NetBox deletes the objects of one
list after another in an order of its own, so what is restricted by another
object of the same list may or may not go; here it never does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum

from orchestrator.catalog import OBJECT_TYPES, ObjectType
from orchestrator.generic import pointed
from orchestrator.ports import Row
from orchestrator.testing_rules import MemoryTables, points_to

Spot = tuple[str, int]


class OnDelete(StrEnum):
    """What happens to an object when the one that it points to is deleted."""

    PROTECT = "protect"  # the delete is refused
    RESTRICT = "restrict"  # refused, unless this object goes along for another reason
    CASCADE = "cascade"  # it goes along
    SET_NULL = "set null"  # it stays and points to nothing
    SILENT = "silent"  # the same, but neither logged nor to be seen in last_updated


_ON_DELETE: Mapping[str, Mapping[str, OnDelete]] = {
    "sites": {"region": OnDelete.SET_NULL, "group": OnDelete.SET_NULL, "tenant": OnDelete.PROTECT},
    "device_roles": {"parent": OnDelete.CASCADE},
    "platforms": {"manufacturer": OnDelete.PROTECT, "parent": OnDelete.CASCADE},
    "device_types": {"manufacturer": OnDelete.PROTECT, "default_platform": OnDelete.SILENT},
    "devices": {
        "device_type": OnDelete.PROTECT,
        "role": OnDelete.PROTECT,
        "site": OnDelete.PROTECT,
        "tenant": OnDelete.PROTECT,
        "location": OnDelete.PROTECT,
        "rack": OnDelete.PROTECT,
        "platform": OnDelete.SET_NULL,
        "primary_ip4": OnDelete.SET_NULL,
        "primary_ip6": OnDelete.SET_NULL,
        "oob_ip": OnDelete.SET_NULL,
    },
    "interfaces": {
        "device": OnDelete.CASCADE,
        "parent": OnDelete.RESTRICT,
        "lag": OnDelete.SET_NULL,
        "bridge": OnDelete.SET_NULL,
        "vrf": OnDelete.SET_NULL,
    },
    **{
        name: {"device": OnDelete.CASCADE}
        for name in ("console_ports", "console_server_ports", "power_ports", "module_bays")
    },
    "power_outlets": {"device": OnDelete.CASCADE, "power_port": OnDelete.SET_NULL},
    "ip_addresses": {
        "assigned_object": OnDelete.CASCADE,
        "nat_inside": OnDelete.SET_NULL,
        "vrf": OnDelete.PROTECT,
        "tenant": OnDelete.PROTECT,
    },
    **{
        name: dict.fromkeys(OBJECT_TYPES[name].parents, OnDelete.CASCADE)
        for name in OBJECT_TYPES
        if OBJECT_TYPES[name].is_template
    },
    "regions": {"parent": OnDelete.CASCADE},
    "site_groups": {"parent": OnDelete.CASCADE},
    "tenant_groups": {"parent": OnDelete.CASCADE},
    "tenants": {"group": OnDelete.SET_NULL},
    "locations": {
        "site": OnDelete.CASCADE,
        "parent": OnDelete.CASCADE,
        "tenant": OnDelete.PROTECT,
    },
    "rack_types": {"manufacturer": OnDelete.PROTECT},
    "racks": {
        "site": OnDelete.PROTECT,
        "location": OnDelete.SET_NULL,
        "role": OnDelete.PROTECT,
        "rack_type": OnDelete.PROTECT,
        "tenant": OnDelete.PROTECT,
    },
    "vrfs": {"tenant": OnDelete.PROTECT},
}
# NetBox clears these by a save of its own, even on a device that is about to go.
_SAVED_ANYHOW = frozenset({"primary_ip4", "primary_ip6", "oob_ip"})


class ListDelete:
    """The objects of one list delete."""

    def __init__(self, tables: MemoryTables, row: ObjectType, message: str, request: str) -> None:
        self._tables = tables
        self._row = row
        self._message = message
        self._request = request
        self._pointers: dict[tuple[str, str], dict[int, list[int]]] = {}
        self._gone: set[Spot] = set()

    def refusals(self, ids: Sequence[int]) -> dict[int, str]:
        """Index -> NetBox's words, for each object that cannot be deleted."""
        lives = self._tables.rows[self._row.name]
        gone = {
            index: f"id: Object with ID {id_} does not exist"
            for index, id_ in enumerate(ids)
            if id_ not in lives
        }
        if gone:
            return gone  # NetBox looks no further
        blocked = {index: self._blockers((self._row.name, id_)) for index, id_ in enumerate(ids)}
        return {
            index: f"Unable to delete: {len(blockers)} dependent object(s) prevent deletion."
            for index, blockers in blocked.items()
            if blockers
        }

    def delete(self, ids: Sequence[int]) -> None:
        """Delete what `refusals` found no fault with."""
        for id_ in ids:
            root = (self._row.name, id_)
            if root in self._gone:
                continue  # went along with one before
            doomed = self._doomed(root)
            for spot in doomed:
                self._log_delete(spot, self._message if spot == root else "")
                self._clear_pointers(spot)
            for object_type, object_id in doomed:
                del self._tables.rows[object_type][object_id]

    def _doomed(self, root: Spot) -> list[Spot]:
        found = [root]
        for spot in found:  # grows while it is walked
            found += [
                other
                for other, _, rule in self._pointing_to(spot)
                if rule is OnDelete.CASCADE and other not in found
            ]
        return found

    def _blockers(self, root: Spot) -> set[Spot]:
        doomed = self._doomed(root)
        protected: set[Spot] = set()
        restricted: set[Spot] = set()
        for spot in doomed:
            for other, _, rule in self._pointing_to(spot):
                if rule is OnDelete.PROTECT:
                    protected.add(other)
                elif rule is OnDelete.RESTRICT and other not in doomed:
                    restricted.add(other)
        return protected or restricted

    def _pointing_to(self, spot: Spot) -> Iterator[tuple[Spot, str, OnDelete]]:
        """Who points to an object, with the column that does, and what becomes of it."""
        for object_type, rules in _ON_DELETE.items():
            row = OBJECT_TYPES[object_type]
            for name, rule in rules.items():
                if spot[0] not in row.pointers().get(name, ()):
                    continue
                column = f"{name}_id" if name in row.generic else name
                lives = self._tables.rows[object_type]
                for id_ in self._index(object_type, column).get(spot[1], ()):
                    if id_ in lives and spot in pointed(row, name, points_to(row, name, lives[id_])):
                        yield (object_type, id_), column, rule

    def _index(self, object_type: str, column: str) -> dict[int, list[int]]:
        index = self._pointers.get((object_type, column))
        if index is None:
            index = defaultdict(list)
            for id_, live in self._tables.rows[object_type].items():
                if live.get(column) is not None:
                    index[live[column]].append(id_)
            self._pointers[object_type, column] = index
        return index

    def _log_delete(self, spot: Spot, message: str) -> None:
        object_type, object_id = spot
        before = self._tables.rows[object_type][object_id]
        row = OBJECT_TYPES[object_type]
        self._tables.log.add(self._tables.rows, row, before, None, message, self._request)
        self._gone.add(spot)

    def _clear_pointers(self, spot: Spot) -> None:
        for other, column, rule in list(self._pointing_to(spot)):
            if rule is OnDelete.SILENT:
                self._tables.rows[other[0]][other[1]] = {
                    **self._tables.rows[other[0]][other[1]],
                    column: None,
                }
            elif rule is OnDelete.SET_NULL and (other not in self._gone or column in _SAVED_ANYHOW):
                self._change(other, {column: None})
        if spot[0] == "tags":
            self._untag(spot[1])

    def _untag(self, tag: int) -> None:
        for object_type, lives in self._tables.rows.items():
            for id_, live in list(lives.items()):
                if tag in (live.get("tags") or ()):
                    left = [other for other in live["tags"] if other != tag]
                    self._change((object_type, id_), {"tags": left})

    def _change(self, spot: Spot, fields: Row) -> None:
        object_type, object_id = spot
        before = self._tables.rows[object_type][object_id]
        after = {**before, **fields, "last_updated": self._tables.clock.now()}
        self._tables.log.add(self._tables.rows, OBJECT_TYPES[object_type], before, after, "", self._request)
        self._tables.rows[object_type][object_id] = after
