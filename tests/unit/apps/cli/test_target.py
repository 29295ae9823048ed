"""How users name kinds, pods and containers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cliobjects import config, pod, service
from tandem.apps.cli.session import CommandError
from tandem.apps.cli.target import ALL, container_named, find_pod, kind_named, kinds_named
from tandem.ingest.errors import NotFound
from tandem.ingest.fake import FakeKube


def found(target: str, *objects: dict[str, Any]) -> str:
    raw = asyncio.run(find_pod(FakeKube(objects), target, "default"))  # type: ignore[arg-type]
    return str(raw["metadata"]["name"])


def deployment() -> dict[str, Any]:
    spec = {"selector": {"matchLabels": {"app": "web"}}, "template": {}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


def ready(raw: dict[str, Any]) -> dict[str, Any]:
    return {**raw, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}


def test_kinds_by_short_and_full_names() -> None:
    assert [k.kind for k in kinds_named("po,svc,virtualservices.networking.istio.io")] == [
        "Pod",
        "Service",
        "VirtualService",
    ]
    assert [k.name for k in kinds_named("all,po")] == list(ALL)
    with pytest.raises(CommandError, match=r"there is no kind 'virtualservce' \(did you mean virtualservice\?\)"):
        kind_named("virtualservce")
    with pytest.raises(CommandError, match="there is no kind 'xyz'; `kubectl api-resources` lists what there is"):
        kind_named("xyz")


def test_a_pod_by_name_and_by_kind_and_name() -> None:
    assert found("web-0", pod()) == "web-0"
    assert found("pod/web-0", pod()) == "web-0"
    with pytest.raises(NotFound):
        found("web-1", pod())


def test_a_deployment_and_a_service_mean_a_ready_pod_of_theirs() -> None:
    pods = [pod("web-a", labels={"app": "web"}), ready(pod("web-b", labels={"app": "web"})), ready(pod("x"))]
    assert found("deploy/web", deployment(), *pods) == "web-b"
    assert found("svc/web", service(), *pods) == "web-b"


def test_what_has_no_pods_is_said() -> None:
    with pytest.raises(CommandError, match="has no pod at the moment"):
        found("deploy/web", deployment())
    with pytest.raises(CommandError, match="has no pods: give POD"):
        found("cm/settings", config())


def test_containers_by_name_or_the_first() -> None:
    assert container_named(pod(), "") == "app"
    assert container_named(pod(), "app") == "app"
