"""What a row of the catalog says: how the objects of one NetBox list are told apart, read and written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

SET_IN_NETBOX = "it is a secret: set it in NetBox itself"
"""Why a field is refused that would be in plans, journals and reports (design rule 8)."""


class Reading(StrEnum):
    """How live rows are fetched."""

    WHOLE = "whole"  # small tables, read at once: also yields "did you mean" and slug collisions
    BY_NAME = "by_name"  # large tables, asked for by the names that the document mentions
    BY_PARENT = "by_parent"  # components, asked for by the id of the object they hang on
    BY_ADDRESS = "by_address"  # IP addresses, asked for by host
    BY_ENDS = "by_ends"  # cables, asked for by the ids of what they connect
    BY_OBJECT = "by_object"  # journal entries, asked for by the ids of what they are about, whatever its type


@dataclass(frozen=True, eq=False)
class ObjectType:
    """One NetBox list endpoint and how objects in it are told apart.

    `key` are the fields that identify an object, `optional_key` those that narrow it down when an entry sets
    them, `other_keys` unique fields that can stand in for a missing name, `also_called` a field by which
    references name it, too, where it has no slug. With `by_host` the label is an address and its host is
    what counts. `generic` has the object types that a pointer of two fields (`scope_type`, `scope_id`) may
    point to; a plain id means the first of them (generic.py). `mapped` has the fields that map positions
    of a port to those of others, with the type of those; `ends` those that have what a cable connects, with
    the types that it may be of: nothing is the end of two. `deferred` are the references that are written
    in the link pass, because the object they point to may itself need this one. `untold` are pointers that
    NetBox's schema shows as plain numbers, `demanded` fields that a new object must have; rows name those of
    which the schema does not say so; `refused` are fields that documents may not set, each with the reason.
    `unique` are the sets of fields that NetBox's models let exist once; a
    set does not bind where its last field is empty, and text is compared as `fold_case` says;
    `unique_by_setting` are those that hold where NetBox is configured so (release.py). What hangs on
    something else has the field that points to it in `child_of`, and `else_of` has the one that takes its
    place in some objects: templates are of a device type or of a module type. `templated` components are made
    along with a device or module that is of a type with such templates; `comes_with` is the field that says
    of which type that one is. `copied_from` has, by reference, the
    fields that NetBox copies from what it points to at every save, whatever was sent. Of a type that is
    `only_declared`, a mere mention makes none. What is `append_only` is a remark and stays one: its label is
    the remark itself, so that another text is another object, and a document that no longer has it says
    nothing. Of a type that is not `logged`, NetBox keeps no changelog. `since` is the first
    NetBox that has the type, where that is not 4.2. `lane` names the field whose row in the database
    concurrent writers would fight for. `asked_singly` are filters that take one value only: of several,
    NetBox heeds the last. Of a plugin's type (plugin_types.py), `content_type` is what NetBox calls it, and
    `offered` are the filters of its list that are relied on.

    The last five are NetBox's schema's to tell, and filled in from it (catalog.py): `references` maps fields
    to the object types they point to, `links` the deferred ones among them, `lists` those that point to
    several objects, `filters` NetBox's filters for who points by a field; `numbered` labels are numbers.

    The costs are seconds of NetBox's work per row, measured on NetBox 4.7 with
    two cores; they only decide how long a list write becomes.
    """

    name: str
    path: str
    singular: str = ""
    content_type: str = ""
    label: str = "name"
    key: tuple[str, ...] = ("name",)
    optional_key: tuple[str, ...] = ()
    other_keys: tuple[str, ...] = ()
    generic: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    mapped: Mapping[str, str] = field(default_factory=dict)
    ends: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    deferred: tuple[str, ...] = ()
    untold: Mapping[str, str] = field(default_factory=dict)
    demanded: tuple[str, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    children: Mapping[str, str] = field(default_factory=dict)
    unique: tuple[tuple[str, ...], ...] = ()
    unique_by_setting: tuple[tuple[str, ...], ...] = ()
    copied_from: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    child_of: str = ""
    else_of: str = ""
    templated: bool = False
    comes_with: str = ""
    slug_from: str = ""
    also_called: str = ""
    asked_singly: tuple[str, ...] = ()
    fold_case: bool = False
    by_host: bool = False
    key_enforced: bool = True
    reading: Reading = Reading.WHOLE
    lane: str = ""
    offered: frozenset[str] = frozenset()
    ensured: bool = True
    only_declared: bool = False
    append_only: bool = False
    logged: bool = True
    since: str = ""
    create_seconds: float = 0.02
    update_seconds: float = 0.03
    delete_seconds: float = 0.05
    component_seconds: float = 0.01
    references: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    lists: Mapping[str, str] = field(default_factory=dict)
    filters: Mapping[str, str] = field(default_factory=dict)
    numbered: bool = False

    @cached_property
    def noun(self) -> str:
        """One object of this type, in words."""
        return self.singular or self.name.removesuffix("s").replace("_", " ")

    @cached_property
    def word(self) -> str:
        """One object of this type where documents and NetBox's fields name it: `device_type`."""
        return self.noun.replace(" ", "_").lower()

    @cached_property
    def model(self) -> str:
        """What NetBox calls the type where it names content types: `dcim.devicetype`."""
        return self.content_type or f"{self.path.partition('/')[0]}.{self.word.replace('_', '')}"

    @cached_property
    def of_plugin(self) -> bool:
        """Whether it is a plugin's: of its filters only those that are `offered` can be relied on."""
        return bool(self.content_type)

    @cached_property
    def alias(self) -> str:
        """The field by which people name an object besides its label; empty where there is none."""
        return "slug" if self.slug_from else self.also_called

    @cached_property
    def label_filter(self) -> str:
        """NetBox's filter by labels, without regard to case where labels are the same without it; or none."""
        if self.ends or self.append_only:
            return ""
        if self.is_assignment:
            return self.filters.get(self.label, "")
        asks = f"{self.label}__ie" if self.fold_case else self.label
        return asks if not self.of_plugin or asks in self.offered else ""

    @cached_property
    def is_assignment(self) -> bool:
        """Whether it has no name of its own: it is what it brings together, of which the label is one."""
        return self.label in self.references or self.label in self.ends

    @cached_property
    def can_be_implied(self) -> bool:
        """Whether a mere mention is enough to create one (design: `create_parents`)."""
        return self.ensured and bool(self.slug_from) and not self.only_declared

    @cached_property
    def tree(self) -> str:
        """The field that points to another object of the type, where that is part of what it is called."""
        return next((name for name in self.optional_key if self.references.get(name) == self.name), "")

    @cached_property
    def slug_scope(self) -> tuple[str, ...]:
        """Within what a slug must be unique, as far as it is known when an object is made."""
        scope = next((fields[:-1] for fields in self.unique if fields[-1] == "slug"), ())
        return tuple(name for name in scope if name not in self.links)

    @cached_property
    def by_vrf(self) -> bool:
        """Whether an object of which no VRF is said is one of the global table, and of no VRF."""
        return "vrf" in self.optional_key

    @cached_property
    def tells_all(self) -> bool:
        """Whether an entry that says nothing beyond the key means an object that has nothing beyond it.

        Numbers are given out again and again: the VLAN 100 of no group and no site is not that of a site.
        """
        return self.by_vrf or (self.numbered and not self.key_enforced and bool(self.optional_key))

    @cached_property
    def parents(self) -> tuple[str, ...]:
        """The fields of which one points to what it hangs on."""
        return tuple(name for name in (self.child_of, self.else_of) if name)

    def parent_in(self, value_of: Callable[[str], Any]) -> tuple[str, Any]:
        """What an object hangs on: by which field, and the value of that; None where it is not known."""
        for name in self.parents:
            if (value := value_of(name)) is not None:
                return name, value
        return self.child_of, None

    def parent_token(self, value_of: Callable[[str], Any]) -> Any:
        """The same as one value; ids of device types and module types are not taken for each other."""
        if not self.else_of:
            return value_of(self.child_of) if self.child_of else None
        name, value = self.parent_in(value_of)
        return value if name == self.child_of else (name, value)

    @cached_property
    def is_template(self) -> bool:
        """Whether devices or modules come with what it says, by the type that they are of."""
        return self.child_of == "device_type"

    @cached_property
    def templates(self) -> str:
        """The type of the templates that make components of this type along with a device."""
        return f"{self.word}_templates" if self.templated else ""

    @cached_property
    def template_count(self) -> str:
        """Where a device type counts the templates that make components of this type along with a device."""
        return f"{self.word}_template_count" if self.templated else ""

    @cached_property
    def halves(self) -> dict[str, str]:
        """The two fields of each pointer to one of several types, with its name: `scope_type`, `scope_id`."""
        return {f"{name}_{half}": name for name in self.generic for half in ("type", "id")}

    @cached_property
    def unlogged(self) -> tuple[str, ...]:
        """Fields that NetBox's changelog does not tell: which ports map to which, what a cable connects."""
        return (*self.mapped, *self.ends)

    @cached_property
    def shaped(self) -> tuple[str, ...]:
        """Fields that are neither plain values nor plain pointers (generic.py)."""
        return (*self.generic, *self.unlogged)

    def pointers(self) -> Mapping[str, tuple[str, ...]]:
        """Every field that points to other objects, with the types that they may be of."""
        return self._pointers

    @cached_property
    def _pointers(self) -> dict[str, tuple[str, ...]]:
        of_one_type = {**self.references, **self.links, **self.lists}
        single = {name: (target,) for name, target in {**of_one_type, **self.mapped}.items()}
        return {**single, **self.generic, **self.ends}

    def copied_by(self, says: Callable[[str], bool]) -> list[str]:
        """The fields that NetBox fills in itself from those references of which `says` is true."""
        return [name for source, names in self.copied_from.items() if says(source) for name in names]

    def pointer_filter(self, name: str, model: str = "") -> str:
        """NetBox's filter for the objects whose field points to given ids; empty where it has none.

        Of the ends of a cable, for those that are of a `model`: there, each kind has a filter of its own.
        NetBox refuses (HTTP 400) ids that do not exist. Where the target is a
        tree (roles, platforms), who points to its descendants is found, too.
        """
        return f"{model.partition('.')[2]}_id" if name in self.ends else self.filters.get(name, "")


