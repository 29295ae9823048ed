"""A node whose agent is killed over and over: quick starts, and a picture of all that it can have left.

In: a directory and namespaces. Out: `Node` as in the other tests of the plugin, of which each agent is a fork.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from netns.cni_forks import GO, LOG
from netns.cnilab import Node, wait_for
from netns.podlab import Lab, unmount_all
from tandem.ipam.copies import Copies
from tandem.ipam.store import read_attachments

FORKS = Path(__file__).with_name("cni_forks.py")
LOOKS = "link show\naddress show\nroute show table all\nrule show\nneighbour show nud permanent\n"


class SweptNode(Node):
    """`pid` is the agent's; its parent is not this process."""

    def __init__(self, directory: Path, spaces: Lab) -> None:
        super().__init__(directory, spaces)
        self.pid = 0
        self._forks = self._begin()

    def _begin(self, *, ahead: int = 0) -> subprocess.Popen[str]:
        environment = {"PYTHONPATH": "src:cni/src:tests", "PATH": os.environ["PATH"]}
        clocks = ["unshare", "--time", f"--monotonic={ahead}", f"--boottime={ahead}", "--fork", "--kill-child"]
        command = [*(clocks if ahead else ()), sys.executable, str(FORKS), str(self.directory), str(self.netns)]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True)

    def set_clock(self, *, ahead: int) -> None:
        """Agents that start from now on have a monotonic clock so many seconds ahead of ours."""
        self.close()
        self._forks = self._begin(ahead=ahead)

    def start(self, stall: str = "", six: str = "") -> None:
        """Start an agent and wait until it serves."""
        assert not stall
        assert not six
        self.hold()
        self.go()
        self.serves()

    def hold(self) -> None:
        """Start an agent that does nothing yet."""
        (self.directory / "cni.sock").unlink(missing_ok=True)
        (self.directory / GO).unlink(missing_ok=True)
        assert self._forks.stdin is not None
        assert self._forks.stdout is not None
        self._forks.stdin.write("held\n")
        self._forks.stdin.flush()
        self.pid = int(self._forks.stdout.readline())

    def go(self) -> None:
        """Let it begin."""
        (self.directory / GO).touch()

    def serves(self) -> None:
        """Wait until it serves."""
        try:
            wait_for(self.directory / "cni.sock")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{(self.directory / LOG).read_text()[-3000:]}") from error

    def kill(self) -> None:
        """SIGKILL, also if it is dead already; returns when it is gone."""
        if self.pid:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self.ended()

    def ended(self) -> None:
        """Wait for its end."""
        deadline = time.monotonic() + 30
        while Path(f"/proc/{self.pid}").exists():
            assert time.monotonic() < deadline
            time.sleep(0.001)
        self.pid = 0

    def close(self) -> None:
        self.kill()
        self._forks.kill()
        self._forks.communicate()

    def picture(self, *pods: str) -> list[str]:
        """All that there is in the node's namespace and in those of pods, and all that the agent remembers."""
        found = [f"{where} {line}" for where in (self.netns, *pods) for line in _kernel(where)]
        found += [f"pin {p.name}" for p in (self.directory / "netns").glob("*")]
        found += [f"mount {line}" for line in Path("/proc/self/mounts").read_text().splitlines() if self._is_ours(line)]
        copies = Copies(self.directory / "ipam.copies").read()
        found += [f"copy {name}" for name in copies if not name.startswith("@")]  # not when addresses were given up
        found += [f"queued {p.name}" for p in (self.directory / "dels").glob("*")]
        return found + [f"attachment {a.container_id}" for a in read_attachments(self.directory / "ipam.db")]

    def _is_ours(self, mount: str) -> bool:
        return str(self.directory) in mount


@contextmanager
def swept_node(directory: Path, spaces: Lab) -> Iterator[SweptNode]:
    """A node, whose pins are let go of in the end."""
    node = SweptNode(directory, spaces)
    try:
        yield node
    finally:
        node.close()
        unmount_all(directory / "netns")


def until_same(node: SweptNode, before: list[str], *pods: str) -> None:
    """Wait until the picture is what it was: what DEL leaves to the background takes a moment."""
    deadline = time.monotonic() + 20
    while (now := node.picture(*pods)) != before:
        changes = sorted({*now} ^ {*before})
        assert time.monotonic() < deadline, f"{changes}\n{(node.directory / LOG).read_text()[-3000:]}"
        time.sleep(0.02)


def _kernel(netns: str) -> list[str]:
    name = Path(netns).name
    looks = [
        subprocess.run(
            ["ip", *family, "-n", name, "-o", "-batch", "-"], input=what, check=True, capture_output=True, text=True
        )
        for family, what in (((), LOOKS), (("-6",), "rule show\n"))
    ]
    listing = ["nsenter", f"--net={netns}", "nft", "list", "ruleset"]
    tables = subprocess.run(listing, check=True, capture_output=True, text=True)
    # Whether an end has a carrier is among its flags; the kernel names the state a little later.
    return [
        *"".join(look.stdout for look in looks).replace("state UNKNOWN", "state UP").splitlines(),
        *tables.stdout.splitlines(),
    ]
