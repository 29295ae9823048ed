"""What translation must be told beside the World: names and addresses that an installation chooses once."""

from __future__ import annotations

import msgspec


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Options of a cluster, with the defaults of `tandem up`."""

    trust_domain: str = "cluster.local"
    root_namespace: str = "istio-system"
    cluster_domain: str = "cluster.local"
    dns_addresses: tuple[str, ...] = ("10.96.0.10",)
    service_cidrs: tuple[str, ...] = ("10.96.0.0/16",)
    system_roots: bool = True
    """The machine has a bundle of the authorities that the public believes."""
