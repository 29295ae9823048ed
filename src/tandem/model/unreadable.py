"""Objects that the API has and nobody here can read: left out of the World, and in it by their names, to be told of."""

from __future__ import annotations

from typing import Final

from tandem.model.kinds import name_of
from tandem.model.meta import Meta, Object, RawObject

UNREADABLE: Final = "Unreadable"
"""The name under which a World holds them; it is no kind of any API."""


class Unreadable(Object, frozen=True, kw_only=True):
    """One of them; `kind` is its own, and `key` differs from kind to kind. `metadata.unreadable` says why."""

    @property
    def key(self) -> tuple[str, str]:
        """(namespace, kind/name)."""
        return self.metadata.namespace, f"{self.kind}/{self.metadata.name}"


def unreadable(raw: RawObject, why: str) -> Unreadable:
    """What is known of such an object."""
    meta = raw["metadata"]
    return Unreadable(
        api_version=str(raw.get("apiVersion") or ""),
        kind=name_of(raw),
        metadata=Meta(
            namespace=str(meta.get("namespace") or ""),
            name=str(meta["name"]),
            resource_version=str(meta.get("resourceVersion") or ""),
            unreadable=(why,),
        ),
    )
