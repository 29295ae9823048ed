"""What the Service of a Gateway is called, and which one it is."""

from __future__ import annotations

import re

import msgspec
import pytest

from builders import service, world
from gatewayworlds import gateway, gateway_class, standing
from tandem.model.core import Service
from tandem.model.gatewayservices import (
    gateway_of,
    is_of,
    is_ours,
    label_value,
    service_name,
    someone_elses,
    standing_for,
)

EDGE = gateway("edge")


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("edge", "edge-tandem"),
        ("a" * 56, f"{'a' * 56}-tandem"),
        ("a" * 57, f"{'a' * 52}-"),
        ("www.shop.test", "www-shop-test-tandem-"),
        ("2nd", "gateway-2nd-tandem-"),
        ("a" * 51 + ".b" * 9, f"{'a' * 51}-"),
    ],
)
def test_it_is_called_after_gateway_and_class_as_far_as_a_service_can_be(name: str, wanted: str) -> None:
    found = service_name(gateway(name))
    assert found == wanted or re.fullmatch(f"{re.escape(wanted)}[0-9a-f]{{10}}", found)
    assert len(found) <= 63


def test_names_that_differ_by_what_no_service_can_have_differ_still() -> None:
    assert len({service_name(gateway(name)) for name in ("a.b", "a-b", "a" * 60, "a" * 61)}) == 4


def test_the_value_of_a_label_is_the_name_where_it_can_be() -> None:
    assert label_value("www.shop.test") == "www.shop.test"
    assert re.fullmatch(r"a{52}-[0-9a-f]{10}", label_value("a" * 253))


def test_it_is_the_gateways_own_by_its_uid_and_class() -> None:
    again = msgspec.structs.replace(EDGE, metadata=msgspec.structs.replace(EDGE.metadata, uid="another"))
    stands = standing(EDGE)
    assert (is_of(stands, EDGE), is_of(stands, again)) == (True, False)
    assert (standing_for(world(EDGE, stands), EDGE), gateway_of(world(EDGE, stands), stands)) == (stands, EDGE)
    assert standing_for(world(again, stands), again) is None
    spec = msgspec.structs.replace(stands.spec, load_balancer_class="")
    changed = msgspec.structs.replace(stands, spec=spec)
    assert standing_for(world(EDGE, changed), EDGE) is None
    leaving = msgspec.structs.replace(stands.metadata, deletion_timestamp="2026-01-01T00:00:00Z")
    assert standing_for(world(EDGE, msgspec.structs.replace(stands, metadata=leaving)), EDGE) is None
    assert gateway_of(world(EDGE, stands), service("web")) is None


def test_one_of_that_name_is_somebody_elses_unless_it_is_about_to_go() -> None:
    other = gateway("edge-b", gatewayClassName="c")
    meta = msgspec.structs.replace(standing(other).metadata, name="edge-tandem")
    theirs = msgspec.structs.replace(standing(other), metadata=meta)
    plain = service("edge-tandem")

    def found(*objects: Service) -> Service | None:
        return someone_elses(world(EDGE, other, *objects), EDGE)

    assert (found(), found(standing(EDGE)), found(plain), found(theirs)) == (None, None, plain, theirs)
    assert someone_elses(world(EDGE, theirs), EDGE) is None, "its Gateway is gone, so it goes too"


def test_a_gateway_is_ours_by_the_controller_of_its_class() -> None:
    assert is_ours(world(gateway_class()), EDGE)
    assert not is_ours(world(gateway_class("tandem", "example.com/other")), EDGE)
    assert not is_ours(world(), EDGE)
