"""Tables of what is known for good, with room for what is known only here and now: types of plugins.

What is added is seen in the context (contextvars) that adds it, and in threads
that run in a copy of that; for everybody else the table stays as it was.
Lookups of what is known for good cost what they cost in a dict.
"""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterator, KeysView, Mapping, ValuesView
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, wraps
from types import MappingProxyType
from typing import Any, TypeVar, TypeVarTuple, overload

Value = TypeVar("Value")
Default = TypeVar("Default")
Rest = TypeVarTuple("Rest")
Answer = TypeVar("Answer")

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Layered(dict[str, Value]):
    """A table by name; what `beside` adds is in it as long as the block runs, behind all the rest.

    It is a dict for the speed of lookups alone: read it, and iterate over it, as a Mapping.
    """

    def __init__(self, known: Mapping[str, Value]) -> None:
        super().__init__(known)
        self._more: ContextVar[Mapping[str, Value]] = ContextVar("more", default=_NOTHING)

    @contextmanager
    def beside(self, more: Mapping[str, Value]) -> Iterator[None]:
        """Add to the table while the block runs."""
        token = self._more.set({**self._more.get(), **more})
        try:
            yield
        finally:
            self._more.reset(token)

    def __missing__(self, name: str) -> Value:
        return self._more.get()[name]

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or name in self._more.get()

    def __iter__(self) -> Iterator[str]:
        yield from super().__iter__()
        yield from self._more.get()

    def __len__(self) -> int:
        return super().__len__() + len(self._more.get())

    @overload
    def get(self, name: str, default: None = None, /) -> Value | None: ...

    @overload
    def get(self, name: str, default: Value | Default, /) -> Value | Default: ...

    def get(self, name: str, default: Any = None, /) -> Any:
        """What is known of a name, or the default."""
        found = super().get(name)
        return self._more.get().get(name, default) if found is None else found

    def keys(self) -> KeysView[str]:  # type: ignore[override]
        """All names."""
        return Mapping.keys(self)

    def values(self) -> ValuesView[Value]:  # type: ignore[override]
        """What is known of each of them."""
        return Mapping.values(self)

    def items(self) -> ItemsView[str, Value]:  # type: ignore[override]
        """Both."""
        return Mapping.items(self)


# What follows from additions holds for those who see the same ones.
_worked_out: ContextVar[dict[Any, Any] | None] = ContextVar("worked_out", default=None)


def is_plugin_type(object_type: str) -> bool:
    """Whether a type's name is one of a plugin's: they are named as NetBox does, all others have no dot."""
    return "." in object_type


def per_catalog(function: Callable[[*Rest], Answer]) -> Callable[[*Rest], Answer]:
    """`functools.cache` for what follows from all rows, which are more in some contexts than in others."""
    for_good = cache(function)

    @wraps(function)
    def call(*arguments: *Rest) -> Answer:
        known = _worked_out.get()
        if known is None:
            return for_good(*arguments)
        question = (function, arguments)
        if question not in known:
            known[question] = function(*arguments)
        answer: Answer = known[question]
        return answer

    return call


@contextmanager
def worked_out_anew() -> Iterator[None]:
    """Work out what follows from additions for this block alone."""
    token = _worked_out.set({})
    try:
        yield
    finally:
        _worked_out.reset(token)
