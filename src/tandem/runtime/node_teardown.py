"""Take one node out of the kernel: processes of pods, Envoy, table, links, addresses, routes, settings.

In: the node's directory, in any state. Out: one line for each thing done. Of a node in a network namespace of its own
only the pods must be ended: the namespace takes everything inside with it when it goes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress

from tandem.base import processes
from tandem.base.paths import NodeDir
from tandem.base.problems import DriverError
from tandem.drivers.announce.real import KernelAnnouncer
from tandem.drivers.dns import wildcards
from tandem.drivers.envoy import handover
from tandem.drivers.firewall.chains import changes, opened
from tandem.drivers.firewall.real import Iptables
from tandem.drivers.foreign.lost import spaces_with_ours
from tandem.drivers.foreign.real import KernelForeign
from tandem.drivers.link import netns
from tandem.drivers.link.real import KernelLinks
from tandem.drivers.nft.real import Libnftables
from tandem.drivers.wireguard import device, uapi
from tandem.ipam.store import read_attachments
from tandem.runtime import sysctls
from tandem.runtime.host_local import remove_files
from tandem.runtime.supervisor import MODULES
from tandem.state.foreign import UNTOUCHED
from tandem.state.ownership import SHUT_TABLE
from tandem.workloads.sweep import sweep as sweep_workloads


def end_pods(node: NodeDir) -> Iterator[str]:
    """End what a node has elsewhere than in its network namespace; `left:` begins a line on what could not be."""
    yield from sweep_workloads(node)
    yield from _release_foreign(node)
    yield from remove_files(node)
    uapi.forget(device.name_for(node.root))
    handover.forget(node)
    wildcards.forget(node)
    for pin in sorted(node.netns.iterdir()) if node.netns.is_dir() else ():
        netns.unbind(pin)


def remove_from_kernel(node: NodeDir) -> Iterator[str]:
    """Remove what the agent put into this network namespace; lines as in `end_pods`."""
    try:
        Libnftables().remove()
        Libnftables(table=SHUT_TABLE).remove()
        yield "nftables table removed"
    except DriverError as err:
        yield f"left: nftables table: {err}"
    with suppress(DriverError):  # a kernel without such tables has none of ours
        Libnftables(family="bridge").remove()
    yield from _close_firewalls()
    before = sysctls.remembered(node)
    try:
        removed = asyncio.run(_sweep(node, before))
        yield f"links, addresses and routes removed: {removed}"
        # Settings that are changed later may be remembered although the first ones are lost.
        unknown = [name for name in sysctls.WANTED if name not in before]
        if removed and unknown:
            yield f"note: {', '.join(unknown)} stays as it is: what it was before was lost with {node.root}"
    except DriverError as err:
        yield f"left: links: {err}"


def _close_firewalls() -> Iterator[str]:
    """Take our rules out of chains of others."""
    firewall = Iptables()
    try:
        for table in filter(opened, firewall.read().tables):
            firewall.change(table, changes(table, ()))
            yield f"rules taken out of {table.shown}"
    except DriverError as err:
        yield f"left: rules in chains of others: {err}"


def _release_foreign(node: NodeDir) -> Iterator[str]:
    """Namespaces behind other plugins live on: what is ours is taken out of them."""
    if not node.journal.exists():
        yield from _release_lost()
        return
    try:
        found = [a for a in read_attachments(node.journal) if a.foreign is not None]
    except DriverError as err:
        yield f"left: pods behind other plugins: {err}"
        return
    for attachment in found:
        if attachment.foreign is not None:
            where = attachment.pin or attachment.netns
            try:
                asyncio.run(KernelForeign().restore(where, attachment.foreign.before))
                yield f"taken out of container {attachment.container_id}, which keeps its own network"
            except DriverError as err:
                yield f"left: container {attachment.container_id}: {err}"


def _release_lost() -> Iterator[str]:
    """Without a journal they are found by what is in them, unless an agent of somebody else may be behind that."""
    if any(True for _ in processes.find(lambda argv: MODULES["agent"] in argv, below=99)):
        return
    for path in spaces_with_ours():
        try:
            asyncio.run(KernelForeign().restore(path, UNTOUCHED))
            yield f"taken out of the namespace {path}, settings there were lost with the journal"
        except DriverError as err:
            yield f"left: namespace {path}: {err}"


async def _sweep(node: NodeDir, before: dict[str, str]) -> int:
    announcer = KernelAnnouncer()
    announced = await announcer.owned()
    await announcer.hold(frozenset())
    tunnels = await device.owned()
    for name in tunnels:
        await device.remove(name)
    links = KernelLinks(node.netns)
    owned = await links.sweep()
    if before:
        await links.set_sysctls(sysctls.there(before))
    await links.close()
    return (
        len(owned.links) + len(owned.addresses) + len(owned.routes) + len(owned.devices) + len(announced) + len(tunnels)
    )
