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
    assert api("GET", f"{PODS}/web/log?tailLines=3&follow=true").text == "default/web/c\ntail=3 follow=True\n"
    assert api("GET", f"{PODS}/web/log?previous=true").text.endswith("\nprevious=True\n")
    assert api("GET", f"{PODS}/web/log?container=x").status_code == 400


@pytest.mark.parametrize("path", ["/healthz", "/version", "/api", "/apis", "/api/v1", "/apis/apps", "/apis/apps/v1",
                                  "/openapi/v3", "/openapi/v3/api/v1"])  # fmt: skip
def test_what_clients_ask_first_is_there(api: Api, path: str) -> None:
    assert api("GET", path).status_code == 200


@pytest.mark.parametrize("path", ["/", "/apis/batch", "/apis/batch/v1", "/api/v2", "/openapi/v3/x", "/nowhere"])
def test_what_is_not_there_is_a_status(api: Api, path: str) -> None:
    response = api("GET", path)
    assert (response.status_code, response.json()["kind"]) == (404, "Status")


CNPS = "/apis/policy.networking.k8s.io/{}/clusternetworkpolicies"
CNP: dict[str, Any] = {
    "metadata": {"name": "c"},
    "spec": {
        "tier": "Admin",
        "priority": 1,
        "subject": {"namespaces": {}},
        "egress": [{"action": "Deny", "to": [{"networks": ["10.0.0.0/8"]}]}],
    },
}
NETPOLS = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies"


def test_a_cluster_policy_is_served_in_both_versions(api: Api) -> None:
    old, new = CNPS.format("v1alpha2"), CNPS.format("v1beta1")
    assert api("POST", old, CNP).json()["apiVersion"] == "policy.networking.k8s.io/v1alpha2"
    found = api("GET", f"{new}/c").json()
    assert (found["apiVersion"], found["spec"]) == ("policy.networking.k8s.io/v1beta1", CNP["spec"])
    assert api("GET", old).json()["items"][0]["apiVersion"] == "policy.networking.k8s.io/v1alpha2"
    status = api("PUT", f"{old}/c/status", {**CNP, "status": {"conditions": []}})
    assert (status.status_code, status.json()["status"]) == (200, {"conditions": []})


@pytest.mark.parametrize("verb", ["POST", "PUT", "PATCH"])
@pytest.mark.parametrize(
    ("path", "sound", "wrong", "cause"),
    [
        (
            CNPS.format("v1beta1"),
            CNP,
            {**CNP["spec"], "priority": 1001},
            ("FieldValueInvalid", "spec.priority", "Invalid value: 1001: must be from 0 to 1000"),
        ),
        (
            NETPOLS,
            {"metadata": {"name": "c"}, "spec": {"podSelector": {}}},
            {"ingress": [{"ports": [{"protocol": "ICMP"}]}]},
            (
                "FieldValueNotSupported",
                "spec.ingress[0].ports[0].protocol",
                'Unsupported value: "ICMP": supported values: "TCP", "UDP", "SCTP"',
            ),
        ),
        (
            NETPOLS,
            {"metadata": {"name": "c"}, "spec": {"podSelector": {}}},
            {"ingress": [{"from": [{}]}]},
            (
                "FieldValueRequired",
                "spec.ingress[0].from[0]",
                "Required value: must specify a peer: podSelector, namespaceSelector or ipBlock",
            ),
        ),
    ],
)
def test_what_a_policy_may_not_say_is_refused_however_it_is_written(
    api: Api, verb: str, path: str, sound: dict[str, Any], wrong: dict[str, Any], cause: tuple[str, str, str]
) -> None:
    body, where, form = {**sound, "spec": wrong}, path, "application/json"
    if verb != "POST":
        assert api("POST", path, sound).status_code == 201
        where = f"{path}/c"
    if verb == "PATCH":
        form = "application/merge-patch+json"
    response = api(verb, where, body, content_type=form)
    assert (response.status_code, response.json()["reason"]) == (422, "Invalid")
    (found,) = response.json()["details"]["causes"]
    assert (found["reason"], found["field"], found["message"]) == cause


def test_options_of_a_deletion_come_in_protobuf_too(api: Api) -> None:
    api("POST", PODS, {**POD, "spec": {**POD["spec"], "nodeName": "n1"}})
    names = b"\x0a\x02v1\x12\x0dDeleteOptions"
    sent = b"k8s\x00\x0a" + bytes([len(names)]) + names + b"\x12\x02\x08\x05"
    marked = api("DELETE", f"{PODS}/web", sent, content_type="application/vnd.kubernetes.protobuf").json()
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 5


def test_a_deletion_that_says_in_its_options_that_it_is_a_dry_run_is_one(api: Api) -> None:
    api("POST", PODS, POD)
    assert api("DELETE", f"{PODS}/web", {"kind": "DeleteOptions", "dryRun": ["All"]}).status_code == 200
    assert api("GET", f"{PODS}/web").status_code == 200
    assert api("DELETE", f"{PODS}/web", {"kind": "DeleteOptions", "dryRun": ["Some"]}).status_code == 400
