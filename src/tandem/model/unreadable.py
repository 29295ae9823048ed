"""Objects that the API has and nobody here can read: left out of the World, and in it by their names, to be told of."""

from __future__ import annotations

from typing import Final

from tandem.model.kind import BUILT_IN
from tandem.model.kinds import BY_KIND, name_of
from tandem.model.meta import Meta, Object, RawObject
from tandem.model.schemas import tables
from tandem.model.schemas.walk import unknown_fields

UNREADABLE: Final = "Unreadable"
"""The name under which a World holds them; it is no kind of any API."""


class Unreadable(Object, frozen=True, kw_only=True):
    """One of them; `kind` is its own, and `key` differs from kind to kind. `metadata.unreadable` says why."""

    @property
    def key(self) -> tuple[str, str]:
        """(namespace, kind/name)."""
        return self.metadata.namespace, f"{self.kind}/{self.metadata.name}"


def not_understood(raw: RawObject) -> tuple[str, ...]:
    """The fields in the spec of a custom resource that no version known here has, as `path: text`.

    They belong to a newer version of its API, and may narrow what the others say. Kubernetes' own kinds have many that
    are nobody's business here.
    """
    kind = BY_KIND[name_of(raw)]
    spec = tables.fields(kind.name).get("spec") if kind.group not in BUILT_IN else None
    if spec is None or not tables.is_table(spec.type.base):
        return ()
    return tuple(unknown_fields(raw.get("spec"), spec.type.base, "spec"))


def unreadable(raw: RawObject, *why: str) -> Unreadable:
    """What is known of such an object."""
    meta = raw["metadata"]
    return Unreadable(
        api_version=str(raw.get("apiVersion") or ""),
        kind=name_of(raw),
        metadata=Meta(
            namespace=str(meta.get("namespace") or ""),
            name=str(meta["name"]),
            resource_version=str(meta.get("resourceVersion") or ""),
            unreadable=why,
        ),
    )
