"""lightkube-models (a dev dependency) -> src/tandem/model/schemas/kubernetes.json.

Reads the dataclasses' source as a syntax tree (the package cannot be imported without its client) and writes one table
per API type: field -> type in the grammar of `tandem.model.schemas.tables`. What the dataclasses do not say (enums,
merge keys, ports, names) is in the tables below. Run: `python tools/make_schemas.py`; with `--check` it only compares.
"""

from __future__ import annotations

import ast
import importlib.util
import json
from pathlib import Path
from typing import Final

from pages import keep

TARGET: Final = Path(__file__).parents[1] / "src/tandem/model/schemas/kubernetes.json"
ROOTS: Final = {
    "core_v1": ("Namespace", "Node", "ServiceAccount", "ConfigMap", "Secret", "Service", "Pod", "Event"),
    "apps_v1": ("Deployment", "StatefulSet"),
    "discovery_v1": ("EndpointSlice",),
    "coordination_v1": ("Lease",),
    "networking_v1": ("NetworkPolicy",),
    "events_v1": ("Event",),
}
RENAMED: Final = {("events_v1", "Event"): "GroupEvent", ("events_v1", "EventSeries"): "GroupEventSeries"}
"""Types of one name in two groups."""
SCALARS: Final = {
    "str": "str",
    "int": "int",
    "bool": "bool",
    "float": "float",
    "dict": "{str}",
    "Any": "any",
    "IntOrString": "intstr",
    "Quantity": "qty",
    "Time": "time",
    "MicroTime": "time",
    "FieldsV1": "obj",
    "RawExtension": "obj",
    "datetime": "time",
}
MERGE_KEYS: Final = {
    "PodSpec.containers": "name",
    "PodSpec.initContainers": "name",
    "PodSpec.ephemeralContainers": "name",
    "PodSpec.volumes": "name",
    "PodSpec.imagePullSecrets": "name",
    "PodSpec.hostAliases": "ip",
    "PodSpec.topologySpreadConstraints": "topologyKey",
    "PodSpec.schedulingGates": "name",
    "PodSpec.resourceClaims": "name",
    "Container.env": "name",
    "Container.ports": "containerPort",
    "Container.volumeMounts": "mountPath",
    "Container.volumeDevices": "devicePath",
    "EphemeralContainer.env": "name",
    "EphemeralContainer.ports": "containerPort",
    "EphemeralContainer.volumeMounts": "mountPath",
    "EphemeralContainer.volumeDevices": "devicePath",
    "ServiceSpec.ports": "port",
    "ServiceAccount.secrets": "name",
    "ObjectMeta.ownerReferences": "uid",
    "ObjectMeta.finalizers": "",
    "NodeSpec.podCIDRs": "",
    "PodStatus.conditions": "type",
    "PodStatus.podIPs": "ip",
    "PodStatus.hostIPs": "ip",
    "PodStatus.resourceClaimStatuses": "name",
    "DeploymentStatus.conditions": "type",
    "StatefulSetStatus.conditions": "type",
    "NodeStatus.addresses": "type",
    "NodeStatus.conditions": "type",
    "NamespaceStatus.conditions": "type",
    "ServiceStatus.conditions": "type",
    "NetworkPolicyStatus.conditions": "type",
}
PROTOCOL: Final = "enum:TCP|UDP|SCTP"
REFINED: Final = {
    "ObjectMeta.labels": "labels",
    "ObjectMeta.annotations": "annotations",
    "ObjectMeta.generation": "int",
    "LabelSelector.matchLabels": "labels",
    "LabelSelectorRequirement.operator": "enum:In|NotIn|Exists|DoesNotExist",
    "LabelSelectorRequirement.key": "key",
    "NodeSelectorRequirement.operator": "enum:In|NotIn|Exists|DoesNotExist|Gt|Lt",
    "ServiceSpec.selector": "labels",
    "PodSpec.nodeSelector": "labels",
    "PodSpec.restartPolicy": "enum:Always|OnFailure|Never",
    "PodSpec.dnsPolicy": "enum:ClusterFirst|ClusterFirstWithHostNet|Default|None",
    "PodSpec.preemptionPolicy": "enum:Never|PreemptLowerPriority",
    "PodSpec.nodeName": "subdomain",
    "PodSpec.serviceAccountName": "subdomain",
    "PodSpec.hostname": "label",
    "PodSpec.subdomain": "label",
    "PodStatus.phase": "enum:Pending|Running|Succeeded|Failed|Unknown",
    "NamespaceStatus.phase": "enum:Active|Terminating",
    "Container.name": "label",
    "Container.imagePullPolicy": "enum:Always|Never|IfNotPresent",
    "Container.restartPolicy": "enum:Always|OnFailure|Never",
    "Container.terminationMessagePolicy": "enum:File|FallbackToLogsOnError",
    "ContainerPort.containerPort": "port",
    "ContainerPort.hostPort": "port0",
    "ContainerPort.protocol": PROTOCOL,
    "ContainerPort.name": "portname",
    "EnvVar.name": "envname",
    "HTTPGetAction.port": "portref",
    "HTTPGetAction.scheme": "enum:HTTP|HTTPS",
    "TCPSocketAction.port": "portref",
    "GRPCAction.port": "port",
    "Volume.name": "label",
    "ServicePort.port": "port",
    "ServicePort.nodePort": "port0",
    "ServicePort.targetPort": "portref0",
    "ServicePort.protocol": PROTOCOL,
    "ServicePort.name": "label",
    "ServiceSpec.type": "enum:ClusterIP|NodePort|LoadBalancer|ExternalName",
    "ServiceSpec.sessionAffinity": "enum:ClientIP|None",
    "ServiceSpec.ipFamilyPolicy": "enum:SingleStack|PreferDualStack|RequireDualStack",
    "ServiceSpec.ipFamilies": "[enum:IPv4|IPv6]",
    "ServiceSpec.externalTrafficPolicy": "enum:Cluster|Local",
    "ServiceSpec.internalTrafficPolicy": "enum:Cluster|Local",
    "ServiceSpec.trafficDistribution": "enum:PreferClose|PreferSameZone|PreferSameNode",
    "NetworkPolicyPort.protocol": PROTOCOL,
    "NetworkPolicySpec.policyTypes": "[enum:Ingress|Egress]",
    "Endpoint.hostname": "label",
    "Endpoint.nodeName": "subdomain",
    "HostAlias.ip": "ip",
    "HostAlias.hostnames": "[subdomain]",
    "PodDNSConfig.nameservers": "[ip]",
    "EndpointSlice.addressType": "enum:IPv4|IPv6|FQDN",
    "EndpointPort.protocol": PROTOCOL,
    "EndpointPort.port": "port",
    "EndpointPort.name": "str",
    "DeploymentStrategy.type": "enum:RollingUpdate|Recreate",
    "StatefulSetSpec.podManagementPolicy": "enum:OrderedReady|Parallel",
    "StatefulSetUpdateStrategy.type": "enum:RollingUpdate|OnDelete",
    "Toleration.operator": "enum:Exists|Equal|Gt|Lt",
    "Toleration.effect": "enum:NoSchedule|PreferNoSchedule|NoExecute",
    "Taint.effect": "enum:NoSchedule|PreferNoSchedule|NoExecute",
    "Condition.status": "enum:True|False|Unknown",
    "PodCondition.status": "enum:True|False|Unknown",
    "NodeCondition.status": "enum:True|False|Unknown",
    "DeploymentCondition.status": "enum:True|False|Unknown",
    "StatefulSetCondition.status": "enum:True|False|Unknown",
    "Event.type": "enum:Normal|Warning",
    "GroupEvent.type": "enum:Normal|Warning",
    "Secret.data": "{bytes}",
    "ContainerStatus.allocatedResources": "{qty}",
    "NodeStatus.allocatable": "{qty}",
    "NodeStatus.capacity": "{qty}",
    "PodSpec.overhead": "{qty}",
    "PodStatus.allocatedResources": "{qty}",
    "ResourceRequirements.limits": "{qty}",
    "ResourceRequirements.requests": "{qty}",
    "VolumeResourceRequirements.limits": "{qty}",
    "VolumeResourceRequirements.requests": "{qty}",
    "ConfigMap.binaryData": "{bytes}",
}
ADDED: Final = {
    # Tandem reports `Programmed` on policies; the field existed upstream in v1.24 to v1.27.
    "NetworkPolicy": {"status": "NetworkPolicyStatus"},
    "NetworkPolicyStatus": {"conditions": "[Condition]@type"},
}


