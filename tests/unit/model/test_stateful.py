"""StatefulSets as the API has them."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.model.parse import parse
from tandem.model.schema import validate
from tandem.model.stateful import StatefulSet


def stateful(**spec: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "c", "image": "host"}]}}
    whole = {"serviceName": "db", "selector": {"matchLabels": {"app": "db"}}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db", "namespace": "n"}, "spec": whole}


def test_pods_wait_for_one_another_unless_told() -> None:
    plain, parallel = parse(stateful()), parse(stateful(podManagementPolicy="Parallel", ordinals={"start": 3}))
    assert isinstance(plain, StatefulSet)
    assert isinstance(parallel, StatefulSet)
    assert (plain.spec.replicas, plain.spec.ordered, plain.spec.ordinals.start) == (1, True, 0)
    assert (parallel.spec.ordered, parallel.spec.ordinals.start) == (False, 3)


@pytest.mark.parametrize(
    ("spec", "wrong"),
    [
        ({"volumeClaimTemplates": [{"spec": {}}]}, "spec.volumeClaimTemplates: "),
        ({"updateStrategy": {"rollingUpdate": {"partition": 1}}}, "spec.updateStrategy.rollingUpdate.partition: "),
        ({"updateStrategy": {"rollingUpdate": {"maxUnavailable": 2}}}, "rollingUpdate.maxUnavailable: "),
        ({"updateStrategy": {"type": "OnDelete", "rollingUpdate": {}}}, "spec.updateStrategy.rollingUpdate: "),
        ({"ordinals": {"start": -1}}, "spec.ordinals.start: must not be negative"),
        ({"replicas": -1}, "spec.replicas: must not be negative"),
        ({"selector": {"matchLabels": {"app": "web"}}}, "spec.template.metadata.labels: must match"),
        ({"podManagementPolicy": "Any"}, "spec.podManagementPolicy: "),
    ],
)
def test_what_is_not_kept_here_is_refused(spec: dict[str, Any], wrong: str) -> None:
    (error,) = validate(stateful(**spec))
    assert wrong in error


def test_what_every_client_writes_is_sound() -> None:
    usual = {"rollingUpdate": {"partition": 0}, "type": "RollingUpdate"}
    assert validate(stateful(updateStrategy=usual, volumeClaimTemplates=[], minReadySeconds=3)) == []
