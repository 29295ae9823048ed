"""What of a pod becomes flows."""

from __future__ import annotations

import msgspec

from tandem.ir.logged import EVERYTHING, Logged, Logging


def test_a_pod_of_which_everything_is_told_costs_nothing_on_the_way_to_its_node() -> None:
    assert msgspec.json.encode(EVERYTHING) == b"{}"


def test_what_is_said_arrives_as_it_was() -> None:
    said = Logging(client=Logged(nothing=True), server=Logged(when="response . code >= 400"))
    assert msgspec.json.decode(msgspec.json.encode(said), type=Logging) == said
    assert said != EVERYTHING
