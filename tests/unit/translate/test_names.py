"""Whose names within networks are handed on to every node."""

from __future__ import annotations

from typing import Any

from tandem.ir.names import Names
from tandem.model.parse import parse
from tandem.model.world import World
from tandem.translate.names import translate_names
from tandem.translate.nodes import translate_nodes


def names_of(text: str, *, ready: str = "True") -> Any:
    raw = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "n1", "annotations": {"tandem.io/network-names": text}},
        "spec": {"podCIDR": "10.244.0.0/24"},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }
    world = World.of([parse(raw)])
    return translate_names(world, translate_nodes(world))


def test_names_come_with_the_node_that_told_them() -> None:
    told = names_of('{"db.tandem":["10.244.0.4","10.244.0.5"]}')
    assert told == {"n1": Names(node="n1", pairs=(("db.tandem", "10.244.0.4"), ("db.tandem", "10.244.0.5")))}  # type: ignore[arg-type]


def test_the_names_of_a_lost_node_are_gone() -> None:
    assert names_of('{"db.tandem":["10.244.0.4"]}', ready="Unknown") == {}


def test_an_address_that_the_cluster_sends_elsewhere_is_not_handed_on() -> None:
    """Ranges of other plugins are the same on many nodes; and no node names what is another's."""
    assert names_of('{"db.net89":["10.88.0.4"],"web.tandem":["10.244.1.4"],"x.y":["none"]}') == {}


def test_a_node_that_tells_nothing_is_not_there() -> None:
    assert names_of("") == names_of("{}") == {}
