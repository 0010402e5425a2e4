"""What the tests of documents know of Markdown: headings as GitHub names them, links, blocks of code."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

_FENCE = re.compile(r"^( *)```([^\n`]*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s]+)(?: \"[^\"]*\")?\)|<(?:a|img)[^>]+(?:href|src)=\"([^\"]+)\"")
_ANCHOR = re.compile(r"<a (?:id|name)=\"([^\"]+)\"")


class Block(NamedTuple):
    """A fenced block of code."""

    path: Path
    line: int
    language: str
    text: str

    def place(self, root: Path) -> str:
        """Where it stands, for the name of a test."""
        return f"{self.path.relative_to(root)}:{self.line}"


def blocks(path: Path) -> Iterator[Block]:
    """The blocks of a page; one without a language counts as text."""
    text = path.read_text()
    for found in _FENCE.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        yield Block(path, line, found[2].strip() or "text", textwrap.dedent(found[3]))


def links(path: Path) -> list[str]:
    """Where its links and pictures point to, save what stands in code."""
    text = re.sub(r"`[^`\n]*`", "", prose(path))
    return [found[1] or found[2] for found in _LINK.finditer(text)]


def prose(path: Path) -> str:
    """The page without its blocks of code."""
    return _FENCE.sub("", path.read_text())


@cache
def anchors(path: Path) -> frozenset[str]:
    """What a link to a part of the page may name: headings by GitHub's rule, twice the same with a number."""
    seen: Counter[str] = Counter()
    found = set(_ANCHOR.findall(path.read_text()))
    for heading in _HEADING.findall(prose(path)):
        text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return frozenset(found)
