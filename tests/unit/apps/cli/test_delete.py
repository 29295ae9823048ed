"""tandem delete over the embedded API."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from cliobjects import config, namespace, pod, policy

Tandem = Callable[..., Any]
Manifest = Callable[..., str]


def test_what_a_manifest_made_it_removes_in_reverse(tandem: Tandem, manifest: Manifest) -> None:
    inside = config()
    inside["metadata"]["namespace"] = "shop"
    file = manifest(namespace("shop"), inside)
    tandem("apply", "-f", file)
    result = tandem("delete", "-f", file)
    assert result.status == 0
    assert result.out.splitlines() == ['configmap "settings" deleted', 'namespace "shop" deleted']
    assert tandem("get", "ns", "shop").status == 1


def test_by_kind_and_name(tandem: Tandem, manifest: Manifest) -> None:
    tandem("apply", "--wait", "0", "-f", manifest(policy("a"), policy("b"), config("a")))
    assert tandem("delete", "netpol", "a", "b").out.splitlines() == [
        'networkpolicy.networking.k8s.io "a" deleted',
        'networkpolicy.networking.k8s.io "b" deleted',
    ]
    assert tandem("delete", "cm/a").out == 'configmap "a" deleted\n'


def test_what_is_not_there_gives_status_1_unless_that_is_fine(tandem: Tandem) -> None:
    result = tandem("delete", "pod", "gone")
    assert (result.status, result.err) == (1, 'error: pods "gone" not found\n')
    assert tandem("delete", "pod", "gone", "--ignore-not-found").status == 0


def test_a_pod_on_a_node_is_given_its_grace(tandem: Tandem, manifest: Manifest) -> None:
    tandem("apply", "-f", manifest(pod(node="node-1")))
    assert tandem("delete", "pod", "web-0", "--no-wait").status == 0
    assert "Terminating" in tandem("get", "pod", "web-0").out
    assert tandem("delete", "pod", "web-0", "--grace-period", "0").status == 0
    assert tandem("get", "pod", "web-0").status == 1


@pytest.mark.parametrize("arguments", [[], ["pod"], ["pod", "x", "-f", "y"], ["nonsense", "x"]])
def test_wrong_use_gives_status_2(tandem: Tandem, arguments: list[str]) -> None:
    assert tandem("delete", *arguments).status == 2


def test_json_names_what_was_deleted(tandem: Tandem, manifest: Manifest) -> None:
    tandem("apply", "-f", manifest(config(k="1")))
    told = json.loads(tandem("delete", "cm", "settings", "-o", "json").out)
    assert told == {"deleted": [{"kind": "ConfigMap", "namespace": "default", "name": "settings"}], "gone": True}
