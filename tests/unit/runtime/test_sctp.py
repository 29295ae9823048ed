from __future__ import annotations

import pytest

from meshbuild import CONFIG
from nodeviews import node
from tandem.ir.fabric import AppProtocol, Service, ServicePort
from tandem.ir.node import NodeView
from tandem.runtime import sctp


def view(*protocols: str) -> NodeView:
    services = {}
    for i, protocol in enumerate(protocols):
        port = ServicePort(name="p", port=99, protocol=protocol, app=AppProtocol.TCP)
        services[f"shop/s{i}"] = Service(
            namespace="shop", name=f"s{i}", cluster_ips=(f"10.96.0.{20 + i}",), ports=(port,)
        )
    return NodeView(node=node(), config=CONFIG, services=services)


def test_a_kernel_without_sctp_is_told_where_a_service_speaks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sctp, "has_sctp", lambda: False)
    (line,) = sctp.problems(view("SCTP", "TCP", "SCTP"))
    assert line.endswith("(shop/s0, shop/s2)")
    (line,) = sctp.problems(view(*["SCTP"] * 5))
    assert line.endswith("(shop/s0, shop/s1, shop/s2 and 2 more)")
    assert sctp.problems(view("TCP", "UDP")) == ()
    assert sctp.problems(None) == ()


def test_with_sctp_there_is_nothing_to_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sctp, "has_sctp", lambda: True)
    assert sctp.problems(view("SCTP")) == ()


def test_the_answer_of_this_kernel_is_kept() -> None:
    assert sctp.has_sctp() is sctp.has_sctp()
