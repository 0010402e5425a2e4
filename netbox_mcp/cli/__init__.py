"""The command line, `netbox-mcp`: one module per command or group of commands.

Each is a thin face over the service; output.py holds how they all speak and
which exit codes they end with.
"""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from netbox_mcp import __version__
from netbox_mcp.cli.apply import apply
from netbox_mcp.cli.approve import approve
from netbox_mcp.cli.call import call, tools
from netbox_mcp.cli.demo import demo
from netbox_mcp.cli.doctor import doctor
from netbox_mcp.cli.document import convert, schema, validate
from netbox_mcp.cli.export import export
from netbox_mcp.cli.new_token import token
from netbox_mcp.cli.output import EXIT_CODES_HELP, SentenceGroup, start_logging
from netbox_mcp.cli.plan import plan
from netbox_mcp.cli.rollback import rollback
from netbox_mcp.cli.sandbox import sandbox_app
from netbox_mcp.cli.serve import serve
from netbox_mcp.cli.stubs import stubs
from netbox_mcp.cli.tasks import cancel, report, resume, status, tasks
from netbox_mcp.cli.worker import worker

app = typer.Typer(
    name="netbox-mcp",
    cls=SentenceGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Make a thousand things true in NetBox: plan a document, apply it, follow it.",
    epilog=EXIT_CODES_HELP,
)


def _show_version(value: bool) -> None:
    if value:
        print(__version__)
        raise typer.Exit


@app.callback()
def _start(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks, and debug logs of all but the worker.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    start_logging(debug, logging.WARNING)
    if not debug:  # each retry of a read is a warning there; what comes of it is said in one sentence
        logging.getLogger("urllib3").setLevel(logging.ERROR)


for command in (
    serve,
    worker,
    validate,
    plan,
    approve,
    apply,
    rollback,
    status,
    tasks,
    report,
    cancel,
    resume,
    export,
    convert,
    schema,
    tools,
    call,
    stubs,
    token,
    doctor,
    demo,
):
    app.command()(command)
app.add_typer(sandbox_app, name="sandbox")
