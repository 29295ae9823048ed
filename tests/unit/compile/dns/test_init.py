"""NodeView -> records: what each kind of Service is called."""

from __future__ import annotations

from collections import defaultdict

import msgspec
import pytest

from tandem.base.ids import ContainerId, NodeName, PodUid, SpiffeId
from tandem.compile.dns import compile_hosts, compile_records, compile_settings, names_of, own_names
from tandem.ir.external import External
from tandem.ir.fabric import LocalPod
from tandem.ir.names import Names
from tandem.ir.node import AttachedPod, NodeView
from tandem.state.dns import Record
from unit.compile.dns.dnsview import SHOP, endpoint, service, view

POD = LocalPod(
    uid=PodUid("u"),
    namespace="shop",
    name="p",
    service_account="default",
    identity=SpiffeId("spiffe://cluster.local/x"),
)
BELOW = ".shop.svc.cluster.local."


def of(name: str, seen: NodeView = SHOP) -> list[str]:
    found: dict[str, list[str]] = defaultdict(list)
    for record in compile_records(seen):
        found[record.name].append(f"{record.kind} {record.data}")
    return sorted(found[name])


def test_a_service_has_its_address() -> None:
    assert of(f"web{BELOW}") == ["A 10.96.1.1"]


def test_a_named_port_has_a_service_record() -> None:
    assert of(f"_http._tcp.web{BELOW}") == [f"SRV 0 100 80 web{BELOW}"]
    assert of(f"_dns._udp.names{BELOW}") == [f"SRV 0 100 53 names{BELOW}"]


def test_a_headless_service_has_the_addresses_of_its_endpoints() -> None:
    assert of(f"db{BELOW}") == ["A 10.244.0.12", "A 10.244.0.3"]


def test_endpoints_of_a_headless_service_are_called_by_host_name_or_by_address() -> None:
    assert of(f"db-0.db{BELOW}") == ["A 10.244.0.3"]
    assert of(f"10-244-0-12.db{BELOW}") == ["A 10.244.0.12"]


@pytest.mark.parametrize(
    "name", ["web.shop.svc.cluster.local. 5 A 192.0.2.1 ;", "a\nweb.other. 5 A 192.0.2.1", "a.b", "'"]
)
def test_an_endpoint_whose_host_name_is_none_speaks_for_nobody_else(name: str) -> None:
    nameless, named = (view(service("db"), db=(endpoint("10.244.0.3", n, http=80),)) for n in ("", name))
    assert compile_records(named) == compile_records(nameless)


def test_a_named_port_of_a_headless_service_has_a_record_for_each_endpoint() -> None:
    assert of(f"_http._tcp.db{BELOW}") == [
        f"SRV 0 100 5432 10-244-0-12.db{BELOW}",
        f"SRV 0 100 5432 db-0.db{BELOW}",
    ]


def test_an_endpoint_without_the_port_has_no_service_record() -> None:
    seen = view(service("db"), db=(endpoint("10.244.0.3", "db-0", other=1),))
    assert of(f"_http._tcp.db{BELOW}", seen) == []
    assert of(f"db{BELOW}", seen) == ["A 10.244.0.3"]


def test_a_headless_service_without_endpoints_has_no_name() -> None:
    assert of(f"empty{BELOW}") == []


def test_an_endpoint_that_terminates_is_not_to_be_found() -> None:
    ending = msgspec.structs.replace(endpoint("10.244.0.4", http=80), ready=False)
    found = compile_records(view(service("db"), db=(endpoint("10.244.0.3", http=80), ending)))
    assert {r.data for r in found if r.name == "db.shop.svc.cluster.local."} == {"10.244.0.3"}
    assert not any("10-244-0-4" in str(r) for r in found)


def test_an_external_name_is_an_alias() -> None:
    assert of(f"out{BELOW}") == ["CNAME example.org."]


@pytest.mark.parametrize("name", ["a..b", "a b", "x" * 64, "a." * 130, 'a"b', ";", "."])
def test_an_external_name_that_is_no_name_has_no_record(name: str) -> None:
    seen = view(service("bad", external=name), service("web", "10.96.1.1"))
    assert of(f"bad{BELOW}", seen) == []
    assert of(f"web{BELOW}", seen) == ["A 10.96.1.1"]


