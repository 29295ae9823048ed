"""The list of fabrics, and that the API knows the same names."""

from __future__ import annotations

import pytest

from tandem.compile.fabric import FABRICS, fabric_of
from tandem.ir.network import Network
from tandem.model.network import NetworkSpec
from tandem.model.schemas import tables


def test_the_api_offers_the_fabrics_that_there_are() -> None:
    assert tables.fields("NetworkSpec")["fabric"].type.choices == tuple(f.name for f in FABRICS)


def test_the_first_is_the_default_everywhere() -> None:
    assert FABRICS[0].name == Network().fabric == NetworkSpec().fabric


def test_a_fabric_is_found_by_its_name_and_no_other_is_taken_instead() -> None:
    assert [fabric_of(Network(fabric=f.name)) for f in FABRICS] == list(FABRICS)
    with pytest.raises(KeyError):
        fabric_of(Network(fabric="no-such"))
