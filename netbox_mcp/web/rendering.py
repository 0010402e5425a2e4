"""Turns templates into HTML. Whatever a page shows is escaped, and a name that is missing is an error."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

# What is not seen and changes how the text around it reads: control characters, marks that turn the direction
# of writing or have no width.
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def render(template: str, **values: Any) -> str:
    """The HTML of a template in `templates/`."""
    return ENVIRONMENT.get_template(template).render(**values)


def show_unseen(value: Any) -> Any:
    """Text with what cannot be seen in it written out: names in NetBox can hold anything."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return _UNSEEN.sub(lambda found: f"[U+{ord(found[0]):04X}]", value)


def moment(value: datetime | str | None) -> str:
    """A moment in UTC, to the second; a dash for none."""
    if not value:
        return "-"
    when = datetime.fromisoformat(value) if isinstance(value, str) else value
    when = when.astimezone(UTC)
    return Markup('<time datetime="{}">{}</time>').format(
        when.isoformat(timespec="seconds"), when.strftime("%Y-%m-%d %H:%M:%S UTC")
    )


def span(seconds: float | None) -> str:
    """How long something takes: `2 h 5 min`, `3 min 10 s`, `7 s`; a dash where nobody knows."""
    if seconds is None:
        return "-"
    minutes, rest = divmod(max(0, round(seconds)), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def number(value: float) -> str:
    """A number with its thousands told apart."""
    return f"{value:,}"


def words(name: str) -> str:
    """A name from the code as people write it: `completed_with_errors` is `completed with errors`."""
    return name.replace("_", " ")


ENVIRONMENT = Environment(
    loader=PackageLoader("netbox_mcp.web"),
    autoescape=True,
    undefined=StrictUndefined,
    finalize=show_unseen,
    trim_blocks=True,
    lstrip_blocks=True,
)
ENVIRONMENT.filters.update(moment=moment, span=span, number=number, words=words)
