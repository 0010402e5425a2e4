"""Writes files that others may read at the same moment: as a whole or not at all."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Put the content there, with the folders that it needs. Raises OSError, and then nothing has changed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_parts(path, (content,))


def write_parts(path: Path, parts: Iterable[bytes]) -> int:
    """Put there what the parts make up; returns how many bytes that are.

    Raises OSError, or what the parts raise while they are made; then nothing has changed.
    """
    draft, size = path.with_name(f".{path.name}-{secrets.token_hex(4)}"), 0
    try:
        with draft.open("xb") as file:
            for part in parts:
                size += file.write(part)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return size
