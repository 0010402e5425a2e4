"""What the documentation says of batch documents, made from the catalog, NetBox's schema and the options."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from orchestrator.catalog import ENSURED, EXCLUDED, OBJECT_TYPES, ObjectType
from orchestrator.document import ALLOWED_OPTIONS
from orchestrator.document_schema import OPTION_HELP
from orchestrator.generic import mapped_parts
from orchestrator.schema import FieldSpec, load_schema
from orchestrator.shorthand import SUGAR
from tests.unit.reference_pages import NOTICE, cell

_FEW_CHOICES = 12
"""More of them are listed below the table."""

_INTRODUCTION = """\
Every field that a [batch document](batch-document.md) may set, as NetBox 4.7 has it. What a new object
needs is *needed*; what *can be cleared* is by `null`. Where your NetBox has other choices (`FIELD_CHOICES`),
it is asked for them. A field that points to an object type takes a name, a slug, a natural key or an id
([references](batch-document.md#references))."""


def options_table() -> list[str]:
    """The options, in docs/batch-document.md."""
    rows = [f"| `{name}` | {_allowed(name)} | {cell(meaning)} |" for name, meaning in OPTION_HELP.items()]
    return ["| option | values, the first being the default | |", "|---|---|---|", *rows]


def _allowed(name: str) -> str:
    values = [f"`{str(value).lower()}`" for value in ALLOWED_OPTIONS.get(name, ())]
    return ", ".join(values) or {"scope": "a mapping"}.get(name, "a list of text")


def object_types_table() -> list[str]:
    """The object types that a document can declare, in docs/batch-document.md."""
    rows = []
    for name in ENSURED:
        row = OBJECT_TYPES[name]
        implied = "yes" if row.can_be_implied else ""
        cells = (_key(row), _quoted(row.demanded), _quoted(row.children), implied)
        rows.append(f"| [`{name}`](object-types.md#{name}) | {' | '.join(cells)} |")
    head = "| type | is told apart by | a new one needs | may hold | made where it is only mentioned |"
    return [head, "|---|---|---|---|---|", *rows]


def referred_table() -> list[str]:
    """The object types that a document can only point to, in docs/batch-document.md."""
    rows = [
        f"| `{name}` | {_key(row)} | {', '.join(_pointers(name))} |"
        for name, row in OBJECT_TYPES.items()
        if not row.ensured and any(_pointers(name))
    ]
    return ["| type | is told apart by | is pointed to by |", "|---|---|---|", *rows]


def excluded_table() -> list[str]:
    """The lists of NetBox that are no object types, in docs/batch-document.md."""
    rows = [f"| `{path}` | {cell(reason)} |" for path, reason in EXCLUDED.items()]
    return ["| list | because it |", "|---|---|", *rows]


def _pointers(object_type: str) -> Iterator[str]:
    if object_type == "owners":
        yield "`owner` of almost every type"
        return
    for name in ENSURED:
        for field, targets in OBJECT_TYPES[name].pointers().items():
            if object_type in targets:
                yield f"`{name}.{field}`"


def _key(row: ObjectType) -> str:
    told = [f"`{name}`" for name in row.key]
    if row.by_host:
        told[0] += " (the host in it)"
    text = ", ".join(told)
    if row.optional_key:
        text += f", and {_quoted(row.optional_key)} if given"
    if row.other_keys:
        text += f"; one without `{row.label}` by {_quoted(row.other_keys)} or `id`"
    return text


def _quoted(names: Mapping[str, str] | list[str] | tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def object_types_page() -> str:
    """docs/object-types.md"""
    lines = [
        "# Object types and their fields",
        "",
        NOTICE,
        "",
        _INTRODUCTION,
    ]
    for name in ENSURED:
        row = OBJECT_TYPES[name]
        since = f", for NetBox {row.since} and later" if row.since else ""
        lines += ["", f"## {name}", ""]
        lines += [f"`{row.path}` in NetBox's REST API{since}. Told apart by {_key(row)}."]
        lines += [f"Not to be set: `{field}` ({reason})." for field, reason in row.refused.items()]
        if name in SUGAR:
            lines += ["", f"Beside NetBox's own fields: {_quoted(SUGAR[name])}."]
        lines += ["", "| field | type | needed | can be cleared |", "|---|---|---|---|", *_field_rows(name)]
        for field, spec in load_schema()[name].items():
            if len(spec.choices) > _FEW_CHOICES:
                lines += ["", f"Choices of `{field}`: {_quoted(spec.choices)}."]
    return "\n".join(lines) + "\n"


def _field_rows(object_type: str) -> Iterator[str]:
    row = OBJECT_TYPES[object_type]
    for name, spec in load_schema()[object_type].items():
        needed = "derived" if spec.required and name == "slug" else "yes" if name in row.demanded else ""
        cleared = "yes" if spec.nullable or spec.blank else ""
        if name not in row.halves:
            yield f"| `{name}` | {_type_of(name, spec, row)} | {needed} | {cleared} |"
    for name, targets in row.generic.items():
        kinds = ", ".join(f"`{{{OBJECT_TYPES[target].word}: ...}}`" for target in targets)
        needed, cleared = ("yes", "") if name in row.demanded else ("", "yes")
        yield f"| `{name}` | one of {kinds} | {needed} | {cleared} |"
    for child in row.children:
        yield f"| `{child}` | list of [{child}](#{child}) of this {row.noun} | | |"


def _type_of(name: str, spec: FieldSpec, row: ObjectType) -> str:
    target = next(iter(row.pointers().get(name, ())), "")
    if target and spec.kind not in ("ports", "ends"):
        how = "added to" if name == "tags" else "replacing"
        several = f"{how} those there are, list of" if name in row.lists else "one of"
        return f"{several} [{target}](#{target})" if OBJECT_TYPES[target].ensured else f"{several} {target}"
    if name in row.ends:
        kinds = ", ".join(f"`{{{OBJECT_TYPES[one].word}: ...}}`" for one in row.ends[name])
        return f"one or a list of {kinds}; of an interface `{{device: NAME, name: NAME}}` will do"
    if spec.kind == "ports":
        parts = ", ".join(mapped_parts(name))
        return f"list of mappings with {parts}, replacing those there are; [{target}](#{target})"
    if spec.kind == "choice":
        few = len(spec.choices) <= _FEW_CHOICES
        return f"one of {_quoted(spec.choices)}" if few else "a choice, below"
    return _PLAIN[spec.kind](spec)


def _number(noun: str) -> Callable[[FieldSpec], str]:
    def told(spec: FieldSpec) -> str:
        low, high = _shown(spec.minimum), _shown(spec.maximum)
        if low and high:
            return f"{noun}, {low} to {high}"
        return f"{noun}, at least {low}" if low else f"{noun}, at most {high}" if high else noun

    return told


def _shown(limit: float | None) -> str:
    return "" if limit is None else f"{limit:g}" if abs(limit) < 10**6 else f"{int(limit)}"


def _text(spec: FieldSpec) -> str:
    return f"text, at most {spec.max_length}" if spec.max_length else "text"


_PLAIN: Mapping[str, Callable[[FieldSpec], str]] = {
    "string": _text,
    "integer": _number("whole number"),
    "number": _number("number"),
    "boolean": lambda spec: "`true` or `false`",
    "tags": lambda spec: "list of tag names, added to those there are",
    "object": lambda spec: "mapping of custom fields; those not named stay",
    "list": lambda spec: "list of ids, replacing those there are",
    "references": lambda spec: "list of ids, replacing those there are",
    "texts": lambda spec: "list of texts, replacing those there are",
    "numbers": lambda spec: "list of whole numbers",
    "json": lambda spec: "any JSON",
}
