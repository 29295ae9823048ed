"""tandem get over the embedded API."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from apiserving import RunningServer
from cliobjects import config, pod, policy, service

Tandem = Callable[..., Any]
Manifest = Callable[..., str]


@pytest.fixture(autouse=True)
def objects(tandem: Tandem, manifest: Manifest) -> None:
    tandem("apply", "--wait", "0", "-f", manifest(config(k="v"), pod(labels={"app": "web"}), policy(), service()))


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_pods_have_the_columns_that_kubectl_users_expect(tandem: Tandem) -> None:
    head, row = rows(tandem("get", "pods").out)
    assert head == ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE"]
    assert row[:4] == ["web-0", "0/1", "Pending", "0"]
    assert row[5:] == ["<none>", "<none>"]


def test_wide_says_who_is_in_the_mesh(tandem: Tandem) -> None:
    head, row = rows(tandem("get", "pods", "-o", "wide").out)
    assert (head[-1], row[-1]) == ("MESH", "out")


def test_policies_say_whether_they_are_programmed(tandem: Tandem) -> None:
    head, row = rows(tandem("get", "netpol").out)
    assert head == ["NAME", "POD-SELECTOR", "TYPES", "PROGRAMMED", "AGE"]
    assert row[:4] == ["deny-all", "<all>", "Ingress", "Unknown"]


def test_all_namespaces_adds_a_column(tandem: Tandem) -> None:
    assert rows(tandem("get", "po", "-A").out)[0][0] == "NAMESPACE"


def test_several_kinds_are_set_apart(tandem: Tandem) -> None:
    out = tandem("get", "pods,svc").out
    assert [line for line in out.splitlines() if line.endswith(":")] == ["pods:", "services:"]


def test_one_object_as_json_and_yaml_is_the_object_itself(tandem: Tandem) -> None:
    one = json.loads(tandem("get", "cm", "settings", "-o", "json").out)
    assert (one["kind"], one["data"]) == ("ConfigMap", {"k": "v"})
    assert yaml.safe_load(tandem("get", "cm/settings", "-o", "yaml").out) == one


def test_several_objects_as_json_are_a_list(tandem: Tandem) -> None:
    found = json.loads(tandem("get", "pods", "-o", "json").out)
    assert found["kind"] == "List"
    assert [i["metadata"]["name"] for i in found["items"]] == ["web-0"]


def test_names_alone(tandem: Tandem) -> None:
    assert tandem("get", "netpol", "-o", "name").out == "networkpolicy.networking.k8s.io/deny-all\n"


def test_a_selector_narrows(tandem: Tandem) -> None:
    assert len(rows(tandem("get", "po", "-l", "app=web").out)) == 2
    nothing = tandem("get", "po", "-l", "app=api")
    assert (nothing.status, nothing.out) == (0, "")
    assert nothing.err == "no objects found in namespace default\n"


def test_a_missing_object_gives_status_1(tandem: Tandem) -> None:
    result = tandem("get", "pod", "gone")
    assert (result.status, result.out) == (1, "")
    assert result.err.startswith('error: pods "gone" not found')


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "there is no kind 'nonsense'"),
        (["pods", "-o", "xml"], "-o xml: choose one of"),
        (["pods", "x", "-A"], "a NAME goes with neither"),
        (["pods,svc", "-w"], "one kind at a time"),
    ],
)
def test_wrong_use_gives_status_2(tandem: Tandem, arguments: list[str], message: str) -> None:
    result = tandem("get", *arguments)
    assert result.status == 2
    assert message in result.err


def test_watching_prints_each_change_until_interrupted(
    tandem: Tandem, manifest: Manifest, server: RunningServer
) -> None:
    environment = {**os.environ, "TANDEM_RUN_DIR": str(server.directory), "PYTHONPATH": "src"}
    command = [sys.executable, "-m", "tandem.apps.cli.main", "get", "cm", "-o", "name", "-w"]
    watching = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        assert watching.stdout is not None
        assert watching.stdout.readline() == "configmap/settings\n"
        tandem("apply", "-f", manifest(config("another")))
        assert watching.stdout.readline() == "configmap/another\n"
        watching.send_signal(signal.SIGINT)
        rest, errors = watching.communicate(timeout=30)
        assert (rest, errors, watching.returncode) == ("", "", 130)
    finally:
        watching.kill()
        watching.communicate()
