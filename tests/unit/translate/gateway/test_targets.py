"""Ports behind the ports of gateways."""

from __future__ import annotations

import pytest

from gatewayworlds import gateway, listener
from tandem.model.gateways import Gateway
from tandem.translate.gateway import targets
from tandem.translate.gateway.targets import COUNT, FIRST, targets_of


def ports(*gateways: Gateway) -> list[tuple[Gateway, list[int]]]:
    return [(g, [one.port for one in g.spec.listeners]) for g in gateways]


def test_each_port_of_each_gateway_has_one_of_its_own_that_stays() -> None:
    few = [gateway(f"g{i}", listener("a", 80), listener("b", 81)) for i in range(300)]
    found = targets_of(ports(*few))
    assert len(set(found.values())) == len(found) == 600
    assert all(FIRST <= port < FIRST + COUNT for port in found.values())
    assert targets_of(ports(*reversed(few))) == found


def test_of_two_with_the_same_the_older_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "digest", lambda *_: "7")
    old, new = gateway("z", created="2026-01-01T00:00:00Z"), gateway("a", created="2026-01-02T00:00:00Z")
    assert targets_of(ports(new, old)) == {(("default", "z"), 80): FIRST + 7, (("default", "a"), 80): FIRST + 8}
