"""A node says that it is there: a Lease of its name, renewed for as long as its runtime runs (KEP-589).

In: an API client. Out: `kube-node-lease/NODE` with a new renewTime every few seconds. Whether the time in it is right
does not matter: who watches looks at when it changed.
"""

from __future__ import annotations

import asyncio
import datetime
from typing import Any, Final

import structlog

from tandem.base.clock import Clock
from tandem.ingest.errors import AlreadyExists, ApiError, NotFound
from tandem.ingest.kube import KubeClient
from tandem.model.coordination import NODE_LEASES
from tandem.model.kinds import BY_KIND
from tandem.workloads.context import Node

log = structlog.get_logger(__name__)

BEAT: Final = 2.0
"""Seconds from one renewal to the next, and the longest that one may take."""
_LEASE: Final = BY_KIND["Lease"]


async def beat(node: Node) -> None:
    """Renew until cancelled; an API that does not answer is asked again at the next beat."""
    silent = False
    while True:
        try:
            async with asyncio.timeout(BEAT):
                await renew(node.client, node.clock, NODE_LEASES, node.name)
        except (ApiError, TimeoutError) as err:
            if not silent:
                log.warning("lease not renewed", node=node.name, reason=str(err) or "no answer in time")
            silent = True
        else:
            if silent:
                log.info("lease renewed again", node=node.name)
            silent = False
        await asyncio.sleep(BEAT)


async def renew(client: KubeClient, clock: Clock, namespace: str, name: str) -> None:
    """Say once that the holder of this name is there; raises ApiError."""
    spec = {"holderIdentity": name, "leaseDurationSeconds": int(5 * BEAT), "renewTime": _micro(clock.now())}
    try:
        await client.patch(_LEASE, namespace, name, {"spec": spec})
    except NotFound:
        raw: dict[str, Any] = {
            "apiVersion": _LEASE.api_version,
            "kind": _LEASE.kind,
            "metadata": {"name": name, "namespace": namespace},
            "spec": spec,
        }
        try:
            await client.create(_LEASE, raw)
        except AlreadyExists:
            return


def _micro(seconds: float) -> str:
    """metav1.MicroTime."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
