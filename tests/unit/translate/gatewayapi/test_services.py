"""Services that stand for subsets."""

from __future__ import annotations

from meshworlds import dr, vs
from unit.translate.gatewayapi.test_write import to, told, web, write


def test_a_service_in_the_place_of_a_subset_must_select_the_same() -> None:
    rule = dr(host="web", subsets=[{"name": "v1", "labels": {"version": "v1"}}])
    route = vs(hosts=["web"], http=[{"route": [to("web", subset="v1")]}])
    same = web("web-v1", selector={"app": "web", "version": "v1"})
    assert told(write(web(), same, rule, route)) == []
    assert told(write(web(), web("web-v1"), rule, route)) == ["NotCarried VirtualService spec.http[0].route"]


def test_a_subset_that_no_label_can_say_is_told() -> None:
    rule = dr(host="web", subsets=[{"name": "v1", "labels": {"version": "one two"}}])
    made = write(web(), rule, vs(hosts=["web"], http=[{"route": [to("web", subset="v1")]}]))
    assert told(made) == ["NotCarried VirtualService spec.http[0].route"]
    assert [raw["kind"] for raw in made.objects] == ["HTTPRoute"]
