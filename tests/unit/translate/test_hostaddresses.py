"""Addresses of hosts that name none."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from tandem.model.meta import Object
from tandem.model.parse import parse
from tandem.model.world import World
from tandem.translate.hostaddresses import AUTOMATIC, RANGES, assign_hosts
from tandem.translate.options import Options

DUAL = Options(service_cidrs=("10.96.0.0/16", "fd00:10:96::/112"))


def entry(name: str = "api", host: str = "api.example.com", **fields: Any) -> Object:
    """A resolved entry; `labels`, `namespace`, `held` and `created` beside fields of the spec."""
    meta = {"name": name, "namespace": fields.pop("namespace", "shop"), "labels": fields.pop("labels", {})}
    if created := fields.pop("created", ""):
        meta["creationTimestamp"] = created
    held = fields.pop("held", "")
    spec = {"hosts": [host], "resolution": "DNS", "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}]}
    status = {"addresses": [{"value": held, "host": host}]} if held else {}
    api = "networking.istio.io/v1"
    return parse(
        {"apiVersion": api, "kind": "ServiceEntry", "metadata": meta, "spec": {**spec, **fields}, "status": status}
    )


def given(*entries: Object, options: Options = DUAL) -> dict[tuple[str, str], tuple[str, ...]]:
    return dict(assign_hosts(World.of(entries), options).by_host)


def test_a_host_gets_an_address_of_each_family_of_the_services() -> None:
    four, six = given(entry())["shop", "api.example.com"]
    assert ipaddress.ip_address(four) in RANGES[4]
    assert ipaddress.ip_address(six) in RANGES[6]
    assert len(given(entry(), options=Options())["shop", "api.example.com"]) == 1


def test_the_same_host_has_the_same_address_whatever_others_there_are() -> None:
    alone = given(entry())["shop", "api.example.com"]
    many = given(entry(), *(entry(f"e{i}", f"h{i}.example.com") for i in range(50)))
    assert many["shop", "api.example.com"] == alone
    assert len({a for addresses in many.values() for a in addresses}) == 102


def test_an_address_of_the_status_is_kept_and_taken_by_nobody_else() -> None:
    first = given(entry())["shop", "api.example.com"][0]
    found = given(entry("new", "new.example.com", held=first), entry())
    assert found["shop", "new.example.com"][0] == first
    assert found["shop", "api.example.com"][0] != first


def test_of_two_that_say_the_same_address_one_has_it() -> None:
    found = given(entry("a", "a.example.com", held="240.240.9.9"), entry("b", "b.example.com", held="240.240.9.9"))
    assert found["shop", "a.example.com"][0] == "240.240.9.9"
    assert found["shop", "b.example.com"][0] != "240.240.9.9"


@pytest.mark.parametrize("held", ["192.0.2.1", "nonsense", "10.96.0.1"])
def test_a_status_cannot_claim_an_address_out_of_the_range(held: str) -> None:
    assert given(entry(held=held)) == given(entry())


@pytest.mark.parametrize(
    "fields",
    [
        {"addresses": ["192.0.2.1"]},
        {"resolution": "NONE"},
        {"host": "*.example.com", "endpoints": [{"address": "192.0.2.1"}]},
        {"exportTo": ["."]},
        {"labels": {AUTOMATIC: "false"}},
    ],
)
def test_hosts_with_addresses_unresolved_wild_or_not_for_all_get_none(fields: dict[str, Any]) -> None:
    assert list(given(entry(**fields)).values()) == [()]


def test_of_one_host_in_two_namespaces_the_oldest_is_answered_for() -> None:
    old = entry(namespace="z", created="2026-01-01T00:00:00Z")
    new = entry(namespace="a", created="2026-02-01T00:00:00Z")
    found = given(new, old)
    assert found["z", "api.example.com"]
    assert not found["a", "api.example.com"]


def test_the_status_says_the_addresses_of_each_host() -> None:
    world = World.of([entry()])
    told = assign_hosts(world, Options()).by_entry["shop", "api"]
    assert [(one.host, one.value) for one in told] == [
        ("api.example.com", given(entry(), options=Options())["shop", "api.example.com"][0])
    ]
