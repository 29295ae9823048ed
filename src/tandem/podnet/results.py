"""Attachment -> the result of ADD in any CNI version from 0.3.0 on; and what CHECK compares. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from tandem.base.addresses import EVERYTHING
from tandem.compile.names import NET
from tandem.ipam.journal import Attachment
from tandem.ir.names import is_host_name
from tandem.podnet.previous import objects
from tandem.podnet.wishes import AS_OURS, Dns
from tandem.state.links import PodLink

# From 1.0.0 on an address no longer says its family; from 1.1.0 on an interface may say its MTU.
NO_FAMILY: Final = frozenset({"1.0.0", "1.1.0"})
WITH_MTU: Final = frozenset({"1.1.0"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """How pods of a node resolve names."""

    dns_addresses: tuple[str, ...]
    cluster_domain: str
    asked: Dns = AS_OURS
    """What the runtime wants instead, part by part."""

    def with_dns(self, asked: Dns) -> Names:
        """The same for a pod that wants other name servers, searches or options."""
        return replace(self, asked=asked)


def add_result(attachment: Attachment, link: PodLink, *, names: Names, version: str) -> dict[str, Any]:
    """The result of ADD in the words of `version`."""
    host: dict[str, Any] = {"name": link.host_ifname, "mac": link.host_mac}
    pod: dict[str, Any] = {"name": link.ifname, "mac": link.mac, "sandbox": attachment.netns}
    if version in WITH_MTU:
        host["mtu"] = pod["mtu"] = link.mtu
    ips: list[dict[str, Any]] = []
    for address in attachment.addresses:
        hop = link.hop_of(address)
        ip: dict[str, Any] = {"address": link.prefix_of(address), "gateway": hop.gateway, "interface": 1}
        if version not in NO_FAMILY:
            ip["version"] = str(hop.version)
        ips.append(ip)
    domain = names.cluster_domain
    own: tuple[str, ...] = (f"{attachment.namespace}.svc.{domain}",)
    if not attachment.namespace:  # a container that is no Pod: the names that its network gives come first
        own = (f"{attachment.network.lower()}.{NET}.{domain}",) if is_host_name(attachment.network.lower()) else ()
    return {
        "cniVersion": version,
        "interfaces": [host, pod],
        "ips": ips,
        "routes": [{"dst": EVERYTHING[hop.version], "gw": hop.gateway} for hop in link.hops],
        "dns": {
            "nameservers": list(names.asked.servers) or list(names.dns_addresses),
            "search": list(names.asked.searches) or [*own, f"svc.{domain}", domain],
        }
        | ({"options": list(names.asked.options)} if names.asked.options else {}),
    }


def against_previous(attachment: Attachment, link: PodLink, previous: Mapping[str, Any]) -> tuple[str, ...]:
    """How `prevResult` differs from what we gave; what later plugins changed or added is no difference.

    Raises VerbError where it is no result.

    A later plugin may change the MAC address (CNI specification, CHECK), so the kernel is compared and not this.
    """
    found = []
    interfaces = objects("prevResult.interfaces", previous.get("interfaces"))
    if not any(item.get("name") == link.ifname and item.get("sandbox") for item in interfaces):
        found.append(f"prevResult.interfaces: no {link.ifname} with a sandbox")
    if not any(item.get("name") == link.host_ifname for item in interfaces):
        found.append(f"prevResult.interfaces: no {link.host_ifname}")
    given = {str(item.get("address")) for item in objects("prevResult.ips", previous.get("ips"))}
    ours = map(link.prefix_of, attachment.addresses)
    found += [f"prevResult.ips: no {prefix}, which is ours" for prefix in ours if prefix not in given]
    return tuple(found)
