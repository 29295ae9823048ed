"""What CHECK asks of the agent: is everything that was compiled for one pod in the kernel, and does its Envoy listen?

In: the newest view and a container. Out: one sentence for each thing that is missing; empty if all is there.
"""

from __future__ import annotations

import asyncio

from tandem.base.addresses import families
from tandem.base.ids import ContainerId
from tandem.base.problems import DriverError
from tandem.compile import names
from tandem.compile.nft.capture import compile_capture
from tandem.compile.nft.guard import compile_guard
from tandem.compile.nft.node import compile_nft
from tandem.compile.nft.segment import compile_segment
from tandem.drivers.envoy.listening import listening
from tandem.drivers.nft.inspect import missing
from tandem.ir.node import AttachedPod, NodeView
from tandem.state import nft


async def damage(view: NodeView | None, container_id: ContainerId) -> tuple[str, ...]:
    """What is missing."""
    pod = next((p for p in view.pods if p.container_id == container_id), None) if view is not None else None
    if view is None or pod is None:
        return ("control has told this node nothing of the pod, or nothing any more",)
    return await asyncio.to_thread(_damage, view, pod)


def _damage(view: NodeView, pod: AttachedPod) -> tuple[str, ...]:
    if pod.foreign is not None:
        return _guard(view, pod) + _redirected(view, pod)
    expected = compile_nft(view)
    judging = {names.set_chain(policy) for policy in (pod.pod.ingress, pod.pod.egress) if policy is not None}
    chains = [c.name for c in expected.chains if c.base is not None or c.name in judging]
    found = missing(expected, chains=chains, atoms=frozenset({*pod.addresses, pod.host_ifname}), also=_fronts(pod))
    return found + _switched(view, pod) + _redirected(view, pod)


def _switched(view: NodeView, pod: AttachedPod) -> tuple[str, ...]:
    segment = compile_segment(view) if pod.segment else None
    if segment is None:
        return ()
    return missing(segment, chains=[c.name for c in segment.chains], atoms=frozenset({pod.host_ifname}))


def _guard(view: NodeView, pod: AttachedPod) -> tuple[str, ...]:
    guard = compile_guard(view, pod)
    return missing(guard, chains=[c.name for c in guard.chains], atoms=frozenset(), netns=pod.netns)


def _redirected(view: NodeView, pod: AttachedPod) -> tuple[str, ...]:
    if not pod.pod.meshed:
        return ()
    capture = compile_capture(view, pod)
    found = missing(capture, chains=[c.name for c in capture.chains], atoms=frozenset(), netns=pod.netns)
    return found + _silent(pod)


def _fronts(pod: AttachedPod) -> frozenset[nft.Key]:
    keys = ((m, (m.protocol, m.host_port)) for m in pod.port_mappings)
    return frozenset(front if m.is_general else (m.host_ip, *front) for m, front in keys)


def _silent(pod: AttachedPod) -> tuple[str, ...]:
    try:
        sockets = listening(pod.netns)
    except DriverError as err:
        return (str(err),)
    wanted = {names.INBOUND_PORT: "inbound", names.OUTBOUND_PORT: "outbound"}
    return tuple(
        f"Envoy does not listen on port {port} ({way}) of IPv{version} in the pod"
        for version in families(pod.addresses)
        for port, way in wanted.items()
        if (version, port) not in sockets
    )
