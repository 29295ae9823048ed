"""What a client asks first: groups, versions, resources. Pure data from the registry of kinds."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from tandem.apiserver import definitions
from tandem.model.kinds import KINDS, Kind

Raw = dict[str, Any]
VERSION: Final = {
    "major": "1",
    "minor": "32",
    "gitVersion": "v1.32.0+tandem",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "linux/amd64",
}
VERBS: Final = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
SERVED: Final = (*KINDS, definitions.KIND)
FIRST: Final = ("apps", "discovery.k8s.io", "coordination.k8s.io", "networking.k8s.io")
"""Groups of Kubernetes itself; those that are added follow by name, which is how clients choose for an open word."""
UPGRADES: Final = (
    ("exec", "PodExecOptions"),
    ("attach", "PodAttachOptions"),
    ("portforward", "PodPortForwardOptions"),
)
"""Subresources of a pod that a connection is upgraded for, and what their parameters are called."""
SCALED: Final = frozenset({"Deployment", "StatefulSet"})
"""Kinds with a subresource `scale`."""
IN_ALL: Final = frozenset({"pods", "services", "deployments", "statefulsets"})


@cache
def groups() -> dict[str, tuple[str, ...]]:
    """The versions of each named group, the preferred one first."""
    found: dict[str, list[str]] = {}
    for kind in SERVED:
        if kind.group:
            versions = found.setdefault(kind.group, [])
            versions += [v for v in kind.versions if v not in versions]
    order = [*(g for g in found if g in FIRST), *sorted(found.keys() - set(FIRST))]
    return {g: tuple(found[g]) for g in order}


def api_versions() -> Raw:
    """/api."""
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}


def group(name: str) -> Raw | None:
    """/apis/<group>."""
    versions = groups().get(name)
    if versions is None:
        return None
    entries = [{"groupVersion": f"{name}/{v}", "version": v} for v in versions]
    return {"kind": "APIGroup", "apiVersion": "v1", "name": name, "versions": entries, "preferredVersion": entries[0]}


def group_list() -> Raw:
    """/apis."""
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [group(name) for name in groups()]}


def find(group_name: str, version: str, plural: str) -> Kind | None:
    """The kind behind a path."""
    return _by_path().get((group_name, version, plural))


@cache
def _by_path() -> dict[tuple[str, str, str], Kind]:
    return {(k.group, v, k.plural): k for k in SERVED for v in k.versions}


def resource_list(group_name: str, version: str) -> Raw | None:
    """/api/v1 and /apis/<group>/<version>."""
    kinds = [k for k in SERVED if k.group == group_name and version in k.versions]
    if not kinds:
        return None
    resources: list[Raw] = []
    for kind in kinds:
        entry: Raw = {
            "name": kind.plural,
            "singularName": kind.singular,
            "namespaced": kind.namespaced,
            "kind": kind.kind,
            "verbs": list(definitions.VERBS if kind is definitions.KIND else VERBS),
        }
        if kind.short:
            entry["shortNames"] = list(kind.short)
        if kind.plural in IN_ALL:
            entry["categories"] = ["all"]
        resources.append(entry)
        if kind.status:
            resources.append(_sub(kind, "status", ["get", "patch", "update"]))
        if kind.kind == "Pod":
            resources.append(_sub(kind, "log", ["get"]))
            for name, options in UPGRADES:
                resources.append({**_sub(kind, name, ["create", "get"]), "kind": options})
        if kind.kind in SCALED:
            scale = _sub(kind, "scale", ["get", "patch", "update"])
            resources.append({**scale, "group": "autoscaling", "version": "v1", "kind": "Scale"})
    name = f"{group_name}/{version}" if group_name else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": resources}


def _sub(kind: Kind, name: str, verbs: list[str]) -> Raw:
    full = f"{kind.plural}/{name}"
    return {"name": full, "singularName": "", "namespaced": kind.namespaced, "kind": kind.kind, "verbs": verbs}
