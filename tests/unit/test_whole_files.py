"""Files that are there as a whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.netbox.whole_files import write_parts, write_whole


def broken() -> Iterator[bytes]:
    yield b"half of "
    raise ConnectionError("Redis is gone")


def test_parts_become_one_file(tmp_path: Path) -> None:
    assert write_parts(tmp_path / "report", iter([b"one ", b"", b"two"])) == 7
    assert (tmp_path / "report").read_bytes() == b"one two"


def test_what_breaks_off_leaves_what_was_there(tmp_path: Path) -> None:
    write_whole(tmp_path / "new" / "report", b"of last week")
    with pytest.raises(ConnectionError):
        write_parts(tmp_path / "new" / "report", broken())
    with pytest.raises(FileNotFoundError):
        write_parts(tmp_path / "nowhere" / "report", [b"x"])
    assert [(path.name, path.read_bytes()) for path in (tmp_path / "new").iterdir()] == [
        ("report", b"of last week")
    ]
