"""tandem.io TrustSource: where nodes learn whom to trust of other trust domains, or of ours beside our authority."""

from __future__ import annotations

from tandem.model.meta import Model, Object, Status


class SpireSource(Model, frozen=True, kw_only=True):
    """spec.spire: the Workload API of the SPIRE agent of each node."""

    socket: str = ""


class TrustSourceSpec(Model, frozen=True, kw_only=True):
    """spec."""

    trust_domains: tuple[str, ...] = ()
    spire: SpireSource = SpireSource()


class TrustSource(Object, frozen=True, kw_only=True):
    """tandem.io TrustSource; cluster-scoped."""

    spec: TrustSourceSpec = TrustSourceSpec()
    status: Status = Status()
