"""What is heard on a real link: tests/contract/test_announcer.py."""

from __future__ import annotations

import socket
from contextlib import closing

import pytest

from e2e.lab import until
from netns.podlab import ip, lab
from tandem.base.netns import in_netns
from tandem.drivers.announce.ear import Ear


@pytest.mark.root
def test_ordinary_questions_are_not_heard() -> None:
    with lab() as spaces:
        node, other = spaces.add("node"), spaces.add("other")
        ip(node, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", other.rpartition("/")[2])
        for number, path in enumerate((node, other), 1):
            ip(path, "address", "add", f"192.0.2.{number}/24", "dev", "eth0")
            ip(path, "link", "set", "eth0", "up")

        def ask() -> None:
            with socket.socket(type=socket.SOCK_DGRAM) as sock:
                sock.sendto(b"x", ("192.0.2.1", 9))

        with closing(in_netns(node, lambda: Ear("eth0"))) as ear:
            in_netns(other, ask)
            until(lambda: ip(other, "neighbour", "show", "192.0.2.1"), lambda answer: "lladdr" in answer)
            assert in_netns(node, ear.heard) == []
