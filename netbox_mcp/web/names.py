"""Names and messages from NetBox and documents, as they may be shown: anyone may have written them.

Escaping is the templates' own business. This is about what needs no tag to mislead: marks that turn the
direction of the text around them, and characters that cannot be seen.
"""

from __future__ import annotations

import re

from markupsafe import Markup, escape

# Control characters, marks of direction, separators of lines and paragraphs, spaces without width, byte-order
# marks in the midst, halves of pairs. Joiners stay: scripts and emoji need them.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
_SPACES = str.maketrans("\t\r\n", "   ")


def plain(text: str) -> str:
    """The text with the number of each character that must not have its way: `[U+202E]`."""
    return _UNSEEN.sub(lambda found: f"[U+{ord(found[0]):04X}]", text.translate(_SPACES))


def isolated(text: str) -> Markup:
    """The same for a page: whatever the text is written in, it cannot rearrange what stands beside it."""
    return Markup("<bdi>%s</bdi>") % escape(plain(text)) if text else Markup("")
