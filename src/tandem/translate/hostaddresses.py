"""Hosts of ServiceEntries that name no address -> the addresses that they are given. Pure.

As Istio has it: one for each family of the cluster's Services, out of 240.240.0.0/16 and 2001:2::/48, for hosts
without wildcard of entries that are resolved; the label below says no. A host keeps what its status says for as long
as nobody else has it. DNS answers with them, and the kernel and the proxies lead from there to the endpoints.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from tandem.base.addresses import IPV4, IPV6, family
from tandem.base.digest import digest
from tandem.model.egress import HostAddress, ServiceEntry
from tandem.model.world import Key, World
from tandem.translate.mesh.istio.serviceentry import ADDRESSED, Entries, answered, read_entries
from tandem.translate.options import Options

RANGES: Final = {IPV4: ipaddress.ip_network("240.240.0.0/16"), IPV6: ipaddress.ip_network("2001:2::/48")}
AUTOMATIC: Final = "networking.istio.io/enable-autoallocate-ip"
"""Label of a ServiceEntry: `false` for hosts that keep the addresses that DNS says."""
_USED: Final = 1 << 16
"""How many addresses of a range are given out."""


class HostAddresses(msgspec.Struct, frozen=True, kw_only=True):
    """`by_host`: the addresses of each host. `by_entry`: what status.addresses has to say, for every entry."""

    by_host: Mapping[Key, tuple[str, ...]]
    by_entry: Mapping[Key, tuple[HostAddress, ...]]


def assign_hosts(world: World, options: Options) -> HostAddresses:
    """Who has which address; equal Worlds give equal assignments."""
    entries = read_entries(world, options)
    versions = sorted({family(cidr) for cidr in options.service_cidrs})
    wishes = [(key, version) for key in sorted(entries.hosts) if _wants(key, entries) for version in versions]
    given: dict[tuple[Key, int], str] = {}
    taken: set[str] = set()
    for key, version in wishes:
        for held in _held(entries.hosts[key], key[1], version):
            if held not in taken and (key, version) not in given:
                given[key, version] = held
                taken.add(held)
    for key, version in wishes:
        if (key, version) not in given:
            address = _free(key, version, taken)
            if address:
                given[key, version] = address
                taken.add(address)
    by_host = {key: tuple(given[key, v] for v in versions if (key, v) in given) for key in entries.hosts}
    by_entry = {
        entry.key: tuple(
            HostAddress(value=address, host=host)
            for host in entry.spec.hosts
            if entries.hosts.get((entry.metadata.namespace, host.lower())) is entry
            for address in by_host.get((entry.metadata.namespace, host.lower()), ())
        )
        for entry in world.sorted(ServiceEntry)
    }
    return HostAddresses(by_host=by_host, by_entry=by_entry)


def _wants(key: Key, entries: Entries) -> bool:
    entry = entries.hosts[key]
    asked = not entry.spec.addresses and entry.spec.resolution in ADDRESSED and "*" not in key[1]
    return asked and answered(key, entries) and entry.metadata.labels.get(AUTOMATIC) != "false"


def _held(entry: ServiceEntry, host: str, version: int) -> Iterable[str]:
    for one in entry.status.addresses:
        if one.host.lower() == host and family(one.value) == version:
            try:
                address = ipaddress.ip_address(one.value)
            except ValueError:
                continue
            if address in RANGES[version]:
                yield str(address)


def _free(key: Key, version: int, taken: set[str]) -> str:
    """The first free one from a place on that the host's name says: a host that comes back has its address again."""
    start = int(digest("/".join(key), 8), 16)
    for step in range(_USED - 2):
        address = str(RANGES[version][(start + step) % (_USED - 2) + 1])
        if address not in taken:
            return address
    return ""
