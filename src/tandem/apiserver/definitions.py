"""CustomResourceDefinitions of the kinds that are built in and are custom resources elsewhere: to be read alone.

Clients ask them what is installed, and in which release: the Gateway API notes that in annotations. They are made from
the registry of kinds when a Store opens, are not on its disk, and nobody changes them.
"""

from __future__ import annotations

import uuid
from typing import Any, Final

from tandem.apiserver.records import Record
from tandem.model.kind import BUILT_IN
from tandem.model.kinds import KINDS, Kind
from tandem.model.meta import Object

Raw = dict[str, Any]
GATEWAY_API: Final = {
    "gateway.networking.k8s.io/bundle-version": "v1.6.1",
    "gateway.networking.k8s.io/channel": "experimental",
}
BUNDLES: Final = {
    "gateway.networking.k8s.io": GATEWAY_API,
    "gateway.networking.x-k8s.io": GATEWAY_API,
    "policy.networking.k8s.io": {"policy.networking.k8s.io/bundle-version": "v0.2.0"},
}
"""What a release writes on its definitions, by group."""


class CustomResourceDefinition(Object, frozen=True, kw_only=True):
    """apiextensions.k8s.io/v1 CustomResourceDefinition; nothing here reads more of it than its metadata."""


KIND: Final = Kind(
    group="apiextensions.k8s.io",
    versions=("v1",),
    kind="CustomResourceDefinition",
    plural="customresourcedefinitions",
    short=("crd", "crds"),
    namespaced=False,
    cls=CustomResourceDefinition,
)
VERBS: Final = ("get", "list", "watch")


def records() -> list[Record]:
    """One for each kind that is not of Kubernetes itself."""
    return [Record(KIND, _definition(kind)) for kind in KINDS if kind.group not in BUILT_IN]


def _definition(kind: Kind) -> Raw:
    name = f"{kind.plural}.{kind.group}"
    names: Raw = {
        "plural": kind.plural,
        "singular": kind.singular,
        "kind": kind.kind,
        "listKind": f"{kind.kind}List",
        **({"shortNames": list(kind.short)} if kind.short else {}),
    }
    return {
        "apiVersion": KIND.api_version,
        "kind": KIND.kind,
        "metadata": {
            "name": name,
            "uid": str(uuid.uuid5(uuid.NAMESPACE_DNS, name)),
            "resourceVersion": "1",
            "generation": 1,
            "annotations": dict(BUNDLES.get(kind.group, {})),
        },
        "spec": {
            "group": kind.group,
            "names": names,
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "versions": [_version(kind, version) for version in kind.versions],
            "conversion": {"strategy": "None"},
        },
        "status": {
            "acceptedNames": names,
            "storedVersions": [kind.versions[0]],
            "conditions": [
                _condition("NamesAccepted", "NoConflicts", "no conflicts found"),
                _condition("Established", "InitialNamesAccepted", "the kind is built in"),
            ],
        },
    }


def _version(kind: Kind, version: str) -> Raw:
    text = f"{kind.kind} as this server validates it: the fields are in /openapi/v3/apis/{kind.group}/{version}."
    schema = {"type": "object", "description": text, "x-kubernetes-preserve-unknown-fields": True}
    return {
        "name": version,
        "served": True,
        "storage": version == kind.versions[0],
        "schema": {"openAPIV3Schema": schema},
        **({"subresources": {"status": {}}} if kind.status else {}),
    }


def _condition(kind: str, reason: str, message: str) -> Raw:
    return {"type": kind, "status": "True", "reason": reason, "message": message}
