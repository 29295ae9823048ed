"""Whoever is connected to a pod that nobody knows any more hears that it is over."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import msgspec
import pytest

from netns.podlab import ip, lab
from tandem.base.netns import in_netns
from tandem.podnet.hangup import cut_short
from tandem.runtime import enforce
from unit.runtime.test_enforce import A, B, Kernel, at, numbered, outcome_of, with_kernel

pytestmark = pytest.mark.root


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
