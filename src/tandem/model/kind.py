"""A kind that the API serves."""

from __future__ import annotations

from typing import Final

import msgspec

from tandem.model.meta import Object

BUILT_IN: Final = ("", "apps", "discovery.k8s.io", "coordination.k8s.io", "networking.k8s.io", "events.k8s.io")
"""Groups of Kubernetes itself; kinds of others are custom resources on a cluster."""


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One kind that the API serves. `versions[0]` is the storage version (the others are the same in form)."""

    group: str
    versions: tuple[str, ...]
    kind: str
    plural: str
    short: tuple[str, ...] = ()
    namespaced: bool = True
    status: bool = False
    """True if it has a status subresource."""
    cls: type[Object]

    @property
    def api_version(self) -> str:
        """`group/version` (or `version` in the core group) of the storage version."""
        return f"{self.group}/{self.versions[0]}" if self.group else self.versions[0]

    @property
    def singular(self) -> str:
        """What one object is called."""
        return self.kind.lower()

    @property
    def name(self) -> str:
        """What it is called among all kinds: its `kind`, with a word before it where another group has the same."""
        return self.cls.__name__
