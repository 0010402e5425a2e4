"""Migrate NetBox's database and, if asked to, create the operator's account and tokens.

Run by ``netbox_mcp.sandbox.netbox`` with NetBox's Python. Reads one JSON object
from standard input, ``{}`` for a migration only; prints ``plan N`` and then
what Django prints for each of the N migrations.
"""

# mypy: disable-error-code="import-not-found,import-untyped"
import json
import os
import sys
from typing import Any

import django
from django.core.management import call_command
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations.executor import MigrationExecutor


def migrate() -> None:
    """Bring the database to this NetBox's schema, however far along it is."""
    executor = MigrationExecutor(connections[DEFAULT_DB_ALIAS])
    print("plan", len(executor.migration_plan(executor.loader.graph.leaf_nodes())), flush=True)
    call_command("migrate", interactive=False, verbosity=1)


def create_account(account: dict[str, str]) -> None:
    """Create the superuser and one token of either version, with the secrets that were handed in."""
    from users.models import Token, User

    user = User.objects.create_superuser(account["username"], "", account["password"])
    Token(version=1, user=user, token=account["token_v1"], description="Sandbox, v1").save()
    key, secret = account["token_v2"].removeprefix("nbt_").split(".")
    Token(version=2, user=user, key=key, token=secret, description="Sandbox, v2").save()


def main() -> None:
    """Do the work that standard input asks for."""
    account: dict[str, Any] = json.load(sys.stdin)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "netbox.settings")
    django.setup()
    migrate()
    if account:
        create_account(account)


if __name__ == "__main__":
    main()
