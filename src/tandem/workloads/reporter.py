"""Keeps a pod's status in the API what it is here.

In: the newest Pod and a function that tells its state. Out: a patch of its status whenever that means something else
than what was written last, or when somebody else wrote another readiness (a node that was lost and is back).
What others wait for is written at once, the steps in between only if they last.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Final

import structlog

from tandem.base.cell import Cell
from tandem.ingest.errors import ApiError, NotFound
from tandem.model import core
from tandem.model.kinds import BY_KIND
from tandem.workloads.context import Node
from tandem.workloads.status import CREATING, PodState, pod_status, status_patch

log = structlog.get_logger(__name__)

_POD: Final = BY_KIND["Pod"]
_AGAIN: Final = 0.5
_LASTING: Final = 0.25
"""Seconds that a state must last before it is written if nobody waits for it: most steps of a start do not."""


class Reporter:
    """Reports one pod."""

    def __init__(self, node: Node, pods: Cell[core.Pod | None], state: Callable[[], PodState]) -> None:
        self._node = node
        self._pods = pods
        self._state = state
        self._changed = asyncio.Event()
        self._version = 0

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
                if meaning != written or self._is_overwritten(pod, meaning):
                    if _urgency(meaning) == _urgency(written) and await self._changes_soon():
                        continue
                    if not await self._patch(pod, status):
                        await asyncio.sleep(_AGAIN)
                        continue
                    written = meaning
            await self._changed.wait()

    def _is_overwritten(self, pod: core.Pod, meaning: dict[str, Any]) -> bool:
        """Somebody else wrote Ready after we did."""
        ready = any(c["type"] == "Ready" and c["status"] == "True" for c in meaning["conditions"])
        return int(pod.metadata.resource_version or 0) > self._version > 0 and pod.ready != ready

    async def _changes_soon(self) -> bool:
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(self._changed.wait(), _LASTING)
        return False

    async def _patch(self, pod: core.Pod, status: dict[str, Any]) -> bool:
        meta = pod.metadata
        patch = {"status": status_patch(status)}
        try:
            async with self._node.writes:
                answer = await self._node.client.patch(_POD, meta.namespace, meta.name, patch, subresource="status")
            self._version = int(answer["metadata"]["resourceVersion"])
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


def _urgency(meaning: dict[str, Any]) -> tuple[object, ...]:
    """What others wait for: the address, readiness, an end, a fault."""
    ready = [c["status"] for c in meaning.get("conditions", ()) if c["type"] == "Ready"]
    phase = meaning.get("phase")
    ended = phase if phase in {"Succeeded", "Failed"} else ""
    waiting = [c["state"].get("waiting", {}).get("reason", "") for c in meaning.get("containerStatuses", ())]
    troubles = [reason for reason in waiting if reason not in {"", CREATING}]
    return meaning.get("podIP"), ready == ["True"], ended, meaning.get("reason"), troubles
