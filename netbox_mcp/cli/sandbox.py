"""``netbox-mcp sandbox``: a real NetBox to try things on, and gone again.

A thin face over ``netbox_mcp.sandbox``: arguments in, progress to standard
error, results to standard output. ``status`` ends with 1 where the sandbox does
not run, or not all of it.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from netbox_mcp.cli.output import ExitCode, print_json, remember_json
from netbox_mcp.cli.progress import show_steps
from netbox_mcp.sandbox import NETBOX_VERSION, Sandbox, SandboxInfo

sandbox_app = typer.Typer(
    no_args_is_help=True,
    help=(
        f"Run a real NetBox {NETBOX_VERSION} on this machine, to try things on: with its own PostgreSQL "
        "and Redis, on loopback only, in a cache folder outside of your project."
    ),
)

Name = Annotated[str, typer.Option(help="Which sandbox; several may run side by side.")]
Plugin = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PACKAGE",
        help=(
            "A NetBox plugin to make it with, as pip takes it: netbox-bgp==0.20.2. Can be repeated. "
            "A sandbox keeps the plugins that it was made with."
        ),
    ),
]
AsJson = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Machine form. It contains the tokens and passwords of this throwaway NetBox.",
        callback=remember_json,
        is_eager=True,
    ),
]
Delete = Annotated[
    bool,
    typer.Option(
        "--delete", help="Also delete its database, tokens and logs; what all sandboxes share is kept."
    ),
]


@sandbox_app.command()
def up(name: Name = "default", plugin: Plugin = None, as_json: AsJson = False) -> None:
    """Start it: some minutes the first time, well under a minute later. Harmless if it runs."""
    with show_steps() as report:
        info = Sandbox(name, report, plugins=tuple(plugin or ())).up()
    if as_json:
        print_json(_machine_form(info))
    else:
        _print_access(info)


@sandbox_app.command()
def down(name: Name = "default", delete: Delete = False, as_json: AsJson = False) -> None:
    """Stop everything it started. Its data stay for the next start, unless --delete."""
    with show_steps() as report:
        Sandbox(name, report).down(delete)
    if as_json:
        print_json({"name": name, "running": False, "deleted": delete})
    else:
        print(f"The sandbox '{name}' is {'stopped and deleted' if delete else 'stopped'}.")


@sandbox_app.command()
def reset(name: Name = "default", as_json: AsJson = False) -> None:
    """Empty it in about a second, while it keeps running: same address, login and tokens."""
    with show_steps() as report:
        Sandbox(name, report).reset()
    if as_json:
        print_json({"name": name, "reset": True})
    else:
        print(f"The sandbox '{name}' is empty again.")


@sandbox_app.command()
def status(name: Name = "default", as_json: AsJson = False) -> None:
    """Say whether it runs, and where; if a part of it has died, which. Exit code 1 unless all of it runs."""
    sandbox = Sandbox(name)
    info, ended = sandbox.status(), sandbox.ended()
    if as_json:
        print_json(_machine_form(info) if info else {"name": name, "running": False, "ended": ended})
    elif info:
        _print_access(info)
        print("Processes: " + ", ".join(f"{role} {pid}" for role, pid in info.processes.items()))
    elif ended:
        print(f"The sandbox '{name}' is broken: {', '.join(ended)} ended. {_start_hint(name, 'Mend')}")
    else:
        print(f"The sandbox '{name}' is not running. {_start_hint(name, 'Start')}")
    if info is None:
        raise typer.Exit(ExitCode.ERROR)


@sandbox_app.command()
def seed(
    output: Annotated[Path, typer.Option(help="The file to write, named seed-<NetBox version>.sql.gz.")],
    name: Annotated[str, typer.Option(help="The sandbox to make it in.")] = "seed",
    version: Annotated[str, typer.Option(help="The NetBox release to make it for.")] = NETBOX_VERSION,
) -> None:
    """For maintainers: make the database dump that spares newcomers NetBox's migrations (several minutes)."""
    with show_steps() as report:
        Sandbox(name, report, version).write_seed(output)
    print(f"Wrote {output}.")


def _start_hint(name: str, verb: str) -> str:
    return f"{verb} it with 'netbox-mcp sandbox up{'' if name == 'default' else f' --name {name}'}'."


def _machine_form(info: SandboxInfo) -> dict[str, Any]:
    return {"running": True, **asdict(info)}


def _print_access(info: SandboxInfo) -> None:
    print(f"NetBox {info.version} runs at {info.url}")
    if info.plugins:
        print(f"Plugins: {', '.join(info.plugins)}")
    print(f"Login: {info.username} / {info.password}")
    print(f"export NETBOX_URL={info.url}")
    print(f"export NETBOX_TOKEN={info.token_v2}")
    print(f"export REDIS_URL={info.queue_url}")
