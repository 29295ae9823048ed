from __future__ import annotations

from typing import Any

from tandem.apps.cli.naming import SHOWN, names_of, patterns_in

POLICY: dict[str, Any] = {
    "kind": "ClusterNetworkPolicy",
    "spec": {
        "egress": [
            {"action": "Accept", "to": [{"domainNames": ["API.example.com.", "*.shop.test"]}, {"nodes": {}}]},
            {"action": "Deny", "to": [{"networks": ["0.0.0.0/0"]}]},
        ]
    },
}


def node(name: str, **addresses: list[str]) -> dict[str, Any]:
    return {"name": name, "names": {"addresses": {key.replace("_", "."): found for key, found in addresses.items()}}}


def test_names_are_those_of_every_rule() -> None:
    assert patterns_in(POLICY) == {"api.example.com", "*.shop.test"}
    assert patterns_in({"spec": {}}) == patterns_in({}) == frozenset()


def test_each_name_is_told_where_it_is_known() -> None:
    nodes = [
        node("node-2", www_shop_test=["192.0.2.2"], shop_test=["192.0.2.3"]),
        node("node-1", www_shop_test=["192.0.2.1", "2001:db8::1"], api_example_com=["192.0.2.9"]),
        {"name": "old", "names": None},
        {"name": "new"},
    ]
    assert names_of(POLICY, nodes) == [
        "api.example.com on node-1: 192.0.2.9",
        "www.shop.test on node-1: 192.0.2.1, 2001:db8::1",
        "www.shop.test on node-2: 192.0.2.2",
    ]


def test_of_many_addresses_the_number_is_told() -> None:
    many = [f"192.0.2.{n}" for n in range(SHOWN + 3)]
    [line] = names_of(POLICY, [node("node-1", www_shop_test=many)])
    assert line.endswith(f"{many[SHOWN - 1]} and 3 more")
