"""The making of a sandbox: network namespace, CNI ADD, init.

In: a pod and the record of its sandbox before, if there was one. Out: the record of a new one. Every step is saved
before it is made, so that a runtime process that was killed half way leaves nothing unknown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import msgspec

from tandem.base.addresses import IPV4, family
from tandem.model import core
from tandem.workloads import kernel, netns, sandbox
from tandem.workloads import record as records
from tandem.workloads.capabilities import BandwidthError, capabilities
from tandem.workloads.cni import BAD_CONFIG, CniError
from tandem.workloads.context import Node
from tandem.workloads.dismantle import attachment
from tandem.workloads.etc import pod_files, pod_hostname
from tandem.workloads.preparation import roots
from tandem.workloads.record import Process, SandboxRecord
from tandem.workloads.sandbox import Guise

Save = Callable[[SandboxRecord], None]


async def assemble(node: Node, pod: core.Pod, before: SandboxRecord | None, save: Save) -> SandboxRecord:
    """A sandbox whose init runs; raises CniError, StartError or OSError, with what was made on record."""
    record = _next(pod, before)
    if pod.spec.host_network:
        record = msgspec.structs.replace(record, addresses=node.addresses)
        save(record)
    else:
        path = netns.path_of(node.directory, record.uid, record.attempt)
        record = msgspec.structs.replace(record, netns=str(path))
        save(record)
        await kernel.in_thread(partial(sandbox.make_netns, record))
        asked = replace(attachment(record), capabilities=_capabilities(pod))
        record = msgspec.structs.replace(record, addresses=_preferred(await node.cni.add(asked), node.addresses))
        save(record)
    guise = Guise(
        hostname=pod_hostname(pod, node.name),
        files=pod_files(pod, record.addresses, node_name=node.name, dns=node.dns),
        images=roots(node, pod),
    )
    pid = await kernel.in_thread(partial(sandbox.start_init, node.directory, record, guise))
    record = msgspec.structs.replace(record, init=sandbox.identify(pid))
    save(record)
    await sandbox.started(node.directory, record, pid)
    return record


def _preferred(addresses: tuple[str, ...], node: tuple[str, ...]) -> tuple[str, ...]:
    """The family of the node's first address comes first in status.podIPs, as the kubelet has it."""
    first = family(node[0]) if node else IPV4
    return tuple(sorted(addresses, key=lambda address: family(address) != first))


def _capabilities(pod: core.Pod) -> dict[str, Any]:
    try:
        return capabilities(pod)
    except BandwidthError as err:
        raise CniError(BAD_CONFIG, str(err)) from None


def _next(pod: core.Pod, before: SandboxRecord | None) -> SandboxRecord:
    """An id of its own, and what is known of the containers, of which none runs."""
    meta = pod.metadata
    attempt = before.attempt + 1 if before else 0
    record = records.new_record(uid=meta.uid, namespace=meta.namespace, name=meta.name, attempt=attempt)
    known = before.containers if before else {}
    containers = {name: msgspec.structs.replace(c, process=Process()) for name, c in known.items()}
    return msgspec.structs.replace(record, containers=containers)
