"""tandem verify matrix: options, and manifests that make a world of their own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from apiserving import RunningServer
from cliobjects import pod
from tandem.apps.cli.main import run
from tandem.apps.cli.session import CommandError
from tandem.apps.cli.verify_matrix import ports_named
from tandem.ingest.kube import KubeClient
from tandem.model.kinds import BY_KIND

SHOP = Path(__file__).parents[4] / "examples" / "verify" / "shop"


def test_ports_as_they_are_written() -> None:
    assert ports_named(["80", "53/udp", "9/SCTP", "80/TCP"]) == (("TCP", 80), ("UDP", 53), ("SCTP", 9))
    with pytest.raises(CommandError):
        ports_named(["http"])


def test_a_world_of_manifests_is_asked_and_gone(capfd: pytest.CaptureFixture[str]) -> None:
    assert (
        run(["verify", "matrix", "-f", str(SHOP), "-p", "5432", "-p", "8080/UDP", "-o", "json", "--tries", "20"]) == 0
    )
    matrix = json.loads(capfd.readouterr().out)
    assert (matrix["equal"], matrix["differences"], matrix["left_out"]) == (True, 0, [])
    seen = {(c["source"], c["destination"], c["protocol"]): c for c in matrix["cells"]}
    assert seen["shop/web", "shop/db", "TCP"]["observed"] == "denied"
    assert seen["shop/web", "shop/db", "TCP"]["by"][0]["source"].startswith(str(SHOP / "10-shop.yaml:"))
    assert seen["outside", "shop/web", "UDP"]["observed"] == "allowed"
    assert seen["legacy/outsider", "shop/web", "UDP"]["by"][0]["kind"] == "ClusterNetworkPolicy"
    orders = [s for s, d, p in seen if s.startswith("shop/orders-") and (d, p) == ("shop/db", "TCP")]
    assert [seen[s, "shop/db", "TCP"]["observed"] for s in orders] == ["allowed"] * 2
    assert {s for s, _, _ in seen if s.startswith("node/")} == {"node/node-1"}
    assert {":" in c["address"] for c in matrix["cells"] if c["destination"] == "outside"} == {True, False}


def test_a_world_that_does_not_get_ready_is_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "m.yaml"
    file.write_text(
        "{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: nowhere}, spec: {containers: [{name: c}]}}"
    )
    assert run(["verify", "matrix", "-f", str(file)]) == 2
    assert "does not get ready" in capfd.readouterr().err


def test_without_anything_running_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TANDEM_RUN_DIR", str(tmp_path))
    assert run(["verify", "matrix"]) == 2
    assert "tandem is not running" in capsys.readouterr().err


def test_a_cluster_without_exec_is_told_in_the_words_of_kubectl(
    tandem: Callable[..., Any], server: RunningServer, manifest: Callable[..., str]
) -> None:
    """The real kubectl takes the command line; the embedded API has no `pods/exec` for it."""
    assert tandem("apply", "-f", manifest(pod("web"))).status == 0

    async def run_pod() -> None:
        async with KubeClient.from_kubeconfig(server.directory / "kubeconfig") as client:
            status = {"phase": "Running", "podIP": "10.244.0.2", "podIPs": [{"ip": "10.244.0.2"}]}
            await client.patch(BY_KIND["Pod"], "default", "web", {"status": status}, subresource="status")

    asyncio.run(run_pod())
    outcome = tandem("verify", "matrix", "--kubectl", "--kubeconfig", str(server.directory / "kubeconfig"))
    assert outcome.status == 2
    assert "default/web: the probe does not answer: " in outcome.err
    assert "unknown" not in outcome.err
