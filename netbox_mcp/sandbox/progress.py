"""How long work says how far it is: a message, and n of m where that is known.

Every step of the sandbox takes a ``Report``; the command line draws it, tests
ignore it.
"""

from collections.abc import Callable

Report = Callable[[str, int | None, int | None], None]


def silent(message: str, done: int | None = None, total: int | None = None) -> None:
    """Say nothing."""
