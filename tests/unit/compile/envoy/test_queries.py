"""Expressions for parameters of a query agree with what a reader of queries finds, in some reading and in every one."""

from __future__ import annotations

import re

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from authzjudge import in_query
from tandem.compile.envoy.queries import query_like
from tandem.ir.match import Exact, Regex

NAMES = st.sampled_from(("a", "ab", "a-b", "b.c"))
VALUES = st.sampled_from(("1", "12", "x y", "a=b", "é"))
PARTS = st.sampled_from(
    (
        "a=1",
        "a=12",
        "ab=1",
        "%61=1",
        "a=%31",
        "a",
        "a=",
        "",
        "a-b=1",
        "b.c=x+y",
        "b.c=x%20y",
        "ab=a=b",
        "a=%C3%A9",
        "A=1",
    )
)
QUERIES = st.builds(lambda parts, by: by.join(parts), st.lists(PARTS, max_size=4), st.sampled_from("&&&;"))


def found(name: str, value: Exact | Regex, query: str, *, wide: bool) -> bool:
    return re.fullmatch(query_like(name, value, wide=wide), f"/p?{query}", re.ASCII) is not None


@settings(max_examples=1000)
@given(
    NAMES,
    st.builds(Exact, VALUES) | st.builds(Regex, st.sampled_from(("[0-9]+", "1|12", "[^&;]*"))),
    QUERIES,
    st.booleans(),
)
def test_what_is_found_is_what_is_there(name: str, value: Exact | Regex, query: str, wide: bool) -> None:  # noqa: FBT001 - drawn
    assert found(name, value, query, wide=wide) is in_query(name, value, query, wide=wide)


@pytest.mark.parametrize("path", ["/p", "/p?", "/a=1", "/p/a=1?b=1"])
def test_what_is_no_query_has_no_parameters(path: str) -> None:
    for wide in (True, False):
        assert re.fullmatch(query_like("a", Exact("1"), wide=wide), path) is None
