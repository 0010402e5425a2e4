"""YAML as people mean it: the core schema of YAML 1.2, and nothing that rewrites what was typed.

PyYAML reads YAML 1.1, where `0012345` is octal, `10:11:22:33:44:55` a number
of seconds, `no` false and `2024-01-01` a date. Serial numbers, MACs and names
must arrive as written; only plain decimal numbers, true, false and null are
more than text. What is written here reads the same in both.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import yaml
from yaml.constructor import ConstructorError

# libyaml's composer recurses in C: far deeper than this and the process dies.
_MAX_NESTING = 200
_TAG = "tag:yaml.org,2002:"
_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def load_yaml(text: str) -> Any:
    """The data in one YAML document. Raises yaml.YAMLError, with a place where there is one."""
    depth = 0
    for event in yaml.parse(text, Loader=_BASE):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _MAX_NESTING:
                mark: Any = event.start_mark
                raise ConstructorError(None, None, f"nested more than {_MAX_NESTING} deep", mark)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return yaml.load(text, Loader=_Loader)  # noqa: S506 - it is a safe loader


def dump_yaml(data: Any) -> str:
    """YAML that reads back as the same data; what has no parts of its own stands on one line."""
    options: dict[str, Any] = {
        "allow_unicode": True,
        "sort_keys": False,
        "default_flow_style": None,
        "width": 110,
    }
    return str(yaml.dump(data, Dumper=_Dumper, **options))


class _Dumper(_DUMPER):  # type: ignore[misc]
    """Quotes whatever the loader here, or one of YAML 1.1, would take for something else than text."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write out what occurs twice: nobody wants to follow anchors."""
        return True


class _Loader(_BASE):  # type: ignore[misc]
    """Builds text, plain numbers, true, false, null, lists and mappings; a key may stand once only."""

    yaml_implicit_resolvers: dict[str, Any] = {}
    yaml_constructors: dict[Any, Any] = {
        f"{_TAG}str": yaml.SafeLoader.construct_yaml_str,
        f"{_TAG}timestamp": yaml.SafeLoader.construct_yaml_str,
        f"{_TAG}seq": yaml.SafeLoader.construct_yaml_seq,
        f"{_TAG}map": yaml.SafeLoader.construct_yaml_map,
    }
    yaml_multi_constructors: dict[str | None, Any] = {}

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._checked: set[yaml.MappingNode] = set()

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Check the keys as written, before `<<` adds those of another mapping."""
        if node not in self._checked:
            self._checked.add(node)
            _check_keys(node)
        super().flatten_mapping(node)


def _check_keys(node: yaml.MappingNode) -> None:
    seen: set[str] = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise ConstructorError(None, None, "a list or mapping cannot be a key", key.start_mark)
        if key.value in seen and key.value != "<<":
            message = f"the key {key.value!r} stands twice in one mapping"
            raise ConstructorError(None, None, message, key.start_mark)
        seen.add(key.value)


def _refuse(loader: Any, tag: str, node: yaml.Node) -> Any:
    shown = tag.replace(_TAG, "!!")
    raise ConstructorError(None, None, f"there is nothing of type {shown} in a document", node.start_mark)


def _add_scalar(name: str, pattern: str, first: str, convert: Callable[[str], Any]) -> None:
    """Read plain scalars that match `pattern` as `name`; `first` are the characters they may start with."""
    matcher = re.compile(rf"(?:{pattern})\Z")

    def construct(loader: Any, node: yaml.ScalarNode) -> Any:
        text = loader.construct_scalar(node)
        try:
            if matcher.match(text):
                return convert(text)
        except ValueError:  # more digits than Python converts
            pass
        raise ConstructorError(None, None, f"{text[:40]!r} is not a value of type {name}", node.start_mark)

    _Loader.add_implicit_resolver(_TAG + name, matcher, [*first, ""] if name == "null" else list(first))
    _Loader.add_constructor(_TAG + name, construct)


_add_scalar("null", "~|null|Null|NULL|", "~nN", lambda text: None)
_add_scalar("bool", "true|True|TRUE|false|False|FALSE", "tTfF", lambda text: text.lower() == "true")
# Stricter than the core schema: `+5`, `007` and `0x1F` stay text, since a number would lose how they look.
_add_scalar("int", "0|-?[1-9][0-9]*", "-0123456789", int)
_add_scalar(
    "float",
    r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
    "-+.0123456789",
    lambda text: float(text.lower().replace(".inf", "inf").replace(".nan", "nan")),
)
_Loader.add_multi_constructor(None, _refuse)
_Loader.add_implicit_resolver(f"{_TAG}merge", re.compile(r"<<\Z"), ["<"])
for _first, _resolvers in _Loader.yaml_implicit_resolvers.items():
    for _tag, _pattern in _resolvers:
        _Dumper.add_implicit_resolver(_tag, _pattern, [_first])
