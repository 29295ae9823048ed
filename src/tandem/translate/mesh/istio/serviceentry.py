"""ServiceEntry objects -> the hosts that they make known, and what is wrong with them. Pure.

An entry with a mistake is refused as a whole: its hosts are not known, which opens nothing. Of two entries of one
namespace that name the same host the older one has it; other namespaces may have one of their own.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from tandem.base.addresses import IPV4, is_address, outside_of, special_of
from tandem.base.problems import Problem, Severity
from tandem.ir.fabric import AppProtocol
from tandem.model.egress import EntryPort, ServiceEntry, Workload
from tandem.model.world import Key, World
from tandem.translate.nodes import pod_prefixes
from tandem.translate.options import Options

NAMED: Final = frozenset({"DNS", "DNS_ROUND_ROBIN"})
"""Resolutions by which endpoints may be domain names."""
ADDRESSED: Final = NAMED | {"STATIC"}
"""Those by which a host has endpoints of its own."""
DYNAMIC: Final = "DYNAMIC_DNS"
"""The one by which a wildcard is resolved name by name, when somebody asks for one."""
_APPS: Final = {
    "HTTP": AppProtocol.HTTP,
    "HTTP2": AppProtocol.HTTP2,
    "GRPC": AppProtocol.GRPC,
    "GRPC-WEB": AppProtocol.GRPC,
    "HTTPS": AppProtocol.TLS,
    "TLS": AppProtocol.TLS,
    "TCP": AppProtocol.TCP,
    "MONGO": AppProtocol.TCP,
    "MYSQL": AppProtocol.TCP,
    "REDIS": AppProtocol.TCP,
}
_HOST: Final = re.compile(r"(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)+")
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1"})
_PREFIXES: Final = ("grpc-web", "grpc", "http2", "https", "http", "tls")


class Entries(msgspec.Struct, frozen=True, kw_only=True):
    """The hosts of all entries that hold, by namespace and host (in lower case)."""

    hosts: Mapping[Key, ServiceEntry]
    own: Mapping[Key, ServiceEntry] = MappingProxyType({})
    """Hosts that are at the loopback of whoever asks: nobody reaches them as hosts, and an authorizer may be one."""
    problems: tuple[Problem, ...] = ()

    def find(self, host: str, namespace: str) -> Key | None:
        """The host as pods of a namespace mean it: their own one, else the oldest that they see."""
        if (namespace, host) in self.hosts:
            return namespace, host
        return next((key for key, e in self.hosts.items() if key[1] == host and sees(e, namespace)), None)

    def covered(self, pattern: str, namespace: str) -> tuple[Key, ...]:
        """The same of each host that a pattern (`*.example.com`) is about, sorted by host."""
        names = {host for _, host in self.hosts if host == pattern or host.endswith(pattern.removeprefix("*"))}
        found = (self.find(host, namespace) for host in sorted(names))
        return tuple(key for key in found if key is not None)


NO_ENTRIES: Final = Entries(hosts={})


def read_entries(world: World, options: Options) -> Entries:
    """Every entry, the oldest first."""
    problems: list[Problem] = []
    hosts: dict[Key, ServiceEntry] = {}
    own: dict[Key, ServiceEntry] = {}
    entries = world.oldest_first(ServiceEntry)
    pods = pod_prefixes(world) if any(entry.spec.addresses for entry in entries) else ()
    for entry in entries:
        found = list(_mistakes(entry, options, pods))
        problems += found
        if any(p.severity is Severity.ERROR for p in found):
            continue
        if _is_own(entry):
            for host in entry.spec.hosts:
                own.setdefault((entry.metadata.namespace, host.lower()), entry)
            continue
        for i, host in enumerate(entry.spec.hosts):
            key = entry.metadata.namespace, host.lower()
            first = hosts.setdefault(key, entry)
            if first is not entry:
                text = f"{host} is not taken from here: {first.origin()} is older and names it"
                problems.append(Problem(at=entry.origin(f"spec.hosts[{i}]"), code="HostConflict", text=text))
    return Entries(hosts=hosts, own=own, problems=tuple(problems))


def exported(entry: ServiceEntry) -> tuple[str, ...]:
    """The namespaces that see it; `*`: all."""
    home = entry.metadata.namespace
    asked = entry.spec.export_to or ("*",)
    return ("*",) if "*" in asked else tuple(sorted({home if e == "." else e for e in asked} - {"~"}))


def sees(entry: ServiceEntry, namespace: str) -> bool:
    """True if pods of the namespace see the entry."""
    seen = exported(entry)
    return "*" in seen or namespace in seen


def answered(key: Key, entries: Entries) -> bool:
    """Whether the cluster's DNS answers for a host: all are answered alike, by what the oldest says that all see."""
    said = (k for k, entry in entries.hosts.items() if k[1] == key[1] and "*" in exported(entry))
    return next(said, None) == key


