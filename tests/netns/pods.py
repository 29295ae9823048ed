"""A private network namespace with veth pods on it, for tests against the real kernel."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from nodeviews import GATEWAY, ifname_of
from tandem.base.addresses import family, host_prefix
from tandem.compile import names
from tandem.model import core

NETNS = Path("/run/netns")
GATEWAY6 = "fd00:10:244::1"
"""The node's own address in its pod prefix of IPv6."""


def ip(*words: str, netns: str = "") -> None:
    subprocess.run(["ip", *(("-n", netns) if netns else ()), *words], check=True, capture_output=True)


class Lab:
    """One node namespace and the namespaces of its pods, wired as the agent wires them."""

    def __init__(self) -> None:
        self.node = f"nfttest-{uuid.uuid4().hex[:8]}"
        self._made: list[str] = []

    @property
    def path(self) -> str:
        return str(NETNS / self.node)

    def start(self) -> None:
        self._netns(self.node)
        ip("link", "set", "lo", "up", netns=self.node)
        ip("addr", "add", f"{GATEWAY}/32", "dev", "lo", netns=self.node)
        ip("addr", "add", f"{GATEWAY6}/128", "dev", "lo", "nodad", netns=self.node)
        self.run(self.node, "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")

    def _netns(self, name: str) -> None:
        ip("netns", "add", name)
        self._made.append(name)

    def netns_of(self, pod: core.Pod) -> str:
        return f"{self.node}-{pod.metadata.name}"

    def netns_path(self, pod: core.Pod) -> str:
        return str(NETNS / self.netns_of(pod))

    def attach(self, pod: core.Pod) -> None:
        """Namespace, veth, address and routes of a pod."""
        netns, link = self.netns_of(pod), ifname_of(pod)
        self._netns(netns)
        ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", netns, netns=self.node)
        ip("link", "set", "lo", "up", netns=netns)
        ip("link", "set", link, "up", netns=self.node)
        ip("link", "set", "eth0", "up", netns=netns)
        host_mac, pod_mac = self._mac(self.node, link), self._mac(netns, "eth0")
        for address in pod.addresses:
            version = family(address)
            gateway, source = names.GATEWAYS[version], {4: GATEWAY, 6: GATEWAY6}[version]
            quick = ("nodad",) if version == 6 else ()
            ip("addr", "add", host_prefix(address), "dev", "eth0", *quick, netns=netns)
            ip("neigh", "add", gateway, "lladdr", host_mac, "dev", "eth0", "nud", "permanent", netns=netns)
            ip("neigh", "add", address, "lladdr", pod_mac, "dev", link, "nud", "permanent", netns=self.node)
            ip(f"-{version}", "route", "add", "default", "via", gateway, "dev", "eth0", "onlink", netns=netns)
            ip("route", "add", host_prefix(address), "dev", link, "src", source, netns=self.node)

    def _mac(self, netns: str, link: str) -> str:
        return self.run(netns, f"cat /sys/class/net/{link}/address").strip()

    def run(self, netns: str, command: str) -> str:
        done = subprocess.run(
            ["ip", "netns", "exec", netns, *command.split()], check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextlib.contextmanager
    def python(self, netns: str, code: str) -> Iterator[subprocess.Popen[str]]:
        """A Python process in the namespace; ended when the block ends."""
        process = subprocess.Popen(
            ["ip", "netns", "exec", netns, sys.executable, "-I", "-S", "-c", code],
            stdout=subprocess.PIPE,
            stdin=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    @contextlib.contextmanager
    def running(self, *pods: core.Pod, server: str) -> Iterator[Self]:
        """With these pods, and the program `server` ready in the first; everything is removed when the block ends."""
        try:
            self.start()
            for each in pods:
                self.attach(each)
            with self.python(self.netns_of(pods[0]), server) as process:
                assert process.stdout
                assert process.stdout.readline() == "ready\n"
                yield self
        finally:
            self.stop()

    def stop(self) -> None:
        for name in reversed(self._made):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
