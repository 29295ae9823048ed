"""Header changes."""

from __future__ import annotations

from tandem.compile.envoy.headers import authority_of, edits, joined
from tandem.ir.mesh import HeaderEdit


def test_the_host_is_a_rewrite_and_values_are_as_the_proxy_reads_them() -> None:
    edit = HeaderEdit(set=(("host", "a"), ("x", "100%%")), remove=("y",))
    assert authority_of(edit) == "a"
    body = edits("request", edit)
    assert [h["header"] for h in body["request_headers_to_add"]] == [{"key": "x", "value": "100%%"}]
    assert body["request_headers_to_remove"] == ["y"]


def test_what_comes_second_wins() -> None:
    first = HeaderEdit(set=(("a", "1"), ("b", "1")), add=(("c", "1"),), remove=("d",))
    then = HeaderEdit(set=(("b", "2"),), add=(("c", "2"),), remove=("d", "e"))
    assert joined(first, then) == HeaderEdit(
        set=(("a", "1"), ("b", "2")), add=(("c", "1"), ("c", "2")), remove=("d", "e")
    )
