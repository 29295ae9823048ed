"""ProxyConfig: every field that is given is told of, values are not."""

from __future__ import annotations

from typing import Any

from tandem.base.problems import Problem, Severity
from tandem.model.parse import parse
from tandem.model.world import World
from tandem.translate.mesh.istio.proxyconfig import proxy_config_problems


def problems(**spec: Any) -> tuple[Problem, ...]:
    meta = {"name": "own", "namespace": "shop"}
    raw = {"apiVersion": "networking.istio.io/v1beta1", "kind": "ProxyConfig", "metadata": meta, "spec": spec}
    return proxy_config_problems(World.of([parse(raw)]))


def test_each_field_is_told_with_its_path() -> None:
    found = problems(concurrency=0, environmentVariables={"TOKEN": "hunter2"}, image={"imageType": "debug"})
    assert [p.at.path for p in found] == [
        "spec.concurrency",
        "spec.environmentVariables[TOKEN]",
        "spec.image.imageType",
    ]
    assert {(p.severity, p.code) for p in found} == {(Severity.WARNING, "NoEffect")}
    assert "hunter2" not in "".join(p.text for p in found)


def test_one_that_says_nothing_is_told_nothing() -> None:
    assert problems() == ()
    assert problems(selector={"matchLabels": {"app": "web"}}) == ()
