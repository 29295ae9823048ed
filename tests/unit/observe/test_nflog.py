"""Logged packets as flows; the socket is tested in tests/netns/test_policy_kernel.py."""

from __future__ import annotations

import struct

import msgspec
import pytest

from tandem.base.problems import Origin
from tandem.compile.names import is_staged, tells_isolation
from tandem.observe.flow import Layer, Party, Verdict
from tandem.observe.nflog import Attribution, Handed, flow
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


@pytest.mark.parametrize(
    ("prefix", "verdict", "reason"),
    [
        ("ps-a/egress", Verdict.DENIED, "the source's egress is isolated and no rule allows this"),
        ("pv-a/ingress", Verdict.STAGED, "the destination's ingress would be isolated and no rule would allow this"),
        ("no-a/ingress", Verdict.DENIED, "a rule for the destination's ingress denies this"),
        ("st-a/egress", Verdict.STAGED, "a rule for the source's egress would deny this"),
    ],
)
def test_what_denies_and_what_would_is_told_apart(prefix: str, verdict: Verdict, reason: str) -> None:
    names = msgspec.structs.replace(NAMES, origins=lambda _: (ORIGIN,), staged=is_staged, isolation=tells_isolation)
    found = flow(Logged(prefix=prefix, payload=PAYLOAD), names, time=7.0)
    assert found is not None
    assert (found.verdict, found.rules) == (verdict, (ORIGIN,))
    assert found.reason == f"{reason}: {ORIGIN}"


def test_a_datagram_at_a_gateway_is_no_drop_of_a_policy() -> None:
    told = Handed(
        verdict=Verdict.ALLOWED, gateway=Party(namespace="edge", pod="gateway/edge"), reason="", rules=(ORIGIN,)
    )
    names = msgspec.structs.replace(NAMES, handed=lambda *asked: told if asked[2] == 80 else None)
    found = flow(Logged(prefix="dg-on", payload=PAYLOAD), names, time=7.0)
    assert found is not None
    assert (found.verdict, found.reason, found.rules, found.direction) == (Verdict.ALLOWED, "", (ORIGIN,), "")
    assert found.destination == Party(address="10.0.0.2", port=80, namespace="edge", pod="gateway/edge")


def test_a_policy_that_is_gone_is_said_to_be_unknown() -> None:
    found = flow(Logged(prefix="ps-old/egress", payload=PAYLOAD), NAMES, time=7.0)
    assert found is not None
    assert found.rules == ()
    assert "no longer known" in found.reason


def test_what_is_no_ip_packet_is_no_flow() -> None:
    assert flow(Logged(prefix="ps-a/ingress", payload=b""), NAMES, time=7.0) is None
