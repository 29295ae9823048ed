"""What a controller wants done through the API, as values. `runtime/cluster.py` applies them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tandem.model.meta import Object, OwnerReference, RawObject
from tandem.model.said import Said


@dataclass(frozen=True, slots=True, kw_only=True)
class Create:
    """Make this object."""

    raw: RawObject
    told: tuple[Said, ...] = ()
    """What is told of it once it is done; so with the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """Merge `patch` into an object, or into its status if `subresource` is `status`."""

    kind: str
    namespace: str
    name: str
    patch: dict[str, Any] = field(default_factory=dict)
    subresource: str = ""
    told: tuple[Said, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    """Remove an object, with the grace that its kind has."""

    kind: str
    namespace: str
    name: str
    told: tuple[Said, ...] = ()


Write = Create | Patch | Delete


def delete(obj: Object, *told: Said) -> Delete:
    """The removal of `obj`."""
    return Delete(kind=obj.kind, namespace=obj.metadata.namespace, name=obj.metadata.name, told=told)


def owner_reference(owner: Object) -> RawObject:
    """metadata.ownerReferences[] of what `owner` controls."""
    return {
        "apiVersion": owner.api_version,
        "kind": owner.kind,
        "name": owner.metadata.name,
        "uid": owner.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def controller_of(obj: Object) -> OwnerReference | None:
    """The owner that controls `obj`, or None."""
    return next((o for o in obj.metadata.owner_references if o.controller), None)