def app_of(port: EntryPort) -> AppProtocol:
    """By its protocol, else by the prefix of its name, else bytes."""
    if port.protocol:
        return _APPS[port.protocol.upper()]
    name = port.name.lower()
    prefix = next((p for p in _PREFIXES if name == p or name.startswith(f"{p}-")), "tcp")
    return _APPS[prefix.upper()]


def is_known(protocol: str) -> bool:
    """Whether it is one that `app_of` can read."""
    return protocol.upper() in _APPS


def endpoint_mistake(workload: Workload, resolution: str) -> str:
    """What is wrong with an endpoint's address; empty if nothing."""
    address = workload.address
    if is_address(address):
        use = special_of(ipaddress.ip_network(address))
        return f"{address} is of {use}" if use else ""
    if address.startswith("unix:"):
        return "sockets of the file system are not reached from pods"
    if resolution not in NAMED:
        return f"{address!r} is no IP address: with the resolution {resolution} endpoints are addresses"
    fits = _HOST.fullmatch(address.lower()) is not None and "*" not in address
    return "" if fits else f"{address!r} is neither an address nor a domain name with a dot"


def _is_own(entry: ServiceEntry) -> bool:
    """Whether all that it has is the loopback of whoever asks."""
    ends = entry.spec.endpoints
    return entry.spec.resolution == "STATIC" and bool(ends) and all(e.address in _LOOPBACK for e in ends)


def addresses_of(entry: ServiceEntry, pods: tuple[str, ...]) -> tuple[str, ...]:
    """The prefixes by which it takes connections, sorted. What is for a pod is not led elsewhere.

    `pods`: prefixes out of which pods are given addresses.
    """
    given = {str(ipaddress.ip_network(text)) for text in entry.spec.addresses}
    if entry.spec.resolution in ADDRESSED:
        given = {part for prefix in given for part in outside_of(prefix, pods)}
    return tuple(sorted(given))


def _mistakes(entry: ServiceEntry, options: Options, pods: tuple[str, ...]) -> Iterator[Problem]:
    for path, code, text in (
        *_hosts(entry, options.cluster_domain),
        *_addresses(entry, pods),
        *_ports(entry),
        *_selection(entry),
        *_endpoints(entry),
        *_resolved_each(entry),
    ):
        yield Problem(at=entry.origin(path), code=code, text=text)
    for path, text in _without_effect(entry):
        yield Problem(at=entry.origin(path), code="NoEffect", text=text, severity=Severity.WARNING)


Wrong = tuple[str, str, str]
"""Path, code, text."""


def _hosts(entry: ServiceEntry, domain: str) -> Iterator[Wrong]:
    spec = entry.spec
    for i, host in enumerate(spec.hosts):
        at, name = f"spec.hosts[{i}]", host.lower()
        if _HOST.fullmatch(name) is None:
            yield at, "InvalidValue", f"{host!r} is no domain name with a dot (and at most `*.` before it)"
        elif name.endswith(f".{domain.lower()}"):
            text = f"{host} is a name of the cluster, where Services are: name it otherwise"
            yield at, "UnsupportedValue", text
        elif "*" not in name and spec.resolution == DYNAMIC:
            text = f"{host} is one name: with the resolution {DYNAMIC} hosts are wildcards; use DNS"
            yield at, "InvalidValue", text
        elif "*" in name and spec.resolution in NAMED and not spec.endpoints:
            text = f"{host} cannot be resolved: with the resolution {spec.resolution} a wildcard needs endpoints"
            yield at, "InvalidValue", text
    if not spec.hosts:
        yield "spec.hosts", "InvalidValue", "name at least one host"


def _addresses(entry: ServiceEntry, pods: tuple[str, ...]) -> Iterator[Wrong]:
    for i, text in enumerate(entry.spec.addresses):
        at = f"spec.addresses[{i}]"
        try:
            network = ipaddress.ip_network(text)
        except ValueError:
            yield at, "InvalidValue", f"{text!r} is neither an address nor a prefix without host bits"
            continue
        if network.num_addresses > 1 and entry.spec.resolution in NAMED:
            yield at, "InvalidValue", f"{text}: prefixes go with the resolutions NONE and STATIC alone"
        # Clouds tell machines of themselves at link-local addresses of IPv4, which are beyond the node.
        beyond = network.version == IPV4 and network.is_link_local
        if network.prefixlen and not beyond and (use := special_of(network)):
            yield at, "InvalidValue", f"{text} is of {use}"
        elif entry.spec.resolution in ADDRESSED and not outside_of(text, pods):
            yield at, "AddressInUse", f"{text} is of pods: what is for them is not led elsewhere"


