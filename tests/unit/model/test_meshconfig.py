"""Providers as the mesh configuration has them."""

from __future__ import annotations

import msgspec

from tandem.model.meshconfig import CheckBody, Provider


def test_both_kinds_are_read_by_their_names() -> None:
    grpc = msgspec.convert({"name": "a", "envoyExtAuthzGrpc": {"service": "s", "port": 1, "failOpen": True}}, Provider)
    assert grpc.grpc is not None
    assert (grpc.http, grpc.grpc.fail_open) == (None, True)
    http = msgspec.convert(
        {
            "name": "a",
            "envoyExtAuthzHttp": {
                "service": "s",
                "port": 1,
                "includeRequestBodyInCheck": {"maxRequestBytes": 9, "packAsBytes": True},
                "headersToUpstreamOnAllow": ["x"],
            },
        },
        Provider,
    )
    assert http.http is not None
    assert http.http.include_request_body_in_check == CheckBody(max_request_bytes=9, pack_as_bytes=True)
    assert http.http.headers_to_upstream_on_allow == ("x",)
