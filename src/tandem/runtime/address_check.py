"""`tandem ipam check`: journals of this machine's nodes against kernel, API and each other. Changes nothing.

In: the run directory, what control says (`views/addresses.py`), the Pods. Out: findings; none means that all agree.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from tandem.base.block import Block
from tandem.base.paths import NodeDir, RunDir
from tandem.base.problems import DriverError
from tandem.drivers.link.occupancy import abandoned
from tandem.drivers.link.port import Owned
from tandem.drivers.link.real import KernelLinks
from tandem.ipam.journal import Attachment, Key, Phase
from tandem.ipam.store import read_attachments
from tandem.model import core
from tandem.model.meta import RawObject
from tandem.model.parse import ParseError, parse
from tandem.runtime.host_local import shared_directories
from tandem.runtime.supervisor import read_tasks
from tandem.views.addresses import Addresses

NETNS: Final = Path("/run/netns")


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that does not agree."""

    kind: str
    """`leaked`, `duplicate`, `foreign`, `missing`, `unknown`, `unequal`, `unshared` or `unreadable`."""
    node: str
    """Whose journal or kernel it is about."""
    address: str
    """Empty where the finding is about none."""
    text: str
    """One sentence; not stable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One node of this machine as it was found."""

    node: str
    attachments: tuple[Attachment, ...]
    owned: Owned
    gone: frozenset[str]
    """Containers whose namespace nobody has any more."""
    files: tuple[Mapping[str, Key], ...] = ()
    """What each shared directory of `host-local` says."""


def check(run_dir: RunDir, addresses: Addresses, pods: Iterable[RawObject]) -> tuple[Finding, ...]:
    """Everything that does not agree."""
    seen, findings = [], []
    for node, netns in _nodes(run_dir):
        try:
            seen.append(_look(node, netns))
        except DriverError as error:
            findings.append(Finding(kind="unreadable", node=node.root.name, address="", text=str(error)))
    return (*findings, *compare(seen, addresses, tuple(_parsed(pods))))


def compare(seen: Iterable[Seen], addresses: Addresses, pods: tuple[core.Pod, ...]) -> tuple[Finding, ...]:
    """The same of what was seen. Pure."""
    nodes = tuple(seen)
    here = {n.node for n in nodes}
    held = {a: (n.node, one) for n in nodes for one in n.attachments for a in one.addresses}
    expected = {p.metadata.uid for p in pods if not p.finished}
    found: list[Finding] = []
    for node in nodes:
        found += _of_kernel(node, expected)
        found += _of_blocks(node, addresses)
        found += _of_files(node)
    found += _twice(nodes)
    for pod in pods:
        if pod.finished or pod.spec.host_network or pod.spec.node_name not in here:
            continue
        found += (_unequal(pod, address, held) for address in pod.addresses if _differs(pod, address, held))
    return tuple(found)


def _nodes(run_dir: RunDir) -> Iterator[tuple[NodeDir, str]]:
    """The nodes of this machine, and where their network namespace is."""
    for task in read_tasks(run_dir) if run_dir.state.exists() else ():
        if task.role == "agent":
            name = task.arguments[task.arguments.index("--node") + 1]
            yield run_dir.node(name), str(NETNS / task.netns) if task.netns else "/proc/thread-self/ns/net"


def _look(node: NodeDir, netns: str) -> Seen:
    attachments = read_attachments(node.journal)
    ready = [a for a in attachments if a.phase is Phase.READY]
    files = tuple(directory.held() for directory in shared_directories(node))
    gone = abandoned([(a.container_id, a.netns, a.pin) for a in ready])
    return Seen(
        node=node.root.name, attachments=attachments, owned=asyncio.run(_owned(node, netns)), gone=gone, files=files
    )


async def _owned(node: NodeDir, netns: str) -> Owned:
    links = KernelLinks(node.netns, node_netns=netns)
    try:
        return await links.list_owned()
    finally:
        await links.close()


def _parsed(pods: Iterable[RawObject]) -> Iterator[core.Pod]:
    for raw in pods:
        try:
            pod = parse(raw)
        except ParseError:
            continue
        if isinstance(pod, core.Pod):
            yield pod


def _of_kernel(seen: Seen, expected: set[str]) -> Iterator[Finding]:
    own = [a for a in seen.attachments if a.foreign is None]
    known = {a.host_ifname for a in own}
    for link in seen.owned.links:
        if link not in known:
            text = f"link {link} carries our mark, and the journal has no container for it"
            yield Finding(kind="unknown", node=seen.node, address="", text=text)
    for one in own:
        address = ", ".join(one.addresses)
        if one.phase is not Phase.READY:
            continue
        if one.host_ifname not in seen.owned.links:
            text = f"{_name(one)} has {address}, and its link {one.host_ifname} is not in the kernel"
            yield Finding(kind="missing", node=seen.node, address=address, text=text)
        if one.container_id in seen.gone and not (one.namespace and one.pod_uid in expected):
            text = f"{_name(one)} has {address}, and nobody has its namespace any more"
            yield Finding(kind="leaked", node=seen.node, address=address, text=text)


def _of_blocks(seen: Seen, addresses: Addresses) -> Iterator[Finding]:
    node = next((n for n in addresses.nodes if n.name == seen.node), None)
    if node is None:
        return
    blocks = tuple(map(Block, node.blocks))
    for one in seen.attachments:
        for address in one.addresses:
            if address not in node.borrowed and not any(address in block for block in blocks):
                text = f"{_name(one)} has {address}, which is in no block of the node and not lent to it"
                yield Finding(kind="foreign", node=seen.node, address=address, text=text)


def _of_files(seen: Seen) -> Iterator[Finding]:
    """Of what is ours, each shared directory says the same."""
    for one in seen.attachments:
        for address in one.addresses:
            for held in seen.files:
                if address not in held:
                    text = f"{_name(one)} has {address}, and host-local does not know"
                    yield Finding(kind="unshared", node=seen.node, address=address, text=text)
                elif held[address] != one.key:
                    text = f"{address} belongs to {_name(one)} here and to {held[address][0]} by host-local"
                    yield Finding(kind="duplicate", node=seen.node, address=address, text=text)


def _twice(nodes: tuple[Seen, ...]) -> Iterator[Finding]:
    first: dict[str, tuple[str, Attachment]] = {}
    for node in nodes:
        for one in node.attachments:
            for address in one.addresses:
                before = first.setdefault(address, (node.node, one))
                if before[0] != node.node:
                    text = f"{address} belongs to {_name(one)} here and to {_name(before[1])} on {before[0]}"
                    yield Finding(kind="duplicate", node=node.node, address=address, text=text)


def _differs(pod: core.Pod, address: str, held: Mapping[str, tuple[str, Attachment]]) -> bool:
    return address not in held or held[address][1].pod_uid != pod.metadata.uid


def _unequal(pod: core.Pod, address: str, held: Mapping[str, tuple[str, Attachment]]) -> Finding:
    who = f"pod {'/'.join(pod.key)} says that it has {address}"
    other = f", which belongs to {_name(held[address][1])}" if address in held else ", and no journal knows of it"
    return Finding(kind="unequal", node=pod.spec.node_name, address=address, text=who + other)


def _name(one: Attachment) -> str:
    name = f"{one.namespace}/{one.pod_name}".lstrip("/")
    return name if one.pod_name == one.container_id else f"{name} (container {one.container_id})"
