"""Addresses that people take back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tandem.podnet.request import VerbError
from tandem.podnet.upkeep import Upkeep
from unit.podnet.playground import request
from unit.podnet.test_leaks import C1, Scene


def run(play: Callable[[Scene, Upkeep], Awaitable[None]]) -> None:
    async def main() -> None:
        scene = Scene()
        await scene.ground.add()
        await play(scene, Upkeep(scene.ground.verbs, scene.ground.journal, scene.leaks))

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
