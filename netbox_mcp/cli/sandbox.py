"""``netbox-mcp sandbox``: a real NetBox to try things on, and gone again.

A thin face over ``netbox_mcp.sandbox``: arguments in, progress to standard
error, results to standard output. Exit codes: 0 done, 1 failed (one sentence
and a hint, no traceback), and 1 too where ``status`` finds that it does not run.
"""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from netbox_mcp.sandbox import NETBOX_VERSION, Sandbox, SandboxError, SandboxInfo
from netbox_mcp.sandbox.progress import Report

_LINE_EVERY_SECONDS = 5.0

sandbox_app = typer.Typer(
    no_args_is_help=True,
    help=(
        f"Run a real NetBox {NETBOX_VERSION} on this machine, to try things on: with its own PostgreSQL "
        "and Redis, on loopback only, in a cache folder outside of your project."
    ),
)

Name = Annotated[str, typer.Option(help="Which sandbox; several may run side by side.")]
AsJson = Annotated[
    bool,
    typer.Option(
        "--json", help="Machine form. It contains the tokens and passwords of this throwaway NetBox."
    ),
]

Delete = Annotated[
    bool,
    typer.Option(
        "--delete", help="Also delete its database, tokens and logs; what all sandboxes share is kept."
    ),
]


@sandbox_app.command()
def up(name: Name = "default", as_json: AsJson = False) -> None:
    """Start it: some minutes the first time, well under a minute later. Harmless if it runs."""
    with _errors(as_json), show_progress() as report:
        info = Sandbox(name, report).up()
    if as_json:
        _print_json(_machine_form(info))
    else:
        _print_access(info)


@sandbox_app.command()
def down(name: Name = "default", delete: Delete = False, as_json: AsJson = False) -> None:
    """Stop everything it started. Its data stay for the next start, unless --delete."""
    with _errors(as_json), show_progress() as report:
        Sandbox(name, report).down(delete)
    if as_json:
        _print_json({"name": name, "running": False, "deleted": delete})
    else:
        print(f"The sandbox '{name}' is {'stopped and deleted' if delete else 'stopped'}.")


@sandbox_app.command()
def reset(name: Name = "default", as_json: AsJson = False) -> None:
    """Empty it in about a second, while it keeps running: same address, login and tokens."""
    with _errors(as_json), show_progress() as report:
        Sandbox(name, report).reset()
    _print_json({"name": name, "reset": True}) if as_json else print(f"The sandbox '{name}' is empty again.")


@sandbox_app.command()
def status(name: Name = "default", as_json: AsJson = False) -> None:
    """Say whether it runs, and where; if a part of it has died, which. Exit code 1 unless all of it runs."""
    with _errors(as_json):
        sandbox = Sandbox(name)
        info, ended = sandbox.status(), sandbox.ended()
    if as_json:
        _print_json(_machine_form(info) if info else {"name": name, "running": False, "ended": ended})
    elif info:
        _print_access(info)
        print("Processes: " + ", ".join(f"{role} {pid}" for role, pid in info.processes.items()))
    elif ended:
        print(f"The sandbox '{name}' is broken: {', '.join(ended)} ended. {_start_hint(name, 'Mend')}")
    else:
        print(f"The sandbox '{name}' is not running. {_start_hint(name, 'Start')}")
    if info is None:
        raise typer.Exit(1)


@sandbox_app.command()
def seed(
    output: Annotated[Path, typer.Option(help="The file to write, named seed-<NetBox version>.sql.gz.")],
    name: Annotated[str, typer.Option(help="The sandbox to make it in.")] = "seed",
    version: Annotated[str, typer.Option(help="The NetBox release to make it for.")] = NETBOX_VERSION,
) -> None:
    """For maintainers: make the database dump that spares newcomers NetBox's migrations (several minutes)."""
    with _errors(as_json=False), show_progress() as report:
        Sandbox(name, report, version).write_seed(output)
    print(f"Wrote {output}.")


def _start_hint(name: str, verb: str) -> str:
    return f"{verb} it with 'netbox-mcp sandbox up{'' if name == 'default' else f' --name {name}'}'."


def _machine_form(info: SandboxInfo) -> dict[str, Any]:
    return {"running": True, **asdict(info)}


def _print_json(value: dict[str, Any]) -> None:
    print(json.dumps(value, indent=2))


def _print_access(info: SandboxInfo) -> None:
    print(f"NetBox {info.version} runs at {info.url}")
    print(f"Login: {info.username} / {info.password}")
    print(f"export NETBOX_URL={info.url}")
    print(f"export NETBOX_TOKEN={info.token_v2}")


@contextmanager
def _errors(as_json: bool) -> Iterator[None]:
    try:
        yield
    except SandboxError as error:
        if as_json:
            _print_json({"error": {"message": error.message, "hint": error.hint}})
        print(f"Error: {error.message}", *filter(None, [error.hint]), sep="\n", file=sys.stderr)
        raise typer.Exit(1) from None


@contextmanager
def show_progress() -> Iterator[Report]:
    """A moving bar on a terminal, plain lines anywhere else."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _plain_lines()
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24))
    with Progress(
        *columns, MofNCompleteColumn(), TimeElapsedColumn(), console=console, transient=True
    ) as bar:
        task = bar.add_task("", total=None)

        def draw(message: str, done: int | None = None, total: int | None = None) -> None:
            bar.update(task, description=message, completed=done or 0, total=total or None)

        yield draw


def _plain_lines() -> Report:
    """Print each stage as it begins, and inside a stage one line every few seconds."""
    last_stage, last_time = "", 0.0

    def write(message: str, done: int | None = None, total: int | None = None) -> None:
        nonlocal last_stage, last_time
        stage, now = message.partition(":")[0], time.monotonic()
        if stage == last_stage and done != total and now - last_time < _LINE_EVERY_SECONDS:
            return
        last_stage, last_time = stage, now
        counted = f" ({done} of {total})" if done is not None and total else ""
        print(message + counted, file=sys.stderr, flush=True)

    return write
