"""Hosts that are resolved when somebody asks for one."""

from __future__ import annotations

import pytest

from tandem.compile.envoy import dynamic
from tandem.ir.traffic import ClientTls, Origination, Traffic
from tandem.state.dns import INSIDE


@pytest.mark.parametrize(
    ("traffic", "lenient"),
    [
        (Traffic(), True),
        (Traffic(tls=ClientTls.SIMPLE, origination=Origination(server_name="*.a.test")), False),
        (Traffic(tls=ClientTls.SIMPLE, origination=Origination(server_name="a.test")), True),
        (Traffic(tls=ClientTls.SIMPLE, origination=Origination(server_name="*.a.test", unverified=True)), True),
        (Traffic(tls=ClientTls.SIMPLE, origination=Origination(server_name="*.a.test", alt_names=("b",))), True),
    ],
)
def test_only_where_each_name_is_verified_envoy_may_insist_on_it(traffic: Traffic, lenient: bool) -> None:  # noqa: FBT001
    config = dynamic.balancing(traffic)["cluster_type"]["typed_config"]
    assert config.get("allow_insecure_cluster_options", False) == lenient


def test_all_share_one_cache_that_asks_the_node() -> None:
    filters = (dynamic.request_filter(), dynamic.session_filter(443), dynamic.balancing(Traffic())["cluster_type"])
    caches = [one["typed_config"]["dns_cache_config"] for one in filters]
    assert caches[0] == caches[1] == caches[2]
    assert INSIDE in str(caches[0]["typed_dns_resolver_config"])


def test_the_port_that_was_dialled_is_kept_and_an_authority_with_another_one_is_told_apart() -> None:
    (state,) = dynamic.port_state(8080)["typed_config"]["on_new_connection"]
    assert state["format_string"]["text_format_source"]["inline_string"] == "8080"
    says, other = dynamic.elsewhere(8080)["headers"]
    assert (says["string_match"]["safe_regex"]["regex"], other["string_match"]["suffix"]) == (".*:[0-9]+", ":8080")
    assert other["invert_match"]
