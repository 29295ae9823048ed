"""The CNI plugin where the runtimes of this machine look for it: `tandem cni install` and `uninstall` without paint.

In: a node of a running tandem, two directories. Out: `tandem-cni` and `10-tandem.conflist` (or, behind another network,
a file in that network's own directory), each by rename, and the latter only when the agent answers STATUS: a runtime
takes the file for a network that serves. The file is also the record of what was written, so that just that can be
taken away again, even after the run directory was lost.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tandem_cni.build import build

from tandem.base.files import PUBLIC, replace_file
from tandem.base.paths import NodeDir, RunDir
from tandem.podnet.previous import CHAINED, POLICY
from tandem.podnet.unmanaged import KEY, Unmanaged
from tandem.runtime.cni_install import BEHIND_OTHERS, CAPABILITIES, NETWORK

BIN_DIR: Final = Path("/opt/cni/bin")
CONF_DIR: Final = Path("/etc/cni/net.d")
PLUGIN: Final = "tandem-cni"
CONFLIST: Final = "10-tandem.conflist"
BEHIND: Final = "90-tandem.conf"
"""In the directory of another network: the plugin that runs behind those of its list."""
VERSIONS: Final = ("0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
VERSION: Final = "1.0.0"
"""What runtimes speak that do not know `cniVersions`; the others take the newest that they share with us."""
_READ: Final = (".conf", ".conflist", ".json")
_ASK_AGAIN: Final = 0.1


class InstallError(Exception):
    """The plugin was not installed, and nothing was left; the text says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Behind which network, and whether NetworkPolicy is enforced on its links."""

    network: str
    policy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where a runtime looks, and what becomes of containers that are no Pods."""

    bin_dir: Path = BIN_DIR
    conf_dir: Path = CONF_DIR
    unmanaged: Unmanaged = Unmanaged.OPEN
    version: str = VERSION
    chain: Chain | None = None
    """None: a network of our own."""

    @property
    def executable(self) -> Path:
        """The plugin."""
        return self.bin_dir / PLUGIN

    @property
    def conflist(self) -> Path:
        """The network's configuration list, or our file in the directory of another network."""
        return self.conf_dir / (CONFLIST if self.chain is None else f"{self.chain.network}/{BEHIND}")


def install(run_dir: RunDir, node: NodeDir, places: Places, *, wait: float) -> Iterator[str]:
    """One line for each step; raises InstallError or OSError, after which nothing of this attempt is left."""
    earlier = _read(places.conflist)
    if places.conflist.exists() and (earlier is None or not _is_below(earlier, run_dir)):
        raise InstallError(f"{places.conflist} is not of this tandem ({run_dir.root}): remove it, or use --conf-dir")
    shared, draft = True, _draft(places.conflist)
    made: list[str] = [*(earlier or _read(draft) or {}).get("directories", ())]
    try:
        for folder in (places.bin_dir, places.conflist.parent):
            made += _make(folder)
        shared, sha256 = _intent(run_dir, places)
        # Whose the executable is stands written before it does: an install that is killed leaves nothing unknown.
        _remember(run_dir, places.conflist)
        draft.write_text(_text(_Record(node.cni_socket, places, sha256, tuple(made))), encoding="utf-8")
        if not shared:
            build(places.executable, str(Path(sys.executable).resolve()))
        yield f"{places.executable} {'is there' if shared else 'written'}"
        _wait_for(places, node, wait)
        yield "STATUS: the agent serves"
        draft.rename(places.conflist)
    except (InstallError, OSError):
        draft.unlink(missing_ok=True)
        if earlier is None and not shared:
            places.executable.unlink(missing_ok=True)
        if earlier is None:
            _remove_directories(made)
        raise
    yield f"{places.conflist} written"
    if earlier is not None and not _is_named(run_dir, [places.conf_dir], earlier["executable"]):
        yield from _remove_executable(Path(earlier["executable"]), earlier["sha256"])
    for other in sorted(places.conf_dir.iterdir()) if places.chain is None else ():
        if other.suffix in _READ and other.name < CONFLIST and other.is_file():
            yield f"note: {other} sorts before it, and runtimes that take the first file will use that one"


def _intent(run_dir: RunDir, places: Places) -> tuple[bool, str]:
    """Whether the executable is there as we would write it, and its digest where it is ours to remove, else empty.

    One of unknown origin is refused.
    """
    there = _digest(places.executable) if places.executable.exists() else ""
    with tempfile.TemporaryDirectory() as scratch:
        build(Path(scratch) / PLUGIN, str(Path(sys.executable).resolve()))
        fresh = _digest(Path(scratch) / PLUGIN)
    recorded = _is_recorded(run_dir, places)
    if there and there != fresh and not recorded:
        what = f"{places.executable} is there already and no {places.conflist.name} tells whose it is"
        raise InstallError(f"{what}: remove it first")
    return there == fresh, "" if there and not recorded else fresh


