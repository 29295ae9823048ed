"""Which pod an object is."""

from __future__ import annotations

from apiclient import Api
from tandem.apiserver.inside import PodRef
from tandem.model.kinds import BY_KIND

PODS = "/api/v1/namespaces/default/pods"


def pod(name: str, **spec: str) -> dict[str, object]:
    containers = [{"name": "c", "image": "host", "command": ["x"]}]
    return {"metadata": {"name": name}, "spec": {"containers": containers, **spec}}


def test_a_reference_says_where_the_pod_is() -> None:
    api = Api()
    placed = api("POST", PODS, pod("web", nodeName="node-1")).json()
    api("POST", PODS, pod("later"))
    found = {name: api.store.get(BY_KIND["Pod"], "default", name) for name in ("web", "later")}
    assert found["web"] is not None
    assert found["later"] is not None
    uid = placed["metadata"]["uid"]
    assert PodRef.of(found["web"]) == PodRef(namespace="default", name="web", uid=uid, node="node-1")
    assert PodRef.of(found["later"]).node == ""
