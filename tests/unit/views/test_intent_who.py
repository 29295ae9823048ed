"""Whom words mean, and which ends no policy can tell apart."""

from __future__ import annotations

import ipaddress

import pytest

from builders import namespace, node, pod, policy, service, world
from tandem.model.world import World
from tandem.views.intent_who import Census, Crowd
from tandem.views.intents import IntentError, parse_intents

PODS = [
    *(pod(f"web-{i}", namespace="shop", ip=f"10.244.0.{i + 2}", app="web", ports={"http": 80}) for i in range(3)),
    pod("db", namespace="shop", ip="10.244.1.2", labels={"app.kubernetes.io/name": "db"}),
    pod("other", namespace="legacy", ip="10.244.2.2", app="web"),
    pod("host", namespace="shop", ip="192.168.0.1", app="web", host_network=True),
]
AROUND = [namespace("shop"), namespace("legacy"), node("node-1"), service("front", ns="shop", selector={"app": "web"})]


def found(words: str, *more: object) -> list[Crowd]:
    on: World = world(*PODS, *AROUND, *more)  # type: ignore[arg-type]
    [intent] = parse_intents(f"namespace: shop\nintents: ['{words} may reach x']", "i.yaml")
    return list(Census(on).crowds(intent.source, "shop"))


def names(crowds: list[Crowd]) -> list[list[str]]:
    return [[p.metadata.name for p in c.pods] for c in crowds if c.pods]


@pytest.mark.parametrize(
    ("words", "groups"),
    [
        ("web", [["web-0", "web-1", "web-2"]]),
        ("db", [["db"]]),
        ("pod/web-1", [["web-1"]]),
        ("web-1, web-2", [["web-1", "web-2"]]),
        ("app=web", [["web-0", "web-1", "web-2"]]),
        ("*/app=web", [["other"], ["web-0", "web-1", "web-2"]]),
        ("svc/front", [["web-0", "web-1", "web-2"]]),
        ("front", [["web-0", "web-1", "web-2"]]),
        ("ns/legacy", [["other"]]),
        ("pods", [["other"], ["db"], ["web-0", "web-1", "web-2"]]),
        ("anyone in shop except web", [["db"]]),
        ("anyone outside shop", [["other"]]),
        ("10.244.1.0/24", [["db"]]),
        ("app=nothing", []),
    ],
)
def test_words(words: str, groups: list[list[str]]) -> None:
    assert names(found(words)) == groups


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            "nothing",
            "i.yaml:2:12: nothing: there is no Deployment, Pod, app label or Service nothing in namespace shop",
        ),
        ("legacy/db", "i.yaml:2:12: legacy/db: there is no Deployment, Pod"),
        ("deploy/web", "there is no Deployment web in namespace shop"),
        ("ns/nowhere", "there is no namespace nowhere"),
    ],
)
def test_what_names_nothing_is_a_mistake(words: str, message: str) -> None:
    with pytest.raises(IntentError) as raised:
        found(words)
    assert message in str(raised.value)


def test_pods_of_one_crowd_are_told_apart_by_an_ip_block() -> None:
    block = policy(ns="legacy", ingress=[{"from": [{"ipBlock": {"cidr": "10.244.0.3/32"}}]}])
    assert names(found("web", block)) == [["web-0", "web-2"], ["web-1"]]


def regions(words: str, *blocks: str) -> list[str]:
    peers = [{"ipBlock": {"cidr": b}} for b in blocks]
    return [c.address for c in found(words, policy(ingress=[{"from": peers}])) if not c.pods]


def test_outside_there_is_an_address_for_each_region_between_prefixes() -> None:
    got = [ipaddress.ip_address(a) for a in regions("the internet", "203.0.113.0/24", "203.0.113.128/25", "10.0.0.0/8")]
    blocks = [ipaddress.ip_network(b) for b in ("203.0.113.0/24", "203.0.113.128/25")]
    assert sorted(tuple(a in b for b in blocks) for a in got) == [(False, False), (True, False), (True, True)]
    assert not any(a.is_private and a not in blocks[0] for a in got)


def test_anyone_is_the_private_addresses_as_well() -> None:
    assert any(ipaddress.ip_address(a) in ipaddress.ip_network("10.0.0.0/8") for a in regions("anyone"))
    assert not any(ipaddress.ip_address(a) in ipaddress.ip_network("10.0.0.0/8") for a in regions("the internet"))
    assert not regions("anyone in shop")
    assert not regions("pods")


def test_an_exception_takes_its_region_and_no_other() -> None:
    got = [ipaddress.ip_address(a) for a in regions("anyone except 10.0.0.0/8")]
    assert got
    assert not any(a in ipaddress.ip_network("10.0.0.0/8") for a in got)
    assert any(a in ipaddress.ip_network("172.16.0.0/12") for a in got)


def test_nobody_of_the_cluster_stands_for_a_region() -> None:
    assert regions("10.244.1.0/30") == ["10.244.1.0"]
    assert regions("10.244.1.2/32") == []


def test_families_are_those_of_the_pods() -> None:
    assert not any(":" in a for a in regions("anyone"))
    both = pod("six", namespace="shop", ip=("10.244.3.2", "fd00::2"))
    assert any(":" in c.address for c in found("the internet", both))
