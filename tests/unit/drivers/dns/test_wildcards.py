"""The zone of wildcards: its file, and how a server that has loaded it is known."""

from __future__ import annotations

from pathlib import Path

from tandem.base.paths import NodeDir
from tandem.drivers.dns.wildcards import ZONE, file_of, forget, held, is_wildcard, zone_text
from tandem.state.dns import Record

WILD = frozenset({Record("*.example.com.", "A", "192.0.2.9"), Record("*.a.example.com.", "AAAA", "2001:db8::9")})


def listed(text: str) -> str:
    """What a server says that has loaded it."""
    return f"{ZONE}.\tserial {text.split()[7]}\n"


def test_what_was_written_is_what_is_held() -> None:
    for records in (WILD, frozenset()):
        text = zone_text(records, "cluster.local.")
        assert held(listed(text), text) == records


def test_a_server_with_another_file_holds_nobody_knows_what() -> None:
    text, other = zone_text(WILD, "cluster.local."), zone_text(frozenset(), "cluster.local.")
    assert held(listed(other), text) is None
    assert held("", text) is None
    assert held(listed(text), "") is None


def test_names_of_the_cluster_are_left_alone() -> None:
    lines = zone_text(frozenset(), "cluster.example.com.").splitlines()
    passed = [line.split()[0] for line in lines if line.endswith("CNAME rpz-passthru.")]
    assert passed == ["cluster.example.com", "*.cluster.example.com"]


def test_a_wildcard_begins_with_a_star() -> None:
    assert all(map(is_wildcard, WILD))
    assert not is_wildcard(Record("example.com.", "A", "192.0.2.9"))


def test_each_node_has_a_file_of_its_own_that_can_be_left_twice() -> None:
    first, second = (NodeDir(Path(f"/nowhere/{name}")) for name in ("a", "b"))
    assert file_of(first) != file_of(second)
    assert file_of(first).parent == Path("/run")
    forget(first)
    forget(first)
