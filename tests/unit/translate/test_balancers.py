"""Addresses of the pools: given, kept, honoured when asked for, given back; and why there is none."""

from __future__ import annotations

from typing import Any

import msgspec

from builders import service, world
from tandem.base.problems import Severity
from tandem.model import core
from tandem.model.meta import Condition, Object
from tandem.model.parse import parse
from tandem.model.pools import LoadBalancerPool
from tandem.translate.balancers import CLASS, POOL, Assignment, assign_addresses


def pool(name: str = "default", *addresses: str, automatic: bool = True) -> LoadBalancerPool:
    spec = {"addresses": list(addresses or ("192.0.2.0/30",)), "automatic": automatic}
    made = parse({"apiVersion": "tandem.io/v1", "kind": "LoadBalancerPool", "metadata": {"name": name}, "spec": spec})
    assert isinstance(made, LoadBalancerPool)
    return made


def balanced(name: str, *held: str, pool: str = "", **spec: Any) -> core.Service:
    made = service(name, **{"type": "LoadBalancer", **spec})
    ingress = tuple(core.IngressAddress(ip=address) for address in held)
    meta = msgspec.structs.replace(made.metadata, annotations={POOL: pool} if pool else {})
    status = core.ServiceStatus(load_balancer=core.LoadBalancerStatus(ingress=ingress))
    return msgspec.structs.replace(made, metadata=meta, status=status)


def assigned(*objects: Object) -> dict[str, str]:
    return {name: ",".join(found) for (_, name), found in assign_addresses(world(*objects)).given.items()}


def why(*objects: Object) -> list[tuple[str, str, str]]:
    found = assign_addresses(world(*objects)).problems
    return [(p.at.name, p.code, p.at.path) for p in found]


def test_each_service_gets_an_address_of_its_own() -> None:
    assert assigned(pool(), balanced("a"), balanced("b")) == {"a": "192.0.2.1", "b": "192.0.2.2"}


def test_an_address_stays_and_a_newcomer_takes_nothing_away() -> None:
    assert assigned(pool(), balanced("a"), balanced("b", "192.0.2.1")) == {"a": "192.0.2.2", "b": "192.0.2.1"}


def test_an_address_that_no_pool_has_any_more_is_replaced() -> None:
    assert assigned(pool(), balanced("a", "198.51.100.1")) == {"a": "192.0.2.1"}


def test_other_types_and_classes_are_left_alone() -> None:
    others = balanced("b", loadBalancerClass="example.com/other"), service("c")
    assert assigned(pool(), balanced("a", loadBalancerClass=CLASS), *others) == {"a": "192.0.2.1"}


def test_an_address_that_is_asked_for_is_honoured_where_it_is_free() -> None:
    assert assigned(pool(), balanced("a", loadBalancerIP="192.0.2.2")) == {"a": "192.0.2.2"}
    assert assigned(pool(), balanced("a", "192.0.2.1", loadBalancerIP="192.0.2.2")) == {"a": "192.0.2.2"}
    taken = pool(), balanced("a", loadBalancerIP="192.0.2.1"), balanced("b", "192.0.2.1")
    assert assigned(*taken) == {"a": "", "b": "192.0.2.1"}
    assert why(*taken) == [("a", "AddressInUse", "spec.loadBalancerIP")]
    assert why(pool(), balanced("a", loadBalancerIP="198.51.100.1")) == [
        ("a", "AddressNotInPool", "spec.loadBalancerIP")
    ]


def test_a_full_pool_leaves_the_rest_waiting_and_says_so() -> None:
    full = pool(), balanced("a"), balanced("b"), balanced("c")
    assert assigned(*full)["c"] == ""
    assert why(*full) == [("c", "PoolExhausted", "spec.type")]
    more = pool("more", "198.51.100.7-198.51.100.7")
    assert assigned(*full, more)["c"] == "198.51.100.7"


def test_a_pool_is_named_by_an_annotation() -> None:
    other = pool("other", "198.51.100.0/24", automatic=False)
    assert assigned(pool(), other, balanced("a", pool="other")) == {"a": "198.51.100.1"}
    assert assigned(pool(), other, balanced("a")) == {"a": "192.0.2.1"}
    assert why(pool(), balanced("a", pool="none")) == [("a", "PoolNotFound", f"metadata.annotations[{POOL}]")]


def test_a_pool_that_is_not_automatic_gives_what_is_asked_for() -> None:
    quiet = pool("quiet", "198.51.100.0/24", automatic=False)
    assert assigned(quiet, balanced("a", loadBalancerIP="198.51.100.9")) == {"a": "198.51.100.9"}
    assert why(quiet, balanced("a")) == [("a", "PoolNotFound", "spec.type")]


def test_a_service_of_two_families_gets_an_address_of_each() -> None:
    both: dict[str, Any] = {"clusterIPs": ["10.96.0.9", "fd00::9"], "clusterIP": "10.96.0.9"}
    made = assigned(pool("default", "192.0.2.0/30", "2001:db8::/120"), balanced("a", **both))
    assert made == {"a": "192.0.2.1,2001:db8::1"}
    (problem,) = assign_addresses(world(pool(), balanced("a", **both))).problems
    assert (problem.code, problem.severity) == ("PoolNotFound", Severity.WARNING)


def test_without_any_pool_services_are_left_to_others() -> None:
    foreign = balanced("b", "203.0.113.1")
    assert assigned(balanced("a"), foreign) == {}
    assert why(balanced("a"), foreign) == [("a", "PoolNotFound", "spec.type")]


def test_with_the_last_pool_its_addresses_go() -> None:
    made = balanced("a", "192.0.2.1")
    status = msgspec.structs.replace(made.status, conditions=(Condition(type="Programmed", status="True"),))
    assert assigned(msgspec.structs.replace(made, status=status)) == {"a": ""}


def test_nothing_is_said_where_there_is_nothing_to_give() -> None:
    assert assign_addresses(world(pool(), service("a"))) == Assignment()


def test_the_address_of_a_node_and_a_cluster_ip_are_never_given() -> None:
    raw = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1"}}
    host = parse({**raw, "status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.1"}]}})
    assert isinstance(host, core.Node)
    other = service("c", ip="192.0.2.2")
    assert assigned(pool("p", "192.0.2.1-192.0.2.3"), host, other, balanced("a")) == {"a": "192.0.2.3"}
    assert assigned(pool("p", "192.0.2.1-192.0.2.3"), host, other, balanced("a", "192.0.2.1")) == {"a": "192.0.2.3"}
    assert why(pool(), host, balanced("a", loadBalancerIP="192.0.2.1")) == [
        ("a", "AddressInUse", "spec.loadBalancerIP")
    ]


def test_a_thousand_services_share_a_pool_and_those_of_another_take_nothing_twice() -> None:
    both = pool("a", "10.1.0.0/22"), pool("b", "10.1.0.0-10.1.3.255", automatic=False)
    some = [balanced(f"s{n}", pool="b" if n % 2 else "") for n in range(1100)]
    found = assign_addresses(world(*both, *some))
    addresses = [a for given in found.given.values() for a in given]
    assert len(addresses) == len(set(addresses)) == 1024
    assert {p.code for p in found.problems} == {"PoolExhausted"}
