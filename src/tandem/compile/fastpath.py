"""NodeView -> the ends of the fast path. Pure. Why each of the others is left out: docs/design/0030."""

from __future__ import annotations

from typing import Final

from tandem.base.memo import each_as_before, same_as_before
from tandem.ir.node import AttachedPod, NodeView
from tandem.state.fastpath import FastEnd, FastPath


def compile_fast_path(view: NodeView) -> FastPath:
    """The same object for as long as nothing of it changes."""
    return _ends(view.pods) if view.config.network.fast_path else ()


@same_as_before
def _ends(pods: tuple[AttachedPod, ...]) -> FastPath:
    return tuple(sorted(end for ends in _of_pod(pods) for end in ends))


def _ends_of(pod: AttachedPod) -> FastPath:
    # On the bridge packets are switched; behind another plugin the link is not ours; what a limited pod receives is
    # held back by the queue of its host end, which this would go round.
    if pod.segment or pod.foreign is not None or pod.limited or not pod.mac:
        return ()
    return tuple(FastEnd(address=address, host_ifname=pod.host_ifname, mac=pod.mac) for address in pod.addresses)


_of_pod: Final = each_as_before(_ends_of)
