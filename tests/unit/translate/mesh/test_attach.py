"""Which Services a route attaches to."""

from __future__ import annotations

from typing import Any

from builders import service
from meshworlds import httproute, parent
from tandem.base.problems import Problem
from tandem.model.world import World
from tandem.translate.mesh.attach import Attachment, attach
from tandem.translate.mesh.context import Context
from tandem.translate.options import Options

PORTS = [{"name": "http", "port": 80}, {"name": "http-alt", "port": 8080}, {"name": "tcp-db", "port": 5432}]


def run(*parents: dict[str, Any], ns: str = "default") -> tuple[tuple[Attachment, ...], tuple[Problem, ...]]:
    world = World.of([service("web", ports=PORTS)])
    return attach(httproute(ns=ns, parentRefs=list(parents)), Context(world=world, options=Options(), policies={}))


def test_a_route_beside_its_service_counts_for_everyone() -> None:
    ((found,), problems) = run(parent("web"))
    assert (found.service, found.consumer, found.ports, problems) == (("default", "web"), "", (), ())


def test_the_group_of_a_service_may_be_written_as_core() -> None:
    (attachment,), problems = run({**parent("web"), "group": "core"})
    assert (attachment.service, problems) == (("default", "web"), ())


def test_a_route_of_another_namespace_counts_for_that_namespace() -> None:
    ((found,), _) = run(parent("web", namespace="default"), ns="shop")
    assert found.consumer == "shop"


def test_port_and_section_name_narrow_the_ports() -> None:
    ((found,), _) = run(parent("web", port=80), parent("web", sectionName="http-alt"))
    assert (found.ports, found.parents) == ((80, 8080), ((0, (80,)), (1, (8080,))))


def test_a_parent_without_port_takes_all_ports_whatever_the_others_say() -> None:
    ((found,), _) = run(parent("web", port=80), parent("web"))
    assert found.ports == ()


def test_what_cannot_be_attached_to_is_reported_at_its_index() -> None:
    attachments, problems = run(
        parent("gone"),
        parent("web", port=9),
        parent("web", sectionName="x"),
        {"kind": "Pod", "name": "x"},
    )
    assert attachments == ()
    assert [(p.at.path, p.code) for p in problems] == [
        ("spec.parentRefs[0]", "NoMatchingParent"),
        ("spec.parentRefs[1]", "NoMatchingParent"),
        ("spec.parentRefs[2]", "NoMatchingParent"),
        ("spec.parentRefs[3]", "InvalidKind"),
    ]


def test_a_port_that_is_not_http_is_reported() -> None:
    _, problems = run(parent("web", port=5432))
    assert [p.code for p in problems] == ["PortNotHTTP"]
