"""Names of gRPC's statuses."""

from __future__ import annotations

from tandem.base.grpc import STATUSES, status_name


def test_numbers_have_the_names_of_the_protocol() -> None:
    assert (STATUSES[0], STATUSES[12], STATUSES[14], len(STATUSES)) == ("OK", "UNIMPLEMENTED", "UNAVAILABLE", 17)
    assert [status_name(n) for n in ("0", "16", "99", "-", "")] == ["OK", "UNAUTHENTICATED", "99", "", ""]
