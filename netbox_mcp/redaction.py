"""What NetBox keeps and a language model must not see: keys, passwords, secrets (design rule 8).

They are neither shown nor may they be filtered by: a filter that matches tells,
letter by letter, what is not shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from netbox_mcp.failures import UsageError
from orchestrator.ports import Row

HIDDEN = "(hidden)"
_NAMES = frozenset({"token", "auth_key", "preshared_key", "additional_headers"})
_TELLING = re.compile(r"secret|passw(or)?d|passphrase|_psk$|private_key|access_key|api_key")
# Where a harmless name holds a secret: the v1 tokens of NetBox.
_BY_PATH: Mapping[str, frozenset[str]] = {"users/tokens": frozenset({"key"})}


class Redaction:
    """Hides the secret values in the rows of one endpoint; `names` are hidden beside those known."""

    def __init__(self, path: str, names: Sequence[str] = ()) -> None:
        self._names = _NAMES | _BY_PATH.get(path, frozenset()) | {name.casefold() for name in names}

    def of(self, row: Row) -> Row:
        """The row with what is secret replaced, at any depth. What is empty is shown to be so."""
        return {
            name: HIDDEN if value and self._hides(name) else self._inside(value)
            for name, value in row.items()
        }

    def refuse(self, filters: Iterable[str]) -> None:
        """Raises UsageError where one of the filters would ask about a secret."""
        for name in filters:
            if self._hides(name.partition("__")[0].removeprefix("cf_")):
                raise UsageError(f"filters.{name} asks about something secret.", "Filter by something else.")

    def _hides(self, name: str) -> bool:
        folded = name.casefold()
        return folded in self._names or _TELLING.search(folded) is not None

    def _inside(self, value: Any) -> Any:
        if isinstance(value, dict):
            return self.of(value)
        if isinstance(value, list):
            return [self._inside(part) for part in value]
        return value