def test_addresses_have_names() -> None:
    assert of("1.1.96.10.in-addr.arpa.") == [f"PTR web{BELOW}"]
    assert of("3.0.244.10.in-addr.arpa.") == [f"PTR db-0.db{BELOW}"]
    assert of("9.0.244.10.in-addr.arpa.") == []  # behind a Service with an address of its own


def test_an_address_behind_two_headless_services_has_one_name() -> None:
    seen = view(service("b"), service("a"), a=(endpoint("10.244.0.3"),), b=(endpoint("10.244.0.3"),))
    assert of("3.0.244.10.in-addr.arpa.", seen) == [f"PTR 10-244-0-3.a{BELOW}"]


def test_each_family_has_its_own_record_at_the_same_name() -> None:
    assert of(f"both{BELOW}") == ["A 10.96.1.3", "AAAA fd00:10:96::103"]
    assert of(f"six{BELOW}") == ["AAAA fd00:10:244::12", "AAAA fd00:10:244::3"]
    assert of(f"six-0.six{BELOW}") == ["AAAA fd00:10:244::3"]
    assert of(f"fd00-10-244--12.six{BELOW}") == ["AAAA fd00:10:244::12"]


def test_an_endpoint_of_both_families_with_a_host_name_is_one_target() -> None:
    seen = view(service("db"), db=(endpoint("10.244.0.3", "db-0", http=80), endpoint("fd00::3", "db-0", http=80)))
    assert of(f"_http._tcp.db{BELOW}", seen) == [f"SRV 0 100 80 db-0.db{BELOW}"]
    assert of(f"db-0.db{BELOW}", seen) == ["A 10.244.0.3", "AAAA fd00::3"]


def test_addresses_of_ipv6_have_names() -> None:
    assert of("3.0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa.") == [f"PTR both{BELOW}"]


def test_the_version_of_the_specification_can_be_asked_for() -> None:
    assert of("dns-version.cluster.local.") == ['TXT "1.1.0"']


def test_one_endpoint_more_changes_its_own_records_only() -> None:
    first = (endpoint("10.244.0.3", "db-0", http=5432),)
    before = compile_records(view(service("db"), service("web", "10.96.1.1"), db=first))
    after = compile_records(
        view(service("db"), service("web", "10.96.1.1"), db=(*first, endpoint("10.244.0.4", "db-1", http=5432)))
    )
    assert before < after
    assert {r.data for r in after - before} == {"10.244.0.4", f"db-1.db{BELOW}", f"0 100 5432 db-1.db{BELOW}"}


def test_names_are_lower_case() -> None:
    seen = msgspec.structs.replace(SHOP, config=msgspec.structs.replace(SHOP.config, cluster_domain="Cluster.Local."))
    assert Record(f"web{BELOW}", "A", "10.96.1.1") in compile_records(seen)


def test_the_node_and_its_pods_may_ask() -> None:
    settings = compile_settings(SHOP)
    assert (settings.addresses, settings.domain) == (("10.96.0.10",), "cluster.local.")
    assert settings.clients == ("10.244.0.0/24", "10.96.0.10/32")


def test_a_node_of_both_families_serves_pods_of_both() -> None:
    node = msgspec.structs.replace(SHOP.node, pod_cidrs=("10.244.0.0/24", "fd00:10:244::/64"))
    config = msgspec.structs.replace(SHOP.config, dns_addresses=("10.96.0.10", "fd00:10:96::a"))
    settings = compile_settings(msgspec.structs.replace(SHOP, node=node, config=config))
    assert settings.addresses == ("10.96.0.10", "fd00:10:96::a")
    assert settings.clients == ("10.244.0.0/24", "10.96.0.10/32", "fd00:10:244::/64", "fd00:10:96::a/128")


def test_a_pod_with_an_address_of_another_network_may_ask() -> None:
    pods = tuple(
        AttachedPod(pod=POD, container_id=ContainerId(a), addresses=(a,), host_ifname="tdx", netns="/x")
        for a in ("10.244.0.7", "192.168.7.7")
    )
    assert "192.168.7.0/24" in compile_settings(msgspec.structs.replace(SHOP, pods=pods)).clients


