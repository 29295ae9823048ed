"""What a runtime asks of one ADD beside an interface: capabilities and arguments -> Wishes. Pure; raises VerbError.

A datum may come in three places; the first that has it counts: `runtimeConfig`, `args.cni`, CNI_ARGS.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tandem.base.addresses import family
from tandem.base.block import NAMES
from tandem.ipam.pool import ANY, Pool, Range, Wanted
from tandem.ir.names import is_host_name
from tandem.ir.node import PortMapping
from tandem.podnet.request import Code, Request, VerbError, arguments, ip_address
from tandem.state.links import UNSHAPED, Shaping

PROTOCOLS: Final = ("tcp", "udp", "sctp")
LARGEST_PORT: Final = 65535
LARGEST_BURST: Final = 0xFFFFFFFF
SMALLEST_RATE: Final = 8
"""Bits a second; the kernel counts bytes."""
RATES: Final = (("ingressRate", "ingressBurst"), ("egressRate", "egressBurst"))
REFUSED: Final = {
    "infinibandGUID": "Tandem makes veth links",
    "deviceID": "Tandem makes veth links",
}
_MAC: Final = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dns:
    """Name servers, search list and options that replace our own; an empty part leaves ours."""

    servers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


AS_OURS: Final = Dns()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What was asked for; the empty value asks for nothing."""

    port_mappings: tuple[PortMapping, ...] = ()
    shaping: Shaping = UNSHAPED
    wanted: Wanted = ANY
    mac: str = ""
    dns: Dns = AS_OURS
    aliases: tuple[str, ...] = ()
    """Names within the network, lower-case, sorted."""


def wishes(request: Request, *, pool: Pool) -> Wishes:
    """Everything that one ADD asks for. `pool` is what the node may give."""
    source = _Sources(request)
    for name, reason in REFUSED.items():
        path, value = source.find(name)
        if value:
            raise VerbError(Code.UNSUPPORTED, f"{path}: {value!r} is not supported: {reason}")
    return Wishes(
        port_mappings=_port_mappings(*source.find("portMappings"), pool=pool),
        shaping=_shaping(*source.find("bandwidth")),
        wanted=Wanted(
            addresses=_addresses(*source.find("ips", argument="IP")),
            ranges=_ranges(*source.find("ipRanges"), pool=pool),
        ),
        mac=_mac(*source.find("mac", argument="MAC")),
        dns=_dns(*source.find("dns")),
        aliases=_aliases(*source.find("aliases"), network=str(request.config.get("name", ""))),
    )


def aliases(request: Request) -> tuple[str, ...]:
    """Only the names that one ADD asks for; raises VerbError."""
    return _aliases(*_Sources(request).find("aliases"), network=str(request.config.get("name", "")))


class _Sources:
    def __init__(self, request: Request) -> None:
        args = request.config.get("args")
        self._places = (
            ("runtimeConfig", _object("runtimeConfig", request.config.get("runtimeConfig"))),
            ("args.cni", _object("args.cni", args.get("cni") if isinstance(args, dict) else args)),
        )
        self._arguments = arguments(request.args)

    def find(self, name: str, *, argument: str = "") -> tuple[str, Any]:
        """Where the datum stands, and its value: None if nowhere."""
        for place, values in self._places:
            if values.get(name) is not None:
                return f"{place}.{name}", values[name]
        if argument and self._arguments.get(argument):
            return f"CNI_ARGS {argument}", self._arguments[argument]
        return f"runtimeConfig.{name}", None


def _object(path: str, value: Any) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise VerbError(Code.BAD_CONFIG, f"{path}: an object, not {value!r}")
    return value


def _list(path: str, value: Any) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise VerbError(Code.BAD_CONFIG, f"{path}: a list, not {value!r}")
    return value


def _texts(path: str, value: Any) -> list[str]:
    found = _list(path, value)
    for index, text in enumerate(found):
        if not isinstance(text, str):
            raise VerbError(Code.BAD_CONFIG, f"{path}[{index}]: a text, not {text!r}")
    return found


