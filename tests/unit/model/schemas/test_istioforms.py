"""Forms that kinds of Istio's share."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tandem.model.schemas import istioforms as forms

GOOD: list[tuple[Callable[[str], str | None], list[str]]] = [
    (forms.name_fault, ["a", "A.b-c.test", "a.test.", "1.a"]),
    (forms.host_fault, ["*", "*.a.test", "*-a.test", "*a.test", "a"]),
    (forms.sni_fault, ["outbound_.443_.v1_.a.shop.svc.cluster.local", "*.a"]),
    (forms.scoped_host_fault, ["*/*", "./a.test", "shop/*.a.test"]),
    (forms.full_host_fault, ["*", "a.test", "*.a.test"]),
    (forms.gateway_fault, ["mesh", "edge", "shop/edge", "edge.shop.svc.cluster.local"]),
    (forms.header_fault, ["x-a", "X_b.c"]),
    (forms.matched_header_fault, [":method", "@request.auth.claims.a.b", "@request.auth.claims[a][b.c]", "x-a"]),
    (forms.header_value_fault, ["", "a b\tc", "100%%", "%REQ(:path)% and %REQ(x?y):9%", "%START_TIME(%Y-%m)%"]),
    (forms.socket_fault, ["unix:///run/a", "unix://@a", "10.0.0.1", ""]),
    (forms.block_fault, ["10.0.0.1", "10.0.0.1/8", "2001:db8::/32"]),
    (forms.protocol_fault, ["", "http", "gRPC-web"]),
]
BAD: list[tuple[Callable[[str], str | None], list[str]]] = [
    (forms.name_fault, ["", "a..b", "-a", "a_b", "a.10", "*.a", "a" * 64, f"{'a.' * 128}a"]),
    (forms.host_fault, ["a*", "a.*.b", "*.*", "-a.b", "*_a", "**.a"]),
    (forms.sni_fault, ["outbound_.x_._.a", "outbound_.80_a"]),
    (forms.scoped_host_fault, ["a.test", "/a.test", "a_b/a.test", "*/a", "*/*a.test", "~bar/*"]),
    (forms.full_host_fault, ["a", "", "*a.test"]),
    (forms.gateway_fault, ["", "shop/", "/edge", "*/edge", "a@b", "a/b/c"]),
    (forms.header_fault, ["", "x a", ":path"]),
    (forms.matched_header_fault, ["@request.auth.claims", "@request.auth.sub", ":version", ""]),
    (forms.header_value_fault, ["50%", "a%b", "%A%%", "%REQ(x%", "a\x00", "a\r\nb"]),
    (forms.socket_fault, ["unix://", "unix://a/b", "unix:///a/"]),
    (forms.block_fault, ["10.0.0.0/33", "a", ""]),
    (forms.protocol_fault, ["SMTP"]),
]


@pytest.mark.parametrize(("fault", "text"), [(fault, text) for fault, texts in GOOD for text in texts])
def test_a_sound_form_has_no_fault(fault: Callable[[str], str | None], text: str) -> None:
    assert fault(text) is None


@pytest.mark.parametrize(("fault", "text"), [(fault, text) for fault, texts in BAD for text in texts])
def test_another_form_is_told_with_the_value(fault: Callable[[str], str | None], text: str) -> None:
    assert repr(text.rpartition("/")[2])[1:-1] in (fault(text) or "")


def test_a_namespace_can_be_left_out_where_that_is_asked_for() -> None:
    assert forms.scoped_host_fault("~bar/*", but=True) is None
    assert forms.scoped_host_fault("~/*", but=True) is None
    assert forms.scoped_host_fault("10.0.0.1", addresses=True) == "'10.0.0.1' is not NAMESPACE/HOST"
    assert forms.full_host_fault("10.0.0.1", addresses=True) is None
