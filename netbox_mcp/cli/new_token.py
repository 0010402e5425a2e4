"""`netbox-mcp token`: a bearer token for a caller that may do less than everything."""

from __future__ import annotations

import secrets
from typing import Annotated

import typer
from pydantic import SecretStr, ValidationError

from netbox_mcp.access import Client, Scope
from netbox_mcp.cli.output import JsonFlag, print_json, say
from netbox_mcp.config import sha256_of
from netbox_mcp.failures import UsageError, complaints


def token(
    name: Annotated[str, typer.Argument(help="Who it is for, as the audit will call it.")],
    scope: Annotated[
        list[Scope],
        typer.Option(help="read, plan, write and admin each include those before; approve stands apart."),
    ],
    as_json: JsonFlag = False,
) -> None:
    """Make a bearer token for HTTP with just these scopes.

    The token is shown this once; what goes into the configuration of the server is its digest only.
    """
    made = SecretStr(secrets.token_urlsafe(32))
    try:
        client = Client(name=name, sha256=sha256_of(made), scopes=tuple(dict.fromkeys(scope)))
    except ValidationError as error:
        problems = complaints(error.errors(include_input=False, include_url=False))
        message = problems[0]["message"].removeprefix("Value error, ")
        raise UsageError(f"{problems[0]['path']}: {message}.") from None
    entry = client.model_dump(mode="json")
    if as_json:
        print_json({"token": made.get_secret_value(), "client": entry})
        return
    say("The token, which is kept nowhere:")
    print(made.get_secret_value())
    say("For the server's configuration file (or, as JSON, among those in NETBOX_MCP_CLIENTS):")
    scopes = ", ".join(f'"{one}"' for one in entry["scopes"])
    say(f'[[clients]]\nname = "{client.name}"\nsha256 = "{client.sha256}"\nscopes = [{scopes}]')
