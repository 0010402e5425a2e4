"""`netbox-mcp serve`: the MCP server over stdio or HTTP."""

from __future__ import annotations

import logging
from enum import StrEnum
from typing import Annotated

import typer

from netbox_mcp.cli.output import DryRunFlag, start_logging
from netbox_mcp.dependencies import configure, get_settings


class Transport(StrEnum):
    """How clients reach the server."""

    STDIO = "stdio"
    HTTP = "http"


def serve(
    context: typer.Context,
    transport: Annotated[
        Transport, typer.Option(help="stdio for one local client, http for many.")
    ] = Transport.STDIO,
    host: Annotated[
        str | None, typer.Option(help="Listen on this address instead of the configured one.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Listen on this port instead of the configured one."),
    ] = None,
    toolsets: Annotated[
        str | None, typer.Option(help="Offer these toolsets only, separated by commas.")
    ] = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="Offer nothing that writes.")] = False,
    dry_run: DryRunFlag = False,
) -> None:
    """Serve the tools to MCP clients until stopped.

    Over HTTP the endpoint is http://HOST:PORT/mcp and wants a bearer token (NETBOX_MCP_TOKEN, or the file
    that is named at the start); /healthz and /readyz answer without one.
    """
    given = {
        "host": host,
        "port": port,
        "toolsets": toolsets.split(",") if toolsets else None,
        "read_only": True if read_only else None,
    }
    settings = get_settings().model_copy(
        update={name: value for name, value in given.items() if value is not None}
    )
    configure(settings)
    debug = bool(context.find_root().params["debug"])
    start_logging(debug, logging.INFO, settings.log_format)
    # Imported here: the web stack is heavy and no other command needs it.
    if transport is Transport.HTTP:
        from netbox_mcp.http_app import serve_http

        serve_http(settings)
    else:
        from netbox_mcp.server import serve_stdio

        serve_stdio(settings)
