"""Turns templates into HTML. Whatever a page shows is escaped, and a name that is missing is an error."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from netbox_mcp import times
from netbox_mcp.web.names import plain


def render(template: str, **values: Any) -> str:
    """The HTML of a template in `templates/`."""
    return ENVIRONMENT.get_template(template).render(**values)


def show_unseen(value: Any) -> Any:
    """What a template shows, with what cannot be seen in it written out, unless it is HTML of our own."""
    return plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def moment(value: datetime | str | None) -> str:
    """A moment in UTC, to the second; a dash for none."""
    when = datetime.fromisoformat(value) if isinstance(value, str) and value else value
    if not isinstance(when, datetime):
        return "-"
    return Markup('<time datetime="{}">{}</time>').format(
        when.isoformat(timespec="seconds"), times.moment(when)
    )


def span(seconds: float | None) -> str:
    """How long something takes; a dash where nobody knows."""
    return "-" if seconds is None else times.span(seconds)


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
