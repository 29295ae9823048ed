"""A request to be judged, and what was decided: frozen, JSON-ready values."""

from __future__ import annotations

from typing import Final

import msgspec

from tandem.base.problems import Origin


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """A pod or a gateway, as rules about callers know it."""

    namespace: str = ""
    """Empty: of nobody in particular."""
    labels: tuple[tuple[str, str], ...] = ()
    """A name may be there with several values, each of which counts."""


ANYBODY: Final = Caller()


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One request from a pod to a port of a Service. Header names are lower case; `path` may carry a query."""

    source_namespace: str
    source_labels: dict[str, str] = {}
    namespace: str
    service: str
    port: int
    method: str = "GET"
    path: str = "/"
    headers: dict[str, str] = {}
    authority: str = ""
    scheme: str = "http"
    address: str = ""
    """Of the Service, as it was dialled; empty: its first one."""
    server_name: str = ""
    """That TLS asks for, in lower case; empty: none, or no TLS."""
    gateway: Caller | None = None
    """Who sends it on; None: the source itself."""

    @property
    def caller(self) -> Caller:
        """Who calls the Service."""
        own = Caller(namespace=self.source_namespace, labels=tuple(sorted(self.source_labels.items())))
        return self.gateway or own


class Share(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A backend and its weight among the others. `status` is set where the backend does not exist: its answer."""

    namespace: str
    service: str
    port: int
    subset: str = ""
    weight: int = 1
    labels: dict[str, str] = {}
    """What endpoints of the subset must carry."""
    status: int = 0
    instead: tuple[Share, ...] = ()
    """Where it goes, in order, while it has no endpoint."""


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that was looked at on the way."""

    text: str
    origin: Origin | None = None


class RouteDecision(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of the request: sent to one of `backends` by weight, or answered with `status`."""

    rule: Origin | None = None
    """The rule that decided; None: no rule, the plain Service."""
    index: int = -1
    """Its index in the object."""
    backends: tuple[Share, ...] = ()
    status: int = 0
    body: str = ""
    timeout_ms: int = 0
    steps: tuple[Step, ...] = ()
