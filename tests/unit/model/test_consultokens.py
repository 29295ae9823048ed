"""Consul's JWTProvider as it is read."""

from __future__ import annotations

from consulworlds import provider


def test_names_with_capitals() -> None:
    remote = {"uri": "http://keys/", "UseSNI": True, "requestTimeoutMs": 5, "jwksCluster": {"discoveryType": "STATIC"}}
    found = provider("p", jsonWebKeySet={"remote": remote}).spec.json_web_key_set
    assert found is not None
    assert found.remote is not None
    assert (found.local, found.remote.use_sni, found.remote.request_timeout_ms) == (None, True, 5)


def test_a_location_is_one_of_three() -> None:
    header, query = provider("p", locations=[{"header": {"name": "x"}}, {"queryParam": {"name": "t"}}]).spec.locations
    assert (header.query_param, query.header) == (None, None)
    assert header.header is not None
    assert (header.header.name, header.header.value_prefix, header.header.forward) == ("x", "", False)
