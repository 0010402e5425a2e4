"""A Debian as it is when new, in a folder, and what is typed into it.

mmdebstrap makes it once, as a tarball below the sandbox's cache; each run unpacks it and enters it in mount
and process namespaces of its own, so that nothing which starts in it outlives the run and nothing is mounted
outside. The network is the machine's own. How this machine reaches its package indexes is handed in.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from netbox_mcp.sandbox.layout import cache_home
from netbox_mcp.sandbox.locks import file_lock

RELEASE = "trixie"
REPOSITORY = Path(__file__).parents[2]
CHECKOUT = "/root/netbox-mcp-orchestrator"

_CACHE = "newcomer"
_KEPT = {"environments": "/var/cache/netbox-mcp/environments", "pip": "/root/.cache/pip"}
"""What a second run finds as the first has left it."""
_PIP_FILES = ("/etc/pip.conf", "/etc/xdg/pip/pip.conf", "~/.config/pip/pip.conf", "~/.pip/pip.conf")
_HANDED_VARIABLES = re.compile(r"(?i)PIP_\w+|\w+_proxy|SSL_CERT_(FILE|DIR)|(REQUESTS_CA|CURL_CA)_BUNDLE")
_HANDED_APT = re.compile(r"Acquire::(https?::|Check-|Retries|Languages)")
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n", re.DOTALL)
_PATH = re.compile(r"(file://)?(/[\w.@+/-]+)")

_ENTER = """
root=$1; shift
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/dev/shm"
while [ "$1" != -- ]; do
  mkdir -p "$2"; mount --bind "$1" "$2"; mount -o "remount,bind,$3" "$2"; shift 3
done
shift
exec chroot "$root" "$@"
"""


class CannotMakeRootError(Exception):
    """A new Debian cannot be made here; says what is missing."""


def require_tools() -> None:
    """Raises CannotMakeRootError unless mmdebstrap is there and we may enter what it makes."""
    if shutil.which("mmdebstrap") is None:
        raise CannotMakeRootError("mmdebstrap is missing: run `make tools`, or apt install mmdebstrap.")
    if os.geteuid() != 0:
        raise CannotMakeRootError("Only root can enter a fresh Debian: run this test as root.")


class FreshRoot:
    """An unpacked Debian with this checkout in it, as a newcomer has it before typing anything."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._binds: dict[str, tuple[str, str]] = {}

    def make(self) -> None:
        """Unpack it and put the checkout and this machine's way to package indexes into it."""
        require_tools()
        home = cache_home() / _CACHE
        with file_lock(home / "lock", _tell):
            archive = home / f"debian-{RELEASE}.tar"
            if not archive.exists():
                _bootstrap(archive)
        self.folder.mkdir(mode=0o755)
        subprocess.run(["tar", "-xf", archive, "-C", self.folder, "--exclude=./dev/*"], check=True)
        for name, place in _KEPT.items():
            (home / name).mkdir(exist_ok=True)
            self._binds[place] = (str(home / name), "rw")
        self._hand_in(Path("/etc/hosts"))
        for path in _pip_files():
            self._hand_in(path)
            self._hand_in_paths(path.read_text())
        for value in _handed_variables().values():
            self._hand_in_paths(value)
        self._hand_in_certificates()
        self._copy_checkout()

    def variables(self) -> dict[str, str]:
        """The environment of a login shell, and what says how to reach package indexes."""
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return {**_handed_variables(), "HOME": "/root", "PATH": path, "TERM": "xterm", "LANG": "C.UTF-8"}

    def entering(self, *command: str) -> list[str]:
        """The command that runs a command in it; when that ends, so does all that it has started."""
        binds = [
            word
            for place, (source, mode) in self._binds.items()
            for word in (source, f"{self.folder}{place}", mode)
        ]
        unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"]
        return [*unshare, "sh", "-ec", _ENTER, "sh", str(self.folder), *binds, "--", *command]

    def _copy_checkout(self) -> None:
        """What git knows or would take in, as it is now: no build, no environment of ours."""
        target = self.folder / CHECKOUT.lstrip("/")
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=REPOSITORY,
            capture_output=True,
            check=True,
        ).stdout
        for name in filter(None, listed.decode().split("\0")):
            if (REPOSITORY / name).is_file():
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(REPOSITORY / name, target / name)

    def _hand_in(self, path: Path) -> None:
        """A file at the same place; a folder is looked at through a mount."""
        inside = self.folder / str(path).replace(str(Path.home()), "/root", 1).lstrip("/")
        if path.is_relative_to(_CERTIFICATES.parent):
            return  # made by a package there, of what stands in Debian's place for one's own
        if path.is_file():
            inside.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, inside)
        elif path.is_dir() and not inside.exists():
            self._binds[str(path)] = (str(path), "ro")

    def _hand_in_certificates(self) -> None:
        """Those that this machine trusts beside Debian's own."""
        if not _CERTIFICATES.is_file():
            return
        packaged = "".join(path.read_text() for path in Path("/usr/share/ca-certificates").rglob("*.crt"))
        own = set(_CERTIFICATE.findall(_CERTIFICATES.read_text())) - set(_CERTIFICATE.findall(packaged))
        folder = self.folder / "usr/local/share/ca-certificates"
        folder.mkdir(parents=True, exist_ok=True)
        for number, certificate in enumerate(sorted(own)):
            (folder / f"own-{number}.crt").write_text(certificate)

    def _hand_in_paths(self, text: str) -> None:
        """What a text names. The pages of an index that is a folder point to files beside it."""
        for scheme, name in _PATH.findall(text):
            self._hand_in(Path(name).parent if scheme else Path(name))


def _handed_variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if _HANDED_VARIABLES.fullmatch(name)}


def _pip_files() -> Iterator[Path]:
    named = os.environ.get("PIP_CONFIG_FILE")
    for name in (*_PIP_FILES, *([named] if named else [])):
        path = Path(name).expanduser()
        if path.is_file():
            yield path


def _bootstrap(archive: Path) -> None:
    """Make the tarball; a minute or two, from the mirror that this machine uses if it is a Debian itself."""
    _tell(f"Making a new Debian ({RELEASE})")
    options = archive.with_suffix(".apt")
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout
    options.write_text("".join(line for line in dump.splitlines(True) if _HANDED_APT.match(line)))
    draft = archive.with_suffix(".new.tar")
    command = ["mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", f"--aptopt={options}"]
    done = subprocess.run(
        [*command, RELEASE, str(draft), *_mirror()], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise CannotMakeRootError("mmdebstrap failed: " + "\n".join(done.stderr.splitlines()[-6:]))
    draft.replace(archive)


def _mirror() -> list[str]:
    """This machine's own mirror of Debian, if it has one."""
    if "ID=debian" not in Path("/etc/os-release").read_text().split():
        return []
    told = subprocess.run(
        [
            "apt-get",
            "indextargets",
            "--format",
            "$(REPO_URI) $(RELEASE) $(COMPONENT)",
            "Created-By: Packages",
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    rows = [line.split() for line in told.splitlines()]
    return next(([uri] for uri, release, part in rows if part == "main" and "-" not in release), [])


def shell_block(page: Path, heading: str) -> list[str]:
    """The lines of the first shell block below a heading, as they are typed."""
    section = page.read_text().split(f"\n{heading}\n", 1)[1]
    found = re.search(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert found, f"no shell block below {heading!r}"
    return [line for line in found[1].splitlines() if line.strip()]


def _tell(message: str, *_: object) -> None:
    print(message, file=sys.stderr, flush=True)