@pytest.mark.parametrize(
    ("cidr", "zones"),
    [
        ("10.96.0.0/16", ["96.10.in-addr.arpa."]),
        ("10.96.8.0/23", ["8.96.10.in-addr.arpa.", "9.96.10.in-addr.arpa."]),
        ("10.0.0.0/8", ["10.in-addr.arpa."]),
        ("10.96.0.4/31", ["4.0.96.10.in-addr.arpa.", "5.0.96.10.in-addr.arpa."]),
        ("fd00:10:96::/112", ["0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa."]),
        ("fc00::/7", ["c.f.ip6.arpa.", "d.f.ip6.arpa."]),
    ],
)
def test_the_reverse_zones_cover_the_service_range(cidr: str, zones: list[str]) -> None:
    seen = msgspec.structs.replace(SHOP, config=msgspec.structs.replace(SHOP.config, service_cidrs=(cidr,)))
    assert list(compile_settings(seen).reverse) == zones


def named(*pods: tuple[str, tuple[str, ...]]) -> NodeView:
    """Containers with an address and names that their runtime gave them."""
    made = tuple(
        AttachedPod(
            pod=POD,
            container_id=ContainerId(address),
            addresses=(address,),
            host_ifname="",
            netns="/n",
            aliases=aliases,
        )
        for address, aliases in pods
    )
    return msgspec.structs.replace(SHOP, pods=made)


def test_a_name_within_a_network_has_the_addresses_of_all_who_have_it() -> None:
    seen = named(("10.244.0.40", ("db.tandem", "first.tandem")), ("10.244.0.41", ("db.tandem",)))
    assert of("db.tandem.net.cluster.local.", seen) == ["A 10.244.0.40", "A 10.244.0.41"]
    assert of("first.tandem.net.cluster.local.", seen) == ["A 10.244.0.40"]
    assert of("41.0.244.10.in-addr.arpa.", seen) == ["PTR db.tandem.net.cluster.local."]
    assert own_names(seen)[0] == ("db.tandem", "10.244.0.40")


def test_the_same_name_in_another_network_is_another_name() -> None:
    seen = named(("10.244.0.40", ("db.tandem",)), ("fd00::40", ("db.other",)))
    assert of("db.other.net.cluster.local.", seen) == ["AAAA fd00::40"]


def test_names_of_other_nodes_are_answered_like_those_of_this_one() -> None:
    """What this node has told itself is older than what it knows."""
    seen = msgspec.structs.replace(
        named(("10.244.0.40", ("db.tandem",))),
        names={
            "other": Names(node=NodeName("other"), pairs=(("db.tandem", "10.244.9.4"), ("far.tandem", "fd00::4"))),
            SHOP.node.name: Names(node=SHOP.node.name, pairs=(("gone.tandem", "10.244.0.77"),)),
        },
    )
    assert of("db.tandem.net.cluster.local.", seen) == ["A 10.244.0.40", "A 10.244.9.4"]
    assert of("far.tandem.net.cluster.local.", seen) == ["AAAA fd00::4"]
    assert of("gone.tandem.net.cluster.local.", seen) == []
    assert own_names(seen) == (("db.tandem", "10.244.0.40"),)
    assert len(names_of(seen)) == 3


def test_blocks_that_come_and_go_within_the_pools_change_nothing_for_the_server() -> None:
    config = msgspec.structs.replace(SHOP.config, pod_networks=("10.244.0.0/16",))
    before = msgspec.structs.replace(SHOP, config=config)
    node = msgspec.structs.replace(SHOP.node, pod_cidrs=("10.244.0.0/24", "10.244.9.0/24"), borrowed=("10.244.7.7",))
    assert compile_settings(msgspec.structs.replace(before, node=node)) == compile_settings(before)
    assert compile_settings(before).clients == ("10.244.0.0/16", "10.96.0.10/32")
    outside = msgspec.structs.replace(SHOP.node, pod_cidrs=("10.9.0.0/24",))
    assert "10.9.0.0/24" in compile_settings(msgspec.structs.replace(before, node=outside)).clients


def test_hosts_have_single_addresses_of_theirs_and_patterns_likewise() -> None:
    def told(host: str, *prefixes: str, answered: bool = True) -> list[str]:
        own = External(host=host, prefixes=prefixes, answered=answered)
        seen = msgspec.structs.replace(SHOP, services={"s/h": msgspec.structs.replace(service("h"), external=own)})
        return sorted(map(str, compile_hosts(seen)))

    assert told("*.example.com", "192.0.2.1/32", "2001:db8::1/128", "198.51.100.0/24") == [
        "*.example.com. 5 A 192.0.2.1",
        "*.example.com. 5 AAAA 2001:db8::1",
    ]
    assert told("*.example.com") == []
    assert told("example.com", "192.0.2.1/32", answered=False) == []