def _number(path: str, value: Any, *, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise VerbError(Code.BAD_CONFIG, f"{path}: a number from {least} to {most}, not {value!r}")
    return value


def _port_mappings(path: str, value: Any, *, pool: Pool) -> tuple[PortMapping, ...]:
    found: list[PortMapping] = []
    for index, item in enumerate(_list(path, value)):
        at = f"{path}[{index}]"
        entry = _object(at, item)
        if not entry.get("hostPort"):
            continue  # as the reference plugin: a container port that is not published
        mapping = _port_mapping(at, entry, pool)
        clash = next((other for other in found if mapping.overlaps(other)), None)
        if clash is not None:
            raise VerbError(Code.BAD_CONFIG, f"{at}: host port {mapping.host_port}/{mapping.protocol} is there twice")
        found.append(mapping)
    return tuple(found)


def _port_mapping(at: str, entry: Mapping[str, Any], pool: Pool) -> PortMapping:
    protocol = str(entry.get("protocol") or "tcp").lower()
    if protocol not in PROTOCOLS:
        raise VerbError(Code.BAD_CONFIG, f"{at}.protocol: one of {', '.join(PROTOCOLS)}, not {protocol!r}")
    host_ip = ip_address(f"{at}.hostIP", entry["hostIP"]) if entry.get("hostIP") else ""
    if host_ip and pool.families and family(host_ip) not in pool.families:
        what = f"{at}.hostIP: {host_ip!r}: pods of this node have no address of IPv{family(host_ip)}"
        raise VerbError(Code.UNSUPPORTED, what)
    return PortMapping(
        host_port=_number(f"{at}.hostPort", entry["hostPort"], least=1, most=LARGEST_PORT),
        container_port=_number(f"{at}.containerPort", entry.get("containerPort"), least=1, most=LARGEST_PORT),
        protocol=protocol,
        host_ip=host_ip,
    )


def _shaping(path: str, value: Any) -> Shaping:
    entry = _object(path, value)
    numbers = []
    for rate_name, burst_name in RATES:
        rate = _number(f"{path}.{rate_name}", entry.get(rate_name) or 0, least=0, most=2**63 - 1)
        burst = _number(f"{path}.{burst_name}", entry.get(burst_name) or 0, least=0, most=LARGEST_BURST)
        if (rate == 0) != (burst == 0):
            raise VerbError(Code.BAD_CONFIG, f"{path}: {rate_name} and {burst_name} go together")
        if rate:
            _number(f"{path}.{rate_name}", rate, least=SMALLEST_RATE, most=2**63 - 1)
        numbers += [rate, burst]
    return Shaping(ingress_rate=numbers[0], ingress_burst=numbers[1], egress_rate=numbers[2], egress_burst=numbers[3])


def _addresses(path: str, value: Any) -> tuple[str, ...]:
    texts = value.split(",") if isinstance(value, str) else _texts(path, value)
    found = []
    for text in texts:
        try:
            found.append(str(ipaddress.ip_interface(text.strip()).ip))
        except ValueError:
            what = f"{path}: an IP address, with or without a prefix length, not {text!r}"
            raise VerbError(Code.BAD_CONFIG, what) from None
    _one_per_family(path, found)
    return tuple(found)


def _one_per_family(path: str, addresses: list[str]) -> None:
    families = [family(address) for address in addresses]
    for version in families:
        if families.count(version) > 1:
            what = f"{path}: {', '.join(addresses)}"
            raise VerbError(Code.UNSUPPORTED, f"{what}: a pod has one {NAMES[version]} address; ask for one")


def _ranges(path: str, value: Any, *, pool: Pool) -> tuple[tuple[Range, ...], ...]:
    """Sets of ranges, each set giving one address; ours are within the node's blocks, one set per family."""
    sets = tuple(
        tuple(
            _range(f"{path}[{number}][{index}]", _object(f"{path}[{number}][{index}]", item), pool)
            for index, item in enumerate(_list(f"{path}[{number}]", ranges))
        )
        for number, ranges in enumerate(_list(path, value))
    )
    for number, ranges in enumerate(sets):
        if len({family(low) for low, _ in ranges}) > 1:
            raise VerbError(Code.BAD_CONFIG, f"{path}[{number}]: the ranges of a set are of one family")
    _one_per_family(path, [ranges[0][0] for ranges in sets if ranges])
    return tuple(ranges for ranges in sets if ranges)


def _range(at: str, entry: Mapping[str, Any], pool: Pool) -> Range:
    try:
        network = ipaddress.ip_network(entry.get("subnet"))  # type: ignore[arg-type]
    except ValueError as error:
        raise VerbError(Code.BAD_CONFIG, f"{at}.subnet: {error}") from None
    first = ip_address(f"{at}.rangeStart", entry["rangeStart"]) if entry.get("rangeStart") else str(network[0])
    last = ip_address(f"{at}.rangeEnd", entry["rangeEnd"]) if entry.get("rangeEnd") else str(network[-1])
    low, high = ipaddress.ip_address(first), ipaddress.ip_address(last)
    if not any(str(network[0]) in block and str(network[-1]) in block for block in pool.blocks):
        prefixes = ", ".join(block.prefix for block in pool.blocks)
        what = f"{at}.subnet: {str(network)!r} is not within {prefixes}, this node's pod prefixes"
        raise VerbError(Code.UNSUPPORTED, f"{what}: the ranges of a cluster are given by `tandem up --pod-cidr`")
    if low not in network or high not in network or int(low) > int(high):
        raise VerbError(Code.BAD_CONFIG, f"{at}: {first} to {last} is no range within {network}")
    return first, last


def _mac(path: str, value: Any) -> str:
    if value is None:
        return ""
    text = str(value).lower().replace("-", ":")
    if not _MAC.fullmatch(text) or int(text[:2], 16) & 1 or text == "00:00:00:00:00:00":
        raise VerbError(Code.BAD_CONFIG, f"{path}: an Ethernet address of one interface (02:…), not {value!r}")
    return text


def _dns(path: str, value: Any) -> Dns:
    entry = _object(path, value)
    servers = tuple(
        ip_address(f"{path}.servers[{i}]", s) for i, s in enumerate(_list(f"{path}.servers", entry.get("servers")))
    )
    texts = {name: tuple(_texts(f"{path}.{name}", entry.get(name))) for name in ("searches", "options")}
    return Dns(servers=servers, searches=texts["searches"], options=texts["options"])


def _aliases(path: str, value: Any, *, network: str) -> tuple[str, ...]:
    """Those for the network that is asked; a runtime sends one list for each network of the container."""
    own = _texts(f"{path}.{network}", _object(path, value).get(network))
    found = {name.lower().rstrip(".") for name in own}
    if own and not is_host_name(network.lower()):
        raise VerbError(Code.UNSUPPORTED, f"{path}: the network's name {network!r} cannot be part of a DNS name")
    if wrong := sorted(name for name in found if not is_host_name(name)):
        raise VerbError(Code.BAD_CONFIG, f"{path}.{network}: a DNS name, not {wrong[0]!r}")
    return tuple(sorted(found))
