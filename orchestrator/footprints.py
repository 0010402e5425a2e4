"""Who has changed the objects of a batch since, as NetBox's changelog tells.

An object whose `last_updated` is the one that NetBox answered our last write
with has been changed by nobody. For all others the changelog is asked; where it
says nothing, we do not know, and what we do not know we do not undo. Of types
of which NetBox keeps none (`ObjectType.logged`), the values that we wrote tell.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from orchestrator.catalog import OBJECT_TYPES
from orchestrator.deeds import Deed, Key
from orchestrator.diff import same
from orchestrator.errors import AccessError, NoMessagesError
from orchestrator.generic import pointed
from orchestrator.live import canonical_field
from orchestrator.ports import LoggedChange, NetBox, Row
from orchestrator.schema import load_schema
from orchestrator.values import EMPTY
from orchestrator.writes import batch_message, rollback_remark

_ALONG = timedelta(seconds=1)
_UNKNOWN = "changed since, and NetBox's changelog does not tell by whom"


class Footprints:
    """Tells our own entries in the changelog from those of others, for one batch."""

    def __init__(self, netbox: NetBox, deeds: Sequence[Deed], batch_id: str) -> None:
        self._netbox = netbox
        self._message = batch_message(batch_id)
        self._undoing = rollback_remark(batch_id)
        self._requests = {one for deed in deeds for one in deed.request_ids}
        self._unanswered = any(not deed.request_ids for deed in deeds)
        self._written = _written_by_pointing(deeds)
        # Our clock may be ahead of NetBox's; what is read too much is told apart by its request.
        begun = min((deed.since for deed in deeds if deed.since), key=datetime.fromisoformat, default="")
        self._since = (datetime.fromisoformat(begun) - timedelta(hours=1)).isoformat() if begun else ""

    def ours(self, entry: LoggedChange) -> bool:
        """Whether our batch made this change, or a rollback of it that broke off, or NetBox along with it."""
        return (
            entry.message == self._message
            or entry.message.endswith(self._undoing)
            or entry.request_id in self._requests
        )

    def of(self, object_type: str, ids: Iterable[int]) -> dict[int, list[LoggedChange]]:
        """What was logged about these objects since the batch began, oldest first. Raises AccessError."""
        wanted = sorted(ids)
        found: dict[int, list[LoggedChange]] = defaultdict(list)
        if wanted:
            self._know_all_requests()
            for entry in self._netbox.logged_since(object_type, wanted, self._since):
                found[entry.object_id].append(entry)
        return found

    def _know_all_requests(self) -> None:
        """Requests whose answer nobody saw are known by the message on what they wrote."""
        if not self._unanswered:
            return
        self._unanswered = False
        try:
            self._requests |= {entry.request_id for entry in self._netbox.logged(self._message)}
        except NoMessagesError:
            return

    def after_ours(self, entries: Sequence[LoggedChange]) -> list[LoggedChange] | None:
        """What was logged after our own last change; None where that is not there (any more)."""
        places = [place for place, entry in enumerate(entries) if self.ours(entry)]
        return list(entries[places[-1] + 1 :]) if places else None

    def touched(self, key: Key, last_updated: str) -> bool:
        """Whether NetBox saved an object along with one of ours that points to it, which it does not log.

        The ends of a wireless link are saved with it (NetBox wireless/signals.py), those of a cable likewise.
        """
        moments = (datetime.fromisoformat(moment) for moment in self._written.get(key, ()))
        there = datetime.fromisoformat(last_updated)
        return any(abs(there - moment) < _ALONG for moment in moments)

    def put_back(self, entries: Sequence[LoggedChange]) -> bool:
        """Whether the last of our changes was made by a rollback of the batch, which broke off."""
        own = [entry for entry in entries if self.ours(entry)]
        return bool(own) and own[-1].message.endswith(self._undoing)

    def made_along(self, entries: Sequence[LoggedChange]) -> bool:
        """Whether NetBox made the object in one of our requests."""
        return bool(entries) and entries[0].action == "create" and self.ours(entries[0])


def _written_by_pointing(deeds: Sequence[Deed]) -> dict[Key, list[str]]:
    """What our objects point to, with the moments at which they were written last."""
    found: dict[Key, list[str]] = defaultdict(list)
    for deed in deeds:
        row = OBJECT_TYPES[deed.object_type]
        for name in row.pointers().keys() & deed.after.keys() if deed.last_updated else ():
            for key in pointed(row, name, deed.after[name]):
                found[key].append(deed.last_updated)
    return found


def changed_since(
    footprints: Footprints,
    object_type: str,
    deeds: Sequence[Deed],
    row_of: Callable[[Key], Row | None],
    created: set[Key],
) -> dict[Key, str]:
    """Who has changed which of these objects, in words."""
    if not OBJECT_TYPES[object_type].logged:
        there_still = [(deed, there) for deed in deeds if (there := row_of(deed.key)) is not None]
        return {deed.key: why for deed, there in there_still if (why := _not_as_left(deed, there))}
    moved = [
        deed
        for deed in deeds
        if (live := row_of(deed.key)) is not None
        and (not deed.last_updated or live.get("last_updated") != deed.last_updated)
    ]
    try:
        logged = footprints.of(object_type, (deed.object_id for deed in moved))
    except AccessError:
        return {deed.key: f"{_UNKNOWN} (this token may not read it)" for deed in moved}
    found = {}
    for deed in moved:
        every = logged.get(deed.object_id, ())
        entries, there = footprints.after_ours(every), row_of(deed.key) or {}
        certain = (
            not deed.last_updated
            or footprints.put_back(every)
            or footprints.touched(deed.key, there.get("last_updated") or "")
        )
        lost = {name for name, target in deed.link_targets() if target in created and row_of(target) is None}
        why = net_change(entries, lost | _ends_as_left(deed, there), certain)
        if why:
            found[deed.key] = why
    return found


def _not_as_left(deed: Deed, there: Row) -> str:
    """Which fields others have changed since, in words: those that we wrote, or left empty in our own."""
    row, left = OBJECT_TYPES[deed.object_type], deed.after
    specs = load_schema()[row.name] if deed.created else {}
    blank = {name: None for name, spec in specs.items() if spec.kind not in ("boolean", "choice")}
    now = {name: canonical_field(row, there, name) for name in {**blank, **left}}
    differ = sorted(
        name
        for name, value in now.items()
        if not (same(left[name], value) if name in left else value in EMPTY)
    )
    return f"changed since, NetBox does not log by whom: {', '.join(differ)}" if differ else ""


def _ends_as_left(deed: Deed, there: Row) -> set[str]:
    """The ends of a cable that are as we left them: NetBox logs ids that are new when an end comes back."""
    row = OBJECT_TYPES[deed.object_type]
    return {name for name in row.ends if canonical_field(row, there, name) == deed.after.get(name)}


def net_change(
    entries: Sequence[LoggedChange] | None, lost: Collection[str] = (), certain: bool = True
) -> str:
    """What others have changed in all, in words; empty where they have put everything back.

    `lost` are links that went because the batch's own object behind them is gone. Where nothing was
    logged, it depends on whether we are `certain` to have seen the object as we left it.
    """
    if entries is None or (not entries and not certain):
        return _UNKNOWN
    if not entries:
        return ""
    names = [name for name in differing(entries[0].before, entries[-1].after) if name not in lost]
    last = entries[-1]
    return (
        f"changed since by {last.user or 'someone'} at {last.time[:19]}Z: {', '.join(names)}" if names else ""
    )


def differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The fields that differ between two states of an object in the changelog; those that count others aside.

    It keeps these (`rack_count`) without logging that it does (utilities/counters.py).
    """
    names = (name for name in {*before, *after} if not name.startswith("_") and not name.endswith("_count"))
    return sorted(name for name in names if _known(before.get(name)) != _known(after.get(name)))


def _known(value: Any) -> Any:
    """A custom field that is new is null everywhere, and NetBox logs a choice that nobody made as either."""
    if value == "":
        return None
    return {key: one for key, one in value.items() if one is not None} if isinstance(value, dict) else value
