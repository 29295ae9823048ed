"""A World in which conditions are no change."""

from __future__ import annotations

from typing import cast

import msgspec

from builders import node, service
from meshworlds import httproute, parent, to, vs
from tandem.model.backendtls import AncestorStatus, BackendTLSPolicy, PolicyStatus
from tandem.model.core import Node, Service, ServiceStatus
from tandem.model.gateway import HTTPRoute, ParentReference
from tandem.model.istio import VirtualService
from tandem.model.meta import Condition, Object, Status
from tandem.model.world import World
from tandem.translate.live.settled import Settled
from tlsworlds import backend_tls

KEY = ("default", "vs")
ROUTED = vs(hosts=["web"], http=[{"route": [to("web")]}])


def world(*objects: Object) -> World:
    return World.of(objects)


def written(obj: Object, version: str) -> Object:
    """As it comes back after its conditions were written."""
    status = Status(conditions=(Condition(type="Accepted", status="True"),))
    meta = msgspec.structs.replace(obj.metadata, resource_version=version)
    return msgspec.structs.replace(cast("VirtualService", obj), metadata=meta, status=status)


def test_an_object_whose_conditions_were_written_is_the_one_that_it_was() -> None:
    settled = Settled()
    first = settled.of(world(ROUTED))
    again = settled.of(world(written(ROUTED, "2")))
    assert again.get(VirtualService, *KEY) is ROUTED
    assert again is first


def test_a_change_of_spec_labels_or_generation_is_one() -> None:
    settled = Settled()
    settled.of(world(ROUTED))
    other = vs(hosts=["web"], http=[{"route": [to("web")], "timeout": "1s"}])
    assert settled.of(world(other)).get(VirtualService, *KEY) is other
    labelled = msgspec.structs.replace(other, metadata=msgspec.structs.replace(other.metadata, labels={"a": "b"}))
    assert settled.of(world(labelled)).get(VirtualService, *KEY) is labelled
    newer = msgspec.structs.replace(labelled, metadata=msgspec.structs.replace(labelled.metadata, generation=7))
    assert settled.of(world(newer)).get(VirtualService, *KEY) is newer


def test_what_goes_and_comes_again_is_followed() -> None:
    settled = Settled()
    settled.of(world(ROUTED))
    assert settled.of(world()).get(VirtualService, *KEY) is None
    back = written(ROUTED, "9")
    assert settled.of(world(back)).get(VirtualService, *KEY) is back


def test_routes_of_the_gateway_api_are_settled_too() -> None:
    settled, route = Settled(), httproute(parentRefs=[parent("web")], rules=[{}])
    settled.of(world(route))
    meta = msgspec.structs.replace(route.metadata, resource_version="2")
    assert settled.of(world(msgspec.structs.replace(route, metadata=meta))).get(HTTPRoute, "default", "hr") is route


def test_a_status_that_translation_reads_counts() -> None:
    settled, front = Settled(), service("web")
    settled.of(world(front))
    given = msgspec.structs.replace(
        front, status=ServiceStatus(conditions=(Condition(type="Programmed", status="True"),))
    )
    assert settled.of(world(given)).get(Service, *front.key) is given


def test_an_event_of_what_is_not_read_is_no_change() -> None:
    """The heartbeat of a Node, which may come a thousand times between two changes."""
    settled, beating = Settled(), node("n1")
    first = settled.of(world(beating))
    meta = msgspec.structs.replace(beating.metadata, resource_version="2")
    again = settled.of(world(msgspec.structs.replace(beating, metadata=meta)))
    assert again is first
    moved = node("n1", zone="a")
    assert settled.of(world(moved)).get(Node, *beating.key) is moved


def test_policies_for_backends_are_settled_too() -> None:
    settled, policy = Settled(), backend_tls()
    settled.of(world(policy))
    meta = msgspec.structs.replace(policy.metadata, resource_version="2")
    ancestor = AncestorStatus(ancestor_ref=ParentReference(name="edge"), controller_name="x")
    again = msgspec.structs.replace(policy, metadata=meta, status=PolicyStatus(ancestors=(ancestor,)))
    assert settled.of(world(again)).get(BackendTLSPolicy, *policy.key) is policy
