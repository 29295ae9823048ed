"""Records as values."""

from __future__ import annotations

from tandem.state.dns import Record


def test_a_record_reads_as_in_a_zone_file() -> None:
    assert str(Record("web.shop.svc.cluster.local.", "A", "10.96.1.1")) == "web.shop.svc.cluster.local. 5 A 10.96.1.1"
