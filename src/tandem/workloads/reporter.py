"""Keeps a pod's status in the API what it is here.

In: the newest Pod and a function that tells its state. Out: a patch of its status whenever that means something else
than what was written last.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

import structlog

from tandem.base.cell import Cell
from tandem.ingest.errors import ApiError, NotFound
from tandem.model import core
from tandem.model.kinds import BY_KIND
from tandem.workloads.context import Node
from tandem.workloads.status import PodState, pod_status, status_patch

log = structlog.get_logger(__name__)

_POD: Final = BY_KIND["Pod"]
_AGAIN: Final = 0.5


class Reporter:
    """Reports one pod."""

    def __init__(self, node: Node, pods: Cell[core.Pod | None], state: Callable[[], PodState]) -> None:
        self._node = node
        self._pods = pods
        self._state = state
        self._changed = asyncio.Event()

    def changed(self) -> None:
        """The state may be another one now."""
        self._changed.set()

    async def run(self) -> None:
        """Until the API has the pod no more."""
        written: dict[str, Any] = {}
        while (pod := self._pods.value) is not None:
            self._changed.clear()
            if not pod.finished:
                status = pod_status(pod, self._state(), now=self._node.clock.now())
                meaning = _meaning(status)
                if meaning != written:
                    if not await self._patch(pod, status):
                        await asyncio.sleep(_AGAIN)
                        continue
                    written = meaning
            await self._changed.wait()

    async def _patch(self, pod: core.Pod, status: dict[str, Any]) -> bool:
        meta = pod.metadata
        patch = {"status": status_patch(status)}
        try:
            await self._node.client.patch(_POD, meta.namespace, meta.name, patch, subresource="status")
        except NotFound:
            return True
        except ApiError as err:
            log.warning("status not written", namespace=meta.namespace, pod=meta.name, reason=err.message)
            return False
        except Exception:
            # Whatever it is, it must not end the pod: its containers go on, and the next try may succeed.
            log.exception("status not written", namespace=meta.namespace, pod=meta.name)
            return False
        return True


def _meaning(status: dict[str, Any]) -> dict[str, Any]:
    """A status without the times of its conditions, which change with the conditions alone."""
    conditions: Sequence[dict[str, Any]] = status["conditions"]
    bare = [{k: v for k, v in c.items() if k != "lastTransitionTime"} for c in conditions]
    return {**status, "conditions": bare}
