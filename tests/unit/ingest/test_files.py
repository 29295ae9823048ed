"""Manifest files -> raw objects with their source, or errors with file and line."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from tandem.ingest.files import ManifestError, read_objects
from tandem.model.meta import LINES_ANNOTATION, SOURCE_ANNOTATION
from tandem.model.parse import parse

POLICY = """\
# a comment
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: p
spec:
  podSelector: {}
  policyTypes: [Ingress]
  ingress:
  - from:
    - podSelector: {}
  - ports:
    - port: 80
"""
CONFIG = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: {name}
"""


def errors_of(path: Path, **options: Any) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        read_objects([path], **options)
    return [e.replace(str(path), "f.yaml") for e in caught.value.errors]


def test_objects_know_file_and_lines(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(f"{CONFIG.format(name='a')}---\n{POLICY}")
    config, found = read_objects([file])
    assert config["metadata"]["annotations"] == {SOURCE_ANNOTATION: f"{file}:1"}
    assert found["metadata"]["annotations"][SOURCE_ANNOTATION] == f"{file}:7"
    assert "spec.ingress[0]=15,spec.ingress[1]=17" in found["metadata"]["annotations"][LINES_ANNOTATION]


def test_the_rule_in_the_model_points_at_its_own_line(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(POLICY)
    (raw,) = read_objects([tmp_path])
    found = parse(raw)
    assert found.origin("spec.ingress[1]").source == f"{tmp_path}/p.yaml:12"


def test_directories_are_read_recursively_and_in_order(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "c.json").write_text(
        '{\n\t"apiVersion": "v1",\n\t"kind": "ConfigMap",\n\t"metadata": {"name": "c"}\n}\n'
    )
    (tmp_path / "b.yml").write_text(CONFIG.format(name="b"))
    (tmp_path / "a.yaml").write_text(CONFIG.format(name="a"))
    (tmp_path / "notes.txt").write_text("not a manifest")
    assert [o["metadata"]["name"] for o in read_objects([tmp_path])] == ["a", "b", "c"]


def test_a_list_is_expanded_with_the_lines_of_its_items(tmp_path: Path) -> None:
    file = tmp_path / "l.yaml"
    item = "- apiVersion: v1\n  kind: ConfigMap\n  metadata:\n    name: {}\n"
    file.write_text("apiVersion: v1\nkind: List\nitems:\n" + item.format("a") + item.format("b"))
    assert [o["metadata"]["annotations"][SOURCE_ANNOTATION] for o in read_objects([file])] == [f"{file}:4", f"{file}:8"]


def test_stdin_is_a_dash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(CONFIG.format(name="a").encode())))
    (found,) = read_objects(["-"])
    assert found["metadata"]["annotations"][SOURCE_ANNOTATION] == "stdin:1"


def test_the_namespace_is_filled_in_where_none_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(CONFIG.format(name="a") + "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n")
    config, namespace = read_objects([file], namespace="shop")
    assert config["metadata"]["namespace"] == "shop"
    assert "namespace" not in namespace["metadata"]


def test_another_namespace_than_asked_for_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(CONFIG.format(name="a") + "  namespace: other\n")
    assert errors_of(file, namespace="shop") == [
        "f.yaml:5: metadata.namespace: 'other' is not 'shop', which -n asks for"
    ]


def test_an_unknown_field_is_named_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(POLICY.replace("podSelector: {}\n  policy", "podSelektor: {}\n  policy"))
    errors = errors_of(file)
    assert errors[0].startswith("f.yaml:7: spec.podSelektor: unknown field")


def test_every_mistake_of_every_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("apiVersion: v1\nkind: Nonsense\nmetadata: {name: x}\n")
    (tmp_path / "b.yaml").write_text("a: 1\na: 2\n")
    (tmp_path / "c.yaml").write_text("just text\n")
    with pytest.raises(ManifestError) as caught:
        read_objects([tmp_path])
    heads = [e.removeprefix(f"{tmp_path}/")[:8] for e in caught.value.errors]
    assert heads == ["a.yaml:2", "b.yaml:2", "c.yaml:1"]


