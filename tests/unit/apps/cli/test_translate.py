"""`tandem translate`: manifests in, Gateway API out, remarks beside it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tandem.apps.cli.main import run

SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80, name: http}]}\n"
ROUTE = """apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: [web]
  http:
  - %s
    route: [{destination: {host: web}}]
"""


def manifests(folder: Path, more: str) -> str:
    path = folder / "web.yaml"
    path.write_text(f"{SERVICE}---\n{ROUTE % more}")
    return str(path)


def test_what_is_printed_can_be_applied(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = manifests(tmp_path, "timeout: 2s")
    assert run(["translate", path, "--to", "gateway-api", "-n", "shop", "--strict"]) == 0
    printed = capsys.readouterr()
    (route,) = yaml.safe_load_all(printed.out)
    assert (route["kind"], route["metadata"]["namespace"], printed.err) == ("HTTPRoute", "shop", "")
    front = SERVICE.replace("{name: web}", "{name: web, namespace: shop}")
    (tmp_path / "made.yaml").write_text(f"{front}---\n{printed.out}")
    assert run(["compile", str(tmp_path / "made.yaml"), "--to", "ir"]) == 0


def test_what_is_lost_is_told_with_file_and_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = manifests(tmp_path, "rewrite: {uriRegexRewrite: {match: a, rewrite: b}}")
    assert run(["translate", path]) == 0
    lost = f"VirtualService default/web spec.http[0].rewrite.uriRegexRewrite ({path}:12): paths are not rewritten"
    assert lost in capsys.readouterr().err
    assert run(["translate", path, "--strict", "-o", "json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert [remark["code"] for remark in told["remarks"]] == ["NotCarried"]
    assert len(told["objects"]) == 1


def test_wrong_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = manifests(tmp_path, "timeout: 2s")
    assert run(["translate", path, "--to", "consul"]) == 2
    assert "choose one of gateway-api" in capsys.readouterr().err
    assert run(["translate", path, "-o", "text"]) == 2
