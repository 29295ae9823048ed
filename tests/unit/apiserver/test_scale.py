"""The scale subresource."""

from __future__ import annotations

from typing import Any

import pytest

from apiclient import Api
from tandem.apiserver.errors import Refusal
from tandem.apiserver.scale import replicas_patch

DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c"}]}}
SPEC = {"selector": {"matchLabels": {"a": "b"}}, "template": TEMPLATE}


def test_a_deployment_is_scaled() -> None:
    api = Api()
    api("POST", DEPLOYMENTS, {"metadata": {"name": "web"}, "spec": SPEC})
    scale = api("GET", f"{DEPLOYMENTS}/web/scale").json()
    assert (scale["kind"], scale["spec"], scale["status"]["selector"]) == ("Scale", {"replicas": 1}, "a=b")
    assert api("PUT", f"{DEPLOYMENTS}/web/scale", {**scale, "spec": {"replicas": 3}}).json()["spec"] == {"replicas": 3}
    assert api("GET", f"{DEPLOYMENTS}/web").json()["metadata"]["generation"] == 2
    assert api("PUT", f"{DEPLOYMENTS}/web/scale", scale).status_code == 409


@pytest.mark.parametrize("body", [[], {}, {"spec": {"replicas": "3"}}])
def test_replicas_are_required(body: Any) -> None:
    with pytest.raises(Refusal, match="is required"):
        replicas_patch(body)
