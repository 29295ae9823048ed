"""Network filters."""

from __future__ import annotations

from meshbuild import attached
from tandem.compile.envoy import hcm

POD = attached("a", "10.0.0.1").pod
UID = POD.uid


def test_filter_state_that_carries_identity_is_hashable_and_shared_once() -> None:
    """Any other factory lets pods share upstream connections."""
    made = hcm.hashable_state({"k": "v", "l": "50%"})["typed_config"]["on_new_connection"]
    assert {state["factory_key"] for state in made} == {"envoy.hashable_string"}
    assert {state["shared_with_upstream"] for state in made} == {"ONCE"}
    assert [s["format_string"]["text_format_source"]["inline_string"] for s in made] == ["v", "50%%"]


def test_only_mtls_sets_the_client_certificate_header() -> None:
    with_tls = hcm.inbound_http(POD, mtls=True)["typed_config"]
    assert with_tls["forward_client_cert_details"] == "SANITIZE_SET"
    for other in (hcm.inbound_http(POD, mtls=False), hcm.outbound_http(UID, "rt")):
        # Envoy's default is SANITIZE: what a client claims is removed.
        assert "forward_client_cert_details" not in other["typed_config"]


def test_statistics_prefixes_are_shared_by_all_pods() -> None:
    assert hcm.outbound_http(UID, "rt")["typed_config"]["stat_prefix"] == "out"
    assert hcm.inbound_http(POD, mtls=True)["typed_config"]["stat_prefix"] == "in"
    assert hcm.tcp(hcm.IN, "c", "l")["typed_config"]["stat_prefix"] == "in"


def test_requests_may_upgrade_to_websocket() -> None:
    assert hcm.outbound_http(UID, "rt")["typed_config"]["upgrade_configs"] == [{"upgrade_type": "websocket"}]


def test_each_direction_has_its_log() -> None:
    def log(made: object) -> str:
        return str(made["typed_config"]["access_log"][0]["typed_config"]["common_config"]["log_name"])  # type: ignore[index]

    assert log(hcm.outbound_http(UID, "rt")) == "source|uid-a"
    assert log(hcm.inbound_http(POD, mtls=False)) == "destination|uid-a"
