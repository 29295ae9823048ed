"""Addresses that people take back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tandem.ipam.hostlocal import HostLocal
from tandem.ipam.shared import SharedJournal
from tandem.podnet.request import VerbError
from tandem.podnet.theirs import Theirs
from tandem.podnet.upkeep import Upkeep
from unit.podnet.playground import request
from unit.podnet.test_leaks import C1, Scene

KEPT: list[HostLocal] = []


def run(play: Callable[[Scene, Upkeep], Awaitable[None]]) -> None:
    async def main() -> None:
        scene = Scene()
        await scene.ground.add()
        journal = SharedJournal(scene.ground.journal)
        theirs = Theirs(journal, lambda _: "", scene.clock, grace=60.0)
        await play(scene, Upkeep(scene.ground.verbs, journal, scene.leaks, theirs, KEPT.extend))

    asyncio.run(main())


async def release(upkeep: Upkeep, address: str, **more: Any) -> Any:
    return await upkeep.run(request("RELEASE", "", config={"address": address, **more}))


def test_a_leaked_address_is_released_at_once() -> None:
    async def play(scene: Scene, upkeep: Upkeep) -> None:
        scene.gone = {C1}
        assert await release(upkeep, "10.244.0.2") == {"container": "c1", "addresses": ["10.244.0.2"]}
        assert scene.ground.is_clean()

    run(play)


def test_a_live_address_is_refused_unless_it_is_forced() -> None:
    async def play(scene: Scene, upkeep: Upkeep) -> None:
        with pytest.raises(VerbError, match=r"in use by shop/web \(container c1\), which lives; .*--force") as caught:
            await release(upkeep, "10.244.0.2")
        assert caught.value.code == 106
        assert scene.containers == ["c1"]
        await release(upkeep, "10.244.0.2", force=True)
        assert scene.ground.is_clean()

    run(play)


@pytest.mark.parametrize(
    ("address", "code", "words"),
    [("10.244.0.3", 104, "not in use on this node"), ("ten", 7, "an IP address, not 'ten'")],
)
def test_what_is_not_there_is_refused(address: str, code: int, words: str) -> None:
    async def play(_: Scene, upkeep: Upkeep) -> None:
        with pytest.raises(VerbError, match=words) as caught:
            await release(upkeep, address)
        assert caught.value.code == code

    run(play)


def test_the_verbs_go_on_to_those_who_do_them() -> None:
    async def play(_: Scene, upkeep: Upkeep) -> None:
        assert await upkeep.run(request("DEL")) is None

    run(play)


def test_a_directory_of_host_local_is_shared_and_remembered(tmp_path: Path) -> None:
    (tmp_path / "10.244.0.6").write_bytes(b"theirs\r\neth0")

    async def play(_: Scene, upkeep: Upkeep) -> None:
        KEPT.clear()
        done = await upkeep.run(request("SHARE", "", config={"directory": str(tmp_path)}))
        assert done == {"directory": str(tmp_path), "addresses": ["10.244.0.6"]}
        assert [directory.path for directory in KEPT] == [tmp_path]
        assert (tmp_path / "10.244.0.2").read_bytes() == b"c1\r\neth0"
        with pytest.raises(VerbError, match="held by host-local for container theirs"):
            await release(upkeep, "10.244.0.6")
        await release(upkeep, "10.244.0.6", force=True)
        assert not (tmp_path / "10.244.0.6").exists()

    run(play)


def test_a_directory_in_which_an_address_of_ours_is_anothers_is_not_shared(tmp_path: Path) -> None:
    (tmp_path / "10.244.0.2").write_bytes(b"theirs\r\neth0")

    async def play(_: Scene, upkeep: Upkeep) -> None:
        KEPT.clear()
        with pytest.raises(VerbError, match=r"10\.244\.0\.2 belongs to container c1 here and to container theirs"):
            await upkeep.run(request("SHARE", "", config={"directory": str(tmp_path)}))
        assert not KEPT

    run(play)


@pytest.mark.parametrize("directory", [None, "relative", "/nowhere/at/all"])
def test_what_is_no_directory_is_refused(directory: str | None) -> None:
    async def play(_: Scene, upkeep: Upkeep) -> None:
        with pytest.raises(VerbError, match="is no directory of a network of host-local"):
            await upkeep.run(request("SHARE", "", config={"directory": directory}))

    run(play)
