"""Network filters."""

from __future__ import annotations

import msgspec
import pytest

from meshbuild import attached
from tandem.compile.envoy import hcm
from tandem.compile.envoy.proto import Json
from tandem.ir.fabric import LocalPod
from tandem.ir.logged import Logged, Logging
from tandem.ir.paths import Paths

POD = attached("a", "10.0.0.1").pod


def outbound(pod: LocalPod) -> Json:
    return hcm.outbound_http(pod.uid, "rt", told=hcm.Told(pod.logging.client, pod.paths))


def test_filter_state_that_carries_identity_is_hashable_and_shared_once() -> None:
    """Any other factory lets pods share upstream connections."""
    made = hcm.hashable_state({"k": "v", "l": "50%"})["typed_config"]["value"]["on_accept"]
    assert {state["factory_key"] for state in made} == {"envoy.hashable_string"}
    assert {state["shared_with_upstream"] for state in made} == {"ONCE"}
    assert [s["format_string"]["text_format_source"]["inline_string"] for s in made] == ["v", "50%%"]


def test_only_with_mtls_a_client_is_told_of_and_told_why() -> None:
    with_tls = hcm.inbound_http(POD, mtls=True)["typed_config"]
    assert with_tls["forward_client_cert_details"] == "SANITIZE_SET"
    assert "local_reply_config" in with_tls
    for other in (hcm.inbound_http(POD, mtls=False), outbound(POD)):
        assert "local_reply_config" not in other["typed_config"]
        # Envoy's default is SANITIZE: what a client claims is removed.
        assert "forward_client_cert_details" not in other["typed_config"]


@pytest.mark.parametrize(
    ("paths", "asked"),
    [
        (Paths.KEEP, (False, None, None)),
        (Paths.BASE, (True, None, None)),
        (Paths.MERGE, (True, True, None)),
        (Paths.DECODE, (True, True, "UNESCAPE_AND_FORWARD")),
        (Paths.EDGE, (True, None, "UNESCAPE_AND_REDIRECT")),
    ],
)
def test_paths_are_made_plain_in_both_directions(paths: Paths, asked: object) -> None:
    pod = msgspec.structs.replace(POD, paths=paths)
    for made in (outbound(pod), hcm.inbound_http(pod, mtls=True)):
        found = made["typed_config"]
        assert asked == (
            found["normalize_path"],
            found.get("merge_slashes"),
            found.get("path_with_escaped_slashes_action"),
        )


def test_statistics_prefixes_are_shared_by_all_pods() -> None:
    assert outbound(POD)["typed_config"]["stat_prefix"] == "out"
    assert hcm.inbound_http(POD, mtls=True)["typed_config"]["stat_prefix"] == "in"
    assert hcm.tcp(hcm.IN, "c", "l")["typed_config"]["stat_prefix"] == "in"


def test_requests_may_upgrade_to_websocket() -> None:
    assert outbound(POD)["typed_config"]["upgrade_configs"] == [{"upgrade_type": "websocket"}]


def test_each_direction_has_its_log() -> None:
    def log(made: object) -> str:
        return str(made["typed_config"]["access_log"][0]["typed_config"]["common_config"]["log_name"])  # type: ignore[index]

    assert log(outbound(POD)) == "source|uid-a"
    assert log(hcm.inbound_http(POD, mtls=False)) == "destination|uid-a"


def test_what_becomes_a_flow_is_a_tag_of_the_log_of_its_side() -> None:
    """Every entry is sent all the same: a Canary is judged by them."""

    def tags(made: object) -> list[str]:
        config = made["typed_config"]["access_log"][0]["typed_config"]["common_config"]  # type: ignore[index]
        return [tag["value"] for tag in config["custom_tags"] if tag["tag"] == "logged"]

    sides = Logging(client=Logged(when="connection . mtls"), server=Logged(nothing=True))
    pod = msgspec.structs.replace(POD, logging=sides)
    assert tags(outbound(pod)) == ["if %CEL(connection . mtls)%"]
    assert tags(hcm.inbound_http(pod, mtls=False)) == []
    assert tags(hcm.tcp(hcm.IN, "c", "l", when="true")) == ["if %CEL(true)%"]
    assert tags(outbound(POD)) == tags(hcm.tcp(hcm.IN, "c", "l")) == []
