"""What the API server fills in."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tandem.ingest.defaults import default
from tandem.model.parse import parse
from tandem.model.schema import validate


def make(kind: str, version: str = "v1", **fields: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "x"}, **fields}


POD = make(
    "Pod",
    spec={
        "containers": [
            {
                "name": "c",
                "image": "host",
                "ports": [{"containerPort": 80}],
                "readinessProbe": {"httpGet": {"port": 80}},
                "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
            }
        ],
        "volumes": [{"name": "v"}, {"name": "w", "configMap": {"name": "c"}}],
    },
)
ROUTE = make(
    "HTTPRoute",
    "gateway.networking.k8s.io/v1",
    spec={
        "parentRefs": [{"name": "gw"}, {"name": "svc", "group": "", "kind": "Service"}],
        "rules": [
            {
                "matches": [{"headers": [{"name": "a", "value": "b"}]}],
                "backendRefs": [{"name": "a", "port": 80}],
            },
            {"filters": [{"type": "RequestRedirect", "requestRedirect": {}}]},
        ],
    },
)
GRPC = make(
    "GRPCRoute",
    "gateway.networking.k8s.io/v1",
    spec={
        "parentRefs": [{"name": "svc", "group": "", "kind": "Service"}],
        "rules": [{"matches": [{"method": {"service": "x.A"}}], "backendRefs": [{"name": "a", "port": 80}]}, {}],
    },
)
POLICY = make("NetworkPolicy", "networking.k8s.io/v1", spec={"egress": [{"ports": [{"port": 53}]}]})
SERVICE = make("Service", spec={"ports": [{"port": 80}]})
DEPLOYMENT = make(
    "Deployment",
    "apps/v1",
    spec={
        "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "host"}]}},
    },
)
EVERY = (POD, ROUTE, GRPC, POLICY, SERVICE, DEPLOYMENT, make("Namespace"), make("Secret"), make("ConfigMap"))


def test_the_input_is_never_changed() -> None:
    for raw in EVERY:
        before = copy.deepcopy(raw)
        default(raw)
        assert raw == before


def test_defaults_are_filled_in_once() -> None:
    for raw in EVERY:
        assert default(default(raw)) == default(raw)


def test_what_is_filled_in_is_valid_and_parses() -> None:
    for raw in EVERY:
        assert validate(default(raw)) == []
        assert parse(default(raw)).metadata.name == "x"


def test_namespaced_objects_come_to_lie_in_default() -> None:
    assert default(POD)["metadata"]["namespace"] == "default"
    assert "namespace" not in default(make("Namespace"))["metadata"]
    assert default({**POD, "metadata": {"name": "x", "namespace": "shop"}})["metadata"]["namespace"] == "shop"


def test_a_grpc_route_gets_types_and_weights_and_no_rules() -> None:
    first, second = default(GRPC)["spec"]["rules"]
    assert first["matches"] == [{"method": {"service": "x.A", "type": "Exact"}}]
    assert first["backendRefs"] == [{"name": "a", "port": 80, "group": "", "kind": "Service", "weight": 1}]
    assert second == {}


def test_a_namespace_carries_its_name_as_a_label() -> None:
    assert default(make("Namespace"))["metadata"]["labels"] == {"kubernetes.io/metadata.name": "x"}


def test_a_pod_gets_policies_grace_account_and_probe_times() -> None:
    spec = default(POD)["spec"]
    assert (spec["restartPolicy"], spec["dnsPolicy"]) == ("Always", "ClusterFirst")
    assert (spec["terminationGracePeriodSeconds"], spec["serviceAccountName"]) == (30, "default")
    container = spec["containers"][0]
    assert container["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
    assert container["readinessProbe"] == {
        "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }
    assert spec["volumes"] == [
        {"name": "v", "emptyDir": {}},
        {"name": "w", "configMap": {"name": "c", "defaultMode": 420}},
    ]


def test_zero_is_a_value() -> None:
    raw = copy.deepcopy(POD)
    raw["spec"]["terminationGracePeriodSeconds"] = 0
    assert default(raw)["spec"]["terminationGracePeriodSeconds"] == 0


def test_an_image_without_a_version_is_always_pulled() -> None:
    policies = []
    for image in ("a", "a:latest", "a:1", "r:5000/a", "a@sha256:0"):
        raw = copy.deepcopy(POD)
        raw["spec"]["containers"][0]["image"] = image
        policies.append(default(raw)["spec"]["containers"][0]["imagePullPolicy"])
    assert policies == ["Always", "Always", "IfNotPresent", "Always", "IfNotPresent"]


def test_a_deployment_gets_replicas_and_a_strategy() -> None:
    spec = default(DEPLOYMENT)["spec"]
    assert spec["replicas"] == 1
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}
    assert spec["template"]["spec"]["restartPolicy"] == "Always"


def test_recreate_gets_no_rolling_update() -> None:
    raw = copy.deepcopy(DEPLOYMENT)
    raw["spec"]["strategy"] = {"type": "Recreate"}
    assert default(raw)["spec"]["strategy"] == {"type": "Recreate"}


def test_a_service_port_targets_itself() -> None:
    spec = default(SERVICE)["spec"]
    assert spec["type"] == "ClusterIP"
    assert spec["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]


@pytest.mark.parametrize("nothing", [0, "", None])
def test_a_target_port_that_says_nothing_is_the_port(nothing: object) -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}}
    found = default({**service, "spec": {"ports": [{"port": 80, "targetPort": nothing}]}})
    assert found["spec"]["ports"][0]["targetPort"] == 80


def test_policy_types_follow_the_rules() -> None:
    spec = default(POLICY)["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert spec["egress"][0]["ports"] == [{"port": 53, "protocol": "TCP"}]
    assert default(make("NetworkPolicy", "networking.k8s.io/v1"))["spec"]["policyTypes"] == ["Ingress"]


def test_a_route_gets_matches_parents_and_weights() -> None:
    spec = default(ROUTE)["spec"]
    assert spec["parentRefs"] == [
        {"name": "gw", "group": "gateway.networking.k8s.io", "kind": "Gateway"},
        {"name": "svc", "group": "", "kind": "Service"},
    ]
    rule, empty = spec["rules"]
    assert rule["matches"] == [
        {
            "headers": [{"name": "a", "value": "b", "type": "Exact"}],
            "path": {"type": "PathPrefix", "value": "/"},
        }
    ]
    assert rule["backendRefs"] == [{"name": "a", "port": 80, "group": "", "kind": "Service", "weight": 1}]
    assert empty["filters"][0]["requestRedirect"] == {"statusCode": 302}
    assert empty["matches"] == [{"path": {"type": "PathPrefix", "value": "/"}}]


def test_an_unknown_kind_comes_back_equal() -> None:
    assert default({"kind": "Job"}) == {"kind": "Job"}


def test_a_network_without_a_fabric_is_routed() -> None:
    assert default(make("Network", "tandem.io/v1"))["spec"] == {"fabric": "routed"}
    assert default(make("Network", "tandem.io/v1", spec={"mtu": 1400}))["spec"] == {"fabric": "routed", "mtu": 1400}


def test_ports_of_the_older_policies_are_tcp() -> None:
    ports = [{"portNumber": {"port": 80}}, {"portRange": {"start": 1, "end": 2, "protocol": "UDP"}}, {"namedPort": "x"}]
    spec = {"ingress": [{"action": "Deny", "from": [{"namespaces": {}}], "ports": ports}]}
    for kind in ("AdminNetworkPolicy", "BaselineAdminNetworkPolicy"):
        made = default(make(kind, "policy.networking.k8s.io/v1alpha1", spec=spec))
        assert made["spec"]["ingress"][0]["ports"] == [
            {"portNumber": {"port": 80, "protocol": "TCP"}},
            {"portRange": {"start": 1, "end": 2, "protocol": "UDP"}},
            {"namedPort": "x"},
        ]
