"""tandem status from a view, without control."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tandem.apps.cli import status
from tandem.apps.cli.main import run

NODE: dict[str, Any] = {
    "name": "node-1",
    "address": "198.18.116.11",
    "addresses": ["198.18.116.11"],
    "podCIDR": "10.244.0.0/24",
    "podCIDRs": ["10.244.0.0/24"],
    "ready": True,
    "agent": {"connected": True, "pid": 6},
    "envoy": {"pid": 41234, "version": "1.40.0", "ready": True, "adopted": False, "restarts": 0},
    "network": {"fabric": "vxlan", "mtu": 1450, "underlayMTU": 1500, "overhead": 50, "paths": [], "problems": []},
    "resources": {"sent": 157, "accepted": 157, "refused": []},
    "certificates": [
        {"identity": "spiffe://cluster.local/ns/shop/sa/b", "notAfter": "2026-11-25T00:00:00Z"},
        {"identity": "spiffe://cluster.local/ns/shop/sa/a", "notAfter": "2026-11-24T00:00:00Z"},
    ],
    "problems": [],
    "pods": 12,
}
POD: dict[str, Any] = {
    "namespace": "shop",
    "name": "inventory-5bf4d6c9d-x2k4q",
    "node": "node-1",
    "address": "10.244.0.12",
    "addresses": ["10.244.0.12"],
    "phase": "Running",
    "ready": True,
    "message": "",
    "mesh": True,
    "identity": "spiffe://cluster.local/ns/shop/sa/inventory",
}
OBJECT: dict[str, Any] = {
    "kind": "VirtualService",
    "namespace": "shop",
    "name": "v",
    "programmed": True,
    "message": "",
}
VIEW: dict[str, Any] = {"nodes": [NODE], "pods": [POD], "deployments": [], "objects": [OBJECT], "problems": []}
PROBLEM = {
    "severity": "error",
    "code": "SubsetNotFound",
    "text": "no subset v1",
    "origin": {
        "kind": "VirtualService",
        "namespace": "shop",
        "name": "v",
        "path": "spec.http[0]",
        "source": "v:9",
    },
}


def shown(view: dict[str, Any], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(status, "with_client", lambda _work, _path: view)
    return run(["status", *arguments])


def test_a_healthy_cluster_reads_like_kubectl(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shown(VIEW, monkeypatch) == 0
    assert capsys.readouterr().out == (
        "NODE    READY  ADDRESS        POD-CIDR       PODS  ACCEPTED  ENVOY   PID\n"
        "node-1  yes    198.18.116.11  10.244.0.0/24  12    157/157   1.40.0  41234\n"
        "\n"
        "POD                             READY  PHASE    ADDRESS      NODE    MESH-IDENTITY\n"
        "shop/inventory-5bf4d6c9d-x2k4q  yes    Running  10.244.0.12  node-1  cluster.local/ns/shop/sa/inventory\n"
        "\n"
        "network of node-1: fabric vxlan, MTU 1450 of 1500 on the underlay\n"
        "objects: all 1 in force\n"
        "certificates: 2, the nearest expiry at 2026-11-24T00:00:00Z\n"
        "problems: none\n"
    )


def test_eighty_columns_break_no_word_and_hold_every_line() -> None:
    message = "waiting for node node-1, " * 8
    view = {**VIEW, "objects": [{**OBJECT, "programmed": False, "message": message}], "problems": [PROBLEM]}
    narrow, wide = status.paint(view, width=80), status.paint(view, width=0)
    assert max(map(len, narrow)) <= 80
    assert set(" ".join(wide).split()) <= set(" ".join(narrow).split()) | {"MESH-IDENTITY"}
    assert "    mesh-identity: cluster.local/ns/shop/sa/inventory" in narrow


def test_what_envoy_has_acknowledged_is_shown_by_type_and_version() -> None:
    types = {"Cluster": {"resources": 12, "version": "1f2e3d"}, "Secret": {"resources": 0, "version": "e3b0"}}
    node = {**NODE, "envoy": {**NODE["envoy"], "acknowledged": types}}
    assert "Envoy of node-1 acknowledged: Cluster 12 (1f2e3d)" in status.paint({**VIEW, "nodes": [node]}, width=80)


def test_bgp_sessions_are_counted_and_a_node_without_bgp_says_nothing() -> None:
    up = {"peer": "node node-2", "state": "Established", "accepted": 1, "refused": 2, "announced": 3}
    down = {"peer": "node node-3", "state": "Active", "accepted": 0, "refused": 0, "announced": 0}
    lines = status.paint({**VIEW, "nodes": [{**NODE, "bgp": {"sessions": [up, down]}}]}, width=200)
    assert "BGP of node-1: 1 of 2 sessions established; prefixes: 1 accepted, 2 refused, 3 announced" in lines
    assert not any("BGP" in line for line in status.paint({**VIEW, "nodes": [{**NODE, "bgp": None}]}, width=200))


def test_what_others_changed_is_told_with_who_did_it() -> None:
    newest = {"time": "2026-11-28T18:00:00Z", "by": "nft", "pid": 7, "what": ["chain a removed"]}
    node = {**NODE, "drift": {"found": 2, "repaired": 2, "newest": [newest]}}
    lines = status.paint({**VIEW, "nodes": [node]}, width=200)
    text = "rules and links of node-1 were changed by others: 2, repaired: 2; the last by nft (process 7) at"
    text += " 2026-11-28T18:00:00Z"
    assert f"{text}: chain a removed" in lines
    inside = {**node, "drift": {"found": 2, "repaired": 2, "newest": [{**newest, "pod": "shop/a"}]}}
    lines = status.paint({**VIEW, "nodes": [inside]}, width=200)
    assert any(
        "by nft (process 7) inside pod shop/a at 2026-11-28T18:00:00Z: chain a removed" in line for line in lines
    )


def test_what_policy_has_judged_is_one_line() -> None:
    judged = [{"verdict": v, "count": n} for v, n in (("allowed", 3), ("denied", 2), ("staged", 1))]
    lines = status.paint({**VIEW, "policy": judged}, width=200)
    assert "policy: 3 connections allowed, 2 packets denied, 1 would be by staged policies" in lines


def test_encryption_says_who_does_it_and_who_has_answered() -> None:
    peers = [{"node": "node-2", "handshake": "2026-11-28T16:14:50Z"}, {"node": "node-3", "handshake": ""}]
    for by, who in (("tun", "wireguard-go"), ("wireguard", "the kernel")):
        node = {**NODE, "encryption": {"by": by, "publicKey": "k", "ready": True, "peers": peers}}
        lines = status.paint({**VIEW, "nodes": [node]}, width=200)
        assert f"encryption of node-1: by {who}; 1 of 2 nodes have answered" in lines


def test_the_fast_path_says_what_went_it_or_why_there_is_none() -> None:
    for why, text in (("", "12 addresses, 345 packets"), ("no such function", "off: no such function")):
        node = {**NODE, "fastPath": {"addresses": 12, "packets": 345, "why": why}}
        assert f"fast path of node-1: {text}" in status.paint({**VIEW, "nodes": [node]}, width=200)
    assert not any("fast path" in line for line in status.paint(VIEW, width=200))


def test_a_restarted_envoy_says_how_often() -> None:
    node = {**NODE, "envoy": {**NODE["envoy"], "restarts": 3}}
    assert status.paint({**VIEW, "nodes": [node]}, width=0)[1].endswith("1.40.0  41234 (restarts: 3)")


def test_an_object_that_is_not_in_force_says_why_and_gives_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    waiting = {**OBJECT, "name": "w", "programmed": False, "message": "refused by node node-1: bad regex"}
    assert shown({**VIEW, "objects": [OBJECT, waiting]}, monkeypatch) == 1
    assert (
        "objects: 1 of 2 in force; these are not:\n  VirtualService shop/w: refused by node node-1: bad regex\n"
        in capsys.readouterr().out
    )


def test_problems_name_rule_and_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown({**VIEW, "problems": [PROBLEM]}, monkeypatch) == 1
    assert "error: VirtualService shop/v spec.http[0] (v:9): no subset v1" in capsys.readouterr().out


def test_what_several_nodes_say_alike_is_told_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nodes = [{**NODE, "name": name, "problems": ["no BGP session with 192.0.2.9"]} for name in ("node-1", "node-2")]
    shown({**VIEW, "nodes": nodes}, monkeypatch)
    assert "error: nodes node-1, node-2: no BGP session with 192.0.2.9" in capsys.readouterr().out


def test_a_node_that_can_give_no_pod_an_address_is_a_problem(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown({**VIEW, "nodes": [{**NODE, "ready": False, "podCIDR": "", "podCIDRs": []}]}, monkeypatch)
    assert "error: node node-1: no pool has a block of pod addresses for it" in capsys.readouterr().out


def test_a_node_that_is_not_ready_gives_status_1_and_tells_what_it_refuses(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    node = {
        **NODE,
        "ready": False,
        "agent": {"connected": False, "pid": 0},
        "resources": {"sent": 3, "accepted": 2, "refused": ["RouteTable shop/web: bad regex"]},
        "problems": ["kernel: no such file"],
        "certificates": [],
    }
    assert shown({**VIEW, "nodes": [node]}, monkeypatch) == 1
    out = capsys.readouterr().out
    assert "error: node node-1: its agent is not connected" in out
    assert "error: node node-1: RouteTable shop/web: bad regex" in out
    assert "error: node node-1: kernel: no such file" in out
    assert "certificates: none" in out


def test_an_unready_pod_says_why() -> None:
    pod = {
        **POD,
        "ready": False,
        "phase": "Pending",
        "address": "",
        "addresses": [],
        "identity": "",
        "message": "no address is free",
    }
    lines = status.paint({**VIEW, "pods": [pod]}, width=0)
    assert "  warning: pod shop/inventory-5bf4d6c9d-x2k4q: no address is free" in lines
    assert lines[4].split()[1:] == ["no", "Pending", "-", "node-1", "-"]


def test_an_empty_cluster_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    empty: dict[str, Any] = {"nodes": [], "pods": [], "deployments": [], "objects": [], "problems": []}
    assert shown(empty, monkeypatch) == 0
    assert capsys.readouterr().out.startswith("no node has registered\n")


def test_json_is_the_view_itself(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    shown({**VIEW, "problems": [PROBLEM]}, monkeypatch, "-o", "json")
    assert json.loads(capsys.readouterr().out) == {**VIEW, "problems": [PROBLEM]}


def test_an_unknown_form_is_wrong_use(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(VIEW, monkeypatch, "-o", "wide") == 2


def test_addresses_of_both_families_stand_side_by_side(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    both = ["10.244.0.12", "fd00:10:244::c"]
    shown({**VIEW, "pods": [{**POD, "addresses": both}]}, monkeypatch)
    assert "10.244.0.12,fd00:10:244::c" in capsys.readouterr().out


def test_names_of_policies_are_counted_where_there_are_any() -> None:
    names = {"patterns": ["*.shop.test", "example.test"], "known": 3, "addresses": {}}
    lines = status.paint({**VIEW, "nodes": [{**NODE, "names": names}]}, width=120)
    assert "names of node-1: policies are about 2 patterns; 3 names have addresses" in lines
    for nothing in ({"names": {**names, "patterns": []}}, {"names": None}, {}):
        assert not any("names of" in line for line in status.paint({**VIEW, "nodes": [{**NODE, **nothing}]}, width=120))
