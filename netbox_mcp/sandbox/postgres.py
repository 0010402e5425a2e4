"""One PostgreSQL cluster on loopback, for one instance of the sandbox.

It trades durability for speed: what is in it is thrown away anyhow. Under
root the server runs as the system's ``postgres`` user, because it refuses to
run as root.
"""

import gzip
import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path

from netbox_mcp.sandbox.errors import SandboxError
from netbox_mcp.sandbox.processes import ProcessTable, end_those_in, log_excerpt
from netbox_mcp.sandbox.settings import write_private
from netbox_mcp.sandbox.system_packages import PostgresBinaries

SUPERUSER = "netbox"
_ROLE = "postgres"
_START_SECONDS = 60
_SYSTEM_USER = "postgres"

# No fsync: an unclean power-off may cost the sandbox. Commits are handed to the system all the same
# (no synchronous_commit=off), so that a server that is killed loses none of them.
_SETTINGS = (
    "fsync=off",
    "full_page_writes=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "max_connections=100",
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
)
# pg_dump guards its output with a random word that only psql of the same or a later patch level understands.
_DUMP_GUARDS = (b"\\restrict ", b"\\unrestrict ")
_QUIET = ("-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1")


class PostgresCluster:
    """A database server with its data in ``folder``; its databases are known by name."""

    def __init__(
        self, folder: Path, port: int, password: str, binaries: PostgresBinaries, processes: ProcessTable
    ) -> None:
        self._folder = folder
        self._port = port
        self._password = password
        self._binaries = binaries
        self._processes = processes
        self._user = _SYSTEM_USER if os.geteuid() == 0 else None

    @property
    def _data(self) -> Path:
        return _data_folder(self._folder)

    def start(self) -> None:
        """Start the server unless it runs, making its cluster the first time."""
        if self._processes.running(_ROLE) is None:
            self._prepare_folder()
            if not (self._data / "PG_VERSION").exists():
                self._initialise()
            self._refuse_other_version()
            end_lost_servers(self._folder)
            self._processes.start(
                _ROLE,
                self._server_command(),
                folder=self._folder,
                user=self._user,
                environment=_bare_environment(),
            )
        self._processes.wait_until(_ROLE, self._answers, "PostgreSQL", _START_SECONDS)

    def exists(self, database: str) -> bool:
        """Whether a database of this name exists."""
        return database in self.databases()

    def databases(self) -> list[str]:
        """The names of all databases."""
        return self._sql("SELECT datname FROM pg_database").split()

    def create(self, database: str, template: str = "template0") -> None:
        """Make a database, empty or as a copy of another."""
        self._sql(f'CREATE DATABASE "{database}" TEMPLATE "{template}"')

    def drop(self, database: str) -> None:
        """Remove a database if it exists, disconnecting whoever uses it."""
        self._sql(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')

    def seal(self, database: str, name: str) -> None:
        """Turn a finished database into a template under its final name: from now on nobody can change it."""
        self._sql("VACUUM (FREEZE, ANALYZE)", database)
        self._sql(f'ALTER DATABASE "{database}" RENAME TO "{name}"')
        self._sql(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')

    def restore(self, database: str, dump: Path) -> None:
        """Fill an empty database from a compressed dump, wholly or not at all."""
        try:
            text = gzip.decompress(dump.read_bytes())
        except (OSError, EOFError) as error:
            raise SandboxError(f"The database dump {dump} cannot be read.") from error
        self._run("psql", "--single-transaction", "-d", database, *_QUIET, stdin=text)

    def dump(self, database: str, file: Path) -> None:
        """Write a compressed plain-SQL dump; this PostgreSQL version and later ones can restore it."""
        text = self._run("pg_dump", "--no-owner", "--no-privileges", "-d", database)
        kept = b"".join(line for line in text.splitlines(keepends=True) if not line.startswith(_DUMP_GUARDS))
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_name(file.name + ".new")
        draft.write_bytes(gzip.compress(kept, 9, mtime=0))
        draft.replace(file)

    def _server_command(self) -> list[str]:
        command = [str(self._binaries.program("postgres")), "-D", str(self._data), "-p", str(self._port)]
        for setting in _SETTINGS:
            command += ["-c", setting]
        return command

    def _answers(self) -> bool:
        try:
            return self._sql("SELECT 1") == "1"
        except SandboxError:
            return False

    def _sql(self, statement: str, database: str = "postgres") -> str:
        return self._run("psql", "-d", database, *_QUIET, "-c", statement).decode().strip()

    def _run(self, program: str, *arguments: str, stdin: bytes = b"") -> bytes:
        login = ["-h", "127.0.0.1", "-p", str(self._port), "-U", SUPERUSER]
        done = subprocess.run(
            [self._binaries.program(program), *login, *arguments],
            input=stdin,
            capture_output=True,
            env={**_bare_environment(), "PGPASSWORD": self._password, "PGCONNECT_TIMEOUT": "5"},
            check=False,
        )
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip()
            log = self._processes.log(_ROLE)
            raise SandboxError(f"PostgreSQL refused ({program}): {said}", log_excerpt(log))
        return done.stdout

    def _prepare_folder(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        if self._user is None:
            return
        try:
            owner = pwd.getpwnam(self._user)
        except KeyError as error:
            raise SandboxError(
                "PostgreSQL does not run as root, and there is no system user 'postgres'.",
                "Run the sandbox as an ordinary user, or create that user.",
            ) from error
        os.chown(self._folder, owner.pw_uid, owner.pw_gid)
        if self._as_server("test", "-w", str(self._folder)).returncode != 0:
            raise SandboxError(
                f"The system user 'postgres' cannot reach {self._folder}.",
                "Set NETBOX_MCP_SANDBOX_HOME to a folder that every user may pass through.",
            )

    def _initialise(self) -> None:
        shutil.rmtree(self._data, ignore_errors=True)
        password_file = self._folder / "password"
        write_private(password_file, self._password)
        if self._user is not None:
            shutil.chown(password_file, self._user)
        command = [str(self._binaries.program("initdb")), "-D", str(self._data), "-U", SUPERUSER]
        command += ["-E", "UTF8", "--no-sync", "--locale=C", "--locale-provider=icu", "--icu-locale=en-US"]
        command += ["--auth=scram-sha-256", f"--pwfile={password_file}"]
        done = self._as_server(*command)
        password_file.unlink()
        if done.returncode != 0:
            shutil.rmtree(self._data, ignore_errors=True)
            raise SandboxError("PostgreSQL's initdb failed.", done.stderr.strip())

    def _as_server(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """Run a command as the user that the server runs as, with none of our groups."""
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            cwd="/",
            env=_bare_environment(),
            user=self._user,
            group=self._user,
            extra_groups=None if self._user is None else [],
            check=False,
        )

    def _refuse_other_version(self) -> None:
        made_by = (self._data / "PG_VERSION").read_text().strip()
        if made_by != str(self._binaries.major):
            raise SandboxError(
                f"This sandbox was made by PostgreSQL {made_by}, and now there is {self._binaries.major}.",
                "Run 'netbox-mcp sandbox down --delete' and start again.",
            )


def end_lost_servers(folder: Path) -> None:
    """End a server of this cluster that no record was left of, and what one that was killed left behind.

    Its processes are known by the folder they work in; left alone they would
    keep a new server from starting.
    """
    data = _data_folder(folder)
    end_those_in(data, signal.SIGQUIT)
    # PostgreSQL clears this by itself, unless a process of its user has been given the old pid since.
    (data / "postmaster.pid").unlink(missing_ok=True)


def _data_folder(folder: Path) -> Path:
    return folder / "data"


def _bare_environment() -> dict[str, str]:
    """The environment without PG* variables, which would send us to someone else's server."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"}