def _ports(entry: ServiceEntry) -> Iterator[Wrong]:
    names, numbers = set[str](), set[int]()
    for i, port in enumerate(entry.spec.ports):
        at = f"spec.ports[{i}]"
        if port.name in names:
            yield f"{at}.name", "InvalidValue", f"{port.name!r} occurs twice"
        if port.number in numbers:
            yield f"{at}.number", "InvalidValue", f"{port.number} occurs twice"
        names.add(port.name)
        numbers.add(port.number)
        if port.protocol and port.protocol.upper() not in _APPS:
            known = ", ".join(_APPS)
            yield f"{at}.protocol", "UnsupportedValue", f"{port.protocol!r} is none of {known}"
        elif app_of(port) is AppProtocol.TCP and not entry.spec.addresses and entry.spec.resolution in ADDRESSED:
            wild = next((h for h in entry.spec.hosts if "*" in h), "")
            if wild or "*" not in exported(entry):
                what = f"of {wild} " if wild else ""
                text = f"bytes {what}are told by their address alone: give spec.addresses, or a host without * for all"
                yield f"{at}.protocol", "InvalidValue", text
    if not entry.spec.ports:
        yield "spec.ports", "InvalidValue", "name at least one port"


def _selection(entry: ServiceEntry) -> Iterator[Wrong]:
    spec = entry.spec
    if spec.workload_selector is None:
        return
    if spec.endpoints:
        yield "spec.workloadSelector", "InvalidValue", "give endpoints or workloadSelector, not both"
    if spec.resolution == "NONE":
        yield "spec.workloadSelector", "InvalidValue", "with the resolution NONE there are no endpoints"
    if not spec.workload_selector.labels:
        yield "spec.workloadSelector.labels", "InvalidValue", "name at least one label"


def _endpoints(entry: ServiceEntry) -> Iterator[Wrong]:
    spec = entry.spec
    ports = {port.name for port in spec.ports}
    if spec.endpoints and spec.resolution == "NONE":
        yield "spec.endpoints", "InvalidValue", "with the resolution NONE there are no endpoints"
    if not spec.endpoints and spec.workload_selector is None and spec.resolution == "STATIC":
        yield "spec.endpoints", "InvalidValue", "the resolution STATIC needs endpoints or a workloadSelector"
    if spec.resolution == "DNS_ROUND_ROBIN" and len(spec.endpoints) > 1:
        yield "spec.endpoints", "InvalidValue", "with the resolution DNS_ROUND_ROBIN there is at most one endpoint"
    for i, endpoint in enumerate(spec.endpoints):
        at = f"spec.endpoints[{i}]"
        asked = spec.resolution != "NONE" and not _is_own(entry)
        if asked and (wrong := endpoint_mistake(endpoint, spec.resolution)):
            yield f"{at}.address", "InvalidValue", wrong
        for name in sorted(endpoint.ports.keys() - ports):
            yield f"{at}.ports[{name}]", "InvalidValue", f"there is no port {name!r} in spec.ports"


def _resolved_each(entry: ServiceEntry) -> Iterator[Wrong]:
    """What DYNAMIC_DNS has no use for: the name alone says where a connection goes."""
    spec = entry.spec
    if spec.resolution != DYNAMIC:
        return
    given = {"addresses": spec.addresses, "endpoints": spec.endpoints, "workloadSelector": spec.workload_selector}
    for field in (name for name, value in given.items() if value):
        yield (
            f"spec.{field}",
            "InvalidValue",
            f"with the resolution {DYNAMIC} each name has the addresses that DNS says",
        )
    for i, port in enumerate(spec.ports):
        known = not port.protocol or port.protocol.upper() in _APPS
        if known and app_of(port) is AppProtocol.TCP:
            text = f"with the resolution {DYNAMIC} bytes say no name: HTTP, HTTP2, GRPC, HTTPS and TLS do"
            yield f"spec.ports[{i}].protocol", "InvalidValue", text


def _without_effect(entry: ServiceEntry) -> Iterator[tuple[str, str]]:
    spec = entry.spec
    if _is_own(entry):
        text = (
            "this is the pod itself, whoever asks: no pod reaches the host, and only an extensionProvider may name it"
        )
        yield "spec.endpoints", text
        return
    for i, endpoint in enumerate(spec.endpoints):
        if endpoint.network:
            yield f"spec.endpoints[{i}].network", "it is not looked at: every endpoint is reached alike"
    if spec.resolution not in ADDRESSED:
        for i, port in enumerate(spec.ports):
            if port.target_port:
                text = f"with the resolution {spec.resolution} the port that was dialled is kept"
                yield f"spec.ports[{i}].targetPort", text
    if "*" not in exported(entry) and not spec.addresses:
        text = "the cluster's DNS answers all namespaces alike: it answers for hosts that all may see"
        yield "spec.exportTo", text
