"""tandem apply over the embedded API."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from cliobjects import config, namespace, pod, policy
from tandem.ingest.merge import LAST_APPLIED

Tandem = Callable[..., Any]
Manifest = Callable[..., str]


def test_created_then_unchanged_then_configured(tandem: Tandem, manifest: Manifest) -> None:
    file = manifest(config(k="1"))
    assert tandem("apply", "-f", file).out == "configmap/settings created\n"
    assert tandem("apply", "-f", file).out == "configmap/settings unchanged\n"
    assert tandem("apply", "-f", manifest(config(k="2"))).out == "configmap/settings configured\n"


def test_what_left_the_manifest_disappears(tandem: Tandem, manifest: Manifest) -> None:
    tandem("apply", "-f", manifest(config(k="1", gone="2")))
    tandem("apply", "-f", manifest(config(k="1")))
    stored = json.loads(tandem("get", "cm", "settings", "-o", "json").out)
    assert stored["data"] == {"k": "1"}
    assert LAST_APPLIED in stored["metadata"]["annotations"]


def test_namespaces_come_first_and_pods_last(tandem: Tandem, manifest: Manifest) -> None:
    there = {"metadata": {"name": "p", "namespace": "shop"}}
    result = tandem("apply", "-f", manifest({**pod(), **there}, {**policy(), **there}, namespace("shop")))
    assert result.status == 0
    assert result.out.splitlines() == [
        "namespace/shop created",
        "networkpolicy.networking.k8s.io/p created",
        "pod/p created",
    ]


def test_nothing_is_sent_when_one_manifest_is_wrong(tandem: Tandem, manifest: Manifest) -> None:
    wrong = config("b")
    wrong["dada"] = {}
    file = manifest(config("a"), wrong)
    result = tandem("apply", "-f", file)
    assert result.status == 1
    assert result.err.startswith(f"error: {file}:")
    assert "dada: unknown field" in result.err
    assert tandem("get", "cm", "a").status == 1


def test_nothing_is_sent_to_a_namespace_that_does_not_exist(tandem: Tandem, manifest: Manifest) -> None:
    file = manifest(config("a"))
    result = tandem("apply", "-n", "nowhere", "-f", file)
    assert (result.status, result.out) == (1, "")
    assert result.err.splitlines() == [
        f"error: {file}:1: metadata.namespace: there is no namespace 'nowhere'",
        "error: nothing was applied",
    ]


def test_a_dry_run_sends_nothing(tandem: Tandem, manifest: Manifest) -> None:
    assert tandem("apply", "--dry-run", "-f", manifest(config())).out == "configmap/settings created (dry run)\n"
    assert tandem("get", "cm", "settings").status == 1


def test_a_refused_object_gives_status_1_and_the_others_go_on(tandem: Tandem, manifest: Manifest) -> None:
    tandem("apply", "-f", manifest(pod("a")))
    changed = pod("a")
    changed["spec"]["containers"][0]["command"] = ["other"]
    result = tandem("apply", "-f", manifest(changed, config()))
    assert result.status == 1
    assert "error: pod/a: " in result.err
    assert "configmap/settings created" in result.out


def test_the_servers_warnings_are_shown_with_what_they_are_about(tandem: Tandem, manifest: Manifest) -> None:
    told = tandem("apply", "-f", manifest(config("a"), config("b"))).err
    assert "Warning: configmap/a: looked at ConfigMap\n" in told
    assert "Warning: configmap/b: looked at ConfigMap\n" in told


def test_without_a_file_the_use_is_wrong(tandem: Tandem) -> None:
    result = tandem("apply")
    assert result.status == 2
    assert result.err.startswith("error: Missing option")


def test_json_tells_each_outcome_and_all_warnings(tandem: Tandem, manifest: Manifest) -> None:
    result = tandem("apply", "-f", manifest(config(k="1")), "-o", "json")
    told = json.loads(result.out)
    assert told["objects"] == [
        {"kind": "ConfigMap", "namespace": "default", "name": "settings", "outcome": "created", "message": ""}
    ]
    assert (told["dryRun"], isinstance(told["warnings"], list)) == (False, True)
