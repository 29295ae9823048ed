"""What is at one of Istio's Gateways, and where a VirtualService is: for `describe`. Pure: raw objects in."""

from __future__ import annotations

from collections.abc import Iterable

from tandem.apps.cli.applying import conditions
from tandem.model.istio import VirtualService
from tandem.model.istiogateway import IstioGateway
from tandem.model.meta import RawObject
from tandem.model.parse import parse
from tandem.model.security import AuthorizationPolicy, RequestAuthentication
from tandem.translate.ingress.bindings import named
from tandem.translate.ingress.workload import concerns_ingress, has_labels
from tandem.translate.mesh.istio.delegates import MESH
from tandem.translate.options import Options


def virtualservices_at(gateway: RawObject, sources: Iterable[RawObject]) -> list[str]:
    """`NAMESPACE/NAME`, the hosts and what is said of it, of each VirtualService that names the Gateway."""
    return [
        f"{'/'.join(one.key)} ({', '.join(one.spec.hosts)}): {_said(raw)}"
        for raw in sources
        if isinstance(one := parse(raw), VirtualService) and parse(gateway).key in _named(one)
    ]


def policies_there(gateway: RawObject, policies: Iterable[RawObject]) -> list[str]:
    """`KIND NAMESPACE/NAME` of each policy that judges at the gateway of the cluster, if this one selects it."""
    at = parse(gateway)
    if not (isinstance(at, IstioGateway) and has_labels(at.spec.selector)):
        return []
    root = Options().root_namespace
    found = (parse(raw) for raw in policies)
    judging = (one for one in found if isinstance(one, AuthorizationPolicy | RequestAuthentication))
    return [f"{one.kind} {'/'.join(one.key)}" for one in judging if concerns_ingress(one, root)]


def gateways_named(source: RawObject, gateways: Iterable[RawObject]) -> list[str]:
    """Each Gateway that a VirtualService names, with its addresses."""
    one = parse(source)
    found = {at.key: at for raw in gateways if isinstance(at := parse(raw), IstioGateway)}
    return [
        f"{'/'.join(key)}: {_addresses(found.get(key))}"
        for key in (_named(one) if isinstance(one, VirtualService) else ())
    ]


def _named(source: VirtualService) -> list[tuple[str, str]]:
    return list(dict.fromkeys(named(name, source) for name in source.spec.gateways if name != MESH))


def _addresses(gateway: IstioGateway | None) -> str:
    if gateway is None:
        return "there is no such Gateway"
    return ", ".join(address.value for address in gateway.status.addresses) or "it has no address"


def _said(raw: RawObject) -> str:
    told = ", ".join(f"{c['type']}={c['status']}" for c in conditions(raw))
    return told or "nothing was said of it yet"
