"""Envoy turns clients away while the node leaves, whatever it was told before."""

from __future__ import annotations

import asyncio

import msgspec

from meshbuild import NODE, view
from tandem.drivers.envoy.fake import FakeProxy
from tandem.drivers.envoy.port import ProxyError
from tandem.ir.node import NodeView
from tandem.runtime.turnaway import TurnAwayLoop
from tandem.runtime.views import Numbered, Views


def seen(*, leaving: bool) -> NodeView:
    return msgspec.structs.replace(view(), node=msgspec.structs.replace(NODE, leaving=leaving))


def test_it_is_told_once_for_each_change_and_again_where_it_did_not_take_it() -> None:
    async def becomes(proxy: FakeProxy, *, away: bool) -> None:
        while proxy.turned_away is not away:  # noqa: ASYNC110 - the loop under test tells nobody
            await asyncio.sleep(0.01)

    async def story() -> None:
        proxy, views = FakeProxy(), Views(None)
        proxy.turned_away = True  # by an agent of before
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(TurnAwayLoop(proxy).run(views))
            views.put(Numbered(number=1, view=seen(leaving=False)))
            await asyncio.sleep(0)
            await proxy.start()  # it was not there yet
            await becomes(proxy, away=False)
            proxy.fail_next(ProxyError("not now"))
            views.put(Numbered(number=2, view=seen(leaving=True)))
            await becomes(proxy, away=True)
            views.put(Numbered(number=3, view=seen(leaving=False)))
            await becomes(proxy, away=False)
            running.cancel()

    asyncio.run(story())
