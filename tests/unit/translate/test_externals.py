"""Hosts of ServiceEntries as Services and endpoints."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from builders import pod
from tandem.base.ids import PodUid
from tandem.ir.fabric import AppProtocol, Endpoint, Endpoints, LocalPod
from tandem.ir.locality import locality_of
from tandem.model.meta import Condition, Object
from tandem.model.parse import parse
from tandem.model.world import World
from tandem.translate.externals import Externals, translate_externals
from tandem.translate.options import Options
from tandem.translate.pods import spiffe_id

KEY = "shop/api.example.com"


def istio(kind: str, name: str, spec: dict[str, Any], **meta: Any) -> Object:
    meta = {"name": name, "namespace": "shop", **meta}
    return parse({"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": meta, "spec": spec})


def entry(**fields: Any) -> Object:
    ports = [
        {"number": 80, "name": "http", "protocol": "HTTP"},
        {"number": 443, "name": "tls", "protocol": "TLS", "targetPort": 8443},
    ]
    spec = {"hosts": ["API.example.com"], "resolution": "STATIC", "ports": ports}
    return istio("ServiceEntry", "api", {**spec, **fields})


def found(*objects: Object, pods: dict[str, LocalPod] | None = None) -> Externals:
    return translate_externals(World.of(objects), pods or {}, Options())


def endpoints(*objects: Object, **fields: Any) -> Endpoints:
    return found(*objects, **fields).endpoints[KEY]


def test_ports_say_what_bytes_are() -> None:
    service = found(entry(endpoints=[{"address": "192.0.2.1"}])).services[KEY]
    assert [(p.name, p.port, p.app) for p in service.ports] == [
        ("http", 80, AppProtocol.HTTP),
        ("tls", 443, AppProtocol.TLS),
    ]
    assert service.name == "api.example.com"


def test_an_endpoint_is_asked_at_its_own_port_then_the_targets_then_the_same() -> None:
    own = {"address": "192.0.2.1", "ports": {"http": 8080}, "labels": {"v": "1"}, "weight": 5}
    (one,) = endpoints(entry(endpoints=[own])).endpoints
    assert one == Endpoint(address="192.0.2.1", ports=(("http", 8080), ("tls", 8443)), labels=(("v", "1"),), weight=5)


def test_endpoints_that_are_names_are_left_to_the_nodes() -> None:
    ends = endpoints(entry(resolution="DNS", endpoints=[{"address": "192.0.2.1"}, {"address": "Db.example.net"}]))
    assert [e.address for e in ends.endpoints] == ["192.0.2.1"]
    assert [e.address for e in ends.named] == ["db.example.net"]


def test_a_resolved_host_without_endpoints_is_its_own() -> None:
    assert [e.address for e in endpoints(entry(resolution="DNS")).named] == ["api.example.com"]
    assert endpoints(entry(resolution="NONE")).named == ()


@pytest.mark.parametrize(("resolution", "one"), [("DNS_ROUND_ROBIN", True), ("DNS", False)])
def test_round_robin_uses_one_address_at_a_time(resolution: str, *, one: bool) -> None:
    external = found(entry(resolution=resolution)).services[KEY].external
    assert external is not None
    assert external.one_address is one


def local(name: str, *, meshed: bool = True) -> LocalPod:
    made = pod(name, namespace="shop", app="api")
    return LocalPod(
        uid=PodUid(made.metadata.uid),
        namespace="shop",
        name=name,
        service_account="default",
        identity=spiffe_id("cluster.local", "shop", "default"),
        labels=(("app", "api"),),
        meshed=meshed,
    )


def test_a_selector_finds_ready_pods_and_workloads_of_the_namespace() -> None:
    ready, unready = pod("a", namespace="shop", app="api"), pod("c", namespace="shop", app="api")
    condition = Condition(type="Ready", status="True")
    ready = msgspec.structs.replace(ready, status=msgspec.structs.replace(ready.status, conditions=(condition,)))
    elsewhere = pod("b", namespace="other", app="api")
    workloads = [
        istio("WorkloadEntry", "vm", {"address": "192.0.2.7", "labels": {"app": "api"}, "ports": {"http": 81}}),
        istio("WorkloadEntry", "named", {"address": "vm.example.com", "labels": {"app": "api"}}),
        istio("WorkloadEntry", "other", {"address": "192.0.2.8", "labels": {"app": "web"}}),
        istio("WorkloadEntry", "far", {"address": "192.0.2.9", "labels": {"app": "api"}}, namespace="other"),
        istio("WorkloadEntry", "meta", {"address": "192.0.2.6"}, labels={"app": "api"}),
    ]
    chosen = entry(workloadSelector={"labels": {"app": "api"}})
    pods = {ready.metadata.uid: local("a"), unready.metadata.uid: local("c")}
    ends = endpoints(chosen, ready, unready, elsewhere, *workloads, pods=pods)
    assert [(e.address, e.identity is not None) for e in ends.endpoints] == [
        (ready.addresses[0], True),
        ("192.0.2.6", False),
        ("192.0.2.7", False),
    ]


def test_a_pod_behind_an_entry_is_on_its_node_and_others_where_they_say() -> None:
    here = pod("a", namespace="shop", node="n2", app="api")
    condition = Condition(type="Ready", status="True")
    here = msgspec.structs.replace(here, status=msgspec.structs.replace(here.status, conditions=(condition,)))
    there = istio("WorkloadEntry", "vm", {"address": "192.0.2.7", "labels": {"app": "api"}, "locality": "eu/west"})
    chosen = entry(workloadSelector={"labels": {"app": "api"}})
    ends = endpoints(chosen, here, there, pods={here.metadata.uid: local("a")})
    assert [(e.node, e.locality) for e in ends.endpoints] == [("n2", None), (None, locality_of("eu/west"))]


def test_an_entry_with_a_mistake_makes_nothing_known() -> None:
    assert not found(entry()).services  # STATIC without endpoints
    (problem,) = found(entry()).problems
    assert (problem.at.path, problem.code) == ("spec.endpoints", "InvalidValue")


def test_a_workload_that_cannot_be_used_is_told() -> None:
    wrong = [
        istio("WorkloadEntry", "a", {"address": "unix:///run/x"}),
        istio("WorkloadEntry", "b", {}),
        istio("WorkloadEntry", "c", {"address": "192.0.2.1", "locality": "a/b", "network": "n"}),
    ]
    assert [(p.at.name, p.at.path, p.code) for p in found(*wrong).problems] == [
        ("a", "spec.address", "InvalidValue"),
        ("b", "spec.address", "InvalidValue"),
        ("c", "spec.network", "NoEffect"),
    ]


def test_dns_answers_for_hosts_that_all_may_see() -> None:
    def answered(**fields: Any) -> bool:
        external = found(entry(resolution="DNS", **fields)).services[KEY].external
        return external is not None and external.answered

    assert answered()
    assert not answered(exportTo=["."])


def test_dns_answers_for_names_below_a_pattern_where_all_may_see_it() -> None:
    fields: dict[str, Any] = {"hosts": ["*.example.com"], "addresses": ["192.0.2.1"], "resolution": "NONE"}
    own = [s.external for s in found(entry(**fields)).services.values()]
    assert [(e.answered, e.prefixes) for e in own if e is not None] == [(True, ("192.0.2.1/32",))]
    hidden = found(entry(**fields, exportTo=["."])).services.values()
    assert [s.external.answered for s in hidden if s.external is not None] == [False]
