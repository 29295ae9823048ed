"""Another network of this machine, behind whose plugins Tandem is to run: is it there, and who will read our file?

In: a directory of network configurations, a name. Out: nothing is written here; what cannot work is refused before
(InstallError), and what a runtime of this machine will not see is told.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from tandem.runtime.cni_host import PLUGIN, InstallError

LIST: Final = ".conflist"
SINGLE: Final = (".conf", ".json")
_NUMBER: Final = re.compile(r"(\d+)\.(\d+)")
OLD: Final = {"containerd": (2, 2), "podman": (1 << 16, 0)}
"""The first version that reads the directory of a network (libcni 1.3); podman's CNI backend never does."""


def find_network(conf_dir: Path, network: str) -> Path:
    """The list of that name; raises InstallError with what to do where it cannot be extended by a file."""
    names = []
    for path in sorted(conf_dir.iterdir()) if conf_dir.is_dir() else ():
        if path.suffix not in {LIST, *SINGLE}:
            continue
        config = _read(path)
        names.append(str(config.get("name", "")))
        if names[-1] == network:
            _refuse_unfit(path, config)
            return path
    known = ", ".join(sorted(filter(None, names))) or "none"
    raise InstallError(f"--chained-to {network}: no such network in {conf_dir}; there are: {known}")


def deaf_runtimes() -> Iterator[str]:
    """One line for each runtime of this machine that will not read the directory of a network."""
    for name, since in OLD.items():
        version = _version(name)
        if version is not None and version < since:
            text = ".".join(map(str, version))
            more = f"{name} {since[0]}.{since[1]} does" if since[0] < 1 << 16 else "its CNI backend never does"
            yield f"note: {name} {text} does not read the directory of a network (libcni older than 1.3); {more}"


def _refuse_unfit(path: Path, config: Mapping[str, Any]) -> None:
    if path.suffix != LIST:
        raise InstallError(f"{path} is a single plugin, which has no directory: make it a {LIST}")
    if config.get("loadOnlyInlinedPlugins") in {True, "true"}:
        raise InstallError(f'{path} says "loadOnlyInlinedPlugins": true: runtimes would not read our file')
    plugins = config.get("plugins") or ()
    if any(isinstance(plugin, Mapping) and plugin.get("type") == PLUGIN for plugin in plugins):
        raise InstallError(f"{path}: {PLUGIN} is in this list already")


def _read(path: Path) -> Mapping[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}


def _version(name: str) -> tuple[int, int] | None:
    """What a program says of itself; None if it is not installed."""
    if shutil.which(name) is None:
        return None
    done = subprocess.run([name, "--version"], capture_output=True, text=True, check=False)
    match = _NUMBER.search(done.stdout)
    return (int(match[1]), int(match[2])) if match else None
