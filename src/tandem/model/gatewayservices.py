"""The Service that stands for a Gateway (GEP-1762): what it is called, and which one it is.

`cluster/gatewayservices.py` makes it, and translation leads its addresses to the Gateway. A Service of that name which
the Gateway does not own is somebody else's.
"""

from __future__ import annotations

import re
from typing import Final

from tandem.base.digest import digest
from tandem.model import core
from tandem.model.gateways import CONTROLLER, GROUP, Gateway, GatewayClass
from tandem.model.meta import OwnerReference
from tandem.model.world import World

GATEWAY_CLASS: Final = "tandem.io/gateway"
"""spec.loadBalancerClass of such Services: they have the addresses of their gateways, and nobody gives them others."""
_LABEL: Final = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
"""A name that a Service may have (RFC 1035)."""
_MOST: Final = 63
"""Characters of a name of a Service, and of the value of a label."""
_DIGITS: Final = 10


def is_ours(world: World, gateway: Gateway) -> bool:
    """True for a Gateway whose class names us as its controller."""
    found = world.get(GatewayClass, "", gateway.spec.gateway_class_name)
    return found is not None and found.spec.controller_name == CONTROLLER


def service_name(gateway: Gateway) -> str:
    """GATEWAY-CLASS; where no Service can be called so, something like it that ends in a digest."""
    wanted = f"{gateway.metadata.name}-{gateway.spec.gateway_class_name}"
    if _LABEL.fullmatch(wanted):
        return wanted
    plain = wanted.replace(".", "-")
    return _shortened(plain if plain[0].isalpha() else f"gateway-{plain}", wanted)


def label_value(name: str) -> str:
    """A name as the value of a label: too long a one ends in a digest."""
    return name if len(name) <= _MOST else _shortened(name, name)


def _shortened(readable: str, whole: str) -> str:
    return f"{readable[: _MOST - _DIGITS - 1].rstrip('-.')}-{digest(whole, _DIGITS)}"


def gateway_behind(service: core.Service) -> OwnerReference | None:
    """The Gateway that controls a Service, there or not; None: nothing of the kind does."""
    owners = (o for o in service.metadata.owner_references if o.controller)
    return next((o for o in owners if o.kind == "Gateway" and o.api_version.partition("/")[0] == GROUP), None)


def is_of(service: core.Service, gateway: Gateway) -> bool:
    """True for a Service that is this very Gateway's."""
    owner = gateway_behind(service)
    return owner is not None and owner.uid == gateway.metadata.uid


def standing_for(world: World, gateway: Gateway) -> core.Service | None:
    """The Service whose addresses lead to the Gateway, if it is there and what it should be."""
    service = world.get(core.Service, gateway.metadata.namespace, service_name(gateway))
    if service is None or not is_of(service, gateway) or service.metadata.deletion_timestamp:
        return None
    return service if service.spec.load_balancer_class == GATEWAY_CLASS else None


def gateway_of(world: World, service: core.Service) -> Gateway | None:
    """The Gateway that a Service stands for."""
    owner = gateway_behind(service)
    gateway = world.get(Gateway, service.metadata.namespace, owner.name) if owner is not None else None
    return gateway if gateway is not None and standing_for(world, gateway) is service else None


def someone_elses(world: World, gateway: Gateway) -> core.Service | None:
    """The Service that has the name of the Gateway's and is not, and will not be: that of a Gateway which is gone."""
    service = world.get(core.Service, gateway.metadata.namespace, service_name(gateway))
    if service is None or is_of(service, gateway):
        return None
    owner = gateway_behind(service)
    if owner is None or service.spec.load_balancer_class != GATEWAY_CLASS:
        return service
    return service if any(one.metadata.uid == owner.uid for one in world.all(Gateway).values()) else None
