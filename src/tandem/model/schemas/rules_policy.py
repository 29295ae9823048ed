"""Policies of the tiers beyond the form of single fields: the limits and rules of their CRDs. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from ipaddress import ip_network
from typing import Any, Final

from tandem.model.cidr import parse_cidr
from tandem.model.clusterpolicy import DOMAIN_NAME
from tandem.model.schemas.complaint import duplicate, forbidden, invalid, required, too_long, too_many
from tandem.model.schemas.rules_kubernetes import Rule
from tandem.model.schemas.rules_network import PORT, PREFIX

Raw = dict[str, Any]
MOST: Final = 25
"""Rules, peers, protocols, prefixes and names of a ClusterNetworkPolicy."""
MOST_OF_OLD: Final = 100
"""Rules, peers and ports of the older kinds."""
PRIORITIES: Final = (0, 1000)
LONGEST_NAME: Final = 100
WITHOUT_NAMES: Final = ("networks", "nodes", "domainNames")
"""Peers whose ports have no names."""
_NEWER: Final = "policy.networking.k8s.io/v1beta1"
_UNDERSCORE: Final = re.compile(r"(^|\.)_")
_DOMAIN: Final = "must be a name such as example.com or *.example.com"


def _policy(raw: Raw, _: str) -> Iterator[str]:
    """From v1beta1 on, prefixes have no bits beyond their length, and labels do not begin with an underscore."""
    if raw.get("apiVersion") != _NEWER:
        return
    for i, rule in enumerate(raw["spec"].get("egress") or ()):
        for j, peer in enumerate(rule.get("to") or ()):
            at = f"spec.egress[{i}].to[{j}]"
            for k, text in enumerate(peer.get("networks") or ()):
                network = parse_cidr(text)
                if network is not None and network.network_address != _address(text):
                    why = f"has bits beyond its length: {network} may be meant"
                    yield invalid(f"{at}.networks[{k}]", text, why)
            for k, text in enumerate(peer.get("domainNames") or ()):
                if _UNDERSCORE.search(text):
                    yield invalid(f"{at}.domainNames[{k}]", text, _DOMAIN)


def _address(text: str) -> object:
    return ip_network(text.partition("/")[0]).network_address


def _spec(raw: Raw, at: str, *, most: int) -> Iterator[str]:
    low, high = PRIORITIES
    if not low <= raw.get("priority", low) <= high:
        yield invalid(f"{at}.priority", raw["priority"], f"must be from {low} to {high}")
    for field in ("ingress", "egress"):
        if len(raw.get(field) or ()) > most:
            yield too_many(f"{at}.{field}", len(raw[field]), most)


def _rule(raw: Raw, at: str, *, most: int, peers: str, ports: str) -> Iterator[str]:
    if len(raw.get("name") or "") > LONGEST_NAME:
        yield too_long(f"{at}.name", LONGEST_NAME)
    if not raw["action"]:
        yield required(f"{at}.action")
    yield from _counted(raw, peers, at, most)
    if ports in raw:
        yield from _counted(raw, ports, at, most)
    named = any("destinationNamedPort" in p or "namedPort" in p for p in raw.get(ports) or ())
    if peers == "to" and named and any(field in peer for peer in raw["to"] for field in WITHOUT_NAMES):
        text = f"a named port is of pods: {', '.join(WITHOUT_NAMES)} have none"
        yield forbidden(f"{at}.{ports}", text)


def _counted(raw: Raw, field: str, at: str, most: int) -> Iterator[str]:
    count = len(raw[field])
    if not count:
        yield invalid(f"{at}.{field}", count, "must have at least 1 item")
    elif count > most:
        yield too_many(f"{at}.{field}", count, most)


def _one_of(raw: Raw, at: str, *, fields: str) -> Iterator[str]:
    if not raw:
        yield required(at, f"must have one of {fields}")
    elif len(raw) > 1:
        yield too_many(at, len(raw), 1)


def _peer(raw: Raw, at: str, *, fields: str) -> Iterator[str]:
    yield from _one_of(raw, at, fields=fields)
    for field in ("networks", "domainNames"):
        if field in raw:
            yield from _counted(raw, field, at, MOST)
            seen = set()
            for i, text in enumerate(raw[field]):
                if text in seen:
                    yield duplicate(f"{at}.{field}[{i}]", text)
                seen.add(text)
    for i, text in enumerate(raw.get("networks") or ()):
        # Newer fields take no leading zeros and no IPv4 inside IPv6.
        if parse_cidr(text) is None or not _plain(text):
            yield invalid(f"{at}.networks[{i}]", text, PREFIX)
    for i, text in enumerate(raw.get("domainNames") or ()):
        if DOMAIN_NAME.fullmatch(text) is None:
            yield invalid(f"{at}.domainNames[{i}]", text, _DOMAIN)


def _plain(text: str) -> bool:
    length = text.partition("/")[2]
    if length != length.lstrip("0") and length != "0":
        return False
    try:
        address = ip_network(text, strict=False).network_address
    except ValueError:
        return False
    return getattr(address, "ipv4_mapped", None) is None


def _number(raw: Raw, at: str, *, field: str) -> Iterator[str]:
    if field in raw and not 1 <= raw[field] <= 65535:
        yield invalid(f"{at}.{field}", raw[field], PORT)


def _port(raw: Raw, at: str) -> Iterator[str]:
    yield from _one_of(raw, at, fields="number, range")
    yield from _number(raw, at, field="number")


def _range(raw: Raw, at: str) -> Iterator[str]:
    yield from _number(raw, at, field="start")
    yield from _number(raw, at, field="end")
    if raw["start"] >= raw["end"]:
        yield invalid(f"{at}.start", raw["start"], "must be less than `end`")


def _baseline(raw: Raw, _: str) -> Iterator[str]:
    name = (raw.get("metadata") or {}).get("name")
    if name and name != "default":
        yield invalid("metadata.name", name, 'must be "default": a cluster has one')


_POD_PEERS: Final = "namespaces, pods"
_EVERY_PEER: Final = "namespaces, pods, nodes, networks, domainNames"
_rule_of_old = partial(_rule, most=MOST_OF_OLD, ports="ports")
RULES: Final[dict[str, Rule]] = {
    "ClusterNetworkPolicy": _policy,
    "ClusterNetworkPolicySpec": partial(_spec, most=MOST),
    "ClusterNetworkPolicySubject": partial(_one_of, fields=_POD_PEERS),
    "ClusterNetworkPolicyIngressRule": partial(_rule, most=MOST, peers="from", ports="protocols"),
    "ClusterNetworkPolicyEgressRule": partial(_rule, most=MOST, peers="to", ports="protocols"),
    "ClusterNetworkPolicyIngressPeer": partial(_peer, fields=_POD_PEERS),
    "ClusterNetworkPolicyEgressPeer": partial(_peer, fields=_EVERY_PEER),
    "ClusterNetworkPolicyProtocol": partial(_one_of, fields="tcp, udp, sctp, destinationNamedPort"),
    "ClusterNetworkPolicyProtocolPort": partial(_one_of, fields="destinationPort"),
    "ClusterNetworkPolicyPort": _port,
    "ClusterNetworkPolicyPortRange": _range,
    "AdminNetworkPolicySpec": partial(_spec, most=MOST_OF_OLD),
    "AdminNetworkPolicySubject": partial(_one_of, fields=_POD_PEERS),
    "AdminNetworkPolicyIngressRule": partial(_rule_of_old, peers="from"),
    "AdminNetworkPolicyEgressRule": partial(_rule_of_old, peers="to"),
    "AdminNetworkPolicyIngressPeer": partial(_peer, fields=_POD_PEERS),
    "AdminNetworkPolicyEgressPeer": partial(_peer, fields=_EVERY_PEER),
    "AdminNetworkPolicyPort": partial(_one_of, fields="portNumber, namedPort, portRange"),
    "AdminPortNumber": partial(_number, field="port"),
    "AdminPortRange": _range,
    "BaselineAdminNetworkPolicy": _baseline,
    "BaselineAdminNetworkPolicySpec": partial(_spec, most=MOST_OF_OLD),
    "BaselineAdminNetworkPolicyIngressRule": partial(_rule_of_old, peers="from"),
    "BaselineAdminNetworkPolicyEgressRule": partial(_rule_of_old, peers="to"),
    "BaselineAdminNetworkPolicyEgressPeer": partial(_peer, fields="namespaces, pods, nodes, networks"),
}
