"""docs/rest.md against the routes: every request that there is, with its query, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import SecretStr

from netbox_mcp.auth import REST_PATH
from netbox_mcp.config import Settings
from netbox_mcp.http_app import build_http_app

PAGE = Path(__file__).parents[2] / "docs/rest.md"
_REQUEST = re.compile(r"`(GET|POST|PUT|PATCH|DELETE) (/[^`?]*)(\?[^`]*)?`")


def documented() -> dict[str, set[str]]:
    """Method and path -> names of the query, from the first column of the table of requests."""
    table = PAGE.read_text().split("| request |", 1)[1].split("\n\n", 1)[0]
    found: dict[str, set[str]] = {}
    for row in table.splitlines():
        for method, path, query in _REQUEST.findall(row.split("|")[1] if row.startswith("|") else ""):
            names = set(re.findall(r"(\w+)=", query))
            found[f"{method} {re.sub(r'[A-Z]{2,}', '*', path)}"] = names
    return found


def routed() -> dict[str, set[str]]:
    """The same from the OpenAPI description that the server gives."""
    app = build_http_app(Settings(), [SecretStr("a-bearer-token-for-tests")])
    return {
        f"{method.upper()} {re.sub(r'{[^}]*}', '*', path.removeprefix(REST_PATH))}": {
            one["name"] for one in route.get("parameters", ()) if one["in"] == "query"
        }
        for path, methods in app.openapi()["paths"].items()
        if path.startswith(f"{REST_PATH}/")
        for method, route in methods.items()
    }


def test_the_table_of_requests_is_what_is_routed() -> None:
    told, there = documented(), routed()
    assert set(told) == set(there)
    assert len(there) > 10
    # Of POST the page tells the query where it matters, elsewhere in its text.
    assert {name: query for name, query in told.items() if name.startswith("GET")} == {
        name: query for name, query in there.items() if name.startswith("GET")
    }
