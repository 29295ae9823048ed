"""The whole of routing: nothing depends on the order of objects, and both of the mission's manifests are understood."""

from __future__ import annotations

from builders import service
from meshworlds import dr, httproute, parent, to, vs
from tandem.ir.mesh import Forward, Respond
from tandem.model.kept import Noted
from tandem.model.world import World
from tandem.translate.mesh import Memos, translate_mesh
from tandem.translate.mesh.asked import read_asked
from tandem.translate.options import Options

WEB = service("web", ip="10.96.0.9", ports=[{"name": "http", "port": 80}])
SPLIT = vs(hosts=["web"], http=[{"route": [to("web", "v1", 1), to("web", "v2", 1)]}])


def test_no_routing_objects_give_no_tables() -> None:
    ir, problems = translate_mesh(World.of([WEB]), Options())
    assert (ir.tables, ir.policies, problems) == ({}, {}, ())


def test_the_order_of_objects_does_not_matter() -> None:
    objects = [WEB, SPLIT, dr(host="web"), dr("x", host="web"), httproute(ns="shop", parentRefs=[parent("web")])]
    assert translate_mesh(World.of(objects), Options()) == translate_mesh(World.of(objects[::-1]), Options())


def test_a_subset_appears_with_its_destination_rule_and_goes_with_it() -> None:
    rule = dr(host="web", subsets=[{"name": "v1", "labels": {"v": "1"}}, {"name": "v2", "labels": {"v": "2"}}])
    for objects, kind in (([WEB, SPLIT], Respond), ([WEB, SPLIT, rule], Forward), ([WEB, SPLIT], Respond)):
        ir, _ = translate_mesh(World.of(objects), Options())
        assert isinstance(ir.tables["default/web"].routes[0].action, kind)


def test_a_service_that_nothing_is_about_is_not_looked_up() -> None:
    before, other = World.of([WEB, dr(host="web")]), service("other", ip="10.96.0.10")
    noted = Noted(before)
    translate_mesh(noted, Options(), Memos(), read_asked(before))
    assert noted.holds(before.with_changes("Service", {other.key: other}, synced=True))
