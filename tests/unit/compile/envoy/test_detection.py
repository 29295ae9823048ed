"""Chains of ports of which nobody says what they speak; with real clients in tests/netns/test_detection.py."""

from __future__ import annotations

from tandem.compile.envoy.detection import REQUESTS, detecting_at, divided

CHAIN = {"name": "c", "filter_chain_match": {"destination_port": 80}, "filters": ["bytes"]}


def test_requests_have_a_chain_and_all_else_another() -> None:
    found = list(divided(CHAIN, ["requests"], tls=False))  # type: ignore[list-item]
    assert [(one["name"], one["filters"]) for one in found] == [("c:requests", ["requests"]), ("c", ["bytes"])]
    assert found[0]["filter_chain_match"] == {"destination_port": 80, **REQUESTS}
    assert found[1]["filter_chain_match"] == {"destination_port": 80, "transport_protocol": "raw_buffer"}


def test_where_tls_is_told_apart_it_is_bytes_like_all_else() -> None:
    *_, last = divided(CHAIN, ["requests"], tls=True)  # type: ignore[list-item]
    assert (last["name"], last["filters"]) == ("c:tls", ["bytes"])
    assert last["filter_chain_match"] == {"destination_port": 80, "transport_protocol": "tls"}


def test_nobody_waits_at_other_ports() -> None:
    range_ = {"start": 80, "end": 81}
    assert detecting_at([80])["filter_disabled"] == {"not_match": {"destination_port_range": range_}}
