"""What proxies of the mesh tell each other of connections to applications."""

from __future__ import annotations

import pytest

from tandem.compile.envoy.failed import TELLS, UNTOLD, heard

(NAME,) = UNTOLD["response_headers_to_remove"]


def test_what_an_application_may_have_read_is_told_apart_from_what_it_has_not_seen() -> None:
    mappers = TELLS["local_reply_config"]["mappers"]
    told = [(m["filter"]["response_flag_filter"]["flags"], m["headers_to_add"][0]["header"]) for m in mappers]
    assert told == [
        (["UC", "UPE"], {"key": NAME, "value": "reset"}),
        (["UF"], {"key": NAME, "value": "connect"}),
    ]


@pytest.mark.parametrize(
    ("on", "match"),
    [
        (("connect-failure", "reset"), {"present_match": True}),
        (("connect-failure",), {"string_match": {"exact": "connect"}}),
        (("reset-before-request", "5xx"), {"string_match": {"exact": "connect"}}),
    ],
)
def test_a_policy_hears_what_it_would_try_again_here(on: tuple[str, ...], match: object) -> None:
    assert heard(on) == {"retriable_headers": [{"name": NAME, **dict(match)}]}  # type: ignore[call-overload]


def test_a_policy_that_tries_no_connection_again_hears_nothing() -> None:
    assert heard(("5xx", "retriable-status-codes")) == {}