def _is_recorded(run_dir: RunDir, places: Places) -> bool:
    """True if an installation of this tandem wrote the executable."""
    records = map(_read, (*installed(run_dir, [places.conf_dir]), *_begun(run_dir, [places.conf_dir])))
    return any(r is not None and r["sha256"] and r["executable"] == str(places.executable) for r in records)


def _is_named(run_dir: RunDir, conf_dirs: Iterable[Path], executable: str) -> bool:
    """True if a file of ours that is there needs the executable."""
    records = map(_read, installed(run_dir, conf_dirs))
    return any(record is not None and record["executable"] == executable for record in records)


def _remove_executable(executable: Path, sha256: str) -> Iterator[str]:
    """`sha256` empty: it is not ours to remove."""
    if not sha256 or not executable.exists():
        return
    if _digest(executable) != sha256:
        yield f"left: {executable}: it was changed since it was installed"
        return
    try:
        executable.unlink()
    except OSError as error:
        yield f"left: {executable}: {error.strerror}"
        return
    yield f"{executable} removed"


def uninstall(run_dir: RunDir, conf_dirs: Iterable[Path] = ()) -> Iterator[str]:
    """Take away what install wrote; a line that starts with `left:` tells what stays, and why."""
    gone: dict[str, Mapping[str, Any]] = {}
    for conflist in defaced(run_dir):
        yield f"left: {conflist}: it was changed since it was installed"
    for conflist in installed(run_dir, conf_dirs):
        record: Mapping[str, Any] = _read(conflist) or {}
        if conflist.read_text(encoding="utf-8") != _text(_record(conflist, record)):
            yield f"left: {conflist}: it was changed since it was installed"
            continue
        try:
            conflist.unlink()  # first: a runtime that finds a network without its plugin takes the node for broken
        except OSError as error:
            yield f"left: {conflist}: {error.strerror}"
            continue
        yield f"{conflist} removed"
        gone[str(conflist)] = record
    for draft in _begun(run_dir, conf_dirs):
        gone[str(draft)] = _read(draft) or {}
        draft.unlink()
        yield f"{draft} removed: an installation that was not finished"
    for name, sha256 in sorted({(r["executable"], r["sha256"]) for r in gone.values() if r["sha256"]}):
        if not _is_named(run_dir, conf_dirs, name):
            yield from _remove_executable(Path(name), sha256)
    for conflist in _remembered(run_dir):
        _draft(conflist).unlink(missing_ok=True)  # of an install that was killed as it wrote it
    _remove_directories({folder for record in gone.values() for folder in record["directories"]})
    if not any(path.exists() for path in _remembered(run_dir)):
        _memory(run_dir).unlink(missing_ok=True)


def installed(run_dir: RunDir, conf_dirs: Iterable[Path] = ()) -> list[Path]:
    """The files that lead into this run directory: those remembered, and what lies in the usual places."""
    folders = {CONF_DIR, *conf_dirs}
    usual = (path for folder in folders for path in (folder / CONFLIST, *folder.glob(f"*/{BEHIND}")))
    known = {*_remembered(run_dir), *usual}
    return sorted(path for path in known if (record := _read(path)) is not None and _is_below(record, run_dir))


def defaced(run_dir: RunDir) -> list[Path]:
    """Files that install wrote, and that nobody can read as ours any more."""
    return sorted(path for path in set(_remembered(run_dir)) if path.exists() and _read(path) is None)


def _begun(run_dir: RunDir, conf_dirs: Iterable[Path]) -> list[Path]:
    """Drafts of installations that were not finished."""
    folders = {CONF_DIR, *conf_dirs}
    usual = (p for folder in folders for p in (folder / CONFLIST, *(d / BEHIND for d in _folders(folder))))
    drafts = map(_draft, {*_remembered(run_dir), *usual})
    return sorted(path for path in drafts if (record := _read(path)) is not None and _is_below(record, run_dir))


