"""NetBox's configuration file for one instance.

Plain Python text, as NetBox expects it, with nothing that reaches beyond the
machine: no census, no release check, no plugin catalogue.
"""

from collections.abc import Sequence
from pathlib import Path

from netbox_mcp.sandbox.postgres import SUPERUSER
from netbox_mcp.sandbox.settings import InstanceSettings, write_private

DATABASE_VARIABLE = "NETBOX_MCP_SANDBOX_DATABASE"
PLUGINS_VARIABLE = "NETBOX_MCP_SANDBOX_PLUGINS"
LIVE_DATABASE = "netbox"
TASKS_DATABASE, CACHE_DATABASE, QUEUE_DATABASE = 0, 1, 2
"""Databases of the sandbox's Redis: two of NetBox's own, and one for our queue."""

_TEXT = '''"""Written by `netbox-mcp sandbox up` at every start: changes here are lost."""

import os

ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
HOSTNAME = "sandbox"

DATABASES = {{
    "default": {{
        "NAME": os.environ.get({database_variable!r}, {live_database!r}),
        "USER": {user!r},
        "PASSWORD": {database_password!r},
        "HOST": "127.0.0.1",
        "PORT": {postgres_port},
        "CONN_MAX_AGE": 0,  # a reset replaces the database under the running server
    }}
}}

_REDIS = {{"HOST": "127.0.0.1", "PORT": {redis_port}, "USERNAME": "", "PASSWORD": {redis_password!r}}}
REDIS = {{
    "tasks": {{**_REDIS, "DATABASE": {tasks}, "SSL": False}},
    "caching": {{**_REDIS, "DATABASE": {cache}, "SSL": False}},
}}

SECRET_KEY = {secret_key!r}
API_TOKEN_PEPPERS = {{1: {token_pepper!r}}}

ISOLATED_DEPLOYMENT = True
CENSUS_REPORTING_ENABLED = False
RELEASE_CHECK_URL = None
COPILOT_ENABLED = False
'''

_PLUGINS_TEXT = """
import sys
import warnings

if os.environ.get({plugins_variable!r}) != "off":
    # Last, so that what NetBox has too is imported from where NetBox has it.
    sys.path.append({folder!r})
    PLUGINS = {modules!r}
    # NetBox would only warn of one that is not for its release, and go on without it.
    warnings.filterwarnings("error", message="Unable to load plugin")
"""


def write_configuration(
    netbox_root: Path, settings: InstanceSettings, plugins_folder: Path, plugins: Sequence[str]
) -> None:
    """Write ``conf/configuration.py`` below NetBox's instance root; ``plugins`` are modules in the folder."""
    for name in ("media", "reports", "scripts"):
        (netbox_root / name).mkdir(parents=True, exist_ok=True)
    text = _TEXT.format(
        database_variable=DATABASE_VARIABLE,
        live_database=LIVE_DATABASE,
        user=SUPERUSER,
        database_password=settings.database_password,
        postgres_port=settings.postgres_port,
        redis_port=settings.redis_port,
        redis_password=settings.redis_password,
        tasks=TASKS_DATABASE,
        cache=CACHE_DATABASE,
        secret_key=settings.secret_key,
        token_pepper=settings.token_pepper,
    )
    if plugins:
        text += _PLUGINS_TEXT.format(
            plugins_variable=PLUGINS_VARIABLE, folder=str(plugins_folder), modules=list(plugins)
        )
    write_private(netbox_root / "conf" / "configuration.py", text)
