"""What seeks requests at ports of which nobody says what they speak; with real clients in netns/test_detection.py."""

from __future__ import annotations

from tandem.compile.envoy.detection import PROTOCOLS, REQUESTS, SAYS_REQUESTS, detecting_at


def test_nobody_waits_at_other_ports() -> None:
    range_ = {"start": 80, "end": 81}
    assert detecting_at([80])["filter_disabled"] == {"not_match": {"destination_port_range": range_}}


def test_requests_are_what_is_found_outside_of_tls() -> None:
    assert REQUESTS["transport_protocol"] == "raw_buffer"
    assert REQUESTS["application_protocols"] == list(PROTOCOLS)


def test_the_other_proxy_is_told_by_the_protocol_that_the_connection_offers() -> None:
    (state,) = SAYS_REQUESTS["typed_config"]["on_new_connection"]
    assert (state["object_key"], state["shared_with_upstream"]) == ("envoy.network.application_protocols", "ONCE")
