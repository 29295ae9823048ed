"""Which UDP host ports a change of pods concerns."""

from __future__ import annotations

import msgspec
import pytest

from tandem.ir.node import NodeView, PortMapping
from tandem.runtime import hostports
from tandem.runtime.hostports import changed_udp, flush_udp
from unit.compile.nft.test_hostports import view

DNS = PortMapping(host_port=53, container_port=5353, protocol="udp")
WEB = PortMapping(host_port=80, container_port=8080)


@pytest.mark.parametrize(("before", "now"), [(view(), view(DNS)), (view(DNS), view()), (None, view(DNS))])
def test_a_port_that_comes_or_goes_has_changed(before: NodeView | None, now: NodeView) -> None:
    assert changed_udp(before, now) == {("", 53)}


def test_a_port_that_leads_elsewhere_has_changed() -> None:
    other = PortMapping(host_port=53, container_port=54, protocol="udp")
    assert changed_udp(view(DNS), view(other)) == {("", 53)}


def test_a_port_of_one_family_is_its_own() -> None:
    four, six = (msgspec.structs.replace(DNS, host_ip=ip) for ip in ("0.0.0.0", "::"))
    assert changed_udp(view(four), view(four, six)) == {("::", 53)}


def test_tcp_and_what_stays_have_not() -> None:
    assert changed_udp(view(DNS), view(DNS, WEB)) == frozenset()


def test_without_a_change_the_kernel_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(_: object) -> int:
        raise AssertionError("the kernel was asked")

    monkeypatch.setattr(hostports, "end_connections", asked)
    assert flush_udp(view(DNS), view(DNS)) == 0
