"""The cluster of `bench/meshcontrol.py`: 1,000 Services with ten pods each, a VirtualService for each, raw objects."""

from __future__ import annotations

from typing import Any

Raw = dict[str, Any]
SERVICES = 1_000
BEHIND = 10
"""Pods behind each Service."""
SPACES = 10
PODS = SERVICES * BEHIND


def node_name(number: int) -> str:
    return f"n{number}"


def space(service: int) -> str:
    return f"ns{service % SPACES}"


def address(pod: int) -> str:
    return f"10.{128 + (pod >> 16)}.{(pod >> 8) & 255}.{pod & 255}"


def everything(nodes: int) -> list[Raw]:
    """Nodes in turn for the pods of each Service; one node more than is asked for, which has pods too."""
    spaces = [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": f"ns{n}", "labels": {"tandem.io/mesh": "enabled"}},
        }
        for n in range(SPACES)
    ]
    services = [made for number in range(SERVICES) for made in _service(number)]
    pods = [_pod(number, number % (nodes + 1)) for number in range(PODS)]
    return [*spaces, *(_node(n) for n in range(nodes + 1)), *pods, *services, *map(endpoints, range(SERVICES))]


def _node(number: int) -> Raw:
    block = f"10.{32 + (number >> 8)}.{number & 255}.0/24"
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": node_name(number)},
        "spec": {"podCIDR": block, "podCIDRs": [block]},
        "status": {
            "addresses": [{"type": "InternalIP", "address": f"192.0.{2 + number // 250}.{1 + number % 250}"}],
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


def _pod(number: int, node: int) -> Raw:
    service = number // BEHIND
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"p{number}",
            "namespace": space(service),
            "uid": f"uid-{number}",
            "labels": {"app": f"s{service}", "version": f"v{number % 2 + 1}"},
        },
        "spec": {
            "nodeName": node_name(node),
            "serviceAccountName": f"s{service}",
            "containers": [{"name": "main", "image": "host", "ports": [{"name": "http", "containerPort": 8080}]}],
        },
        "status": {"phase": "Running", "podIP": address(number), "podIPs": [{"ip": address(number)}]},
    }


def _service(number: int) -> list[Raw]:
    name, home = f"s{number}", space(number)
    cluster_ip = f"10.96.{number >> 8}.{number & 255}"
    header = {"headers": {"x-version": {"exact": "2"}}}
    to: Raw = {"destination": {"host": name}}
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": home},
            "spec": {
                "clusterIP": cluster_ip,
                "clusterIPs": [cluster_ip],
                "selector": {"app": name},
                "ports": [{"name": "http", "port": 80, "targetPort": 8080}],
            },
        },
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {"name": name, "namespace": home},
            "spec": {"hosts": [name], "http": [{"match": [header], "route": [to]}, {"route": [to], "timeout": "5s"}]},
        },
    ]


def endpoints(number: int, ready: int = BEHIND) -> Raw:
    """The slice of a Service, of whose pods so many are ready."""
    name, home = f"s{number}", space(number)
    members = [
        {
            "addresses": [address(pod)],
            "conditions": {"ready": i < ready, "serving": i < ready},
            "targetRef": {"kind": "Pod", "namespace": home, "name": f"p{pod}", "uid": f"uid-{pod}"},
        }
        for i, pod in enumerate(range(number * BEHIND, (number + 1) * BEHIND))
    ]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "namespace": home, "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": members,
    }
