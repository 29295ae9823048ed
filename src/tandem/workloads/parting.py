"""A deleted pod: when nobody sends to it any more, when it has answered everything, and that the API knows it has gone.

In: the newest Pod (a Cell; None when the API has it no more), the node's proxy. Out: the pod is not in the API.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

import structlog

from tandem.base.cell import Cell
from tandem.base.ids import PodUid
from tandem.base.problems import DriverError
from tandem.compile.names import app_cluster
from tandem.ingest.errors import ApiError, NotFound
from tandem.model import core
from tandem.model.kinds import BY_KIND
from tandem.model.meta import Meta
from tandem.workloads.context import Node, pause_after

log = structlog.get_logger(__name__)

DRAINED: Final = "tandem.io/drained"
"""Annotation that control sets when no proxy and no kernel sends to the pod any more."""
QUIET_SECONDS: Final = 0.2
LOOK_SECONDS: Final = 0.05


async def drained(pods: Cell[core.Pod | None]) -> None:
    """Wait until nobody sends to the pod."""
    seen = -1
    while True:
        seen, pod = await pods.after(seen)
        if pod is None or pod.metadata.annotations.get(DRAINED) == "true":
            return


class Traffic(Protocol):
    """What is asked of the node's proxy (`drivers/envoy/admin.py`)."""

    async def requests(self, cluster: str) -> tuple[int, int]:
        """(under way, ever) at a cluster; raises DriverError."""


async def answered(proxy: Traffic, uid: PodUid) -> None:
    """Wait until no request is under way at the pod, and none has come for QUIET_SECONDS.

    A request that was sent just before its client's proxy knew better is still on its way then. Returns at once for a
    pod that the proxy does not know, and where the proxy does not answer: nothing reaches the pod through it.
    """
    seen, quiet = -1, 0.0
    while quiet < QUIET_SECONDS:
        try:
            active, ever = await proxy.requests(app_cluster(uid))
        except DriverError:
            return
        if not ever:
            return
        quiet = quiet + LOOK_SECONDS if (active, ever) == (0, seen) else 0.0
        seen = ever
        await asyncio.sleep(LOOK_SECONDS)


async def delete_from_api(node: Node, pods: Cell[core.Pod | None], meta: Meta) -> None:
    """Say that the pod's processes have ended, as often as it takes."""
    failures = 0
    while pods.value is not None:
        try:
            await node.client.delete(BY_KIND["Pod"], meta.namespace, meta.name, grace_seconds=0)
        except NotFound:
            return
        except ApiError as err:
            log.warning("pod not deleted", namespace=meta.namespace, pod=meta.name, reason=err.message)
            await asyncio.sleep(pause_after(failures))
            failures += 1
        else:
            return
