"""Documents in files that callers may name: those in one configured folder, and nothing outside of it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from netbox_mcp.dependencies import get_settings
from netbox_mcp.failures import TooLargeError, UsageError, did_you_mean
from orchestrator.document import LINES

PREFIX = "file:"
NDJSON = "application/x-ndjson"
KINDS = {
    ".json": "application/json",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    **dict.fromkeys(LINES, NDJSON),
    ".csv": "text/csv",
}
_SETTING = "NETBOX_MCP_INPUTS_FOLDER"
_MAX_LISTED, _MAX_LOOKED_AT = 10, 1000


def read_input_file(name: str) -> tuple[bytes, str]:
    """What is in a file of the folder, and its media type by its ending. Raises UsageError, TooLargeError."""
    folder = get_settings().inputs_folder
    if folder is None:
        raise UsageError(
            "This server reads no files.",
            f"Send the document itself, or let whoever runs the server set {_SETTING}.",
        )
    kind = KINDS.get(Path(name).suffix.lower())
    if kind is not None:
        try:
            with _opened(folder, name) as file:
                return _content(file, name), kind
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            reason = (error.strerror or type(error).__name__).lower()
            raise UsageError(f"{name!r} in the folder for inputs cannot be read: {reason}.") from None
    if not folder.is_dir():
        raise UsageError("The folder for inputs is not there.", f"Whoever runs the server sets {_SETTING}.")
    known = _documents(folder)
    listed = f"There are: {', '.join(known[:_MAX_LISTED])}." if known else "It has no document."
    raise UsageError(f"The folder for inputs has no document {name!r}.", did_you_mean(name, known) or listed)


@contextmanager
def _opened(folder: Path, name: str) -> Iterator[int]:
    """A descriptor of the file. Links are followed inside the folder; what they lead to outside is refused.

    Where a name leads is found out first. Then it is opened part by part and without following links, so
    that one which is put in its way meanwhile is refused too.
    """
    root = os.path.realpath(folder)
    try:
        parts = Path(os.path.realpath(Path(root, name))).relative_to(root).parts
    except ValueError:  # outside; also what can be no path, with a NUL in it
        raise UsageError(
            f"{name!r} does not lie in the folder for inputs.", "Name a file by its path in that folder."
        ) from None
    place = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in parts:
            # A pipe must not be waited for.
            inner = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=place)
            os.close(place)
            place = inner
        yield place
    finally:
        os.close(place)


def _content(file: int, name: str) -> bytes:
    limit, found = get_settings().max_input_bytes, os.fstat(file)
    if not stat.S_ISREG(found.st_mode):
        raise UsageError(f"{name!r} in the folder for inputs is no file.", "Name one document.")
    with os.fdopen(os.dup(file), "rb") as reader:
        content = reader.read(limit + 1)
    if len(content) > limit:
        raise TooLargeError(
            f"{name!r} has {found.st_size:,} bytes; a document may have {limit:,}.",
            hint="Split it, say by site, or raise NETBOX_MCP_MAX_INPUT_BYTES.",
        )
    return content


def _documents(folder: Path) -> list[str]:
    """The documents in the folder, as a caller names them; of a very large folder some."""
    files = (Path(place, name) for place, _, names in os.walk(folder) for name in names)
    looked_at = (str(one.relative_to(folder)) for one in islice(files, _MAX_LOOKED_AT))
    return sorted(one for one in looked_at if Path(one).suffix.lower() in KINDS and one.isprintable())
