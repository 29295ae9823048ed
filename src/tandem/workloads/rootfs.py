"""The file system of a pod: the host's, copy-on-write, with a /proc, /sys, /dev, /run and some of /etc of its own.

A container of an image that is here has that image's root instead, copy-on-write too, with the same of its own.

Called in a thread that has just entered a new mount namespace. Nothing is ever written to the host, nor to an image:
an overlay keeps what is written in a private tmpfs, which goes with the namespace.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tandem.base.digest import digest
from tandem.workloads import kernel as k

_PRIVATE: Final = "run/.tandem"
"""Of the pod's; no container sees it."""
VOLUMES: Final = f"{_PRIVATE}/volumes"
"""Where a pod's volumes lie inside its namespace; a container sees only those that it mounts."""
_IMAGES: Final = f"{_PRIVATE}/images"
_OWN_LAYER: Final = f"{_PRIVATE}/own"

_OWN: Final = ("/proc", "/sys", "/dev", "/run")
_SHARED: Final = ("proc", "sys", "dev")
_PODS_FILES: Final = ("etc/hosts", "etc/hostname", "etc/resolv.conf")
_FOREIGN: Final = ("/var/lib/docker", "/var/lib/containerd", "/var/lib/containers", "/var/lib/kubelet")
_OLD: Final = ".tandem-old"
_QUIET: Final = k.MS_NOSUID | k.MS_NODEV | k.MS_NOEXEC
_DEVICES: Final = ("null", "zero", "full", "random", "urandom", "tty")
_LINKS: Final = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
}
_PROC_READ_ONLY: Final = ("sys", "sysrq-trigger", "irq", "bus", "fs")
_PROC_HIDDEN: Final = ("kcore", "keys", "timer_list")


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a pod sees of this machine."""

    hidden: Sequence[Path]
    """Paths that appear empty."""
    images: Sequence[Path]
    """Roots of images that containers of the pod may enter."""
    files: Mapping[str, bytes]
    """Files of its own."""


def build(base: Path, view: View) -> None:
    """Make the pod's root and pivot into it. `base` is an empty directory."""
    host_mounts = _host_mounts()
    k.mount("none", "/", flags=k.MS_PRIVATE | k.MS_REC)
    k.mount("tmpfs", base, "tmpfs", flags=k.MS_NODEV, data="mode=0755")
    root = base / "root"
    root.mkdir()
    _overlay("/", root, base / "layer")
    for number, place in enumerate(host_mounts):
        _take_over(place, root, base / f"layer{number}")
    for path in view.hidden:
        if (root / path.relative_to("/")).is_dir():
            k.mount("tmpfs", root / path.relative_to("/"), "tmpfs", flags=_QUIET, data="mode=0555,size=4k")
    _dev(root / "dev")
    k.mount("sysfs", root / "sys", "sysfs", flags=_QUIET | k.MS_RDONLY)
    k.mount("tmpfs", root / "run", "tmpfs", flags=k.MS_NOSUID | k.MS_NODEV, data="mode=0755")
    (root / "run/lock").mkdir()
    (root / "run/lock").chmod(0o1777)
    (root / VOLUMES).mkdir(parents=True, mode=0o755)
    (root / _OWN_LAYER).mkdir()
    for image in view.images:
        target = root / _place_of(image)
        target.mkdir(parents=True)
        k.bind(image, target, flags=k.MS_RDONLY | k.MS_NODEV)
    for name, content in view.files.items():
        write_file(root / name.lstrip("/"), content)
    _leave(_pivot(root))


