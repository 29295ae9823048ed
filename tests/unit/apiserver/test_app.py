"""The API over HTTP, in process."""

from __future__ import annotations

from typing import Any

import pytest

from apiclient import Api

PODS = "/api/v1/namespaces/default/pods"
POD: dict[str, Any] = {"metadata": {"name": "web"}, "spec": {"containers": [{"name": "c", "image": "host"}]}}


@pytest.fixture
def api() -> Api:
    return Api()


def test_nothing_is_said_without_the_token(api: Api) -> None:
    for path in (PODS, "/version", "/tandem/extra", "/nowhere"):
        response = api("GET", path, authorization="Bearer other")
        assert (response.status_code, response.json()["reason"]) == (401, "Unauthorized")


def test_extra_routes_come_first(api: Api) -> None:
    assert api("GET", "/tandem/extra").text == "/tandem/extra"


def test_create_get_delete(api: Api) -> None:
    assert api("POST", PODS, POD).status_code == 201
    assert api("GET", f"{PODS}/web").json()["spec"]["dnsPolicy"] == "ClusterFirst"
    gone = api("DELETE", f"{PODS}/web").json()
    assert (gone["kind"], gone["status"], gone["details"]["name"]) == ("Status", "Success", "web")
    assert api("GET", f"{PODS}/web").json()["reason"] == "NotFound"


def test_advice_comes_as_warning_headers(api: Api) -> None:
    response = api("POST", PODS, POD)
    assert response.headers["warning"] == '299 - "say \\"hi\\" there"'


def test_what_cannot_be_decoded_is_a_bad_request(api: Api) -> None:
    assert api("POST", PODS, b"{").json()["reason"] == "BadRequest"
    assert api("POST", PODS, b"[]").status_code == 400
    assert api("POST", PODS, POD, content_type="application/yaml").status_code == 415
    assert api("POST", PODS, b" " * (3 * 1024 * 1024 + 1)).status_code == 413
    assert api("POST", f"{PODS}?dryRun=Some", POD).status_code == 400


def test_server_side_apply_is_refused_clearly(api: Api) -> None:
    response = api("PATCH", f"{PODS}/web", b"{}", content_type="application/apply-patch+yaml")
    assert response.status_code == 415
    assert "without --server-side" in response.json()["message"]


def test_wrong_verbs_are_not_allowed(api: Api) -> None:
    assert api("PUT", PODS, POD).status_code == 405
    assert api("POST", f"{PODS}/web", POD).status_code == 405
    assert api("DELETE", f"{PODS}/web/status").status_code == 405


def test_the_status_subresource_is_patched_alone(api: Api) -> None:
    api("POST", PODS, POD)
    patch = {"status": {"phase": "Running"}, "metadata": {"labels": {"a": "b"}}}
    response = api("PATCH", f"{PODS}/web/status", patch, content_type="application/merge-patch+json")
    assert response.json()["status"] == {"phase": "Running"}
    assert "labels" not in response.json()["metadata"]
    assert "warning" not in response.headers


def test_a_collection_is_deleted_by_selector(api: Api) -> None:
    for name in ("a", "b"):
        api("POST", PODS, {**POD, "metadata": {"name": name, "labels": {"x": name}}})
    api("DELETE", f"{PODS}?labelSelector=x=a")
    assert [i["metadata"]["name"] for i in api("GET", PODS).json()["items"]] == ["b"]


def test_grace_comes_from_body_or_query(api: Api) -> None:
    spec = {**POD["spec"], "nodeName": "n1"}
    api("POST", PODS, {**POD, "spec": spec})
    marked = api("DELETE", f"{PODS}/web", {"kind": "DeleteOptions", "gracePeriodSeconds": 5}).json()
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 5
    assert api("DELETE", f"{PODS}/web?gracePeriodSeconds=0").json()["kind"] == "Status"


def test_logs_are_streamed(api: Api) -> None:
    api("POST", PODS, POD)
    assert api("GET", f"{PODS}/web/log?tailLines=3&follow=true").text == "default web c 3 True"
    assert api("GET", f"{PODS}/web/log?previous=true").text.endswith(" previous")
    assert api("GET", f"{PODS}/web/log?container=x").status_code == 400


@pytest.mark.parametrize("path", ["/healthz", "/version", "/api", "/apis", "/api/v1", "/apis/apps", "/apis/apps/v1",
                                  "/openapi/v3", "/openapi/v3/api/v1"])  # fmt: skip
def test_what_clients_ask_first_is_there(api: Api, path: str) -> None:
    assert api("GET", path).status_code == 200


@pytest.mark.parametrize("path", ["/", "/apis/batch", "/apis/batch/v1", "/api/v2", "/openapi/v3/x", "/nowhere"])
def test_what_is_not_there_is_a_status(api: Api, path: str) -> None:
    response = api("GET", path)
    assert (response.status_code, response.json()["kind"]) == (404, "Status")
