"""Status of Istio's Gateways."""

from __future__ import annotations

from typing import Any

from ingressworlds import gateway, server, translated
from tandem.model.istiogateway import IstioGateway
from tandem.model.parse import parse
from tandem.translate.ingress.status import State, ingress_patch

NOW = 1_800_000_000.0


def status(one: IstioGateway, state: State = (True, "")) -> dict[str, Any]:
    found = translated(one)
    told = found.told.get(("IstioGateway", *one.key), ())
    patch = ingress_patch(one, found.edge.ingress.get(one.key), told, state, NOW)
    assert patch is not None
    assert patch.kind == "IstioGateway"
    body: dict[str, Any] = patch.body["status"]
    return body


def conditions(one: IstioGateway, state: State = (True, "")) -> dict[str, tuple[str, str]]:
    return {c["type"]: (c["status"], c["reason"]) for c in status(one, state)["conditions"]}


def test_one_that_is_in_force_has_its_addresses() -> None:
    assert conditions(gateway()) == {"Accepted": ("True", "Accepted"), "Programmed": ("True", "Programmed")}
    assert status(gateway())["addresses"] == [{"value": "192.0.2.78"}]


def test_one_that_selects_something_else_has_none() -> None:
    one = gateway(selector={"istio": "mygateway"})
    assert conditions(one) == {"Accepted": ("False", "NotSelected"), "Programmed": ("False", "Invalid")}
    assert "addresses" not in status(one)


def test_it_waits_for_nodes_and_says_if_there_are_none() -> None:
    assert conditions(gateway(), (False, "node n1 has not answered"))["Programmed"] == ("False", "Pending")
    assert conditions(gateway(), None)["Programmed"] == ("False", "NoResources")


def test_one_of_which_nothing_can_be_served_is_not_programmed() -> None:
    one = gateway("shop", server(bind="192.0.2.1"))
    assert conditions(one) == {"Accepted": ("False", "UnsupportedField"), "Programmed": ("False", "Invalid")}


def test_nothing_is_written_where_nothing_changed() -> None:
    one = gateway()
    meta = {"name": "shop", "namespace": "default", "generation": 1}
    spec = {"selector": {"istio": "ingressgateway"}, "servers": [server()]}
    raw = {"apiVersion": one.api_version, "kind": "Gateway", "metadata": meta, "spec": spec, "status": status(one)}
    again = parse(raw)
    assert isinstance(again, IstioGateway)
    found = translated(again)
    assert ingress_patch(again, found.edge.ingress[again.key], (), (True, ""), NOW) is None
