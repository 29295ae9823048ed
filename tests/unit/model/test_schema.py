"""Objects against the complete field lists."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from tandem.model.images import Image, Images
from tandem.model.kinds import KINDS
from tandem.model.schema import _NO_COMMAND, inert, validate

NONE = Images()
POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "labels": {"app": "web"}},
    "spec": {"containers": [{"name": "c", "image": "host", "command": ["sleep", "1"]}]},
}


def pod(**changes: Any) -> dict[str, Any]:
    made = copy.deepcopy(POD)
    made["spec"].update(changes)
    return made


def test_a_sound_object_has_no_errors() -> None:
    assert validate(POD) == []


def test_an_unknown_field_is_named_with_its_path_and_a_suggestion() -> None:
    wrong = pod(containers=[{"name": "c", "comand": ["x"]}])
    assert validate(wrong) == ['spec.containers[0].comand: unknown field (did you mean "command"?)']


def test_all_errors_come_at_once() -> None:
    wrong = pod(containers=[{"name": "C", "ports": [{"containerPort": 0}]}], restartPolicy="Sometimes", nope=1)
    paths = [line.partition(": ")[0] for line in validate(wrong)]
    assert paths == [
        "spec.containers[0].name",
        "spec.containers[0].ports[0].containerPort",
        "spec.restartPolicy",
        "spec.nope",
    ]


@pytest.mark.parametrize(
    ("api", "kind", "more"),
    [
        ("batch/v1", "Job", ": a Pod with restartPolicy OnFailure or Never runs to its end once"),
        ("networking.k8s.io/v1", "networkpolicy", " (did you mean networking.k8s.io/v1 NetworkPolicy?)"),
        ("networking.istio.io/v1", "VirtualServices", " (did you mean networking.istio.io/v1 VirtualService?)"),
        ("monitoring.coreos.com/v1", "ServiceMonitor", "; `kubectl api-resources` lists the kinds that are"),
    ],
)
def test_an_unknown_kind_is_refused_with_what_there_is_in_its_place(api: str, kind: str, more: str) -> None:
    assert validate({"apiVersion": api, "kind": kind, "metadata": {"name": "x"}}) == [
        f"kind: {api} {kind} is not served{more}"
    ]


def test_a_missing_version_is_asked_for() -> None:
    assert validate({"kind": "Pod", "metadata": {"name": "x"}, "spec": POD["spec"]}) == [
        "apiVersion: is required: Pod is served as v1"
    ]


def test_a_wrong_version_is_refused_with_the_served_ones() -> None:
    raw = {"apiVersion": "apps/v1beta1", "kind": "Pod", "metadata": {"name": "x"}, "spec": POD["spec"]}
    assert validate(raw) == ["apiVersion: 'apps/v1beta1': Pod is served as v1"]


@pytest.mark.parametrize(
    ("meta", "path"),
    [
        ({}, "metadata.name"),
        ({"name": "Web"}, "metadata.name"),
        ({"name": "web", "namespace": "a.b"}, "metadata.namespace"),
        ({"name": "web", "labels": {"a b": "c"}}, "metadata.labels"),
        ({"name": "web", "labels": {"a": "c d"}}, "metadata.labels[a]"),
        ({"name": "web", "annotations": {"a": 1}}, "metadata.annotations[a]"),
        ({"generateName": "Web-"}, "metadata.generateName"),
    ],
)
def test_names_and_labels_have_a_syntax(meta: dict[str, Any], path: str) -> None:
    assert [line.partition(": ")[0] for line in validate({**POD, "metadata": meta})] == [path]


def test_a_service_name_begins_with_a_letter() -> None:
    raw = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "1st"}, "spec": {"ports": [{"port": 80}]}}
    assert validate(raw)[0].startswith("metadata.name: '1st' is not a DNS label that begins with a letter")


def test_a_namespaced_place_is_refused_for_a_cluster_wide_kind() -> None:
    raw = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x", "namespace": "y"}}
    assert validate(raw) == ["metadata.namespace: Namespace is not namespaced"]


def test_metadata_is_required() -> None:
    assert validate({"apiVersion": "v1", "kind": "ConfigMap"}) == ["metadata: is required"]


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.kind)
def test_every_served_kind_has_a_table_with_metadata_and_status_where_it_has_one(kind: Any) -> None:
    raw = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": "x"}, "status": {}, "zzz": 1}
    unknown = [line for line in validate(raw) if "unknown field" in line]
    assert unknown == [f"{f}: unknown field" for f in (() if kind.status else ("status",)) + ("zzz",)]


@pytest.mark.parametrize("name", ["networkpolicy-deny-all", "virtualservice-my-service"])
def test_the_widely_copied_manifests_are_valid(name: str) -> None:
    files = {
        "networkpolicy-deny-all": "{podSelector: {matchLabels: {role: frontend}}, policyTypes: [Ingress], "
        "ingress: [{from: []}]}",
        "virtualservice-my-service": "{hosts: [a], http: [{match: [{uri: {prefix: /v1}}], "
        "route: [{destination: {host: a, subset: v1}}]}]}",
    }
    kinds = {
        "networkpolicy-deny-all": ("networking.k8s.io/v1", "NetworkPolicy"),
        "virtualservice-my-service": ("networking.istio.io/v1alpha3", "VirtualService"),
    }
    version, kind = kinds[name]
    raw = {"apiVersion": version, "kind": kind, "metadata": {"name": "x"}, "spec": yaml.safe_load(files[name])}
    assert validate(raw) == []


def test_inert_fields_are_named_with_the_reason() -> None:
    raw = pod(activeDeadlineSeconds=5, containers=[{"name": "c", "image": "nginx", "resources": {"a": 1}}])
    assert [line.partition(":")[0] for line in inert(raw, NONE)] == [
        "spec.activeDeadlineSeconds",
        "spec.containers[0].resources",
        "spec.containers[0].image",
    ]


def test_defaults_and_empty_values_are_not_called_inert() -> None:
    service = {"kind": "Service", "spec": {"sessionAffinity": "None", "internalTrafficPolicy": "Cluster"}}
    assert inert(service, NONE) == []
    assert inert(pod(securityContext={}, schedulerName="default-scheduler"), NONE) == []


def test_inert_looks_into_a_deployments_template() -> None:
    raw = {"kind": "Deployment", "spec": {"template": {"spec": {"containers": [{"name": "c", "image": "nginx"}]}}}}
    assert inert(raw, NONE)[0].startswith(
        "spec.template.spec.containers[0].image: 'nginx' does not start: there is no `command`"
    )


def test_what_becomes_of_an_image_is_told_unless_it_is_here() -> None:
    here = Images((Image(image="redis", root="/r"),))
    containers = [
        {"name": "a", "image": "nginx"},
        {"name": "b", "image": "nginx", "command": ["sleep", "9"]},
        {"name": "c", "image": "redis:7"},
        {"name": "d", "image": "host"},
    ]
    assert [line.partition(" (")[0] for line in inert(pod(containers=containers), here)] == [
        f"spec.containers[0].image: 'nginx' does not start: {_NO_COMMAND}",
        "spec.containers[1].image: 'nginx' has no effect: `command` is run of this machine's programs",
    ]


def test_the_generated_tables_are_those_of_the_generator() -> None:
    import subprocess
    import sys

    tool = Path(__file__).parents[3] / "tools" / "make_schemas.py"
    assert subprocess.run([sys.executable, str(tool), "--check"], check=False).returncode == 0


def test_a_null_label_is_an_error_of_custom_resources_alone() -> None:
    peer = {"matchLabels": {"team": None}}
    cluster = {"subject": {"namespaces": peer}, "tier": "Admin", "priority": 1}
    custom = {"apiVersion": "policy.networking.k8s.io/v1beta1", "kind": "ClusterNetworkPolicy", "spec": cluster}
    assert validate({**custom, "metadata": {"name": "c"}}) == [
        "spec.subject.namespaces.matchLabels[team]: must be a string, not null"
    ]
    own = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "spec": {"podSelector": peer}}
    assert validate({**own, "metadata": {"name": "n", "namespace": "shop"}}) == []
