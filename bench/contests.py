"""The contests on a real NetBox: creating, deleting and re-reading, ours against bare requests.

Each round measures every contestant once, in another order than the round
before, so that what else happens on the machine hits all alike.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from bench import documents
from bench.arena import Arena, tell, timed
from bench.bare_posts import post_lists
from bench.bare_reads_and_deletes import delete_lists, read_pages
from bench.results import Taken

Times = dict[str, list[Taken]]
"""What each contestant took, round by round."""

SERIAL, SHARDED = "bare POSTs", "bare POSTs, sharded"
ONE_LANE, LANES = "ours, 1 lane", "ours, 2 lanes"
BARE_DELETES, ROLLBACK = "bare DELETEs", "our rollback"
BARE_READS, NO_CHANGE = "bare reads", "our no-change run"

# Row 3 asks for two lanes; so many threads has the sharded script, too.
_LANES = 2

Contestant = TypeVar("Contestant")


def create_and_delete(arena: Arena, rounds: int, count: int) -> Times:
    """Create the same devices in four ways, each in a fresh NetBox; delete them in two."""
    taken: Times = defaultdict(list)
    contest = _Creation(arena, count)
    for number in range(rounds):
        tell(f"create and delete {count} devices: round {number + 1} of {rounds}")
        for name, create in in_turn(contest.ways(), number):
            arena.prepare()
            contest.note_parents()
            taken[name].append(timed(name, create))
            contest.note_devices()
            if name in contest.deletions():
                way, delete = contest.deletions()[name]
                arena.wait_until_idle()
                taken[way].append(timed(way, delete))
                contest.expect_none()
    return taken


def create_with_lanes(arena: Arena, rounds: int, count: int) -> Times:
    """Only what tells how two lanes do: neither one lane nor deletes, which take two thirds of the time."""
    taken: Times = defaultdict(list)
    contest = _Creation(arena, count)
    ways = {name: way for name, way in contest.ways().items() if name != ONE_LANE}
    for number in range(rounds):
        tell(f"create {count} devices: round {number + 1} of {rounds}")
        for name, create in in_turn(ways, number):
            arena.prepare()
            contest.note_parents()
            taken[name].append(timed(name, create))
            contest.note_devices()
    return taken


class _Creation:
    """One set of devices and the ways to create and to delete it."""

    def __init__(self, arena: Arena, count: int) -> None:
        self._arena = arena
        self._document = documents.devices(count)
        self._count = count
        self._rows: list[documents.Row] = []
        self._devices: list[int] = []
        self._batch = ""

    def note_parents(self) -> None:
        """Ids are new after each reset."""
        ids = {
            "device_type": self._arena.ids("dcim/device-types", "model"),
            "role": self._arena.ids("dcim/device-roles"),
            "site": self._arena.ids("dcim/sites"),
        }
        self._rows = documents.device_rows(self._document, ids)

    def note_devices(self) -> None:
        """Look at what was created: a contestant that does less than its work must not win."""
        self._devices = list(self._arena.ids("dcim/devices").values())
        if len(self._devices) != self._count:
            raise SystemExit(f"{len(self._devices)} devices are there instead of {self._count}.")

    def expect_none(self) -> None:
        """Look at what was deleted."""
        if left := self._arena.ids("dcim/devices"):
            raise SystemExit(f"{len(left)} devices are left where none should be.")

    def ways(self) -> Mapping[str, Callable[[], None]]:
        """The contestants of the creation."""
        return {
            SERIAL: lambda: self._post([self._rows], 1),
            ONE_LANE: lambda: self._apply(1),
            SHARDED: lambda: self._post(self._shards(), _LANES),
            LANES: lambda: self._apply(_LANES),
        }

    def deletions(self) -> Mapping[str, tuple[str, Callable[[], None]]]:
        """What is deleted after whose creation, and how. Only our own batch can be rolled back."""
        return {
            SERIAL: (BARE_DELETES, self._delete),
            LANES: (ROLLBACK, lambda: self._arena.roll_back(self._batch, _LANES)),
        }

    def _shards(self) -> list[list[documents.Row]]:
        shards: dict[int, list[documents.Row]] = defaultdict(list)
        for row in self._rows:
            shards[row["device_type"]].append(row)
        return list(shards.values())

    def _post(self, shards: Sequence[list[documents.Row]], threads: int) -> None:
        post_lists(self._arena.url, self._arena.token, "dcim/devices", shards, threads)

    def _apply(self, lanes: int) -> None:
        self._batch = self._arena.apply(self._document, lanes)

    def _delete(self) -> None:
        delete_lists(self._arena.url, self._arena.token, "dcim/devices", self._devices)


def no_change(arena: Arena, rounds: int, count: int) -> Times:
    """Plan a document that is true already, and merely read the same fields of the same objects."""
    taken: Times = defaultdict(list)
    document = documents.devices_with_interfaces(count)
    arena.prepare()
    timed(f"creating {objects_in(count)} objects, once", lambda: arena.apply(document, _LANES))
    arena.wait_until_idle()

    def run() -> None:
        plan = arena.engine(_LANES).plan(document)
        if plan.writes or len(plan.changes) < objects_in(count):
            raise SystemExit(f"A run without changes was planned as {plan.totals()}.")

    def read() -> None:
        lists = {"dcim/devices": documents.DEVICE_FIELDS, "dcim/interfaces": documents.INTERFACE_FIELDS}
        rows = sum(len(read_pages(arena.url, arena.token, *each)) for each in lists.items())
        if rows != objects_in(count):
            raise SystemExit(f"{rows} objects were read instead of {objects_in(count)}.")

    for number in range(rounds):
        tell(f"nothing to change: round {number + 1} of {rounds}")
        for name, work in in_turn({BARE_READS: read, NO_CHANGE: run}, number):
            taken[name].append(timed(name, work))
    return taken


def objects_in(count: int) -> int:
    """How many objects so many devices with their interfaces are."""
    return count * (1 + documents.INTERFACES_EACH)


def in_turn(contestants: Mapping[str, Contestant], number: int) -> list[tuple[str, Contestant]]:
    """The contestants of one round; each round begins with another."""
    order = list(contestants.items())
    first = number % len(order)
    return order[first:] + order[:first]
