"""ServiceEntry and WorkloadEntry as they are read."""

from __future__ import annotations

from tandem.model.egress import ServiceEntry, WorkloadEntry
from tandem.model.parse import parse

ENTRY = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "ServiceEntry",
    "metadata": {"name": "api", "namespace": "shop"},
    "spec": {
        "hosts": ["api.example.com"],
        "addresses": ["192.0.2.1"],
        "ports": [{"number": 443, "name": "https", "protocol": "HTTPS", "targetPort": 8443}],
        "location": "MESH_INTERNAL",
        "resolution": "STATIC",
        "workloadSelector": {"labels": {"app": "api"}},
        "exportTo": ["."],
        "subjectAltNames": ["api"],
    },
    "status": {"addresses": [{"value": "240.240.0.1", "host": "api.example.com"}]},
}


def test_every_field_of_an_entry_is_read() -> None:
    entry = parse(ENTRY)
    assert isinstance(entry, ServiceEntry)
    spec = entry.spec
    assert (spec.hosts, spec.addresses, spec.location, spec.resolution) == (
        ("api.example.com",), ("192.0.2.1",), "MESH_INTERNAL", "STATIC",
    )  # fmt: skip
    assert (spec.ports[0].number, spec.ports[0].target_port, spec.ports[0].protocol) == (443, 8443, "HTTPS")
    assert spec.workload_selector is not None
    assert (spec.workload_selector.labels, spec.export_to, spec.subject_alt_names) == ({"app": "api"}, (".",), ("api",))
    assert entry.status.addresses[0].value == "240.240.0.1"


def test_an_entry_that_says_little_is_resolved_by_nobody_and_outside() -> None:
    entry = parse({**ENTRY, "spec": {"hosts": ["a.b"]}})
    assert isinstance(entry, ServiceEntry)
    assert (entry.spec.resolution, entry.spec.location) == ("NONE", "MESH_EXTERNAL")


def test_every_field_of_a_workload_is_read() -> None:
    spec = {
        "address": "10.0.0.1", "ports": {"http": 80}, "labels": {"app": "vm"}, "network": "n", "locality": "a/b/c",
        "weight": 3, "serviceAccount": "vm",
    }  # fmt: skip
    workload = parse({**ENTRY, "kind": "WorkloadEntry", "spec": spec, "status": {}})
    assert isinstance(workload, WorkloadEntry)
    found = workload.spec
    assert (found.address, found.ports, found.labels, found.network) == ("10.0.0.1", {"http": 80}, {"app": "vm"}, "n")
    assert (found.locality, found.weight, found.service_account) == ("a/b/c", 3, "vm")
