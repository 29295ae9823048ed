"""Take one node out of the kernel: processes of pods, Envoy, table, links, addresses, routes, settings.

In: the node's directory, in any state. Out: one line for each thing done. Of a node in a network namespace of its own
only the pods must be ended: the namespace takes everything inside with it when it goes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from tandem.base.paths import NodeDir
from tandem.base.problems import DriverError
from tandem.drivers.announce.real import KernelAnnouncer
from tandem.drivers.link import netns
from tandem.drivers.link.real import KernelLinks
from tandem.drivers.nft.real import Libnftables
from tandem.runtime import sysctls
from tandem.workloads.sweep import sweep as sweep_workloads


def end_pods(node: NodeDir) -> Iterator[str]:
    """End the pods of a node and let go of their namespaces; lines that start with `left:` tell what could not be."""
    yield from sweep_workloads(node)
    for pin in sorted(node.netns.iterdir()) if node.netns.is_dir() else ():
        netns.unbind(pin)


def remove_from_kernel(node: NodeDir) -> Iterator[str]:
    """Remove what the agent put into this network namespace; lines as in `end_pods`."""
    try:
        Libnftables().remove()
        yield "nftables table removed"
    except DriverError as err:
        yield f"left: nftables table: {err}"
    before = sysctls.remembered(node)
    try:
        removed = asyncio.run(_sweep(node, before))
        yield f"links, addresses and routes removed: {removed}"
        if removed and not before:
            yield f"note: {', '.join(sysctls.WANTED)} stays as it is: what it was before was lost with {node.root}"
    except DriverError as err:
        yield f"left: links: {err}"


async def _sweep(node: NodeDir, before: dict[str, str]) -> int:
    announcer = KernelAnnouncer()
    announced = await announcer.owned()
    await announcer.hold(frozenset())
    links = KernelLinks(node.netns)
    owned = await links.sweep()
    if before:
        await links.set_sysctls(before)
    await links.close()
    return len(owned.links) + len(owned.addresses) + len(owned.routes) + len(announced)
