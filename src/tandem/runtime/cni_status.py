"""What `tandem cni status` tells of one node: where the plugin is, what it speaks, whether its agent serves, and whom.

In: run directory and node. Out: CniStatus. Nothing is written, and the agent need not run.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from tandem.base.paths import NodeDir, RunDir
from tandem.ipam.journal import Attachment
from tandem.ipam.store import read_attachments
from tandem.podnet.unmanaged import Unmanaged
from tandem.runtime import cni_host

VERBS: Final = ("ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION")


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """One place where `tandem cni install` put the plugin."""

    configuration: str
    """The configuration list, or the file in the directory of another network."""
    unchanged: bool
    """List and executable are as they were written."""


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """One container with an interface of this network."""

    container: str
    """The runtime's id."""
    interface: str
    """Its name inside the container."""
    addresses: tuple[str, ...]
    """Without a prefix length."""
    namespace: str
    """Of the Pod; empty: no Pod describes this container."""
    name: str
    """Of the Pod; else the name that the runtime gave, or the container's id."""
    unmanaged: str
    """`open` or `closed` for a container that is no Pod; else empty."""
    network: str
    """The name of the network in the runtime's configuration; empty for what an older release attached."""
    chained: bool
    """Another plugin made the link."""
    aliases: tuple[str, ...]
    """Names that the runtime gave it within that network."""
    phase: str
    """`ready`, or `adding` and `deleting` for what is not finished."""


class CniStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The plugin of one node."""

    node: str
    """Its name."""
    verbs: tuple[str, ...]
    """What the plugin can do."""
    versions: tuple[str, ...]
    """Of the protocol, as the executable names them."""
    code: int
    """What STATUS said: 0 the agent serves; 50 and 51 it does not; or another code of the specification."""
    message: str
    """The sentence with the code."""
    installed: tuple[Place, ...]
    """Besides the node's own directory, which only the runtime of `tandem up` uses."""
    attachments: tuple[Served, ...]
    """By container id."""

    @property
    def well(self) -> bool:
        """The agent serves, and nothing that was installed has been changed."""
        return self.code == 0 and all(place.unchanged for place in self.installed)


def cni_status(run_dir: RunDir, node: NodeDir, conf_dirs: Iterable[Path] = ()) -> CniStatus:
    """As of now; asks the node's own copy of the executable."""
    executable = node.cni_bin / cni_host.PLUGIN
    there = executable.is_file()
    code, message = cni_host.ask_status(executable, node) if there else (50, f"{executable} is missing")
    places = sorted({*cni_host.installed(run_dir, conf_dirs), *cni_host.defaced(run_dir)})
    return CniStatus(
        node=node.root.name,
        verbs=VERBS,
        versions=tuple(cni_host.ask_versions(executable)) if there else (),
        code=code,
        message=message,
        installed=tuple(Place(configuration=str(p), unchanged=cni_host.is_unchanged(p)) for p in places),
        attachments=tuple(_served(a) for a in read_attachments(node.journal)),
    )


def _served(attachment: Attachment) -> Served:
    way = Unmanaged.CLOSED if attachment.closed_by else Unmanaged.OPEN
    return Served(
        container=attachment.container_id,
        interface=attachment.ifname,
        addresses=attachment.pod_addresses,
        namespace=attachment.namespace,
        name=attachment.pod_name,
        unmanaged="" if attachment.namespace else way.value,
        network=attachment.network,
        chained=attachment.foreign is not None,
        aliases=attachment.aliases,
        phase=attachment.phase.value,
    )
