"""What a pod sees."""

from __future__ import annotations

import pytest

from tandem.ir.outbound import OPEN, Outbound, Visible


@pytest.mark.parametrize(
    ("visible", "asked", "seen"),
    [
        (("*", "*"), ("shop", "web.shop.svc.cluster.local", 80), True),
        (("shop", "*"), ("shop", "web.shop.svc.cluster.local", 80), True),
        (("shop", "*"), ("other", "web.other.svc.cluster.local", 80), False),
        (("*", "*.example.com"), ("shop", "api.example.com", 80), True),
        (("*", "*.example.com"), ("shop", "*.example.com", 80), True),
        (("*", "*.example.com"), ("shop", "example.com", 80), False),
        (("*", "api.example.com"), ("shop", "api.example.com", 80), True),
        (("*", "api.example.com"), ("shop", "www.example.com", 80), False),
    ],
)
def test_a_namespace_and_a_pattern_say_what_is_seen(
    visible: tuple[str, str], asked: tuple[str, str, int], *, seen: bool
) -> None:
    assert Outbound(sees=(Visible(namespace=visible[0], host=visible[1]),)).covers(*asked) is seen


def test_a_port_limits_it_and_nothing_said_is_everything() -> None:
    one = Visible(namespace="*", host="*", port=80)
    assert one.covers("shop", "a.b", 80)
    assert not one.covers("shop", "a.b", 81)
    assert OPEN.covers("shop", "a.b", 81)
    assert not Outbound(sees=()).covers("shop", "a.b", 81)
