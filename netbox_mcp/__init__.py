"""What the world touches: MCP server, command line, sandbox and configuration."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("netbox-mcp-orchestrator")
except PackageNotFoundError:  # run from a checkout that is not installed
    __version__ = "0.0.0"
