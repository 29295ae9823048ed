"""Which of Istio's Gateways this cluster's gateway serves, and as whom it stands beside other gateways. Pure.

Istio's Gateway selects the pods of a gateway that somebody has installed. Here every node that answers for addresses of
load balancers is that gateway, under the labels of Istio's own installations: one gateway, of which all Gateways that
select it share the addresses and ports (docs/design/0039).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from tandem.base.ids import SpiffeId
from tandem.base.problems import Problem
from tandem.model.gateways import Gateway, GatewayAddress, GatewayStatus
from tandem.model.istiogateway import IstioGateway
from tandem.model.meta import Meta
from tandem.model.world import Key, World
from tandem.translate.balancers import POOL, addresses_of_ingress
from tandem.translate.mesh.istio.scoped import Policy, is_of_gateways, is_of_services, refs_of
from tandem.translate.options import Options
from tandem.translate.pods import spiffe_id

NAME: Final = "istio~ingressgateway"
"""Of the gateway among those of the Gateway API, none of which can have such a name."""
LABELS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"app": ("istio-ingressgateway", "istio-ingress"), "istio": ("ingressgateway", "ingress")}
)
"""Those of Istio's installations, by istioctl and by Helm."""
ACCOUNT: Final = "istio-ingressgateway-service-account"
"""Whom policies that are written for Istio know the gateway as."""


def key_of(options: Options) -> Key:
    """Namespace and name of the gateway."""
    return options.root_namespace, NAME


def identity_of(options: Options) -> SpiffeId:
    """Who it is to the pods that it calls."""
    return spiffe_id(options.trust_domain, options.root_namespace, ACCOUNT)


def has_labels(wanted: Mapping[str, str]) -> bool:
    """True if the gateway has all of these labels."""
    return all(value in LABELS.get(name, ()) for name, value in wanted.items())


def concerns_ingress(policy: Policy, root: str) -> bool:
    """Whether a policy judges at the gateway: it is of the root namespace, and for all there or for these labels.

    One that is attached to what nobody knows denies everything in its namespace, also there.
    """
    refs = [ref for _, ref in refs_of(policy)]
    if policy.metadata.namespace != root:
        return False
    if refs:
        return any(not (is_of_gateways(ref) or is_of_services(ref)) for ref in refs)
    return policy.spec.selector is None or has_labels(policy.spec.selector.match_labels)


def selected(world: World) -> tuple[IstioGateway, ...]:
    """The Gateways that are served here, the oldest first."""
    found = (g for g in world.oldest_first(IstioGateway) if not g.metadata.deletion_timestamp)
    return tuple(gateway for gateway in found if has_labels(gateway.spec.selector))


def not_selected(gateway: IstioGateway) -> Problem:
    """What a Gateway is told that selects something else."""
    known = "; ".join(f"{name}: {' or '.join(values)}" for name, values in LABELS.items())
    text = f"the gateway of this cluster has the labels {known}: this selects something else, and nothing is served"
    return Problem(at=gateway.origin("spec.selector"), code="NotSelected", text=text)


def stand_in(world: World, options: Options) -> Gateway:
    """The same as a Gateway of the Gateway API, for whoever gives addresses: the oldest that names a pool has its way.

    The address stays the one that it has.
    """
    namespace, name = key_of(options)
    pool = next((p for g in selected(world) if (p := g.metadata.annotations.get(POOL))), "")
    return Gateway(
        api_version="",
        kind=Gateway.__name__,
        metadata=Meta(namespace=namespace, name=name, annotations={POOL: pool} if pool else {}),
        status=GatewayStatus(addresses=tuple(GatewayAddress(value=address) for address in addresses_of_ingress(world))),
    )
