"""What clients are told of the kinds that are custom resources elsewhere."""

from __future__ import annotations

import pytest

from apiclient import Api
from tandem.apiserver import definitions
from tandem.model.kinds import BY_KIND

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
HTTPROUTE = f"{DEFINITIONS}/httproutes.gateway.networking.k8s.io"


@pytest.fixture
def api() -> Api:
    return Api()


def test_all_kinds_of_the_gateway_api_are_of_one_release_and_channel(api: Api) -> None:
    items = api("GET", DEFINITIONS).json()["items"]
    notes = [i["metadata"]["annotations"] for i in items if "gateway.networking" in i["spec"]["group"]]
    assert len(notes) > 9
    for name in ("bundle-version", "channel"):
        assert len({n[f"gateway.networking.k8s.io/{name}"] for n in notes}) == 1


def test_kinds_of_kubernetes_itself_have_no_definition() -> None:
    found = {r.name for r in definitions.records()}
    assert "httproutes.gateway.networking.k8s.io" in found
    assert not found & {"pods.", "deployments.apps", "events.events.k8s.io", "networkpolicies.networking.k8s.io"}


def test_a_definition_names_the_kind_as_the_api_serves_it(api: Api) -> None:
    raw = api("GET", HTTPROUTE).json()
    assert (raw["kind"], raw["spec"]["names"]["kind"], raw["spec"]["scope"]) == (
        "CustomResourceDefinition",
        "HTTPRoute",
        "Namespaced",
    )
    assert tuple(v["name"] for v in raw["spec"]["versions"]) == BY_KIND["HTTPRoute"].versions
    assert [v["name"] for v in raw["spec"]["versions"] if v["storage"]] == raw["status"]["storedVersions"]
    assert {c["type"]: c["status"] for c in raw["status"]["conditions"]}["Established"] == "True"
    assert api("GET", f"{DEFINITIONS}/certificates.cert-manager.io").status_code == 404


@pytest.mark.parametrize(("method", "path"), [("POST", DEFINITIONS), ("PUT", HTTPROUTE), ("DELETE", HTTPROUTE)])
def test_nobody_changes_them(api: Api, method: str, path: str) -> None:
    answer = api(method, path, {})
    assert (answer.status_code, "built in" in answer.json()["message"]) == (405, True)
    assert api("GET", HTTPROUTE).status_code == 200


def test_they_are_found_by_discovery(api: Api) -> None:
    (found,) = api("GET", "/apis/apiextensions.k8s.io/v1").json()["resources"]
    assert (found["name"], found["verbs"]) == ("customresourcedefinitions", ["get", "list", "watch"])


def test_they_come_as_a_table_too(api: Api) -> None:
    made = api("GET", HTTPROUTE, accept="application/json;as=Table;v=v1;g=meta.k8s.io").json()
    assert made["rows"][0]["cells"] == ["httproutes.gateway.networking.k8s.io", "HTTPRoute", "Namespaced"]
