"""Whoever is connected to a pod that ends hears what is still said, and then that it is over."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from pathlib import Path

import msgspec
import pytest

from netns.podlab import ip, lab
from tandem.base.netns import in_netns
from tandem.drivers.envoy.sockets import has_open
from tandem.podnet.hangup import LAST_WORDS_SECONDS, cut_short, hang_up
from tandem.runtime import enforce
from unit.runtime.test_enforce import A, B, Kernel, at, numbered, outcome_of, with_kernel

pytestmark = pytest.mark.root


def test_the_last_words_arrive_and_then_the_other_end_is_told() -> None:
    with lab() as spaces, contextlib.ExitStack() as open_ones:
        here, there = spaces.add("pod"), spaces.add("peer")
        ip(here, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", Path(there).name)
        for space, address in ((here, "10.9.0.1/24"), (there, "10.9.0.2/24")):
            ip(space, "address", "add", address, "dev", "eth0")
            ip(space, "link", "set", "eth0", "up")
        server = in_netns(here, lambda: socket.create_server(("10.9.0.1", 8080)))
        client = in_netns(there, lambda: socket.create_connection(("10.9.0.1", 8080), 5))
        own = server.accept()[0]
        for one in (server, client, own):
            open_ones.callback(one.close)
        answer = threading.Timer(LAST_WORDS_SECONDS / 2, lambda: own.sendall(b"503"))
        answer.start()
        asyncio.run(hang_up(here))
        answer.join()
        assert client.recv(10) == b"503"
        with pytest.raises(ConnectionResetError):
            client.recv(10)
        assert not has_open(here)


def test_where_nothing_is_open_nobody_waits(tmp_path: Path) -> None:
    with lab() as spaces:
        empty = spaces.add("pod")
        for space in (empty, str(tmp_path / "nowhere")):
            begun = time.monotonic()
            asyncio.run(hang_up(space))
            assert time.monotonic() - begun < LAST_WORDS_SECONDS


def test_what_is_cut_short_waits_for_no_words_and_minds_no_namespace_that_is_gone(tmp_path: Path) -> None:
    with lab() as spaces:
        here = spaces.add("pod")
        ip(here, "link", "set", "lo", "up")
        server = in_netns(here, lambda: socket.create_server(("127.0.0.1", 8080)))
        client = in_netns(here, lambda: socket.create_connection(("127.0.0.1", 8080), 5))
        with server, client, server.accept()[0]:
            asyncio.run(cut_short([str(tmp_path / "nowhere"), here]))
            with pytest.raises(OSError):  # noqa: PT011 - aborted or reset, as the kernel sees fit
                client.recv(1)
            assert not has_open(here)


def test_connections_of_pods_that_are_known_no_more_end_before_they_are_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And those of pods that have only become another object go on."""
    told: list[list[str]] = []

    async def scene(kernel: Kernel) -> None:
        before = kernel.nft.read()

        async def cut_short(netns: list[str]) -> None:
            told.append(netns)
            assert kernel.nft.read() == before

        monkeypatch.setattr(enforce, "cut_short", cut_short)
        for number, pods in enumerate(((A, B), (msgspec.structs.replace(A, aliases=("a.net",)),), ()), 1):
            before = kernel.nft.read()
            kernel.views.put(numbered(number, *pods))
            await outcome_of(kernel.loop, at(number))

    with_kernel(scene)
    assert [netns for some in told for netns in some] == [B.netns, A.netns]
