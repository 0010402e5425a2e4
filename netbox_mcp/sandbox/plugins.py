"""NetBox plugins of one instance: their packages, and the modules that NetBox is told to load.

NetBox's own pip puts them into a folder of the instance, never into the
environment that all instances share. It may fetch a dependency that NetBox has
too, but only in NetBox's release: a plugin that needs another one is refused
here rather than failing somewhere inside. They run on their default settings.
"""

import re
import shutil
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

from netbox_mcp.sandbox.environment import NetBoxEnvironment, pip_install
from netbox_mcp.sandbox.errors import SandboxError
from netbox_mcp.sandbox.progress import Report

_NAME = re.compile(r"[\w.-]+")
_CONFIG = re.compile(r"^config\s*=", re.MULTILINE)


def ensure_plugins(
    folder: Path, packages: tuple[str, ...], environment: NetBoxEnvironment, report: Report
) -> tuple[str, ...]:
    """The plugins' modules, in the order of ``packages``; installed first where this NetBox lacks them."""
    if not packages:
        return ()
    mark = folder / "installed"
    made = "\n".join([environment.folder.name, *packages])
    if not mark.is_file() or mark.read_text() != made:
        shutil.rmtree(folder, ignore_errors=True)
        _install(folder, packages, environment, report)
    modules = plugin_modules(folder, packages)
    mark.write_text(made)
    return modules


def plugin_modules(folder: Path, packages: tuple[str, ...]) -> tuple[str, ...]:
    """The NetBox plugins among what lies in ``folder``: what others depend on first, then as asked for.

    Raises SandboxError when a package that was asked for has none in it.
    """
    order = [_normal_name(package) for package in packages]
    found: list[tuple[int, str]] = []
    for installed in distributions(path=[str(folder)]):
        name = installed.metadata["Name"]
        modules = [module for module in _top_level(installed) if _is_plugin(folder / module)]
        if not modules and installed.read_text("REQUESTED") is not None:  # pip's mark of what was asked for
            raise SandboxError(
                f"There is no NetBox plugin in the package {name}.",
                "A plugin's manual names its package, which need not have the name of its module.",
            )
        position = order.index(_normal_name(name)) if _normal_name(name) in order else -1
        found += [(position, module) for module in modules]
    return tuple(module for _, module in sorted(found))


def _install(folder: Path, packages: tuple[str, ...], environment: NetBoxEnvironment, report: Report) -> None:
    constraints = folder.with_name(f"{folder.name}.constraints")
    constraints.write_text("".join(f"{package}\n" for package in sorted(environment.packages())))
    arguments = [f"--target={folder}", f"--constraint={constraints}", "--", *packages]
    log = folder.with_name(f"{folder.name}.log")
    pip_install(environment, arguments, ", ".join(packages), log, report)


def _normal_name(requirement: str) -> str:
    """The name in ``Netbox_BGP==0.20.2`` as the package index spells it; nothing sensible for a file."""
    name = _NAME.match(requirement)
    return re.sub(r"[-_.]+", "-", name[0]).lower() if name else ""


def _top_level(installed: Distribution) -> Iterator[str]:
    """The packages, in Python's sense, that came with a distribution."""
    for file in installed.files or ():
        if len(file.parts) == 2 and file.name == "__init__.py":
            yield file.parts[0]


def _is_plugin(package: Path) -> bool:
    """Whether NetBox would find its ``config``, a kind of PluginConfig, in there."""
    source = (package / "__init__.py").read_text(errors="replace")
    return "PluginConfig" in source and _CONFIG.search(source) is not None
