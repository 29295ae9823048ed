"""Origins and Problems as people and machines read them."""

from __future__ import annotations

import msgspec
import pytest

from tandem.base.problems import Origin, Problem, Severity


@pytest.mark.parametrize(
    ("origin", "text"),
    [
        (Origin(kind="Node", name="n1"), "Node n1"),
        (Origin(kind="NetworkPolicy", namespace="shop", name="p"), "NetworkPolicy shop/p"),
        (
            Origin(kind="NetworkPolicy", namespace="shop", name="p", path="spec.ingress[0]", source="p.yaml:7"),
            "NetworkPolicy shop/p spec.ingress[0] (p.yaml:7)",
        ),
    ],
)
def test_an_origin_is_one_line(origin: Origin, text: str) -> None:
    assert str(origin) == text


def test_empty_parts_do_not_travel() -> None:
    origin = Origin(kind="Node", name="n1")
    assert msgspec.json.encode(origin) == b'{"kind":"Node","name":"n1"}'
    assert msgspec.json.decode(msgspec.json.encode(origin), type=Origin) == origin


def test_origins_can_be_sorted_and_be_keys() -> None:
    a, b = Origin(kind="A", name="x"), Origin(kind="B", name="a")
    assert sorted({b, a}) == [a, b]


def test_a_problem_is_an_error_unless_it_says_otherwise() -> None:
    assert Problem(at=Origin(kind="A", name="x"), code="C", text="t").severity is Severity.ERROR
