"""tandem verify -f: sentences against manifests and against an API server."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cliobjects import namespace, pod, policy
from tandem.apps.cli.main import run

Manifest = Callable[..., str]


@pytest.fixture
def intents(tmp_path: Path) -> Callable[..., str]:
    def write(*sentences: str) -> str:
        file = tmp_path / "intents.yaml"
        file.write_text("intents:\n" + "".join(f"- {s}\n" for s in sentences))
        return str(file)

    return write


@pytest.fixture
def shop(manifest: Manifest) -> str:
    return manifest(
        pod("client", labels={"app": "client"}), pod("web", labels={"app": "web"}), policy("closed", app="web")
    )


def test_a_sentence_that_does_not_hold_is_status_1_and_names_the_rule_with_its_line(
    shop: str, intents: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    file = intents("web may reach client:80", "client may reach web:80")
    assert run(["verify", "-f", file, "-m", shop]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"✓ web may reach client:80  {file}:2:3"
    assert lines[1] == f"✗ client may reach web:80  {file}:3:3"
    assert lines[2].startswith(
        "    default/client may not reach default/web on 80/TCP, by NetworkPolicy default/closed spec.ingress"
    )
    assert f"({shop}:" in lines[2]
    assert lines[3] == "1 of 2 intents do not hold"


def test_json_says_the_same(shop: str, intents: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verify", "-f", intents("client may reach web:80"), "-m", shop, "-o", "json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert (report["holds"], report["broken"]) == (False, 1)
    [breach] = report["results"][0]["breaches"]
    assert (breach["ports"], breach["rules"][0]["name"]) == (["80/TCP"], "closed")


@pytest.mark.parametrize(
    ("sentence", "message"),
    [
        ("client may rech web", ":2:10: may: here should be"),
        ("client may reach nowhere", ":2:20: nowhere: there is no Deployment, Pod"),
    ],
)
def test_a_mistake_in_a_sentence_is_status_2_with_its_place(
    shop: str, intents: Callable[..., str], capsys: pytest.CaptureFixture[str], sentence: str, message: str
) -> None:
    file = intents(sentence)
    assert run(["verify", "-f", file, "-m", shop]) == 2
    assert f"{file}{message}" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_status_2(shop: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verify", "-f", "/nowhere.yaml", "-m", shop]) == 2
    assert run(["verify", "-f", shop, "-m", "/nowhere.yaml"]) == 2
    assert capsys.readouterr().err.count("No such file") >= 1


def test_the_running_system_is_asked_without_manifests(
    tandem: Callable[..., Any], manifest: Manifest, intents: Callable[..., str]
) -> None:
    raw = pod("client", labels={"app": "client"})
    assert tandem("apply", "-f", manifest(namespace("default"), raw, policy("closed", app="client"))).status == 0
    outcome = tandem("verify", "-f", intents("the internet may not reach client"))
    assert (outcome.status, outcome.err) == (0, "")
    assert tandem("verify", "-f", intents("client may reach the internet:443")).status == 0
