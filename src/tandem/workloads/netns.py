"""Network namespaces of sandboxes: made by a thread, pinned by a bind mount under /run/netns, as `ip netns` pins them.

In: a path. Out: the namespace with loopback up. Removing is idempotent.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
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
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
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
        # podman and `ip netns` mount the directory over itself when they run for the first time. What was pinned before
        # is hidden then, and cannot be unmounted.
        if error.errno != errno.EBUSY:
            raise
        return False
    return True


def inode(path: Path) -> int | None:
    """The namespace's identity, to compare with /proc/<pid>/ns/net; None if nothing is pinned there."""
    try:
        found = path.stat()
    except OSError:
        return None
    # A file that nothing is mounted on is not a namespace.
    return found.st_ino if found.st_dev == Path("/proc/self/ns/net").stat().st_dev else None
