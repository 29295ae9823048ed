"""A world apart: network, mount and PID namespaces of its own with an empty /run, in which `tandem up` can run unseen.

In: nothing. Out: a command line that runs a program in there. When the block ends, or this process dies, the kernel
ends everything in it and drops its namespaces: nothing of it was ever visible outside, and nothing is left.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from tandem.base.problems import DriverError
from tandem.model.meta import RawObject

OUTSIDE: Final = ("198.51.100.2", "2001:db8:64::2")
"""The machine beyond the node, of addresses for documentation (RFC 5737, RFC 3849)."""
OUTSIDE_NETNS: Final = "/run/netns/outside"
_HERE: Final = ("198.51.100.1/24", "2001:db8:64::1/64")
_WORLD: Final = (
    # Mounts of others below /run are copied into a new namespace: they would hide under the new one.
    "for m in $(awk '$5 ~ \"^/run/\" {print $5}' /proc/self/mountinfo | sort -r); do umount -l $m; done;"
    " mount -t tmpfs tmpfs /dev/shm && mount -t tmpfs tmpfs /run && mkdir /run/netns"
    " && ip link set lo up && exec catatonit -P"
)
_BEYOND: Final = (
    "netns add outside",
    "link add outside0 type veth peer name eth0 netns outside",
    "link set outside0 addrgenmode none",
    f"address add {_HERE[0]} dev outside0",
    f"address add {_HERE[1]} dev outside0 nodad",
    "link set outside0 up",
    "-n outside link set lo up",
    f"-n outside address add {OUTSIDE[0]}/24 dev eth0",
    f"-n outside address add {OUTSIDE[1]}/64 dev eth0 nodad",
    "-n outside link set eth0 up",
    f"-n outside route add default via {_HERE[0].partition('/')[0]}",
    f"-n outside -6 route add default via {_HERE[1].partition('/')[0]}",
    f"route add default via {OUTSIDE[0]}",
    f"-6 route add default via {OUTSIDE[1]}",
)
_STARTING: Final = 10.0


class Apart:
    """A world that is there; `init` is its first process, as seen from outside."""

    def __init__(self, init: int) -> None:
        self.init = init

    def enter(self, *argv: str) -> list[str]:
        """The command line that runs `argv` in there, in the same directory."""
        space = [f"--target={self.init}", "--net", "--mount", "--pid", f"--wdns={Path.cwd()}"]
        return ["nsenter", *space, "--", *argv]

    def make_outside(self) -> None:
        """A machine beyond the node, by which the node would reach everything; raises DriverError."""
        for command in _BEYOND:
            done = subprocess.run(self.enter("ip", *command.split()), capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise DriverError(f"ip {command}: {done.stderr.strip()}")


@contextmanager
def apart() -> Iterator[Apart]:
    """A new one; raises DriverError where the kernel gives none (it takes root)."""
    namespaces = ["--net", "--mount", "--pid", "--fork", "--mount-proc", "--propagation", "private", "--kill-child"]
    with subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", "unshare", *namespaces, "sh", "-c", _WORLD],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as holder:
        try:
            yield Apart(_first_process(holder))
        finally:
            for child in _children(holder.pid):
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            with suppress(subprocess.TimeoutExpired):
                holder.wait(_STARTING)
            holder.kill()


def _first_process(holder: subprocess.Popen[str]) -> int:
    """The world's init, once it has prepared everything."""
    deadline = time.monotonic() + _STARTING
    while holder.poll() is None and time.monotonic() < deadline:
        for child in _children(holder.pid):
            with suppress(OSError):
                if Path(f"/proc/{child}/comm").read_text(encoding="ascii").strip() == "catatonit":
                    return child
        time.sleep(0.01)
    said = holder.stderr.read().strip() if holder.poll() is not None and holder.stderr is not None else ""
    raise DriverError(f"no world apart can be made: {said or 'it does not get ready'}")


def _children(pid: int) -> list[int]:
    try:
        return [int(c) for c in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
    except OSError:
        return []


def at_rest(objects: Iterable[RawObject]) -> list[RawObject]:
    """The same objects with pods that only sleep: what they run, mount and wait for says nothing about the network.

    Names, labels, ports, host network and node stay as they are.
    """
    return [_asleep(raw) for raw in objects]


def _asleep(raw: RawObject) -> RawObject:
    match raw["kind"]:
        case "Pod":
            return {**raw, "spec": _sleeping(raw["spec"])}
        case "Deployment" | "StatefulSet":
            spec = raw["spec"]
            template = spec["template"]
            return {**raw, "spec": {**spec, "template": {**template, "spec": _sleeping(template["spec"])}}}
        case _:
            return raw


def _sleeping(spec: dict[str, Any]) -> dict[str, Any]:
    kept = {k: v for k, v in spec.items() if k in {"hostNetwork", "nodeName", "nodeSelector", "serviceAccountName"}}
    # The ports of init containers have names too, as policies see them.
    containers = [*spec.get("containers", ()), *(c for c in spec.get("initContainers", ()) if c.get("ports"))]
    return {
        **kept,
        "terminationGracePeriodSeconds": 0,
        "containers": [
            {
                "name": container["name"],
                "image": "host",
                "command": ["sleep", "infinity"],
                **({"ports": [_without_host(p) for p in container["ports"]]} if container.get("ports") else {}),
            }
            for container in containers
        ],
    }


def _without_host(port: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in port.items() if not k.startswith("host")}
