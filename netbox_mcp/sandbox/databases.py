"""The template database of an instance, and the live database that is cloned from it.

The template is a migrated NetBox with its plugins and the operator's account,
and nothing else. A reset drops the live database and clones the template again.
Dumps only save time: whatever was restored, NetBox's own migration has the last
word. They hold no plugin's tables, since all instances share them.
"""

from pathlib import Path

from netbox_mcp.sandbox.configuration import LIVE_DATABASE
from netbox_mcp.sandbox.errors import SandboxError
from netbox_mcp.sandbox.layout import cached_dump, starting_dumps
from netbox_mcp.sandbox.netbox import NetBoxServer
from netbox_mcp.sandbox.postgres import PostgresCluster
from netbox_mcp.sandbox.progress import Report

_DRAFT = "netbox_draft"
_TEMPLATE_PREFIX = "netbox_template_"


class Databases:
    """The databases of one instance under one NetBox version."""

    def __init__(self, cluster: PostgresCluster, netbox: NetBoxServer, version: str) -> None:
        self._cluster = cluster
        self._netbox = netbox
        self._version = version

    @property
    def template(self) -> str:
        """The template's name: a database of this name is complete."""
        return _TEMPLATE_PREFIX + self._version.replace(".", "_")

    def ensure(self, report: Report, anew: bool = False) -> None:
        """Make whatever is missing, or all of it ``anew``: the template, then the live database."""
        if anew or not self._cluster.exists(self.template):
            self._drop_all()
            self._make_template(report)
        if not self._cluster.exists(LIVE_DATABASE):
            self._cluster.create(LIVE_DATABASE, self.template)

    def reset(self) -> None:
        """Replace the live database by a fresh copy of the template."""
        self._cluster.drop(LIVE_DATABASE)
        self._cluster.create(LIVE_DATABASE, self.template)

    def write_seed(self, file: Path, report: Report) -> None:
        """Migrate an empty database from the first migration to the last, and dump it to ``file``."""
        self._empty_draft()
        self._netbox.prepare_database(_DRAFT, bare=True, report=report)
        self._cluster.dump(_DRAFT, file)
        self._cluster.drop(_DRAFT)

    def _drop_all(self) -> None:
        """One NetBox version at a time: the live database and the template always belong together."""
        for database in self._cluster.databases():
            if database == LIVE_DATABASE or database.startswith(_TEMPLATE_PREFIX):
                self._cluster.drop(database)

    def _make_template(self, report: Report) -> None:
        restored = self._restore_newest(starting_dumps(self._version), report)
        if restored is None or not restored.name.endswith(f"-{self._version}.sql.gz"):
            self._netbox.prepare_database(_DRAFT, bare=True, report=report)
            # The next instance need not go that long way again.
            self._cluster.dump(_DRAFT, cached_dump(self._version))
        self._netbox.prepare_database(_DRAFT, bare=False, report=report)
        self._cluster.seal(_DRAFT, self.template)

    def _restore_newest(self, dumps: list[Path], report: Report) -> Path | None:
        for dump in dumps:
            self._empty_draft()
            report("Restoring a migrated database", None, None)
            try:
                self._cluster.restore(_DRAFT, dump)
            except SandboxError as error:
                report(f"{error.message} Going on without it.", None, None)
            else:
                return dump
        self._empty_draft()
        report("Migrating from an empty database, which takes several minutes", None, None)
        return None

    def _empty_draft(self) -> None:
        self._cluster.drop(_DRAFT)
        self._cluster.create(_DRAFT)
