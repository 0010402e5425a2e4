"""What the world touches: MCP server, command line, sandbox and configuration."""
