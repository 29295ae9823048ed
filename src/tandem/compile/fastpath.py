"""NodeView -> the ends of the fast path. Pure. Why each of the others is left out: docs/design/0030."""

from __future__ import annotations

from functools import partial

from tandem.base.members import joined_as_before
from tandem.ir.node import AttachedPod, NodeView
from tandem.state.fastpath import FastEnd, FastPath


def compile_fast_path(view: NodeView) -> FastPath:
    """The same object for as long as nothing of it changes."""
    return _ends_of(view.pods)[0] if view.config.network.fast_path else frozenset()


@partial(joined_as_before, width=1)
def _ends_of(pod: AttachedPod) -> tuple[FastPath]:
    # On the bridge packets are switched; behind another plugin the link is not ours; what a limited pod receives is
    # held back by the queue of its host end, which this would go round.
    if pod.segment or pod.foreign is not None or pod.limited or not pod.mac:
        return (frozenset(),)
    return (frozenset(FastEnd(address=a, host_ifname=pod.host_ifname, mac=pod.mac) for a in pod.addresses),)