def test_the_list_of_one_kind_is_expanded_and_its_items_need_not_say_what_they_are(tmp_path: Path) -> None:
    file = tmp_path / "list.yaml"
    file.write_text("apiVersion: v1\nkind: ConfigMapList\nitems:\n- metadata: {name: a}\n- metadata: {name: B}\n")
    with pytest.raises(ManifestError) as caught:
        read_objects([file])
    assert caught.value.errors == (f"{file}:5: metadata.name: 'B' is not a DNS name (a-z, 0-9, '-', '.', at most 253)",)
    file.write_text("apiVersion: v1\nkind: ConfigMapList\nitems:\n- metadata: {name: a}\n")
    (found,) = read_objects([file])
    assert (found["apiVersion"], found["kind"], found["metadata"]["name"]) == ("v1", "ConfigMap", "a")
    file.write_text("apiVersion: v1\nkind: JobList\nitems: []\n")
    with pytest.raises(ManifestError, match="JobList is not served"):
        read_objects([file])


def test_a_kustomization_is_rendered_by_others(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("resources: [web.yaml]\n")
    (tmp_path / "patch.yaml").write_text("- op: add\n")  # what belongs to it is no object either, and is not told of
    with pytest.raises(
        ManifestError, match=rf"^{tmp_path}/kustomization.yaml:1: .*`kubectl kustomize {tmp_path}`[^\n]*$"
    ):
        read_objects([tmp_path])


def test_what_is_no_text_is_told_with_the_file_of_a_directory_and_its_line(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes("apiVersion: v1\nkind: ConfigMap # café\n".encode("latin-1"))
    with pytest.raises(ManifestError, match=f"{file}:2: not UTF-8"):
        read_objects([tmp_path])


def test_lines_of_windows_and_a_mark_at_the_beginning_change_nothing(tmp_path: Path) -> None:
    (file := tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbf" + CONFIG.format(name="a").replace("\n", "\r\n").encode())
    (found,) = read_objects([file])
    assert found["metadata"]["annotations"][SOURCE_ANNOTATION] == f"{file}:1"


def test_the_same_object_twice_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(CONFIG.format(name="a") + "---\n" + CONFIG.format(name="a"))
    assert errors_of(file) == ["f.yaml:6: metadata.name: ConfigMap 'a' is defined before, at f.yaml:1"]


def test_a_missing_path_and_an_empty_directory_are_errors(tmp_path: Path) -> None:
    assert errors_of(tmp_path / "gone.yaml") == ["f.yaml: No such file or directory"]
    assert errors_of(tmp_path) == ["f.yaml: no *.yaml, *.yml, *.json in this directory"]


def test_what_a_policy_may_not_say_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_text(
        """\
apiVersion: policy.networking.k8s.io/v1beta1
kind: ClusterNetworkPolicy
metadata: {name: c}
spec:
  tier: Admin
  priority: 5
  subject: {namespaces: {}}
  egress:
  - action: Deny
    to:
    - networks:
      - 10.0.0.0/8
      - 10.1.0.0/8
  - action: Permit
    to: [{nodes: {}}]
"""
    )
    assert errors_of(path) == [
        'f.yaml:14: spec.egress[1].action: Unsupported value: "Permit": supported values: "Accept", "Deny", "Pass"'
    ]
    path.write_text(path.read_text().replace("Permit", "Deny"))
    assert errors_of(path) == [
        (
            'f.yaml:13: spec.egress[0].to[0].networks[1]: Invalid value: "10.1.0.0/8": has bits beyond its length: '
            "10.0.0.0/8 may be meant"
        )
    ]


def test_kinds_that_are_left_out_are_not_looked_at(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("apiVersion: networking.k8s.io/v1\nkind: Ingress\n")
    assert read_objects([tmp_path], skip=["ingress"]) == []
    with pytest.raises(ManifestError, match="Ingress"):
        read_objects([tmp_path], skip=["Pod"])


def test_reading_tells_how_far_it_is(tmp_path: Path) -> None:
    one = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c%d}\n"
    (tmp_path / "a.yaml").write_text("---\n".join(one % i for i in range(3)))
    told: list[int] = []
    read_objects([tmp_path], tell=told.append)
    assert told == [1, 2, 3]
