"""`python -m netbox_mcp`: the command line, for where the command itself is not on PATH."""

from netbox_mcp.cli import app

app()
