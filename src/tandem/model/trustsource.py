"""tandem.io TrustSource: who signs for other trust domains, or for ours beside our own authority."""

from __future__ import annotations

from tandem.model.meta import Model, Object, Status


class SpireSource(Model, frozen=True, kw_only=True):
    """spec.spire: the Workload API of the SPIRE agent of each node."""

    socket: str = ""


class RootsRef(Model, frozen=True, kw_only=True):
    """spec.roots: a Secret or a ConfigMap with `ca.crt`."""

    namespace: str = ""
    name: str = ""


class TrustSourceSpec(Model, frozen=True, kw_only=True):
    """spec. One of `spire` and `roots` is given."""

    trust_domains: tuple[str, ...] = ()
    spire: SpireSource | None = None
    roots: RootsRef | None = None


class TrustSource(Object, frozen=True, kw_only=True):
    """tandem.io TrustSource; cluster-scoped."""

    spec: TrustSourceSpec = TrustSourceSpec()
    status: Status = Status()
