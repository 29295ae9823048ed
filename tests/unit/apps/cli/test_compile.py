"""tandem compile on files, without root and without anything running."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from cliobjects import namespace, pod, policy, service
from tandem.apps.cli.main import run

Manifest = Callable[..., str]
MESH = {**namespace("shop"), "metadata": {"name": "shop", "labels": {"tandem.io/mesh": "enabled"}}}


def inside(raw: dict[str, Any]) -> dict[str, Any]:
    return {**raw, "metadata": {**raw["metadata"], "namespace": "shop"}}


@pytest.fixture
def shop(manifest: Manifest) -> str:
    return manifest(
        MESH, inside(pod("web-0", labels={"app": "web"})), inside(service()), inside(policy("p", app="web"))
    )


def test_every_stage_is_shown_in_either_form(shop: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compile", shop, "--to", "ir,nft,xds", "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["ir", "nft", "xds"]
    assert found["ir"]["pods"][0]["pod"]["name"] == "web-0"
    assert "table inet tandem" in found["nft"]["node"]
    assert list(found["nft"]["pods"]) == ["shop/web-0"]
    assert any(n.startswith("in/") for n in found["xds"]["Listener"])
    assert run(["compile", shop, "--to", "ir,nft,xds"]) == 0
    assert yaml.safe_load(capsys.readouterr().out) == found


def test_rules_are_readable_text_in_yaml(shop: str, capsys: pytest.CaptureFixture[str]) -> None:
    run(["compile", shop, "--to", "nft"])
    assert "node: |" in capsys.readouterr().out


def test_the_same_files_give_the_same_text(shop: str, capsys: pytest.CaptureFixture[str]) -> None:
    texts = []
    for _ in range(2):
        run(["compile", shop, "--to", "ir,nft,xds"])
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1]


def test_the_node_can_be_named(shop: str, capsys: pytest.CaptureFixture[str]) -> None:
    run(["compile", shop, "--node", "worker-7", "-o", "json"])
    assert json.loads(capsys.readouterr().out)["ir"]["node"]["name"] == "worker-7"


def test_a_problem_that_is_an_error_gives_status_1_and_its_line(
    manifest: Manifest, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "v"},
        "spec": {"hosts": ["web"], "http": [{"route": [{"destination": {"host": "web", "subset": "v9"}}]}]},
    }
    file = manifest(service(), bad)
    assert run(["compile", file]) == 1
    shown = capsys.readouterr()
    assert "error: VirtualService default/v spec.http[0]" in shown.err
    assert f"({file}:" in shown.err
    assert yaml.safe_load(shown.out)["ir"]


def test_a_warning_alone_is_status_0(manifest: Manifest, capsys: pytest.CaptureFixture[str]) -> None:
    raw = policy()
    raw["spec"]["ingress"] = [{"from": []}]
    assert run(["compile", manifest(raw)]) == 0
    assert "every source" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--to", "ir,bpf"], "--to bpf: stages are ir, nft, xds"),
        (["-o", "table"], "-o table: yaml or json"),
    ],
)
def test_wrong_use_is_status_2(
    arguments: list[str], message: str, shop: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["compile", shop, *arguments]) == 2
    assert message in capsys.readouterr().err


def test_without_a_path_it_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compile"]) == 2
    assert "PATH" in capsys.readouterr().err


def test_manifests_that_cannot_be_read_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compile", str(tmp_path / "none.yaml")]) == 1
    assert "none.yaml" in capsys.readouterr().err
    (tmp_path / "bad.yaml").write_text("kind: Pod\napiVersion: v1\nmetadata: {name: a}\nspec: {containers: [], x: 1}\n")
    assert run(["compile", str(tmp_path / "bad.yaml")]) == 1
    assert "spec.x" in capsys.readouterr().err