@contextmanager
def container(image: Path | None) -> Iterator[Path]:
    """The calling thread's view becomes a container's: of an image that the pod was built with, or the pod's own.

    While the block runs, what is given leads to the root of the pod; afterwards only the container's own is left.
    """
    if image is None:
        yield Path("/")
        if Path("/", _PRIVATE).is_dir():  # not beside a container that has left it already
            k.mount("tmpfs", Path("/", _PRIVATE), "tmpfs", flags=k.MS_RDONLY, data="size=4k,mode=0555")
        return
    layer = Path("/", _OWN_LAYER)
    k.mount("tmpfs", layer, "tmpfs", flags=k.MS_NODEV, data="mode=0755")
    root = layer / "root"
    root.mkdir()
    _overlay(str(Path("/", _place_of(image))), root, layer / "layer")
    pods = _pivot(root)
    for name in _SHARED:
        Path("/", name).mkdir(exist_ok=True)
        k.bind(pods / name, Path("/", name))
    for name in _PODS_FILES:
        write_file(Path("/", name), (pods / name).read_bytes())
    yield pods
    _leave(pods)


def _place_of(image: Path) -> str:
    return f"{_IMAGES}/{digest(str(image), 16)}"


def _pivot(root: Path) -> Path:
    """Make a mounted directory the root; where the old one is then."""
    old = root / _OLD
    old.mkdir()
    k.pivot_root(root, old)
    os.chdir("/")
    return Path("/", _OLD)


def _leave(old: Path) -> None:
    k.umount(old)
    old.rmdir()


def harden_proc() -> None:
    """Close what a root process without capabilities could still change for the whole machine through /proc."""
    for name in _PROC_READ_ONLY:
        with contextlib.suppress(OSError):  # not every kernel has every file
            k.bind(f"/proc/{name}", f"/proc/{name}", flags=k.MS_RDONLY | _QUIET)
    for name in _PROC_HIDDEN:
        with contextlib.suppress(OSError):
            k.bind("/dev/null", f"/proc/{name}")


def write_file(path: Path, content: bytes) -> None:
    """A plain file in the pod's layer, in place of whatever the host has there (such as a link into /run)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink():
        path.unlink()
    path.write_bytes(content)
    path.chmod(0o644)


def _overlay(lower: str, target: Path, layer: Path) -> None:
    upper, work = layer / "upper", layer / "work"
    upper.mkdir(parents=True)
    work.mkdir()
    upper.chmod(stat.S_IMODE(Path(lower).stat().st_mode))
    k.mount("overlay", target, "overlay", flags=k.MS_NODEV, data=f"lowerdir={lower},upperdir={upper},workdir={work}")


def _take_over(path: str, root: Path, layer: Path) -> None:
    """A file system that is mounted below `/` on the host: copy-on-write too, else read-only."""
    target = root / path.lstrip("/")
    with contextlib.suppress(OSError):  # a place that the pod's root does not have, or that has gone meanwhile
        if target.is_dir():
            try:
                _overlay(path, target, layer)
            except OSError:
                k.bind(path, target, flags=k.MS_RDONLY | k.MS_NOSUID | k.MS_NODEV)
        elif target.is_file() and not path.startswith("/etc/"):
            k.bind(path, target, flags=k.MS_RDONLY | k.MS_NOSUID | k.MS_NODEV)


def _host_mounts() -> list[str]:
    """Mount points of the host that belong to a pod's view, parents first."""
    found = []
    for line in Path("/proc/thread-self/mountinfo").read_text(encoding="utf-8").splitlines():
        path = line.split()[4]
        skipped = path == "/" or "\\" in path or "," in path or ":" in path
        if not skipped and not any(path == p or path.startswith(f"{p}/") for p in (*_OWN, *_FOREIGN)):
            found.append(path)
    return sorted(set(found))


def _dev(dev: Path) -> None:
    k.mount("tmpfs", dev, "tmpfs", flags=k.MS_NOSUID | k.MS_NODEV, data="mode=0755,size=64k")
    for name in _DEVICES:
        (dev / name).touch()
        k.bind(f"/dev/{name}", dev / name)
    for name, target in _LINKS.items():
        (dev / name).symlink_to(target)
    (dev / "pts").mkdir()
    options = "newinstance,ptmxmode=0666,mode=0620,gid=5"
    k.mount("devpts", dev / "pts", "devpts", flags=k.MS_NOSUID | k.MS_NOEXEC, data=options)
    (dev / "shm").mkdir()
    k.mount("shm", dev / "shm", "tmpfs", flags=_QUIET, data="mode=1777,size=64m")
