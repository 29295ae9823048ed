"""Which places stand in for a Service or a subset."""

from __future__ import annotations

from typing import Any

import pytest

from builders import service
from consulworlds import resolver, versions
from tandem.ir.traffic import Failover, Place
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.translate.mesh import translate_mesh
from tandem.translate.options import Options

HTTP = [{"name": "http", "port": 80}]
SERVICES = [service(name, ports=HTTP) for name in ("web", "b", "c")]


def read(*objects: Object, of: str = "web") -> tuple[tuple[Failover, ...], list[tuple[str, str]]]:
    ir, problems = translate_mesh(World.of([*SERVICES, *objects]), Options())
    policy = ir.policies.get(f"default/{of}")
    return policy.failovers if policy is not None else (), [(p.at.path, p.code) for p in problems]


def place(name: str, subset: str = "", *, alone: bool = False) -> Place:
    return Place(namespace="default", service=name, port=80, subset=subset, alone=alone)


def test_a_subset_has_its_own_places_or_those_of_all_others() -> None:
    targets = [{"service": "b"}, {"service": "c"}]
    said = {"v1": {"serviceSubset": "v2"}, "*": {"targets": targets}}
    found, problems = read(resolver("web", subsets=versions("v1", "v2"), failover=said))
    others = (place("b"), place("c"))
    assert problems == []
    assert found == (
        Failover(places=others),
        Failover(subset="v1", places=(place("web", "v2", alone=True),)),
        Failover(subset="v2", places=others),
    )


def test_what_stands_in_is_not_stood_in_for() -> None:
    found, _ = read(
        resolver("web", failover={"*": {"service": "b"}}), resolver("b", failover={"*": {"service": "web"}})
    )
    assert found == (Failover(places=(place("b", alone=True),)),)


def test_redirects_and_default_subsets_are_followed() -> None:
    found, _ = read(
        resolver("web", failover={"*": {"service": "virtual"}}),
        resolver("virtual", redirect={"service": "b"}),
        resolver("b", subsets=versions("v1"), defaultSubset="v1"),
    )
    assert found == (Failover(places=(place("b", "v1"),)),)


@pytest.mark.parametrize(
    ("failover", "path", "code"),
    [
        ({"service": "gone"}, "", "BackendNotFound"),
        ({"targets": [{"service": "b", "serviceSubset": "v9"}]}, ".targets[0]", "SubsetNotFound"),
        ({"service": "c"}, "", "Circular"),
        ({"datacenters": ["dc2"]}, ".datacenters", "UnsupportedField"),
        ({"samenessGroup": "g"}, ".samenessGroup", "UnsupportedField"),
        ({"targets": [{"service": "b", "peer": "p"}]}, ".targets[0].peer", "UnsupportedField"),
        ({"service": "b", "policy": {"mode": "order-by-locality"}}, ".policy", "UnsupportedField"),
    ],
)
def test_what_leads_nowhere_is_told(failover: Any, path: str, code: str) -> None:
    circle = [resolver("c", redirect={"service": "d"}), resolver("d", redirect={"service": "c"})]
    found, problems = read(resolver("web", failover={"*": failover}), *circle)
    assert found == ()
    assert (f"spec.failover[*]{path}", code) in problems


def test_a_service_does_not_stand_in_for_itself() -> None:
    found, problems = read(resolver("web", failover={"*": {"service": "web"}}))
    assert (found, problems) == ((), [])
