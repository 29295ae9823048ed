"""Which messages matter, and who is behind one; with a kernel: tests/contract/test_link_pods_watch.py."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from tandem.base.netlink import attribute
from tandem.base.problems import DriverError
from tandem.drivers.link import pods_watch, rtnl
from tandem.drivers.link.pods_watch import NOBODY, Culprit, KernelPodLinksWatch, culprit
from unit.drivers.test_pods_socket import Numbered

OWN = "/proc/self/ns/net"


def message(kind: int, body: bytes = b"", port: int = 0) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, port) + body


def neighbour(kind: int, address: str) -> bytes:
    raw = socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
    return message(kind, rtnl.NEIGH.pack(2, 3, 4, 0, 0) + attribute(rtnl.NDA_DST, raw))


class Telling(Numbered):
    """Says what a test gave it."""

    said: tuple[tuple[str, bytes], ...] = ()
    error: OSError | None = None

    async def readable(self) -> None:
        """At once."""

    def read(self) -> Iterator[tuple[str, bytes]]:
        yield from self.said
        if self.error is not None:
            raise self.error


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> KernelPodLinksWatch:
    monkeypatch.setattr(pods_watch, "PodsSocket", Telling)
    made = KernelPodLinksWatch(("169.254.1.1", "fe80::1"))
    for name in "ab":
        (tmp_path / name).touch()
        made.follow(str(tmp_path / name), "", ())
    return made


def telling(watch: KernelPodLinksWatch) -> Telling:
    assert isinstance(watch._socket, Telling)
    return watch._socket


def test_of_neighbours_only_those_that_are_us_matter(watch: KernelPodLinksWatch) -> None:
    telling(watch).said = (
        ("/a", neighbour(rtnl.NEWNEIGH, "192.0.2.1")),
        ("/b", neighbour(rtnl.DELNEIGH, "169.254.1.1")),
        ("/c", neighbour(rtnl.NEWNEIGH, "fe80::1")),
        ("/d", message(rtnl.DELROUTE)),
    )
    assert asyncio.run(watch.touched()).keys() == {"/b", "/c", "/d"}


def test_after_a_loss_any_pod_may_have_changed(watch: KernelPodLinksWatch, tmp_path: Path) -> None:
    telling(watch).said = ((str(tmp_path / "a"), message(rtnl.DELROUTE)),)
    telling(watch).error = OSError(errno.ENOBUFS, "lost")
    assert set(asyncio.run(watch.touched())) == {str(tmp_path / "a"), str(tmp_path / "b")}
    watch.leave(str(tmp_path / "b"))
    assert set(asyncio.run(watch.touched())) == {str(tmp_path / "a")}


def test_a_kernel_that_does_not_tell_is_an_error(watch: KernelPodLinksWatch) -> None:
    telling(watch).error = OSError(errno.EPERM, "not allowed")
    with pytest.raises(DriverError, match="changes of links in pods cannot be watched: not allowed"):
        asyncio.run(watch.touched())


def test_a_namespace_that_is_not_there_cannot_be_followed(watch: KernelPodLinksWatch) -> None:
    with pytest.raises(DriverError, match="changes of /no/such cannot be watched: No such file"):
        watch.follow("/no/such", "", ())


def test_the_process_behind_a_port_is_one_of_the_pods_own_namespace(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    assert culprit(os.getpid(), OWN) == Culprit(Path("/proc/self/comm").read_text().strip(), os.getpid())
    assert culprit(os.getpid(), str(tmp_path / "other")) == NOBODY
    for port in (0, -4097, 1 << 22):
        assert culprit(port, OWN) == NOBODY
