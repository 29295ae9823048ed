"""What only a request has."""

from __future__ import annotations

from tandem.ir.authz import REQUEST, Attribute


def test_what_a_connection_has_is_not_of_a_request() -> None:
    assert {Attribute.PRINCIPAL, Attribute.PORT, Attribute.SNI}.isdisjoint(REQUEST)