def _folders(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []


def is_unchanged(conflist: Path) -> bool:
    """True if list and executable are as install wrote them."""
    record = _read(conflist)
    if record is None or conflist.read_text(encoding="utf-8") != _text(_record(conflist, record)):
        return False
    executable = Path(record["executable"])
    return executable.is_file() and record["sha256"] in {"", _digest(executable)}


def ask_status(executable: Path, node: NodeDir) -> tuple[int, str]:
    """What STATUS says: 0 and nothing, or the code and the sentence of the error."""
    config = {"cniVersion": VERSIONS[-1], "name": NETWORK, "type": PLUGIN, "socket": str(node.cni_socket)}
    done = _execute(executable, "STATUS", json.dumps(config))
    if done.returncode == 0:
        return 0, ""
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        return 999, done.stderr.strip() or f"exit status {done.returncode}"
    return int(answer["code"]), ": ".join(filter(None, (answer["msg"], answer.get("details", ""))))


def ask_versions(executable: Path) -> list[str]:
    """The protocol versions that the executable itself names; empty if it does not run."""
    done = _execute(executable, "VERSION", json.dumps({"cniVersion": VERSIONS[-1]}))
    return list(json.loads(done.stdout)["supportedVersions"]) if done.returncode == 0 else []


@dataclass(frozen=True, slots=True)
class _Record:
    socket: Path
    places: Places
    sha256: str
    """Empty: the executable was there, and is not ours to remove."""
    directories: tuple[str, ...]


def _text(record: _Record) -> str:
    versions = VERSIONS[VERSIONS.index(record.places.version) :]
    chain = record.places.chain
    plugin = {
        "type": PLUGIN,
        "socket": str(record.socket),
        "capabilities": CAPABILITIES if chain is None else BEHIND_OTHERS,
        **({} if chain is None else {CHAINED: True, POLICY: chain.policy}),
        KEY: record.places.unmanaged.value,
        "installed": {
            "executable": str(record.places.executable),
            "sha256": record.sha256,
            "directories": list(record.directories),
        },
    }
    if chain is not None:
        return json.dumps(plugin, indent=2) + "\n"
    conflist = {"cniVersion": versions[0], "cniVersions": list(versions), "name": NETWORK, "plugins": [plugin]}
    return json.dumps(conflist, indent=2) + "\n"


def _read(conflist: Path) -> dict[str, Any] | None:
    """What a list says of its installation; None: it is not one of ours, or cannot be read."""
    try:
        config = json.loads(conflist.read_text(encoding="utf-8"))
        for plugin in config.get("plugins", [config]):
            if plugin["type"] == PLUGIN and "installed" in plugin:
                more = {"socket": str(plugin["socket"]), KEY: plugin[KEY], "version": config.get("cniVersion", VERSION)}
                more |= {CHAINED: plugin.get(CHAINED, False), POLICY: plugin.get(POLICY, False)}
                return {**more, **{key: plugin["installed"][key] for key in ("executable", "sha256", "directories")}}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return None


def _record(conflist: Path, record: Mapping[str, Any]) -> _Record:
    chain = Chain(network=conflist.parent.name, policy=bool(record[POLICY])) if record[CHAINED] else None
    places = Places(
        bin_dir=Path(record["executable"]).parent,
        conf_dir=conflist.parent if chain is None else conflist.parent.parent,
        unmanaged=Unmanaged(record[KEY]) if record[KEY] in {way.value for way in Unmanaged} else Unmanaged.OPEN,
        version=record["version"] if record["version"] in VERSIONS else VERSION,
        chain=chain,
    )
    return _Record(Path(record["socket"]), places, record["sha256"], tuple(record["directories"]))


def _is_below(record: Mapping[str, Any], run_dir: RunDir) -> bool:
    return Path(record["socket"]).is_relative_to(run_dir.root)


def _wait_for(places: Places, node: NodeDir, wait: float) -> None:
    """Until STATUS is well; raises InstallError with what it says after so long."""
    deadline = time.monotonic() + wait
    while True:
        code, text = ask_status(places.executable, node)
        if code == 0:
            return
        if time.monotonic() >= deadline:
            raise InstallError(f"{places.conflist.name} was not put in place, STATUS says {code}: {text}")
        time.sleep(_ASK_AGAIN)


def _execute(executable: Path, verb: str, config: str) -> subprocess.CompletedProcess[str]:
    environment = {"CNI_COMMAND": verb, "CNI_PATH": str(executable.parent)}
    command = [str(executable)]
    return subprocess.run(command, input=config, capture_output=True, text=True, check=False, env=environment)


def _make(folder: Path) -> list[str]:
    """Make a directory; those that were not there, from the top down."""
    missing = [str(path) for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing[::-1]


def _remove_directories(made: Iterable[str]) -> None:
    for path in sorted(map(Path, made), reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            with suppress(OSError):  # of no harm where it is
                path.rmdir()


def _digest(executable: Path) -> str:
    return hashlib.sha256(executable.read_bytes()).hexdigest()


def _draft(conflist: Path) -> Path:
    """What becomes the file once the agent serves."""
    return conflist.with_suffix(".new")


def _memory(run_dir: RunDir) -> Path:
    return run_dir.root / "cni-installed.json"


def _remembered(run_dir: RunDir) -> list[Path]:
    try:
        return [Path(line) for line in json.loads(_memory(run_dir).read_text(encoding="utf-8"))]
    except (OSError, ValueError):
        return []


def _remember(run_dir: RunDir, conflist: Path) -> None:
    """Before the file is written: one that is remembered and missing does no harm."""
    text = json.dumps(sorted({str(conflist), *map(str, _remembered(run_dir))}))
    replace_file(_memory(run_dir), text.encode(), mode=PUBLIC)
