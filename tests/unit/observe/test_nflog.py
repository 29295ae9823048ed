"""Logged packets as flows; the socket is tested in tests/netns/test_policy_kernel.py."""

from __future__ import annotations

import struct

from tandem.base.problems import Origin
from tandem.observe.flow import Layer, Party, Verdict
from tandem.observe.nflog import Attribution, flow
from tandem.observe.nflog_wire import Logged

ORIGIN = Origin(kind="NetworkPolicy", namespace="shop", name="deny-all", path="spec.ingress", source="deny.yaml:1")
PAYLOAD = bytes([0x45, 0, 0, 24, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]) + struct.pack(">HH", 40000, 80)
NAMES = Attribution(
    node="node-1",
    party=lambda address: Party(namespace="shop", pod="web") if address == "10.0.0.2" else Party(),
    origins=lambda prefix: (ORIGIN,) if prefix == "ps-a/ingress" else (),
)


def test_a_drop_is_a_denied_flow_with_its_policies() -> None:
    found = flow(Logged(prefix="ps-a/ingress", payload=PAYLOAD), NAMES, time=7.0)
    assert found is not None
    assert (found.verdict, found.layer, found.reporter) == (Verdict.DENIED, Layer.L4, "kernel")
    assert found.source == Party(address="10.0.0.1", port=40000)
    assert found.destination == Party(address="10.0.0.2", port=80, namespace="shop", pod="web")
    assert (found.direction, found.rules, found.time) == ("ingress", (ORIGIN,), 7.0)
    assert "NetworkPolicy shop/deny-all spec.ingress (deny.yaml:1)" in found.reason


def test_a_policy_that_is_gone_is_said_to_be_unknown() -> None:
    found = flow(Logged(prefix="ps-old/egress", payload=PAYLOAD), NAMES, time=7.0)
    assert found is not None
    assert found.rules == ()
    assert "no longer known" in found.reason


def test_what_is_no_ip_packet_is_no_flow() -> None:
    assert flow(Logged(prefix="ps-a/ingress", payload=b""), NAMES, time=7.0) is None
