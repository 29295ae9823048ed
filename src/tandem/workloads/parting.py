"""A deleted pod and the API: when nobody sends to it any more, and that it has gone.

In: the newest Pod (a Cell; None when the API has it no more). Out: the pod is not in the API.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from tandem.base.cell import Cell
from tandem.ingest.errors import ApiError, NotFound
from tandem.model import core
from tandem.model.kinds import BY_KIND
from tandem.model.meta import Meta
from tandem.workloads.context import Node, pause_after

log = structlog.get_logger(__name__)

DRAINED: Final = "tandem.io/drained"
"""Annotation that control sets when no proxy and no kernel sends to the pod any more."""


async def drained(pods: Cell[core.Pod | None]) -> None:
    """Wait until nobody sends to the pod."""
    seen = -1
    while True:
        seen, pod = await pods.after(seen)
        if pod is None or pod.metadata.annotations.get(DRAINED) == "true":
            return


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