PLACES = ("sites", "locations", "regions", "site_groups")
"""What NetBox lets other objects lie in (dcim/constants.py, LOCATION_SCOPE_TYPES)."""

INTERFACES = ("interfaces", "vm_interfaces")
"""What addresses, tunnels and the like may be on."""


def organizational(name: str, path: str, **more: Any) -> ObjectType:
    """What sorts other objects: found by its name, with a slug; neither is there twice."""
    return ObjectType(name, path, slug_from="name", unique=(("name",), ("slug",)), **more)


def nested(name: str, path: str, **more: Any) -> ObjectType:
    """What sorts other objects as a tree: told apart by its name below the same parent."""
    unique = (("parent", "name"), ("parent", "slug"))
    return ObjectType(name, path, unique=unique, optional_key=("parent",), slug_from="name", **more)


def within(parent: str, name: str, path: str, **more: Any) -> ObjectType:
    """What belongs to another object: told apart by its name there."""
    return ObjectType(name, path, key=("name", parent), unique=((parent, "name"),), lane=parent, **more)


def component(
    name: str, path: str, host: str = "device", or_host: str = "", named_once: bool = True, **more: Any
) -> ObjectType:
    """What hangs on a device or the like: told apart by its name there, and read along with it.

    `host` is the field that says on what, `or_host` the one that does so where that is of another type;
    `named_once` tells whether NetBox lets a name be there once.
    """
    names: tuple[tuple[str, ...], ...] = ((host, "name"),) if named_once else ()
    if or_host:
        names = (("name", host), ("name", or_host))  # neither binds where it hangs on the other
    return ObjectType(
        name,
        path,
        unique=(*names, *more.pop("unique", ())),
        key=(host, "name"),
        optional_key=(*((or_host,) if or_host else ()), *more.pop("optional_key", ())),
        child_of=host,
        else_of=or_host,
        reading=Reading.BY_PARENT,
        lane=host,
        **more,
    )
