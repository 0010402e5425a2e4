"""The engine's NetBox port (ports.py) over REST: raw rows in, raw rows out.

How lists are read is pages.py's business; writes are one list request each,
all or none.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from threading import Event
from types import TracebackType
from typing import Any

from orchestrator.catalog import OBJECT_TYPES, ObjectType
from orchestrator.errors import (
    AccessError,
    DryRunError,
    NetBoxError,
    NoMessagesError,
    RejectedError,
    UnknownOutcomeError,
)
from orchestrator.generic import ends_fields, generic_fields, mapped_fields
from orchestrator.netbox.answers import not_netbox
from orchestrator.netbox.attached import TAGGED_PATH, Attachment, attachments_of, in_words, tagged
from orchestrator.netbox.changelog import (
    CHANGELOG_PARAMETERS,
    CHANGELOG_PATH,
    is_message,
    name_types,
    parse_entry,
    parse_moment,
)
from orchestrator.netbox.marks import WriteMarks
from orchestrator.netbox.pages import PageReader, Walk
from orchestrator.netbox.queries import check_ids, check_query
from orchestrator.netbox.raw import RawAccess
from orchestrator.netbox.settings import NetBoxSettings
from orchestrator.netbox.transport import Transport, Watch
from orchestrator.ports import Attached, Extent, LoggedChange, Query, Row, Written
from orchestrator.schema import load_schema
from orchestrator.values import wire_value

PAGE_SIZE = 1000
MAX_MESSAGE_LENGTH = 200  # NetBox 4.7 answers 500 to one character more
_MESSAGE_SINCE = (4, 4)
_TAGGED_SINCE = (4, 3)
CORE_TYPES_SINCE = (4, 4)  # before, object types were under extras

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class NetBoxStatus:
    """What a NetBox says about itself."""

    version: str
    python_version: str = ""
    django_version: str = ""
    workers_running: int = 0
    clock_ahead_seconds: float | None = None
    plugins: Mapping[str, str] = field(default_factory=dict)


class RestNetBox:
    """One target over REST. Safe to share between threads; refuses every write while dry-run is on."""

    def __init__(
        self,
        settings: NetBoxSettings,
        page_size: int = PAGE_SIZE,
        watch: Watch | None = None,
        marks: WriteMarks | None = None,
    ) -> None:
        self.settings = settings
        self._transport = Transport(settings, watch)
        self._pages = PageReader(self._transport, page_size, settings.read_connections)
        self.raw = RawAccess(self._transport, self._pages, settings.dry_run, marks)
        self._type_names: Mapping[int, str] = {}

    def __enter__(self) -> RestNetBox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Where this NetBox is."""
        return self.settings.url

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()

    def status(self, patience_seconds: float | None = None) -> NetBoxStatus:
        """Version, plugins and background workers. Raises UnreachableError, AccessError, NetBoxError.

        With `patience_seconds` there is one try of that length, for who wants to know whether NetBox is well.
        """
        if patience_seconds is None:
            answer = self._transport.get("status")
        else:
            answer = self._transport.probe("status", patience_seconds)
        if not isinstance(answer, Mapping) or "netbox-version" not in answer:
            raise not_netbox(self.settings.url)
        return NetBoxStatus(
            version=answer.get("netbox-full-version") or answer["netbox-version"],
            python_version=answer.get("python-version", ""),
            django_version=answer.get("django-version", ""),
            workers_running=int(answer.get("rq-workers-running") or 0),
            clock_ahead_seconds=self._transport.clock_ahead_seconds,
            plugins=dict(answer.get("plugins") or {}),
        )

    def read(self, query: Query) -> list[Row]:
        """All rows that match, each once. Refuses filters that NetBox would ignore (NetBoxError)."""
        return self.read_all([query])[0]

    def read_all(self, queries: Sequence[Query]) -> list[list[Row]]:
        """The rows of several queries, read side by side over the target's `read_connections`.

        A NetBox that is older than a type has none of it.
        """
        walks = [self._walks(query) if self._has(query.object_type) else [] for query in queries]
        found = iter(self._pages.read_all(list(chain.from_iterable(walks))))
        return [_each_once(islice(found, len(parts))) for parts in walks]

    def extents(self, object_types: Sequence[str]) -> list[Extent]:
        """How much there is of each of these types."""
        paths = [OBJECT_TYPES[name].path for name in object_types]
        return self._pages.side_by_side([partial(self._pages.extent, path) for path in paths])

    def create(self, object_type: str, rows: Sequence[Row], message: str) -> Written:
        """Create all rows in one request or none; answers in the same order."""
        return self._write("POST", object_type, rows, message)

    def update(self, object_type: str, rows: Sequence[Row], message: str) -> Written:
        """Update all rows (each with its `id`) in one request or none; answers in the same order."""
        ids = [row["id"] for row in rows]
        if len(set(ids)) != len(ids):
            raise NetBoxError(f"A list of updates names the same {OBJECT_TYPES[object_type].noun} twice.")
        return self._write("PATCH", object_type, rows, message)

    def delete(self, object_type: str, ids: Sequence[int], message: str) -> str:
        """Delete all objects in one request or none; returns NetBox's id of the request.

        What hangs on them goes along (interfaces with their device). Raises
        RejectedError for what others depend on and for what is gone already.
        """
        row = OBJECT_TYPES[object_type]
        check_ids(row, ids)
        self._refuse_in_dry_run("DELETE", row, len(ids))
        extra = self.with_message(message)
        return self.raw.write("DELETE", row.path, [{"id": id_, **extra} for id_ in ids]).request_id

    def may_read_changelog(self) -> bool:
        """Whether the token may view the changelog, in which rollbacks look for who changed what."""
        try:
            self.raw.page(CHANGELOG_PATH, [("limit", 1)])
        except AccessError:
            return False
        return True

    def logged(self, message: str) -> list[LoggedChange]:
        """The changelog entries with this message, oldest first, also where a remark in brackets follows it.

        Raises NoMessagesError before 4.4.
        """
        if not message.strip():
            raise NetBoxError("Without a message the whole changelog would be read; nothing was asked.")
        if not self._takes_messages():
            raise NoMessagesError(
                f"NetBox {self._transport.api_version} keeps no messages in its changelog.",
                "They came with NetBox 4.4.",
            )
        text = message[:MAX_MESSAGE_LENGTH].strip()
        rows = self._pages.read(Walk(CHANGELOG_PATH, [*CHANGELOG_PARAMETERS, ("q", text)]))
        # `q` searches: in other fields, too, and for a part of them.
        return self._logged([row for row in rows if is_message(row["message"], text)])

    def logged_since(self, object_type: str, ids: Sequence[int], since: str) -> list[LoggedChange]:
        """What the changelog says of these objects after a moment (ISO 8601), oldest first."""
        moment = parse_moment(since)
        row = OBJECT_TYPES[object_type]
        base = [
            *CHANGELOG_PARAMETERS,
            ("changed_object_type", row.model),
            ("time_after", moment.isoformat()),
        ]
        walks = self._pages.cut_by_values(CHANGELOG_PATH, base, "changed_object_id", list(dict.fromkeys(ids)))
        rows = _each_once(self._pages.read_all(walks))
        # `time_after` lets the moment itself through.
        return self._logged([row for row in rows if parse_moment(row["time"]) > moment])

    def attached(self, object_type: str, ids: Sequence[int]) -> Attached:
        """What hangs on these objects and points to them by no field of the catalog (attached.py)."""
        kinds, found = list(attachments_of(object_type)), Attached()
        calls = [partial(self._attached, kind, object_type, frozenset(ids)) for kind in kinds]
        for kind, words in zip(kinds, self._pages.side_by_side(calls), strict=True):
            if words is None:
                found.unseen.append(f"{kind.noun}s")
            else:
                found.words.extend(words)
        if object_type == "tags":
            self._add_tagged(found, ids)
        return found

    def _add_tagged(self, found: Attached, ids: Sequence[int]) -> None:
        """What carries these tags; before 4.3, NetBox has no list of that."""
        walks = self._pages.cut_by_values(TAGGED_PATH, [], "tag_id", sorted(ids))
        try:
            rows = _each_once(self._pages.read_all(walks)) if self.is_since(_TAGGED_SINCE) else None
        except AccessError:
            rows = None
        if rows is None:
            found.unseen.append("tagged objects")
        for row in rows or ():
            if (one := tagged(row)) is not None:
                found.tagged.append(one)
            else:
                found.words.append((row["tag"]["id"], f"{row['object_type']} {row['object_id']}"))

    def _attached(
        self, kind: Attachment, object_type: str, ids: frozenset[int], stop: Event
    ) -> list[tuple[int, str]] | None:
        """What of one kind hangs on these objects; None where the token may not see it."""
        walks = self._pages.cut_by_values(kind.path, kind.parameters(object_type), kind.filter, sorted(ids))
        try:
            rows = _each_once(self._pages.read(walk, stop) for walk in walks)
        except AccessError:
            return None
        pairs = ((kind.target(object_type, row), in_words(kind, row)) for row in rows)
        return [pair for pair in pairs if pair[0] in ids]

    def rights(self, object_type: str) -> set[str]:
        """Of read, create and change, what the token may do with objects of a type."""
        try:
            self.raw.page(OBJECT_TYPES[object_type].path, [("fields", "id"), ("limit", 1)])
        except AccessError:
            return set()
        methods = {"create": "POST", "change": "PUT"}
        accepted = self._accepted(object_type)
        return {"read", *(verb for verb, method in methods.items() if method in accepted)}

    def may_create(self, object_type: str) -> bool:
        """Whether the token may create objects of a type."""
        return "POST" in self._accepted(object_type)

    def may_change(self, object_type: str) -> bool:
        """Whether the token may change objects of a type; constraints on single ones are not looked at."""
        return "PUT" in self._accepted(object_type)

    def may_delete(self, object_type: str) -> bool:
        """Whether the token may delete objects of a type; constraints on single ones are not looked at.

        NetBox tells it of no endpoint, so it is asked to delete what no type ever has: the object with the
        id 0. It looks at the permission first (403) and at the object then (404).
        """
        if self.settings.dry_run:
            return True  # nothing is asked: the delete itself will be refused
        try:
            self._transport.write("DELETE", f"{OBJECT_TYPES[object_type].path}/0", [])
        except AccessError:
            self.status()  # or is the token wrong?
            return False
        except (RejectedError, UnknownOutcomeError):
            return True  # where no answer came, the delete itself will tell
        return True

    def choices(self, object_type: str) -> Mapping[str, Mapping[str, str]]:
        """Field -> {value: label}, as this NetBox is configured.

        Empty when the token may not create such objects: NetBox tells its
        choices only to those who may.
        """
        accepted = self._accepted(object_type).get("POST", {})
        return {
            name: {
                str(choice["value"]): choice["display_name"] for choice in spec["choices"] if choice["value"]
            }
            for name, spec in accepted.items()
            if spec.get("choices") and not spec.get("read_only")
        }

    def _accepted(self, object_type: str) -> Mapping[str, Any]:
        """Method -> field -> what NetBox accepts there, for the methods that this token may use."""
        answer = self._transport.options(OBJECT_TYPES[object_type].path)
        if not isinstance(answer, Mapping):
            raise not_netbox(self.settings.url)
        accepted: Mapping[str, Any] = answer.get("actions", {})
        return accepted

    def _logged(self, entries: Sequence[Row]) -> list[LoggedChange]:
        parsed = [parse_entry(entry) for entry in sorted(entries, key=lambda entry: int(entry["id"]))]
        return name_types((change for change in parsed if change is not None), self._names_of)

    def _names_of(self, type_ids: set[int]) -> Mapping[int, str]:
        """Content types by id, as `dcim.interface`. They are read once, and again where one is new."""
        if not type_ids <= self._type_names.keys():
            path = "core/object-types" if self.is_since(CORE_TYPES_SINCE) else "extras/object-types"
            rows = self._pages.read(Walk(path, [("fields", "id,app_label,model")]))
            self._type_names = {row["id"]: f"{row['app_label']}.{row['model']}" for row in rows}
        return self._type_names

    def _walks(self, query: Query) -> list[Walk]:
        row, values = OBJECT_TYPES[query.object_type], check_query(query)
        path = row.path
        fields = [("fields", ",".join(sorted({"id", *query.fields})))] if query.fields else []
        if query.filter in row.asked_singly:
            return [Walk(path, [*fields, (query.filter, value)]) for value in values]
        if query.filter:
            return self._pages.cut_by_values(path, fields, query.filter, values)
        return self._pages.cut_by_ids(Walk(path, fields), query.extent)

    def _write(self, method: str, object_type: str, rows: Sequence[Row], message: str) -> Written:
        row = OBJECT_TYPES[object_type]
        if not rows:
            return Written([])
        self._refuse_in_dry_run(method, row, len(rows))
        extra = self.with_message(message)
        body = [{**to_wire(row, item), **extra} for item in rows]
        return self.raw.write(method, row.path, body)

    def _refuse_in_dry_run(self, method: str, row: ObjectType, count: int) -> None:
        if self.settings.dry_run:
            _log.info("dry-run: %s %s with %d rows was not sent", method, row.path, count)
            raise DryRunError(
                f"Dry-run is on: {count} {row.name} were not sent to NetBox.",
                "Unset NETBOX_DRY_RUN to write.",
            )

    def with_message(self, message: str) -> dict[str, str]:
        """What a row carries so that the changelog gets this message; nothing before NetBox 4.4."""
        if not message or not self._takes_messages():
            return {}
        return {"changelog_message": message[:MAX_MESSAGE_LENGTH]}

    def _takes_messages(self) -> bool:
        return self.is_since(_MESSAGE_SINCE)

    def _has(self, object_type: str) -> bool:
        """Whether this NetBox has lists of a type."""
        since = OBJECT_TYPES[object_type].since
        return not since or self.is_since(_release(since))

    def is_since(self, release: tuple[int, ...]) -> bool:
        """Whether this NetBox is of that release or a later one. Raises as `status` does."""
        if not self._transport.api_version:
            self.status()
        return _release(self._transport.api_version) >= release


def to_wire(row: ObjectType, canonical: Row) -> Row:
    """A row of canonical values as NetBox wants it; generic references become type and id."""
    specs = load_schema().get(row.name, {})
    wire: Row = {}
    for name, value in canonical.items():
        if name in row.generic:
            wire |= generic_fields(row, name, value)
        elif name in row.mapped:
            wire[name] = mapped_fields(name, value)
        elif name in row.ends:
            wire[name] = ends_fields(value)
        else:
            wire[name] = wire_value(specs.get(name), value)
    return wire


def open_netbox(
    settings: NetBoxSettings, watch: Watch | None = None, marks: WriteMarks | None = None
) -> RestNetBox:
    """The connection to a target. Nothing is sent before the first call.

    `watch` is told of each request, `marks` of each write, before and after.
    """
    return RestNetBox(settings, watch=watch, marks=marks)


def _release(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2] if part.isdigit())


def _each_once(parts: Iterable[list[Row]]) -> list[Row]:
    """The rows of several answers, by their ids: each once, as it came last."""
    return list({row["id"]: row for part in parts for row in part}.values())
