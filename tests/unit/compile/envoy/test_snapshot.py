"""The snapshot as a whole: completeness, sharing, what a change touches, and that protobuf takes every resource."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from chosen import Dialled, chain_for
from meshbuild import CONFIG, RULE, attached, endpoint, endpoints, service, strict, view
from tandem.base.ids import NodeName, SpiffeId
from tandem.compile import names
from tandem.compile.envoy import compile_envoy, snapshot
from tandem.compile.envoy.endpoint import compile_endpoints
from tandem.compile.envoy.gateway import compile_gateway_guards
from tandem.compile.envoy.snapshot import reachable
from tandem.drivers.xds.encode import encode_resource
from tandem.ir.external import External
from tandem.ir.fabric import AppProtocol, Endpoint, Endpoints, Node
from tandem.ir.gateway import Gateway
from tandem.ir.locality import Distribution, LocalityBalancing, Portion, locality_of
from tandem.ir.mesh import Backend, Forward, Mirror, Route, RouteTable
from tandem.ir.node import AttachedPod, NodeView
from tandem.ir.traffic import CallersPolicy, ClientTls, Origination, Outlier, Subset, Traffic, TrafficPolicy
from tandem.state.xds import CLUSTER, ENDPOINT, EXTENSION, LISTENER, ROUTE
from working import calls_of

A = attached("a", "10.244.0.2")
B = attached("b", "10.244.0.3", mtls=strict(8080), plain_http_ports=(8080,))
OUT = attached("x", "10.244.0.9", meshed=False)
WEB = service(
    "web", "10.96.0.1", ("http", 80, AppProtocol.HTTP), ("grpc", 81, AppProtocol.GRPC), ("t", 82, AppProtocol.TCP)
)
DB = service("db", "", ("http", 5432, AppProtocol.HTTP))
POLICY = TrafficPolicy(namespace="shop", service="web", subsets=(Subset(name="v1", labels=()),), origin=RULE)


def shop(*members: Any) -> NodeView:
    return view(A, B, OUT, WEB, DB, POLICY, endpoints("web", *members), endpoints("db", endpoint(B, http=5432)))


def changed(old: NodeView, new: NodeView) -> dict[str, set[str]]:
    """Kind -> names that differ."""
    before, after = compile_envoy(old).resources, compile_envoy(new).resources
    found = {
        kind: {n for n in before[kind].keys() | after[kind].keys() if before[kind].get(n) != after[kind].get(n)}
        for kind in before
    }
    return {kind: names for kind, names in found.items() if names}


def test_a_node_without_meshed_pods_has_nothing() -> None:
    assert not any(compile_envoy(view(OUT, WEB)).resources.values())


def test_each_meshed_pod_has_two_listeners_and_an_application_cluster() -> None:
    made = compile_envoy(shop()).resources
    assert set(made[LISTENER]) == {"in/uid-a", "out/uid-a", "in/uid-b", "out/uid-b"}
    assert {"app/uid-a", "app/uid-b"} <= set(made[CLUSTER])
    assert "app/uid-x" not in made[CLUSTER]


def test_every_route_config_that_a_listener_names_is_there() -> None:
    made = compile_envoy(shop()).resources
    named = {
        f["typed_config"]["rds"]["route_config_name"]
        for resource in made[LISTENER].values()
        for chain in resource.body["filter_chains"]
        for f in chain["filters"]
        if "rds" in f["typed_config"]
    }
    assert named == set(made[ROUTE])


def test_every_eds_cluster_has_its_endpoints() -> None:
    made = compile_envoy(shop()).resources
    assert {n for n, r in made[CLUSTER].items() if r.body.get("type") == "EDS"} == set(made[ENDPOINT])


def test_an_endpoint_that_comes_or_goes_touches_endpoints_only() -> None:
    one = endpoint(A, http=8080)
    old, new = shop(one), shop(one, msgspec.structs.replace(one, address="10.244.0.7"))
    assert changed(old, new) == {ENDPOINT: {"svc/shop/web/80", "svc/shop/web/80/v1"}}


def test_a_new_identity_behind_a_service_touches_its_clusters() -> None:
    assert set(changed(shop(endpoint(A, http=1)), shop(endpoint(A, http=1), endpoint(B, http=1)))) == {
        CLUSTER,
        ENDPOINT,
    }


def test_a_pod_that_goes_takes_nothing_of_the_others() -> None:
    old = shop()
    new = msgspec.structs.replace(old, pods=(A, OUT))
    assert changed(old, new) == {
        LISTENER: {"in/uid-b", "out/uid-b"},
        CLUSTER: {"app/uid-b", "app/uid-b/http1"},
        EXTENSION: {"ask/uid-b", "tokens/uid-b"},
        ROUTE: {"admit/uid-b"},
    }


def test_a_view_of_the_same_parts_gives_the_same_objects() -> None:
    """What did not change is not compiled again."""
    view = shop(endpoint(A, http=8080))
    one, two = (compile_envoy(msgspec.structs.replace(view)).resources for _ in range(2))
    for kind, resources in one.items():
        for name, resource in resources.items():
            assert two[kind][name].body is resource.body


def test_protobuf_takes_every_resource() -> None:
    for kind, resources in compile_envoy(shop(endpoint(A, http=8080))).resources.items():
        for resource in resources.values():
            assert encode_resource(kind, resource).name == resource.name


def test_internal_traffic_policy_local_leaves_the_endpoints_of_this_node() -> None:
    here = Endpoint(address="10.244.0.3", ports=(("http", 80), ("raw", 82)), node=NodeName("node-1"))
    far = Endpoint(address="10.244.1.3", ports=(("http", 80),), node=NodeName("node-2"))
    ending = Endpoint(address="10.244.0.4", ports=(("http", 80), ("admin", 81)), node=NodeName("node-1"))
    members = Endpoints(namespace="shop", service="web", endpoints=(here, far), last=(ending,))
    raw = [(name, port, AppProtocol.TCP) for name, port in (("http", 80), ("raw", 82), ("admin", 81))]
    local = msgspec.structs.replace(service("web", "10.96.0.1", *raw), internal_local=True)
    node = Node(name=NodeName("node-1"), addresses=("192.168.0.1",), pod_cidrs=("10.244.0.0/24",))
    found = reachable(NodeView(node=node, config=CONFIG), local, members)
    assert [(e.address, e.ports) for e in found.endpoints] == [
        ("10.244.0.3", (("http", 80), ("raw", 82))),
        ("10.244.0.4", (("admin", 81),)),
    ]
    free = msgspec.structs.replace(local, internal_local=False)
    assert reachable(NodeView(node=node, config=CONFIG), free, members) is members


def test_hints_of_topology_leave_the_endpoints_that_are_for_this_node() -> None:
    web = service("web", "10.96.0.1", ("http", 80, AppProtocol.HTTP))
    one, two = (
        msgspec.structs.replace(endpoint(A, http=8080), address=f"10.244.0.{i}", for_zones=(zone,))
        for i, zone in enumerate("ab")
    )
    node = Node(name=NodeName("node-1"), addresses=("192.168.0.1",), pod_cidrs=("10.244.0.0/24",), zone="b")
    here = NodeView(node=node, config=CONFIG)
    assert reachable(here, web, endpoints("web", one, two)).endpoints == (two,)
    everywhere = endpoints("web", one, msgspec.structs.replace(two, for_zones=()))
    assert reachable(here, web, everywhere).endpoints == everywhere.endpoints


def test_affinity_balances_by_the_client_in_each_cluster_route_and_stream() -> None:
    sticky = msgspec.structs.replace(WEB, affinity_seconds=60)
    made = compile_envoy(view(A, sticky, endpoints("web", endpoint(B, http=8080)))).resources
    clusters = [r.body for name, r in made[CLUSTER].items() if name.startswith("svc/")]
    assert [c["lb_policy"] for c in clusters] == ["RING_HASH"] * 3
    (route,) = made[ROUTE]["rt/shop/web/80"].body["virtual_hosts"][0]["routes"]
    assert route["route"]["hash_policy"] == [{"connection_properties": {"source_ip": True}}]
    (tcp,) = chain_for(made[LISTENER]["out/uid-a"].body, Dialled("10.96.0.1", 82))["filters"]
    assert tcp["typed_config"]["hash_policy"] == [{"source_ip": {}}]


THERE = Node(name=NodeName("n2"), addresses=(), pod_cidrs=(), region="eu")
MEMBER = msgspec.structs.replace(endpoint(B, http=8080), node=NodeName("n2"))


def test_a_node_that_moves_touches_endpoints_only() -> None:
    near = msgspec.structs.replace(POLICY, traffic=Traffic(outlier=Outlier()))
    here = view(A, WEB, near, endpoints("web", MEMBER), nodes={"n2": THERE})
    moved = msgspec.structs.replace(here, nodes={"n2": msgspec.structs.replace(THERE, region="us")})
    assert changed(here, moved) == {ENDPOINT: {"svc/shop/web/80", "svc/shop/web/80/v1"}}


def test_portions_of_the_whole_mesh_are_those_of_copies_too() -> None:
    portions = (Portion(to=locality_of("eu"), percent=100),)
    whole = LocalityBalancing(distribute=(Distribution(clients=locality_of(""), portions=portions),))
    config = msgspec.structs.replace(CONFIG, locality=whole)
    web = Backend(namespace="shop", service="web")
    copying = Route(name="r", matches=(), action=Forward(backends=(web,)), mirrors=(Mirror(backend=web),), origin=RULE)
    table = RouteTable(namespace="shop", service="web", routes=(copying,))
    made = compile_envoy(view(A, WEB, endpoints("web", MEMBER), table, nodes={"n2": THERE}, config=config)).resources
    names = [name for name in made[CLUSTER] if "svc/shop/web/80" in name]
    assert len(names) == 2, "that of the Service, and one for copies of the pod's requests"
    for name in names:
        assert "locality_weighted_lb_config" in made[CLUSTER][name].body["common_lb_config"]
        assert [g["load_balancing_weight"] for g in made[ENDPOINT][name].body["endpoints"]] == [100]


def test_to_a_host_that_no_pod_of_the_node_sees_nothing_is_sent_where_a_key_would_be_shown() -> None:
    shown = Traffic(tls=ClientTls.MUTUAL, origination=Origination(server_name="api.test", certificate="shop/own/1"))
    policy = TrafficPolicy(namespace="shop", service="api.test", traffic=shown)

    def cluster(*exported: str) -> Any:
        plain = service("api.test", "240.240.0.1", ("http", 80, AppProtocol.HTTP))
        host = msgspec.structs.replace(plain, external=External(host="api.test", exported=exported))
        return (
            compile_envoy(view(A, host, policy)).resources[CLUSTER][names.service_cluster("shop", "api.test", 80)].body
        )

    for seen in ("*", "shop"):
        assert "tls_certificate_sds_secret_configs" in str(cluster(seen))
    assert cluster("elsewhere")["type"] == "STATIC"
    assert "transport_socket" not in cluster("elsewhere")


def test_a_pod_that_comes_has_no_route_looked_through_for_copies_again() -> None:
    """That was every route for every pod of the node, each time."""

    def work(count: int) -> int:
        fronts = [service(f"s{n}", f"10.96.1.{n}", ("http", 80, AppProtocol.HTTP)) for n in range(count)]
        mirror = Mirror(backend=Backend(namespace="shop", service="s0", port=80))
        action = Forward(backends=(Backend(namespace="shop", service="s1"),))
        copied = Route(name="r", matches=(), action=action, mirrors=(mirror,), origin=RULE)
        table = RouteTable(namespace="shop", service="s1", routes=(copied,))
        whole = view(A, B, *fronts, table)
        meshed = list(whole.pods)
        assert {of for _, of in snapshot._mirrors(whole, meshed[:1])}
        return calls_of(lambda: snapshot._mirrors(whole, meshed))

    work(10)  # what is made of a pod is kept by value, and both Worlds have the same two
    assert work(40) == work(10)


def test_gateways_are_compiled_once_whatever_pods_come(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def noting(gateway: Gateway, *given: Any) -> Any:
        done.append(gateway.name)
        return compile_gateway_guards(gateway, *given)

    monkeypatch.setattr(snapshot, "compile_gateway_guards", noting)
    one = Gateway(
        namespace="shop",
        name="edge",
        identity=SpiffeId("spiffe://cluster.local/ns/shop/sa/edge"),
        addresses=("192.0.2.10",),
        ports=(),
        origin=RULE,
    )
    before = msgspec.structs.replace(view(A, WEB), gateways={"shop/edge": one})
    first = compile_envoy(before).resources
    more = compile_envoy(msgspec.structs.replace(before, pods=(*before.pods, B))).resources
    assert done == ["edge"]
    assert first[CLUSTER].keys() < more[CLUSTER].keys()


def test_an_endpoint_that_changes_has_its_service_compiled_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def noting(members: Endpoints, *given: Any, **named: Any) -> Any:
        done.append(members.service)
        return compile_endpoints(members, *given, **named)

    monkeypatch.setattr(snapshot, "compile_endpoints", noting)
    before = shop(endpoint(A, http=8080))
    first = compile_envoy(before).resources
    done.clear()
    other = endpoints("web", endpoint(A, http=8080), endpoint(B, http=8080))
    later = msgspec.structs.replace(before, endpoints={**before.endpoints, "shop/web": other})
    found = compile_envoy(later).resources
    assert set(done) == {"web"}
    assert found[CLUSTER].keys() == first[CLUSTER].keys()
    left = {key: one for key, one in before.services.items() if key != "shop/web"}
    assert not any(
        "web" in name for name in compile_envoy(msgspec.structs.replace(later, services=left)).resources[CLUSTER]
    )


def test_only_callers_on_the_node_with_rules_of_their_own_have_clusters_of_their_own() -> None:
    """And whatever other pods come, those of Services are not made anew."""
    own = CallersPolicy(namespace="bank", policy=TrafficPolicy(namespace="shop", service="web", origin=RULE))
    rule = TrafficPolicy(namespace="shop", service="web", origin=RULE, callers=(own,))
    teller, second = (attached(n, f"10.0.9.{i}", namespace="bank") for i, n in enumerate(("teller", "second"), 1))
    parts = WEB, endpoints("web", endpoint(A, http=8080)), rule

    def apart(*pods: AttachedPod) -> list[str]:
        made = compile_envoy(view(*pods, *parts)).resources
        assert {n for n in made[CLUSTER] if n.startswith("for/")} == {n for n in made[ENDPOINT] if n.startswith("for/")}
        return [n for n in made[CLUSTER] if n.startswith("for/")]

    assert apart(A, B) == []
    assert apart(A, teller, second) == [f"for/bank/svc/shop/web/{port.port}" for port in WEB.ports]
    assert apart(A) == []
    first = view(A, teller, *parts)
    made = compile_envoy(first).resources
    more = compile_envoy(msgspec.structs.replace(first, pods=(*first.pods, second))).resources
    for name in ("svc/shop/web/80", "for/bank/svc/shop/web/80"):
        assert more[CLUSTER][name] is made[CLUSTER][name]
        assert more[ENDPOINT][name] is made[ENDPOINT][name]
