"""The annotation that asks for endpoints nearby: whose counts, and what it becomes."""

from __future__ import annotations

import msgspec

from builders import service
from meshworlds import dr
from tandem.model import core
from tandem.model.meta import Meta
from tandem.model.world import World
from tandem.translate.mesh.istio.destinationrule import translate_destination_rules
from tandem.translate.mesh.istio.distribution import ANNOTATION, near_first, read_wishes
from tandem.translate.mesh.istio.serviceentry import NO_ENTRIES
from tandem.translate.options import Options

WEB = service("web", ip="10.96.0.9")


def labels(own: str = "", around: str = "", *, field: str = "", rule: str = "") -> tuple[list[str] | None, list[str]]:
    """The labels by which endpoints come first (None: nothing is said), and paths of what is told."""
    meta = msgspec.structs.replace(WEB.metadata, annotations={ANNOTATION: own} if own else {})
    web = msgspec.structs.replace(
        WEB, metadata=meta, spec=msgspec.structs.replace(WEB.spec, traffic_distribution=field)
    )
    notes = {ANNOTATION: around} if around else {}
    home = core.Namespace(api_version="v1", kind="Namespace", metadata=Meta(name="default", annotations=notes))
    setting = {"loadBalancer": {"localityLbSetting": {"enabled": rule == "on"}}} if rule else {}
    world = World.of([web, home, dr(host="web", trafficPolicy=setting)])
    rules = translate_destination_rules(world, Options()).policies
    policies, problems = near_first(NO_ENTRIES, rules, read_wishes(world))
    near = policies["default", "web"].traffic.by_locality
    return [p.label.rpartition("/")[2] for p in near.preferences] if near is not None else None, [
        p.at.path for p in problems
    ]


def test_zones_or_nodes_come_first_in_whatever_letters_it_is_written() -> None:
    assert labels("PreferClose") == labels("prefersamezone") == (["region", "zone"], [])
    assert labels("PreferSameNode") == (["region", "zone", "subzone", "hostname"], [])
    assert labels() == (None, [])


def test_the_nearer_word_counts() -> None:
    assert labels(around="PreferSameZone") == (["region", "zone"], [])
    assert labels("PreferSameNode", "PreferSameZone")[0] == ["region", "zone", "subzone", "hostname"]
    assert labels("PreferSameNode", field="PreferSameZone") == (None, [])


def test_what_a_rule_says_of_localities_comes_before_it() -> None:
    assert labels("PreferClose", rule="off") == (None, [])
    assert labels("PreferClose", rule="on") == (None, [])


def test_a_word_that_nobody_knows_is_told() -> None:
    assert labels("Near", "PreferClose") == (None, [f"metadata.annotations[{ANNOTATION}]"])


def test_wishes_are_the_same_while_nobody_has_another() -> None:
    other = msgspec.structs.replace(WEB, metadata=msgspec.structs.replace(WEB.metadata, labels={"a": "b"}))
    assert read_wishes(World.of([WEB])) == read_wishes(World.of([other])) == read_wishes(World())
