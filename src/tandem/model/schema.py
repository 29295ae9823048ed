"""Raw objects against the complete field lists of their APIs. In: a decoded JSON object; out: `path: text` lines.

`validate` says what the API server refuses, all at once, each with its exact path; `inert` says which valid fields this
system does not act on. Neither changes its input or looks at anything else: what depends on other objects, or on the
object as it was before (immutable fields), is the server's business.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec

from tandem.model.consulkinds import INSTEAD as OF_CONSUL
from tandem.model.images import Images
from tandem.model.kind import BUILT_IN
from tandem.model.kinds import BY_KIND, KINDS, Kind, name_of
from tandem.model.linkerdkinds import INSTEAD as OF_LINKERD
from tandem.model.meta import RawObject
from tandem.model.parse import null_texts
from tandem.model.schemas.syntax import LABEL, LABEL_1035, SUBDOMAIN
from tandem.model.schemas.walk import walk

_NO_RIGHTS: Final = "nobody is asked for rights here: whoever has the kubeconfig may do everything, and pods have none"
INSTEAD: Final = {
    **OF_CONSUL,
    **OF_LINKERD,
    **dict.fromkeys(("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"), _NO_RIGHTS),
    **dict.fromkeys(
        ("PersistentVolume", "PersistentVolumeClaim", "StorageClass"), "volumes are emptyDir, configMap and secret here"
    ),
    **dict.fromkeys(("LimitRange", "ResourceQuota"), "processes are not limited here"),
    "PodDisruptionBudget": "nobody evicts pods by budgets here",
    "CronJob": "nothing runs by the clock here; a Pod with restartPolicy OnFailure or Never runs to its end once",
    "CustomResourceDefinition": "the kinds of this API are built in: leave it out",
    "DaemonSet": "a Pod with spec.nodeName for each node does the same here",
    "HorizontalPodAutoscaler": "nobody scales by load here: spec.replicas of the Deployment says how many",
    "Ingress": "gateway.networking.k8s.io/v1 Gateway and HTTPRoute let requests in",
    "Job": "a Pod with restartPolicy OnFailure or Never runs to its end once",
    "Kustomization": "`kubectl kustomize DIRECTORY` writes the objects that it means",
    "ReplicaSet": "an apps/v1 Deployment keeps its pods itself",
    "ReplicationController": "an apps/v1 Deployment keeps its pods itself",
    "EnvoyFilter": (
        "nobody writes into Envoy's configuration here; for rate limits there is tandem.io/v1 RateLimit, for external"
        " authorization AuthorizationPolicy with action CUSTOM, for trouble on purpose tandem.io/v1 FaultInjection, for"
        " connections and outliers DestinationRule, for retries, headers and CORS routes, for what is logged Telemetry"
    ),
    "WorkloadGroup": "no machine outside the cluster registers itself: a WorkloadEntry for each does the same here",
    "TrafficExtension": (
        "no code is loaded into Envoy here; for decisions of your own there is AuthorizationPolicy with action CUSTOM,"
        " for rate limits tandem.io/v1 RateLimit, for headers the filters of routes"
    ),
    "WasmPlugin": (
        "no code is loaded into Envoy here; for decisions of your own there is AuthorizationPolicy with action CUSTOM,"
        " for tokens RequestAuthentication, for rate limits tandem.io/v1 RateLimit, for headers the filters of routes"
    ),
}
"""Kinds that users of other meshes and clusters have, and what does here what they are for."""

_OTHER_IMAGE: Final = "`command` is run of this machine's programs (`tandem up --images FILE` says what images are)"
_NO_COMMAND: Final = "there is no `command`, and `tandem up --images FILE` was not told what the image is"


def validate(raw: RawObject) -> list[str]:
    """Everything that is wrong with an object, in the order of the document; empty if it is sound."""
    if not isinstance(raw, dict):
        return ["an object is required: apiVersion, kind, metadata, ..."]
    kind = BY_KIND.get(name_of(raw))
    if kind is None:
        return [_unknown_kind(raw)]
    served = served_versions(kind)
    errors = []
    if raw.get("apiVersion") not in served:
        said = f"{raw['apiVersion']!r}:" if raw.get("apiVersion") else "is required:"
        errors.append(f"apiVersion: {said} {kind.kind} is served as {', '.join(served)}")
    errors += walk(raw, kind.name)
    if kind.group not in BUILT_IN:
        errors += [f"{at}: must be a string, not null" for at in null_texts(raw)]
    return errors + list(_metadata(raw, kind))


def served_versions(kind: Kind) -> tuple[str, ...]:
    """Every `apiVersion` under which a kind is served, storage version first."""
    return tuple(f"{kind.group}/{v}" if kind.group else v for v in kind.versions)


def _unknown_kind(raw: RawObject) -> str:
    if not raw.get("kind"):
        return "kind: is required"
    word = str(raw["kind"])
    head = f"kind: {raw.get('apiVersion') or ''} {word} is not served"
    if (instead := INSTEAD.get(word)) is not None:
        return f"{head}: {instead}"
    names = {k.kind.lower(): k for k in KINDS} | {k.plural: k for k in KINDS}
    if meant := difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.8):
        return f"{head} (did you mean {names[meant[0]].api_version} {names[meant[0]].kind}?)"
    return f"{head}; `kubectl api-resources` lists the kinds that are"


def _metadata(raw: RawObject, kind: Kind) -> Iterator[str]:
    meta = raw.get("metadata")
    if not isinstance(meta, dict):
        if meta is None:
            yield "metadata: is required"
        return
    name, prefix, namespace = meta.get("name"), meta.get("generateName"), meta.get("namespace")
    if not name and not prefix:
        yield "metadata.name: is required (or metadata.generateName)"
    elif isinstance(name, str) and name and (wrong := name_error(kind, name)):
        yield f"metadata.name: {wrong}"
    elif isinstance(prefix, str) and not name and (wrong := name_error(kind, prefix.rstrip("-.") + "x")):
        yield f"metadata.generateName: {wrong}"
    if isinstance(namespace, str) and namespace:
        if not kind.namespaced:
            yield f"metadata.namespace: {kind.kind} is not namespaced"
        elif len(namespace) > 63 or LABEL.fullmatch(namespace) is None:
            yield f"metadata.namespace: {namespace!r} is not a DNS label (a-z, 0-9, '-', at most 63)"


def name_error(kind: Kind, name: str) -> str | None:
    """What is wrong with the name of an object of this kind (RFC 1123; a Service's name is RFC 1035)."""
    match kind.kind:
        case "Service":
            pattern, longest, what = LABEL_1035, 63, "a DNS label that begins with a letter (a-z, 0-9, '-', at most 63)"
        case "Namespace":
            pattern, longest, what = LABEL, 63, "a DNS label (a-z, 0-9, '-', at most 63)"
        case _:
            pattern, longest, what = SUBDOMAIN, 253, "a DNS name (a-z, 0-9, '-', '.', at most 253)"
    if len(name) > longest or pattern.fullmatch(name) is None:
        return f"{name!r} is not {what}"
    return None


@cache
def _inert_table() -> dict[str, dict[str, Any]]:
    path = Path(__file__).parent / "schemas" / "inert.json"
    return msgspec.json.decode(path.read_bytes(), type=dict[str, dict[str, Any]])


def inert(raw: RawObject, images: Images) -> list[str]:
    """Valid fields of a Pod, Deployment or Service that change nothing here: `path: has no effect: reason`."""
    spec = raw.get("spec")
    if not isinstance(spec, dict):
        return []
    match raw.get("kind"):
        case "Pod":
            found = list(_inert(spec, "pod", "spec"))
            return found + list(_images(spec, "spec", images))
        case "Deployment" | "StatefulSet":
            template = spec.get("template")
            pod = template.get("spec") if isinstance(template, dict) else None
            if not isinstance(pod, dict):
                return []
            return [*_inert(pod, "pod", "spec.template.spec"), *_images(pod, "spec.template.spec", images)]
        case "Service":
            return list(_inert(spec, "service", "spec"))
    return []


def _inert(spec: dict[str, Any], table: str, at: str) -> Iterator[str]:
    tables = _inert_table()
    for path, reason in tables[table].items():
        harmless = tables["values"].get(f"{table}.{path}", ())
        for where, value in _find(spec, path.split("."), at):
            if value and value not in harmless:
                yield f"{where}: has no effect: {reason}"


def _find(value: Any, path: list[str], at: str) -> Iterator[tuple[str, Any]]:
    if not path:
        yield at, value
        return
    name = path[0].removesuffix("[]")
    if not isinstance(value, dict) or value.get(name) is None:
        return
    if not path[0].endswith("[]"):
        yield from _find(value[name], path[1:], f"{at}.{name}")
    elif isinstance(value[name], list):
        for i, item in enumerate(value[name]):
            yield from _find(item, path[1:], f"{at}.{name}[{i}]")


def _images(spec: dict[str, Any], at: str, images: Images) -> Iterator[str]:
    for name in ("initContainers", "containers"):
        for where, container in _find(spec, [f"{name}[]"], at):
            image = container.get("image") if isinstance(container, dict) else None
            if not isinstance(image, str) or not image or images.of(image) is not None:
                continue
            if container.get("command"):
                yield f"{where}.image: {image!r} has no effect: {_OTHER_IMAGE}"
            else:
                yield f"{where}.image: {image!r} does not start: {_NO_COMMAND}"
