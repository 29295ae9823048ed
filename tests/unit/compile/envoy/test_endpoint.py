"""Endpoint assignments."""

from __future__ import annotations

from typing import Any

import msgspec

from meshbuild import attached, endpoint, endpoints
from tandem.compile.envoy.endpoint import compile_endpoints, standing_alone
from tandem.ir.fabric import AppProtocol, Endpoint, ServicePort
from tandem.ir.traffic import Subset

PORT = ServicePort(name="http", port=80, protocol="TCP", app=AppProtocol.HTTP)
V1 = attached("v1", "10.244.0.3", labels=(("app", "web"), ("version", "v1")))
OUT = attached("out", "10.244.0.4", labels=(("app", "web"),), meshed=False)


def _members(resource: Any) -> list[Any]:
    return [m for group in resource.body.get("endpoints", ()) for m in group["lb_endpoints"]]


def test_only_meshed_endpoints_are_marked_for_mtls() -> None:
    made = compile_endpoints(endpoints("web", endpoint(V1, http=8080), endpoint(OUT, http=8080)), PORT)
    meshed, plain = _members(made)
    assert meshed["metadata"]["filter_metadata"]["envoy.transport_socket_match"] == {"tandem": "mtls"}
    assert "metadata" not in plain


def test_the_port_number_is_the_endpoints_own() -> None:
    made = compile_endpoints(endpoints("web", endpoint(V1, http=9999, other=1)), PORT)
    assert [m["endpoint"]["address"]["socket_address"]["port_value"] for m in _members(made)] == [9999]


def test_a_subset_keeps_endpoints_with_all_of_its_labels() -> None:
    members = endpoints("web", endpoint(V1, http=8080), endpoint(OUT, http=8080))
    subset = Subset(name="v1", labels=(("version", "v1"), ("app", "web")))
    made = compile_endpoints(members, PORT, subset)
    assert made.name == "svc/shop/web/80/v1"
    assert [m["endpoint"]["address"]["socket_address"]["address"] for m in _members(made)] == ["10.244.0.3"]


def _addresses(resource: Any) -> list[list[str]]:
    return [
        [
            a["socket_address"]["address"]
            for a in (m["endpoint"]["address"], *(x["address"] for x in m["endpoint"].get("additional_addresses", ())))
        ]
        for m in _members(resource)
    ]


def test_a_pod_of_both_families_is_one_host_and_the_services_first_family_is_tried_first() -> None:
    four, six = endpoint(V1, http=8080), msgspec.structs.replace(endpoint(V1, http=8080), address="fd00::3")
    members = endpoints("web", four, endpoint(OUT, http=8080), six)
    assert _addresses(compile_endpoints(members, PORT)) == [["10.244.0.3", "fd00::3"], ["10.244.0.4"]]
    assert _addresses(compile_endpoints(members, PORT, first=6)) == [["fd00::3", "10.244.0.3"], ["10.244.0.4"]]


def test_addresses_without_a_pod_are_hosts_of_their_own() -> None:
    bare = [Endpoint(address=a, ports=(("http", 80),)) for a in ("192.0.2.1", "192.0.2.2", "fd00::9")]
    assert _addresses(compile_endpoints(endpoints("web", *bare), PORT)) == [["192.0.2.1"], ["192.0.2.2"], ["fd00::9"]]


def test_without_endpoints_the_assignment_is_empty_but_there() -> None:
    assert compile_endpoints(endpoints("web"), PORT).body == {"cluster_name": "svc/shop/web/80"}


def test_what_others_stand_in_for_is_used_to_its_last_endpoint() -> None:
    made = compile_endpoints(endpoints("web", endpoint(V1, http=8080)), PORT)
    found = standing_alone(made)
    assert found.name == f"alone/{made.name}"
    assert found.body["endpoints"] == made.body["endpoints"]
    assert found.body["policy"] == {"overprovisioning_factor": 100_000}
