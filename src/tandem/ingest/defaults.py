"""What the API server fills in. In: a raw object that passed `model.schema.validate`; out: a new one with the defaults.

Pure: the input and its parts are never changed. Defaults that need other objects or chance (cluster addresses, uid,
names) are the server's business, not these.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any, Final

from tandem.model.kinds import BY_KIND, name_of
from tandem.model.meta import RawObject

Raw = dict[str, Any]


def default(raw: RawObject) -> RawObject:
    """A copy of `raw` with every default of its kind; an unknown kind comes back as it was."""
    made: RawObject = copy.deepcopy(raw)
    kind = BY_KIND.get(name_of(raw))
    if kind is None:
        return made
    if kind.namespaced:
        _set(made.setdefault("metadata", {}), namespace="default")
    fill = DEFAULTS.get(kind.name)
    if fill is not None:
        fill(made)
    return made


def _set(target: Raw, **values: object) -> None:
    """Set what is absent, null or the empty string (which the API cannot tell from absent)."""
    for name, value in values.items():
        if target.get(name) is None or target[name] == "":
            target[name] = value


def _each(target: Raw, *names: str) -> Iterator[Raw]:
    for name in names:
        yield from (item for item in target.get(name) or () if isinstance(item, dict))


def _namespace(raw: Raw) -> None:
    meta = raw["metadata"]
    labels = meta.get("labels") or {}
    if meta.get("name"):
        meta["labels"] = {**labels, "kubernetes.io/metadata.name": meta["name"]}
    _set(raw, spec={"finalizers": ["kubernetes"]}, status={"phase": "Active"})


def _secret(raw: Raw) -> None:
    _set(raw, type="Opaque")


def _pod(raw: Raw) -> None:
    _pod_spec(raw.get("spec") or {})


def _pod_spec(spec: Raw) -> None:
    # The two names of one field: the old one is still written by the API server.
    account = spec.get("serviceAccountName") or spec.get("serviceAccount") or "default"
    _set(
        spec,
        restartPolicy="Always",
        dnsPolicy="ClusterFirst",
        terminationGracePeriodSeconds=30,
        serviceAccountName=account,
        serviceAccount=account,
        schedulerName="default-scheduler",
        securityContext={},
    )
    for container in _each(spec, "containers", "initContainers"):
        _container(container)
        if spec.get("hostNetwork"):
            for port in _each(container, "ports"):
                _set(port, hostPort=port["containerPort"])
    for volume in _each(spec, "volumes"):
        _volume(volume)


def _container(container: Raw) -> None:
    image = str(container.get("image") or "")
    tag = image.rpartition("/")[2].partition(":")[2]
    latest = "@" not in image and tag in {"", "latest"}
    _set(
        container,
        terminationMessagePath="/dev/termination-log",
        terminationMessagePolicy="File",
        imagePullPolicy="Always" if latest else "IfNotPresent",
        resources={},
    )
    for port in _each(container, "ports"):
        _set(port, protocol="TCP")
    for variable in _each(container, "env"):
        reference = (variable.get("valueFrom") or {}).get("fieldRef")
        if reference:
            _set(reference, apiVersion="v1")
    for name in ("readinessProbe", "livenessProbe", "startupProbe"):
        if container.get(name) is not None:
            _probe(container[name])


def _probe(probe: Raw) -> None:
    _set(probe, timeoutSeconds=1, periodSeconds=10, successThreshold=1, failureThreshold=3)
    if probe.get("httpGet"):
        _set(probe["httpGet"], path="/", scheme="HTTP")
    if probe.get("grpc"):
        probe["grpc"].setdefault("service", "")


def _volume(volume: Raw) -> None:
    if len([k for k, v in volume.items() if v is not None]) == 1:
        volume["emptyDir"] = {}
    for name in ("configMap", "secret", "projected", "downwardAPI"):
        if volume.get(name) is not None:
            _set(volume[name], defaultMode=0o644)


def _deployment(raw: Raw) -> None:
    spec = raw["spec"]
    _set(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600, strategy={})
    strategy = spec["strategy"]
    _set(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        _set(strategy, rollingUpdate={})
        _set(strategy["rollingUpdate"], maxSurge="25%", maxUnavailable="25%")
    _pod_spec(spec["template"].get("spec") or {})


def _stateful_set(raw: Raw) -> None:
    spec = raw["spec"]
    _set(spec, replicas=1, revisionHistoryLimit=10, podManagementPolicy="OrderedReady", updateStrategy={})
    strategy = spec["updateStrategy"]
    _set(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        _set(strategy, rollingUpdate={})
        _set(strategy["rollingUpdate"], partition=0)
    _pod_spec(spec["template"].get("spec") or {})


def _service(raw: Raw) -> None:
    spec = raw.setdefault("spec", {})
    _set(spec, type="ClusterIP", sessionAffinity="None")
    for port in _each(spec, "ports"):
        _set(port, protocol="TCP")
        if spec["type"] != "ExternalName" and not port.get("targetPort"):  # Go's types send 0 where nothing was said
            port["targetPort"] = port["port"]
    if spec["type"] != "ExternalName":
        _set(spec, internalTrafficPolicy="Cluster")
    if spec["type"] in {"NodePort", "LoadBalancer"}:
        _set(spec, externalTrafficPolicy="Cluster")


def _slice(raw: Raw) -> None:
    for port in _each(raw, "ports"):
        port.setdefault("name", "")
        _set(port, protocol="TCP")


def _network_policy(raw: Raw) -> None:
    spec = raw.setdefault("spec", {})
    _set(spec, podSelector={})
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]
    for rule in _each(spec, "ingress", "egress"):
        for port in _each(rule, "ports"):
            _set(port, protocol="TCP")


def _admin_policy(raw: Raw) -> None:
    for rule in _each(raw.get("spec") or {}, "ingress", "egress"):
        for port in _each(rule, "ports"):
            for form in ("portNumber", "portRange"):
                if port.get(form) is not None:
                    _set(port[form], protocol="TCP")


def _http_route(raw: Raw) -> None:
    # An empty list of rules or matches is not absent for a CRD, but the API forbids neither and means the same.
    if not raw["spec"].get("rules"):
        raw["spec"]["rules"] = [{}]
    for rule in _each(raw["spec"], "rules"):
        if not rule.get("matches"):
            rule["matches"] = [{}]
        for match in _each(rule, "matches"):
            _set(match, path={})
            _set(match["path"], type="PathPrefix", value="/")
    _route(raw)


def _grpc_route(raw: Raw) -> None:
    for rule in _each(raw["spec"], "rules"):
        for match in _each(rule, "matches"):
            if match.get("method") is not None:
                _set(match["method"], type="Exact")
    _route(raw)


def _route(raw: Raw) -> None:
    """What routes have in common."""
    spec = raw["spec"]
    for parent in _each(spec, "parentRefs"):
        _reference(parent, group="gateway.networking.k8s.io", kind="Gateway")
    for rule in _each(spec, "rules"):
        for match in _each(rule, "matches"):
            for item in _each(match, "headers", "queryParams"):
                _set(item, type="Exact")
        for backend in _each(rule, "backendRefs"):
            _reference(backend, group="", kind="Service")
            _set(backend, weight=1)
            _filters(backend)
        _filters(rule)


def _listener_set(raw: Raw) -> None:
    _reference(raw["spec"]["parentRef"], group="gateway.networking.k8s.io", kind="Gateway")


def _reference(target: Raw, *, group: str, kind: str) -> None:
    if target.get("group") is None:  # "" is the core group
        target["group"] = group
    _set(target, kind=kind)


def _filters(target: Raw) -> None:
    for item in _each(target, "filters"):
        if item.get("requestMirror"):
            _reference(item["requestMirror"]["backendRef"], group="", kind="Service")
        if item.get("externalAuth"):
            _reference(item["externalAuth"]["backendRef"], group="", kind="Service")
        if item.get("requestRedirect") is not None:
            _set(item["requestRedirect"], statusCode=302)


def _network(raw: Raw) -> None:
    spec = raw["spec"] = raw.get("spec") or {}
    _set(spec, fabric="routed")


def _pool(raw: Raw) -> None:
    if isinstance(raw.get("spec"), dict):
        _set(raw["spec"], automatic=True)


DEFAULTS: Final[dict[str, Callable[[Raw], None]]] = {
    "Namespace": _namespace,
    "Secret": _secret,
    "Pod": _pod,
    "Deployment": _deployment,
    "StatefulSet": _stateful_set,
    "Service": _service,
    "EndpointSlice": _slice,
    "NetworkPolicy": _network_policy,
    "AdminNetworkPolicy": _admin_policy,
    "BaselineAdminNetworkPolicy": _admin_policy,
    "HTTPRoute": _http_route,
    "GRPCRoute": _grpc_route,
    "TCPRoute": _route,
    "TLSRoute": _route,
    "UDPRoute": _route,
    "ListenerSet": _listener_set,
    "Network": _network,
    "LoadBalancerPool": _pool,
}
