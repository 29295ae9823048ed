"""What wireguard-go is started with; device and process are in tests/contract/test_wireguard.py."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tandem.base.paths import NodeDir, RunDir
from tandem.drivers.wireguard import device
from tandem.drivers.wireguard.device import KERNEL, TUN, Made
from tandem.drivers.wireguard.kernel import KernelWireguard
from tandem.drivers.wireguard.port import WireguardError
from tandem.drivers.wireguard.process import Wireguard
from tandem.drivers.wireguard.uapi import Uapi
from tandem.runtime.supervisor import is_ours


def opened(server: Wireguard, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def make(name: str) -> Made:
        assert name == server.device
        return Made(kind=kind, new=True)

    monkeypatch.setattr(device, "make", make)

    async def main() -> None:
        assert await server.open()
        async with asyncio.TaskGroup() as tasks:
            keeper = tasks.create_task(server.daemon.run())
            for _ in range(20):
                await asyncio.sleep(0)
            keeper.cancel()

    asyncio.run(main())


def test_a_tun_device_is_served_by_a_process_that_is_known_as_this_nodes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spawned: list[list[str]]
) -> None:
    run_dir = RunDir(tmp_path)
    server = Wireguard(run_dir.node("node-1"))
    opened(server, TUN, monkeypatch)
    [argv] = spawned
    assert argv[-2:] == ["-f", server.device]
    assert is_ours(argv[argv.index(str(server.paths.wireguard_program)) :], tmp_path)
    assert server.paths.wireguard_program.resolve().name == "wireguard-go"
    assert isinstance(server.driver, Uapi)


def test_a_kernel_with_wireguard_needs_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spawned: list[list[str]]
) -> None:
    server = Wireguard(NodeDir(tmp_path))
    opened(server, KERNEL, monkeypatch)
    assert not spawned
    assert isinstance(server.driver, KernelWireguard)
    assert server.serving


def test_nobody_serves_at_first_and_the_key_is_the_same_each_time(tmp_path: Path) -> None:
    server = Wireguard(NodeDir(tmp_path / "node"))
    assert not server.serving
    assert server.key().reveal() == server.key().reveal() == (tmp_path / "node" / "wireguard.key").read_bytes()


def test_a_key_that_cannot_be_kept_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WireguardError, match=r"wireguard\.key"):
        Wireguard(NodeDir(tmp_path / "file" / "node")).key()
