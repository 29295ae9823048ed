"""The end of a sandbox. In: its record. Out: no process, no address, no namespace of it."""

from __future__ import annotations

import asyncio

import structlog

from tandem.base.paths import NodeDir
from tandem.workloads import sandbox
from tandem.workloads.cni import Attachment, Cni, CniError
from tandem.workloads.context import RETRY
from tandem.workloads.record import SandboxRecord
from tandem.workloads.waiting import exited

log = structlog.get_logger(__name__)


async def dismantle(node_dir: NodeDir, cni: Cni, record: SandboxRecord) -> None:
    """End every process of a sandbox, DEL, unpin. A DEL that fails is tried a few times, then left to the agent."""
    sandbox.kill_all(record)
    for process in (*(c.process for c in record.containers.values()), record.init):
        if process.pid:
            await exited(process)  # children that nobody waits for keep a PID namespace from ending
    for wait in RETRY if record.netns else ():
        try:
            await cni.delete(attachment(record))
            break
        except CniError as err:
            log.warning("CNI DEL failed", pod=record.name, reason=str(err))
            await asyncio.sleep(wait)
    sandbox.remove(node_dir, record)


def attachment(record: SandboxRecord) -> Attachment:
    """Whom the CNI plugins know."""
    return Attachment(
        container_id=record.container_id,
        netns=record.netns,
        namespace=record.namespace,
        name=record.name,
        uid=record.uid,
    )
