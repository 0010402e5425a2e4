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
_NAMES = frozenset({"auth_key", "additional_headers", "bearer"})
_TELLING = re.compile(
    r"secret|passw(or)?d|passphrase|private_?key|access_?key|api_?key|shared_?key|"
    r"(^|_)(token|psk|pwd|community|credentials?)$"
)
# Where a harmless name holds a secret: the v1 tokens of NetBox.
_BY_PATH: Mapping[str, frozenset[str]] = {"users/tokens": frozenset({"key"})}


class Redaction:
    """Hides the secret values in the rows of one endpoint; `names` are hidden beside those known."""

    def __init__(self, path: str, names: Sequence[str] = ()) -> None:
        self._names = _NAMES | _BY_PATH.get(path, frozenset()) | {name.casefold() for name in names}

    def of(self, row: Row) -> Row:
        """The row with what is secret replaced, at any depth. What is empty is shown to be so."""
        return {
            name: HIDDEN if value and self.hides(name) else self._inside(value) for name, value in row.items()
        }

    def refuse(self, names: Iterable[str]) -> None:
        """Raises UsageError where one of these filters, or fields to sort by, would tell of a secret."""
        for name in names:
            if self.hides(name.partition("__")[0].removeprefix("cf_")):
                raise UsageError(f"{name} asks about something secret.", "Filter and sort by something else.")

    def is_in(self, value: Any) -> bool:
        """Whether there is a secret in it, at any depth."""
        if isinstance(value, dict):
            return any(self.hides(name) or self.is_in(part) for name, part in value.items())
        return isinstance(value, list) and any(map(self.is_in, value))

    def hides(self, name: str) -> bool:
        """Whether a field of that name is secret."""
        folded = name.casefold().replace("-", "_")
        return folded in self._names or _TELLING.search(folded) is not None

    def _inside(self, value: Any) -> Any:
        if isinstance(value, dict):
            return self.of(value)
        if isinstance(value, list):
            return [self._inside(part) for part in value]
        return value
