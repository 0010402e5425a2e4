"""What stubs take over from the real modules, read from their source so that the two cannot drift apart."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Mapping
from types import ModuleType

Function = ast.FunctionDef | ast.AsyncFunctionDef


def stub_of(module: ModuleType, attributes: Mapping[str, Mapping[str, str]]) -> str:
    """A module as a stub: its imports and public names, without bodies.

    `attributes` says of a class which attributes it has in truth, name -> type; they take the
    place of its `__getattr__`.
    """
    tree = ast.parse(inspect.getsource(module))
    kept = [_bare(node, attributes) for node in tree.body if _is_public(node) and not _is_future(node)]
    return ast.unparse(ast.Module(body=kept, type_ignores=[])) + "\n"


def public_signatures(kind: type) -> dict[str, str]:
    """The public methods of a class, name -> `(self, ...) -> ...` as its source has them."""
    (node,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(node, ast.ClassDef)
    return {
        one.name: f"({ast.unparse(one.args)}) -> {ast.unparse(one.returns)}"
        for one in node.body
        if isinstance(one, Function) and one.returns and not one.decorator_list and _is_public(one)
    }


def _bare(node: ast.stmt, attributes: Mapping[str, Mapping[str, str]]) -> ast.stmt:
    if isinstance(node, Function):
        node.body = [*_docstring(node), ast.Expr(ast.Constant(...))]
    elif isinstance(node, ast.ClassDef):
        told = attributes.get(node.name)
        said = [ast.parse(f"{name}: {kind}").body[0] for name, kind in (told or {}).items()]
        members = [
            _bare(one, attributes)
            for one in node.body
            if _is_public(one) and not (told is not None and getattr(one, "name", "") == "__getattr__")
        ]
        at = len(_docstring(node))
        node.body = [*members[:at], *said, *members[at:]]
    return node


def _docstring(node: Function | ast.ClassDef) -> list[ast.stmt]:
    return node.body[:1] if ast.get_docstring(node) is not None else []


def _is_public(node: ast.stmt) -> bool:
    return not any(name.startswith("_") and not name.endswith("__") for name in _names(node))


def _is_future(node: ast.stmt) -> bool:
    """Whether it is an import that stubs, where names may come in any order, do not need."""
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def _names(node: ast.stmt) -> Iterator[str]:
    """What a statement defines; imports define nothing for others."""
    if isinstance(node, Function | ast.ClassDef):
        yield node.name
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    yield from (target.id for target in targets if isinstance(target, ast.Name))