def package_dir() -> Path:
    """Where lightkube-models is installed."""
    spec = importlib.util.find_spec("lightkube")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("lightkube-models is not installed: pip install lightkube-models")
    return Path(next(iter(spec.submodule_search_locations))) / "models"


def classes(module: str) -> dict[str, ast.ClassDef]:
    """The classes of one module of the package."""
    tree = ast.parse((package_dir() / f"{module}.py").read_text(encoding="utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


class Generator:
    """Follows the types from the roots; two types of one name in different modules must not both be reached."""

    def __init__(self) -> None:
        self.modules: dict[str, dict[str, ast.ClassDef]] = {}
        self.types: dict[str, dict[str, str]] = {}
        self.origin: dict[str, str] = {}

    def add(self, module: str, name: str) -> None:
        """Write the table of one type and of all that it refers to."""
        body = self.modules.setdefault(module, classes(module))[name].body
        name = RENAMED.get((module, name), name)
        if self.origin.setdefault(name, module) != module:
            raise SystemExit(f"{name} is in {module} and in {self.origin[name]}")
        if name in self.types:
            return
        fields = self.types[name] = {}
        for node in body:
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                field, required = json_name(node), not optional(node)
                spec = REFINED.get(f"{name}.{field}") or self.spec(module, annotation(node))
                key = MERGE_KEYS.get(f"{name}.{field}")
                fields[field] = spec + ("" if key is None else f"@{key}") + ("!" if required else "")
        fields.update(ADDED.get(name, {}))

    def spec(self, module: str, node: ast.expr) -> str:
        """A Python annotation in the grammar of the tables."""
        if isinstance(node, ast.Subscript):
            outer = ast.unparse(node.value).rpartition(".")[2]
            if outer == "Optional":
                return self.spec(module, node.slice)
            if outer == "List":
                return f"[{self.spec(module, node.slice)}]"
            if outer in {"Dict", "dict"} and isinstance(node.slice, ast.Tuple):
                return f"{{{self.spec(module, node.slice.elts[1])}}}"
        text = ast.unparse(node)
        where, _, name = text.rpartition(".")
        if name in SCALARS:
            return SCALARS[name]
        self.add(where or module, name)
        return RENAMED.get((where or module, name), name)


def annotation(node: ast.AnnAssign) -> ast.expr:
    """The annotation, out of its quotes."""
    if isinstance(node.annotation, ast.Constant) and isinstance(node.annotation.value, str):
        return ast.parse(node.annotation.value, mode="eval").body
    return node.annotation


def optional(node: ast.AnnAssign) -> bool:
    """True if the field may be absent."""
    return ast.unparse(annotation(node)).startswith("Optional")


def json_name(node: ast.AnnAssign) -> str:
    """The field's name in JSON: Python keywords carry it in `field(metadata={"json": ...})`."""
    assert isinstance(node.target, ast.Name)  # noqa: S101 - checked by the caller
    if isinstance(node.value, ast.Call):
        for word in node.value.keywords:
            if word.arg == "metadata" and isinstance(word.value, ast.Dict):
                return str(ast.literal_eval(word.value).get("json", node.target.id))
    return node.target.id.rstrip("_")


def main() -> int:
    """Write the file, or compare it."""
    generator = Generator()
    for module, names in ROOTS.items():
        for name in names:
            generator.add(module, name)
    for name, fields in ADDED.items():
        generator.types.setdefault(name, fields)
    lines = [f" {json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}" for k, v in sorted(generator.types.items())]
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    unused = [
        k for k in (*REFINED, *MERGE_KEYS) if k.partition(".")[2] not in generator.types.get(k.partition(".")[0], {})
    ]
    if unused:
        raise SystemExit(f"no such fields: {', '.join(unused)}")
    return keep(TARGET, text)


if __name__ == "__main__":
    raise SystemExit(main())
