"""What control writes on nodes that serve gateways, also after a refusal."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from tandem.base.clock import FixedClock
from tandem.cluster.withdrawals import LEAVE_SECONDS
from tandem.ingest.errors import ApiError
from tandem.ingest.fake import FakeKube
from tandem.ingest.informer import Informer
from tandem.ingest.kube import KubeClient
from tandem.model.core import GATEWAYS, NO_BALANCER, SERVES
from tandem.model.kinds import BY_KIND
from tandem.runtime.withdrawals import WithdrawalLoop

NODE = BY_KIND["Node"]


class Refusing(FakeKube):
    """Refuses the first patch."""

    refused = 0

    async def patch(self, *arguments: Any, **more: Any) -> Any:
        if not self.refused:
            self.refused = 1
            raise ApiError(409, "Conflict", "try again")
        return await super().patch(*arguments, **more)


def test_a_node_says_that_it_serves_until_it_has_left() -> None:
    async def story() -> list[Any]:
        clock, seen = FixedClock(), list[Any]()
        gateway = {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "Gateway",
            "metadata": {"name": "edge", "namespace": "default"},
            "spec": {"gatewayClassName": "tandem", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]},
        }
        kube = Refusing([{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a"}}, gateway])
        informer = Informer(kube, (NODE, BY_KIND["Gateway"]))

        async def told() -> Any:
            return (await kube.get(NODE, "", "a"))["metadata"].get("annotations", {}).get(SERVES)

        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            following = tasks.create_task(informer.run())
            running = tasks.create_task(WithdrawalLoop(cast("KubeClient", kube), informer.world, clock).run())
            while await told() is None:  # noqa: ASYNC110 - as a client of the API polls
                await asyncio.sleep(0.01)
            seen.append(await told())
            await kube.patch(NODE, "", "a", {"metadata": {"labels": {NO_BALANCER: ""}}})
            while await told() is not None:
                seen.append(await told())
                clock.advance(LEAVE_SECONDS / 4)
                await asyncio.sleep(0.3)
            running.cancel()
            following.cancel()
        return seen

    seen = asyncio.run(story())
    assert len(seen) > 3
    assert set(seen) == {GATEWAYS}
