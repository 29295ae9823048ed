"""Nothing begins to or from a pod, told by the tracer of compiled rules."""

from __future__ import annotations

import msgspec
import pytest

from nfttrace import LOCAL, Packet, trace
from tandem.compile.nft.shut import compile_shut
from tandem.state.ownership import SHUT_TABLE

NEW = Packet(saddr="10.244.0.2", daddr="10.244.0.3", dport=80, iifname="td-a")


@pytest.mark.parametrize(
    ("packet", "link", "verdict"),
    [
        (NEW, "td-b", "drop"),
        (NEW, "eth0", "drop"),
        (NEW, LOCAL, "drop"),
        (msgspec.structs.replace(NEW, iifname="eth0"), "td-b", "drop"),
        (msgspec.structs.replace(NEW, protocol="udp"), "td-b", "drop"),
        (msgspec.structs.replace(NEW, ct_state="established"), "td-b", "accept"),
        (msgspec.structs.replace(NEW, iifname="eth0"), "eth1", "accept"),
        (msgspec.structs.replace(NEW, iifname="eth0"), LOCAL, "accept"),
        (msgspec.structs.replace(NEW, iifname=""), "td-b", "accept"),
    ],
    ids=["pod to pod", "pod to elsewhere", "pod to node", "to a pod", "udp", "established", "past us", "node", "probe"],
)
def test_what_begins_at_a_pod_is_dropped_and_all_else_goes_on(packet: Packet, link: str, verdict: str) -> None:
    assert trace(compile_shut(), packet, route=lambda _: link).verdict == verdict


def test_it_is_a_table_of_its_own() -> None:
    assert compile_shut().table == SHUT_TABLE
