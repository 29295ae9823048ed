"""What the API server checks in core, apps and discovery kinds beyond the form of single fields. Pure.

A rule is given an object of its type in the right form and the object's path; it yields `path: text` lines.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from tandem.base.addresses import is_address, special_of
from tandem.model.schemas.complaint import forbidden, invalid, required
from tandem.model.schemas.syntax import SUBDOMAIN, label_value, percent_or_count

Rule = Callable[[dict[str, Any], str], Iterable[str]]
HANDLERS: Final = ("exec", "httpGet", "tcpSocket", "grpc")
_FILE_KEY: Final = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_SEARCH: Final = re.compile(r"\.|_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*\.?")


def repeated(items: Iterable[tuple[str, object]]) -> Iterator[str]:
    """A line for each (path, value) whose value occurred before; empty values do not count."""
    seen: Counter[object] = Counter()
    for at, value in items:
        if value:
            seen[value] += 1
            if seen[value] > 1:
                yield f"{at}: {value!r} occurs twice"


def _requirement(raw: dict[str, Any], at: str) -> Iterator[str]:
    values, operator = raw.get("values") or [], raw["operator"]
    if operator in {"In", "NotIn"} and not values:
        yield required(f"{at}.values", "must be specified when `operator` is 'In' or 'NotIn'")
    if operator in {"Exists", "DoesNotExist"} and values:
        yield forbidden(f"{at}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
    for i, value in enumerate(values):
        if wrong := label_value(value):
            yield invalid(f"{at}.values[{i}]", value, wrong)


def _pod_spec(raw: dict[str, Any], at: str) -> Iterator[str]:
    containers, inits = raw.get("containers") or [], raw.get("initContainers") or []
    if not containers:
        yield f"{at}.containers: at least one container is required"
    every = [(f"{at}.containers[{i}]", c) for i, c in enumerate(containers)]
    every += [(f"{at}.initContainers[{i}]", c) for i, c in enumerate(inits)]
    yield from repeated((f"{where}.name", c.get("name")) for where, c in every)
    volumes = raw.get("volumes") or []
    yield from repeated((f"{at}.volumes[{i}].name", v.get("name")) for i, v in enumerate(volumes))
    names = {v.get("name") for v in volumes}
    for where, container in every:
        for i, mount in enumerate(container.get("volumeMounts") or []):
            if mount.get("name") not in names:
                yield f"{where}.volumeMounts[{i}].name: there is no volume {mount.get('name')!r} in {at}.volumes"
    if (raw.get("terminationGracePeriodSeconds") or 0) < 0:
        yield f"{at}.terminationGracePeriodSeconds: must not be negative"


def _container(raw: dict[str, Any], at: str) -> Iterator[str]:
    ports = raw.get("ports") or []
    yield from repeated((f"{at}.ports[{i}].name", p.get("name")) for i, p in enumerate(ports))
    mounts = raw.get("volumeMounts") or []
    yield from repeated((f"{at}.volumeMounts[{i}].mountPath", m.get("mountPath")) for i, m in enumerate(mounts))
    for name in ("livenessProbe", "startupProbe"):
        probe = raw.get(name)
        if isinstance(probe, dict) and (probe.get("successThreshold") or 1) != 1:
            yield f"{at}.{name}.successThreshold: must be 1"


def _probe(raw: dict[str, Any], at: str) -> Iterator[str]:
    given = [h for h in HANDLERS if raw.get(h) is not None]
    if len(given) != 1:
        yield f"{at}: needs exactly one of {', '.join(HANDLERS)}" + (f", not {' and '.join(given)}" if given else "")
    for name in ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"):
        if (raw.get(name) or 0) < 0:
            yield f"{at}.{name}: must not be negative"


def _env(raw: dict[str, Any], at: str) -> Iterator[str]:
    if raw.get("value") and raw.get("valueFrom"):
        yield f"{at}.valueFrom: may not be given together with value"


def _toleration(raw: dict[str, Any], at: str) -> Iterator[str]:
    operator = raw.get("operator") or "Equal"
    if not raw.get("key") and operator != "Exists":
        yield f"{at}.operator: must be Exists when there is no key: all keys and values are meant"
    if raw.get("tolerationSeconds") is not None and raw.get("effect") != "NoExecute":
        yield f"{at}.effect: must be NoExecute when tolerationSeconds is given"
    if operator == "Exists" and raw.get("value"):
        yield f"{at}.value: must be empty when the operator is Exists"


def _mount(raw: dict[str, Any], at: str) -> Iterator[str]:
    yield from _below(raw.get("subPath") or "", f"{at}.subPath")


def _item(raw: dict[str, Any], at: str) -> Iterator[str]:
    yield from _below(raw["path"], f"{at}.path")
    if raw["path"].startswith(".."):
        yield invalid(f"{at}.path", raw["path"], "must not start with '..'")


def _below(path: str, at: str) -> Iterator[str]:
    """Of a path that must not lead out of its volume."""
    if path.startswith("/"):
        yield invalid(at, path, "must be a relative path")
    if ".." in path.split("/"):
        yield invalid(at, path, "must not contain '..'")


def _file_keys(raw: dict[str, Any], at: str) -> Iterator[str]:
    """Each key of a ConfigMap or Secret can be the name of a file."""
    for field in ("data", "binaryData", "stringData"):
        for key in raw.get(field) or {}:
            if _FILE_KEY.fullmatch(key) is None or key == "." or key.startswith(".."):
                why = "must be at most 253 letters, digits, '-', '_' or '.', and neither '.' nor begin with '..'"
                yield invalid(f"{at}{field}", key, why)


def _dns_config(raw: dict[str, Any], at: str) -> Iterator[str]:
    for i, name in enumerate(raw.get("searches") or []):
        if _SEARCH.fullmatch(name) is None:
            yield invalid(f"{at}.searches[{i}]", name, "must be a DNS name")


def _volume(raw: dict[str, Any], at: str) -> Iterator[str]:
    sources = [k for k in raw if k != "name"]
    if len(sources) > 1:
        yield f"{at}: has more than one source: {', '.join(sources)}"


def _pod(raw: dict[str, Any], at: str) -> Iterator[str]:
    if raw.get("spec") is None:
        yield f"{at}spec: is required"


def _template_owner(raw: dict[str, Any], at: str) -> Iterator[str]:
    """What the specs of a Deployment and a StatefulSet have in common."""
    if (raw.get("replicas") or 0) < 0:
        yield f"{at}.replicas: must not be negative"
    wanted = raw["selector"].get("matchLabels") or {}
    if not wanted and not raw["selector"].get("matchExpressions"):
        yield f"{at}.selector: must not be empty"
    template = raw["template"]
    labels = (template.get("metadata") or {}).get("labels") or {}
    missing = [f"{k}={v}" for k, v in wanted.items() if labels.get(k) != v]
    if missing:
        yield f"{at}.template.metadata.labels: must match spec.selector; missing {', '.join(missing)}"
    spec = template.get("spec")
    if spec is None:
        yield f"{at}.template.spec: is required"
    elif spec.get("restartPolicy", "Always") != "Always":
        yield f"{at}.template.spec.restartPolicy: must be Always here"


def _stateful_spec(raw: dict[str, Any], at: str) -> Iterator[str]:
    yield from _template_owner(raw, at)
    if raw.get("volumeClaimTemplates"):
        yield forbidden(f"{at}.volumeClaimTemplates", "there are no persistent volumes here")
    if ((raw.get("ordinals") or {}).get("start") or 0) < 0:
        yield f"{at}.ordinals.start: must not be negative"
    strategy = raw.get("updateStrategy") or {}
    rolling = strategy.get("rollingUpdate") or {}
    if strategy.get("type") == "OnDelete" and strategy.get("rollingUpdate") is not None:
        yield f"{at}.updateStrategy.rollingUpdate: may not be given when the type is OnDelete"
    if rolling.get("partition"):
        reason = "older templates are not kept here, so that every pod gets the newest"
        yield forbidden(f"{at}.updateStrategy.rollingUpdate.partition", reason)
    if rolling.get("maxUnavailable") not in {None, 1}:
        yield forbidden(f"{at}.updateStrategy.rollingUpdate.maxUnavailable", "pods are replaced one by one here")


def _strategy(raw: dict[str, Any], at: str) -> Iterator[str]:
    if raw.get("type") == "Recreate" and raw.get("rollingUpdate") is not None:
        yield f"{at}.rollingUpdate: may not be given when the type is Recreate"


def _rolling_update(raw: dict[str, Any], at: str) -> Iterator[str]:
    for name in ("maxSurge", "maxUnavailable"):
        wrong = percent_or_count(raw[name]) if name in raw else None
        if wrong:
            yield f"{at}.{name}: {wrong}"
    if all(str(raw.get(name, "25%")) in {"0", "0%"} for name in ("maxSurge", "maxUnavailable")):
        yield f"{at}.maxUnavailable: may not be 0 when maxSurge is 0"


def _service_spec(raw: dict[str, Any], at: str) -> Iterator[str]:
    ports, kind = raw.get("ports") or [], raw.get("type") or "ClusterIP"
    headless = raw.get("clusterIP") == "None"
    if kind == "ExternalName":
        yield from _external_name(raw.get("externalName") or "", f"{at}.externalName")
        if raw.get("clusterIP"):
            yield f"{at}.clusterIP: must be empty for the type ExternalName"
    elif not ports and not headless:
        yield f"{at}.ports: at least one port is required"
    if headless and kind in {"NodePort", "LoadBalancer"}:
        yield f"{at}.clusterIP: may not be None for the type {kind}"
    yield from _service_ports(ports, f"{at}.ports")
    yield from _source_ranges(raw.get("loadBalancerSourceRanges") or [], kind, f"{at}.loadBalancerSourceRanges")
    addresses = [(f"{at}.clusterIP", raw.get("clusterIP") or "None")]
    addresses += [(f"{at}.loadBalancerIP", raw.get("loadBalancerIP") or "None")]
    for field in ("clusterIPs", "externalIPs"):
        addresses += [(f"{at}.{field}[{i}]", text) for i, text in enumerate(raw.get(field) or [])]
    for where, text in addresses:
        if text != "None" and not is_address(text):
            yield f"{where}: {text!r} is not an IP address"
        elif ".externalIPs" in where and (use := special_of(ipaddress.ip_network(text))):
            yield f"{where}: {text} is of {use}, where nobody outside can be sent"


def _external_name(name: str, at: str) -> Iterator[str]:
    if not name:
        yield f"{at}: is required for the type ExternalName"
    elif SUBDOMAIN.fullmatch(name.lower().removesuffix(".")) is None:
        yield invalid(at, name, "must be a DNS name")


def _source_ranges(ranges: list[str], kind: str, at: str) -> Iterator[str]:
    if ranges and kind != "LoadBalancer":
        yield f"{at}: may only be used when `type` is 'LoadBalancer'"
    for i, text in enumerate(ranges):
        try:
            ipaddress.ip_network(text.strip(), strict=False)
        except ValueError:
            yield f"{at}[{i}]: {text!r} is not an address prefix, such as 10.0.0.0/8"


def _service_ports(ports: list[dict[str, Any]], at: str) -> Iterator[str]:
    for i, port in enumerate(ports):
        if len(ports) > 1 and not port.get("name"):
            yield f"{at}[{i}].name: is required where there are several ports"
    yield from repeated((f"{at}[{i}].name", p.get("name")) for i, p in enumerate(ports))
    pairs = ((f"{at}[{i}]", f"{p.get('protocol') or 'TCP'} {p['port']}") for i, p in enumerate(ports))
    yield from repeated(pairs)


def _slice(raw: dict[str, Any], at: str) -> Iterator[str]:
    family = {"IPv4": 4, "IPv6": 6}.get(raw["addressType"])
    for i, endpoint in enumerate(raw.get("endpoints") or []):
        for j, text in enumerate(endpoint["addresses"]):
            if family and (not is_address(text) or ipaddress.ip_address(text).version != family):
                yield f"{at}endpoints[{i}].addresses[{j}]: {text!r} is not an {raw['addressType']} address"
            elif family and (use := special_of(ipaddress.ip_network(text))):
                yield invalid(f"{at}endpoints[{i}].addresses[{j}]", text, f"is of {use}")
        if not endpoint["addresses"]:
            yield f"{at}endpoints[{i}].addresses: at least one address is required"
    yield from repeated((f"{at}ports[{i}].name", p.get("name")) for i, p in enumerate(raw.get("ports") or []))


RULES: Final[dict[str, Rule]] = {
    "LabelSelectorRequirement": _requirement,
    "Pod": _pod,
    "PodSpec": _pod_spec,
    "Container": _container,
    "Probe": _probe,
    "EnvVar": _env,
    "Volume": _volume,
    "VolumeMount": _mount,
    "KeyToPath": _item,
    "ConfigMap": _file_keys,
    "Secret": _file_keys,
    "PodDNSConfig": _dns_config,
    "Toleration": _toleration,
    "DeploymentSpec": _template_owner,
    "StatefulSetSpec": _stateful_spec,
    "DeploymentStrategy": _strategy,
    "RollingUpdateDeployment": _rolling_update,
    "ServiceSpec": _service_spec,
    "EndpointSlice": _slice,
}
