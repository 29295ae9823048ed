"""Network namespaces of sandboxes: made by a thread, pinned by a bind mount under /run/netns, as `ip netns` pins them.

In: a path. Out: the namespace with loopback up. Removing is idempotent. Before the first, /run/netns is mounted over
itself, shared, as `ip netns` and podman do when they find that it is not: done by them later, it would hide what is
pinned here, which could not be unmounted any more.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import struct
import threading
from pathlib import Path
from typing import Final

from tandem.base.digest import digest
from tandem.base.paths import NodeDir
from tandem.state.ownership import NETNS_PREFIX
from tandem.workloads import kernel

DIRECTORY: Final = Path("/run/netns")
_SIOCGIFFLAGS: Final = 0x8913
_SIOCSIFFLAGS: Final = 0x8914
_IFF_UP: Final = 1
_KEPT: Final = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
_MARK: Final = "nodiratime"
"""Among the options of that mount: it is ours, to be undone once nobody has a name there."""


def path_of(node_dir: NodeDir, uid: str, attempt: int) -> Path:
    """Where the namespace of a pod's sandbox is pinned; each attempt has its own, and it tells whose it is."""
    return DIRECTORY / f"{_prefix(node_dir)}{uid[:8]}-{attempt}"


def pinned(node_dir: NodeDir) -> list[Path]:
    """Every namespace that a node's runtime has pinned, from the names alone."""
    return sorted(DIRECTORY.glob(f"{_prefix(node_dir)}*")) if DIRECTORY.is_dir() else []


def _prefix(node_dir: NodeDir) -> str:
    return f"{NETNS_PREFIX}{digest(str(node_dir.root), 6)}-"


def create(path: Path) -> None:
    """Call in a thread of `kernel.in_thread`: the thread enters the new namespace."""
    _prepare()
    kernel.unshare(kernel.CLONE_NEWNET)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh", b"lo", 0)
        flags = struct.unpack("16sh", fcntl.ioctl(control, _SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh", b"lo", flags | _IFF_UP))
    path.touch(mode=0o444)
    kernel.bind(f"/proc/self/task/{threading.get_native_id()}/ns/net", path)


def remove(path: Path) -> bool:
    """Unpin; True if the name is gone that was there."""
    if not path.exists():
        return False
    with contextlib.suppress(OSError):  # EINVAL: the file is there, but nothing is mounted on it
        while True:
            kernel.umount(path)
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        # Something else was mounted over the directory: what was pinned before is hidden, and cannot be unmounted.
        if error.errno != errno.EBUSY:
            raise
        return False
    return True


def leave_directory() -> None:
    """Undo the mount of the directory over itself if it is ours and nobody, others included, has a name there."""
    if DIRECTORY.is_dir() and _MARK in (_options() or ()) and not any(DIRECTORY.iterdir()):
        kernel.umount(DIRECTORY)


def _prepare() -> None:
    DIRECTORY.mkdir(mode=0o755, parents=True, exist_ok=True)
    lock = os.open(DIRECTORY, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)  # as `ip netns` does: one of several at once mounts it
        if _options() is None:
            kernel.bind(DIRECTORY, DIRECTORY, flags=os.statvfs(DIRECTORY).f_flag & _KEPT | kernel.MS_NODIRATIME)
            kernel.mount("none", DIRECTORY, flags=kernel.MS_SHARED | kernel.MS_REC)
    finally:
        os.close(lock)


def _options() -> list[str] | None:
    """Options of the mount on the directory (proc(5), mountinfo, field 6); None: nothing is mounted on it.

    The directory is looked up: mounts of that name may lie hidden below another one.
    """
    handle = os.open(DIRECTORY, os.O_PATH | os.O_CLOEXEC)
    try:
        details = Path(f"/proc/thread-self/fdinfo/{handle}").read_text(encoding="utf-8").split()
    finally:
        os.close(handle)
    number = details[details.index("mnt_id:") + 1]
    mounts = (line.split() for line in Path("/proc/thread-self/mountinfo").read_text(encoding="utf-8").splitlines())
    return next((f[5].split(",") for f in mounts if f[0] == number and f[4] == str(DIRECTORY)), None)


def inode(path: Path) -> int | None:
    """The namespace's identity, to compare with /proc/<pid>/ns/net; None if nothing is pinned there."""
    try:
        found = path.stat()
    except OSError:
        return None
    # A file that nothing is mounted on is not a namespace.
    return found.st_ino if found.st_dev == Path("/proc/self/ns/net").stat().st_dev else None
