"""create, update, patch."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tandem.apiserver.deletion import Options
from tandem.apiserver.errors import Refusal
from tandem.apiserver.store import Store
from tandem.apiserver.verbs import JSON_PATCH, MERGE, STRATEGIC, Verbs, Where
from tandem.base.clock import FixedClock
from tandem.model.kinds import BY_KIND

POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "labels": {"app": "web"}},
    "spec": {"containers": [{"name": "c", "image": "host"}]},
}


def at(kind: str, name: str = "", namespace: str = "default", *, sub: str = "", version: str = "") -> Where:
    found = BY_KIND[kind]
    return Where(
        kind=found,
        api_version=version or found.api_version,
        namespace=namespace if found.namespaced else "",
        name=name,
        subresource=sub,
    )


@pytest.fixture
def verbs() -> Verbs:
    made = Verbs(Store(), clock=FixedClock())
    made.ensure_built_in()
    return made


def refused(code: int) -> Any:
    return pytest.raises(Refusal, check=lambda refusal: refusal.code == code)


def test_built_in_namespaces_have_a_default_account(verbs: Verbs) -> None:
    names = [r.name for r in verbs.store.select(BY_KIND["Namespace"])]
    assert names == ["default", "istio-system", "kube-node-lease", "kube-system", "tandem-system"]
    assert [r.name for r in verbs.store.select(BY_KIND["ServiceAccount"], "tandem-system")] == ["default"]
    before = verbs.store.version
    verbs.ensure_built_in()
    assert verbs.store.version == before


def test_a_created_object_has_uid_generation_time_and_defaults(verbs: Verbs) -> None:
    made = verbs.create(at("Pod"), {**POD, "status": {"phase": "Running"}})
    assert made.meta["uid"]
    assert made.meta["generation"] == 1
    assert made.meta["creationTimestamp"] == "2023-11-14T22:13:20Z"
    assert made.raw["spec"]["restartPolicy"] == "Always"
    assert made.raw["status"] == {"phase": "Pending"}


def test_the_body_is_not_changed(verbs: Verbs) -> None:
    body = copy.deepcopy(POD)
    verbs.create(at("Pod"), body)
    assert body == POD


def test_what_exists_cannot_be_created(verbs: Verbs) -> None:
    verbs.create(at("Pod"), POD)
    with refused(409):
        verbs.create(at("Pod"), POD)


def test_a_generated_name_gets_a_suffix(verbs: Verbs) -> None:
    body = {**POD, "metadata": {"generateName": "web-"}}
    first, second = verbs.create(at("Pod"), body), verbs.create(at("Pod"), body)
    assert first.name.startswith("web-")
    assert first.name != second.name


def test_a_namespace_must_exist(verbs: Verbs) -> None:
    with refused(404):
        verbs.create(at("Pod", namespace="nowhere"), POD)


def test_path_and_body_must_agree(verbs: Verbs) -> None:
    with refused(400):
        verbs.create(at("Pod"), {**POD, "metadata": {"name": "a", "namespace": "other"}})
    with refused(400):
        verbs.create(at("Service"), POD)
    with refused(400):
        verbs.create(at("Pod"), {**POD, "metadata": {"name": "a", "resourceVersion": "1"}})
    verbs.create(at("Pod"), POD)
    with refused(400):
        verbs.update(at("Pod", "web"), {**POD, "metadata": {"name": "b"}})


def test_unknown_fields_are_refused_with_their_path(verbs: Verbs) -> None:
    with refused(422) as caught:
        verbs.create(at("Pod"), {**POD, "spec": {"containers": [{"name": "c", "comand": ["x"]}]}})
    assert caught.value.status["details"]["causes"][0]["field"] == "spec.containers[0].comand"


def test_an_equal_object_changes_nothing(verbs: Verbs) -> None:
    made = verbs.create(at("Pod"), POD)
    assert verbs.update(at("Pod", "web"), POD).version == made.version


def test_a_stale_version_is_a_conflict(verbs: Verbs) -> None:
    old = verbs.create(at("ConfigMap"), {"metadata": {"name": "a"}, "data": {"a": "1"}})
    verbs.update(at("ConfigMap", "a"), {"metadata": {"name": "a"}, "data": {"a": "2"}})
    with refused(409):
        verbs.update(at("ConfigMap", "a"), {**old.raw, "data": {"a": "3"}})
    with refused(409):
        verbs.update(at("ConfigMap", "a"), {"metadata": {"name": "a", "uid": "other"}})


def test_spec_changes_count_a_generation_and_status_changes_do_not(verbs: Verbs) -> None:
    route: dict[str, Any] = {
        "metadata": {"name": "r"},
        "spec": {"hosts": ["a"], "http": [{"route": [{"destination": {"host": "a"}}]}]},
    }
    verbs.create(at("VirtualService"), route)
    labelled = verbs.update(at("VirtualService", "r"), {**route, "metadata": {"name": "r", "labels": {"a": "b"}}})
    assert labelled.meta["generation"] == 1
    status = {
        **labelled.raw,
        "spec": {"hosts": ["b"], "http": route["spec"]["http"]},
        "status": {"observedGeneration": 1},
    }
    after = verbs.update(at("VirtualService", "r", sub="status"), status)
    assert (after.meta["generation"], after.raw["status"]) == (1, {"observedGeneration": 1})
    assert after.raw["spec"] == labelled.raw["spec"]
    changed = verbs.update(at("VirtualService", "r"), {**status, "metadata": {"name": "r"}, "status": {}})
    assert (changed.meta["generation"], changed.raw["status"]) == (2, {"observedGeneration": 1})


def test_every_version_is_one_store(verbs: Verbs) -> None:
    where = at("VirtualService", version="networking.istio.io/v1alpha3")
    body = {"metadata": {"name": "r"}, "spec": {"hosts": ["a"], "http": [{"route": [{"destination": {"host": "a"}}]}]}}
    verbs.create(where, body)
    found = verbs.current(at("VirtualService", "r"))
    assert found.raw["apiVersion"] == "networking.istio.io/v1"
    old = at("VirtualService", "r", version="networking.istio.io/v1beta1")
    assert verbs.patch(old, {"metadata": {"labels": {"a": "b"}}}, MERGE).meta["labels"] == {"a": "b"}


def test_patches_of_each_kind(verbs: Verbs) -> None:
    verbs.create(at("Pod"), POD)
    where = at("Pod", "web")
    made = verbs.patch(where, {"spec": {"containers": [{"name": "c", "image": "b"}]}}, STRATEGIC)
    assert made.raw["spec"]["containers"][0]["imagePullPolicy"] == "Always"
    assert verbs.patch(where, {"metadata": {"labels": {"app": None, "b": "c"}}}, MERGE).meta["labels"] == {"b": "c"}
    operations = [{"op": "add", "path": "/metadata/labels/d", "value": "e"}]
    assert verbs.patch(where, operations, JSON_PATCH).meta["labels"] == {"b": "c", "d": "e"}
    mark = [{"op": "add", "path": "/metadata/labels/isolated"}]
    assert verbs.patch(where, mark, JSON_PATCH).meta["labels"] == {"b": "c", "d": "e", "isolated": ""}
    status = {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
    assert verbs.patch(at("Pod", "web", sub="status"), status, MERGE).raw["status"]["phase"] == "Running"


def test_patches_that_cannot_be_are_refused(verbs: Verbs) -> None:
    verbs.create(at("Pod"), POD)
    with refused(422):
        verbs.patch(at("Pod", "web"), [{"op": "remove", "path": "/x"}], JSON_PATCH)
    with refused(400):
        verbs.patch(at("Pod", "web"), [], STRATEGIC)
    with refused(415):
        verbs.patch(at("Pod", "web"), {}, "text/plain")
    with refused(415):
        verbs.patch(at("Namespace", "default"), {}, "")
    with refused(422):
        verbs.patch(at("Pod", "web"), {"spec": {"nope": 1}}, MERGE)
    with refused(404):
        verbs.patch(at("Pod", "other"), {}, MERGE)


def test_a_dry_run_does_everything_and_keeps_nothing(verbs: Verbs) -> None:
    version = verbs.store.version
    made = verbs.create(at("Service"), {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}}, dry_run=True)
    assert made.raw["spec"]["clusterIP"] == "10.96.0.16"
    assert verbs.store.select(BY_KIND["Service"]) == []
    assert verbs.store.version == version


def test_a_service_that_becomes_a_name_gives_up_what_its_type_had_brought(verbs: Verbs) -> None:
    spec: dict[str, Any] = {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "ports": [{"port": 80}]}
    made = verbs.create(at("Service"), {"kind": "Service", "metadata": {"name": "web"}, "spec": spec})
    given = copy.deepcopy(made.raw)
    assert given["spec"]["ports"][0]["nodePort"]
    given["spec"] |= {"type": "ExternalName", "externalName": "a.test"}
    with refused(422):
        verbs.update(at("Service", "web"), {**given, "spec": {**given["spec"], "clusterIP": "10.96.9.9"}})
    named = verbs.update(at("Service", "web"), given).raw["spec"]
    assert named.keys() == {"type", "externalName", "ports", "internalTrafficPolicy", "sessionAffinity"}
    assert "nodePort" not in named["ports"][0]
    back = verbs.patch(at("Service", "web"), {"spec": {"type": "NodePort", "externalName": None}}, STRATEGIC).raw[
        "spec"
    ]
    assert back["clusterIP"]
    assert back["ports"][0]["nodePort"]


def test_services_get_addresses_and_keep_them(verbs: Verbs) -> None:
    body = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}}
    made = verbs.create(at("Service"), body)
    again = verbs.update(at("Service", "s"), {**body, "spec": {"ports": [{"port": 81}]}})
    assert again.raw["spec"]["clusterIPs"] == made.raw["spec"]["clusterIPs"] == ["10.96.0.16"]
    taken = {"metadata": {"name": "t"}, "spec": {"ports": [{"port": 80}], "clusterIP": "10.96.0.16"}}
    with refused(422):
        verbs.create(at("Service"), taken)


def test_secret_text_becomes_data(verbs: Verbs) -> None:
    made = verbs.create(at("Secret"), {"metadata": {"name": "s"}, "stringData": {"a": "hi"}})
    assert made.raw["data"] == {"a": "aGk="}
    assert "stringData" not in made.raw


def test_what_is_fixed_stays(verbs: Verbs) -> None:
    verbs.create(at("Pod"), POD)
    with refused(422):
        verbs.patch(at("Pod", "web"), {"spec": {"restartPolicy": "Never"}}, MERGE)
    assert verbs.patch(at("Pod", "web"), {"spec": {"nodeName": "n1"}}, MERGE).raw["spec"]["nodeName"] == "n1"


def test_a_new_store_begins_with_what_it_is_given_and_an_old_one_keeps_what_it_has() -> None:
    pool = {
        "apiVersion": "tandem.io/v1",
        "kind": "IPPool",
        "metadata": {"name": "default"},
        "spec": {"cidr": "10.244.0.0/16"},
    }
    made = Verbs(Store(), clock=FixedClock())
    made.ensure_built_in([pool])
    assert [r.name for r in made.store.select(BY_KIND["IPPool"])] == ["default"]
    made.delete(at("IPPool", "default"), Options())
    made.ensure_built_in([pool])
    assert made.store.select(BY_KIND["IPPool"]) == []


def test_a_pool_is_compared_with_all_others_and_not_with_itself(verbs: Verbs) -> None:
    def pool(name: str, cidr: str) -> dict[str, Any]:
        return {"metadata": {"name": name}, "spec": {"cidr": cidr, "blockSize": 26}}

    verbs.create(at("IPPool"), pool("one", "10.244.0.0/16"))
    changed = pool("one", "10.244.0.0/16")
    changed["spec"]["disabled"] = True
    assert verbs.update(at("IPPool", "one"), changed).raw["spec"]["disabled"]
    with refused(422):
        verbs.create(at("IPPool"), pool("two", "10.244.8.0/24"))
    with refused(422):
        verbs.create(at("IPPool"), pool("three", "10.96.8.0/24"))
    assert [r.name for r in verbs.store.select(BY_KIND["IPPool"])] == ["one"]


def test_status_is_written_of_an_object_from_before_a_rule_that_it_breaks(verbs: Verbs) -> None:
    raw = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "p"}}
    made = verbs.create(at("NetworkPolicy"), {**raw, "spec": {"podSelector": {}}})
    old = {**made.raw, "spec": {"podSelector": {}, "policyTypes": ["Forward"]}}
    with verbs.store.transaction():
        verbs.store.put(BY_KIND["NetworkPolicy"], old)
    where = at("NetworkPolicy", "p", sub="status")
    said = {"reason": "InvalidValue", "message": "", "lastTransitionTime": "2026-11-28T19:00:00Z"}
    wanted = {"status": {"conditions": [{"type": "Accepted", "status": "False", **said}]}}
    assert verbs.patch(where, wanted, MERGE).raw["status"] == wanted["status"]
    with refused(422):
        verbs.patch(where, {"status": {"conditons": []}}, MERGE)
    with refused(422):
        verbs.patch(at("NetworkPolicy", "p"), {"metadata": {"labels": {"a": "b"}}}, MERGE)


def test_a_status_that_comes_with_an_object_is_not_looked_at(verbs: Verbs) -> None:
    """Go's types of routes write `parents: null`, which the status subresource refuses."""
    route = {"metadata": {"name": "r"}, "spec": {"rules": [{"backendRefs": [{"name": "a", "port": 1}]}]}}
    verbs.create(at("TCPRoute"), {**route, "status": {"parents": None}})
    status = {"parents": [{"parentRef": {"name": "g"}, "controllerName": "example.com/x", "conditions": []}]}
    verbs.update(at("TCPRoute", "r", sub="status"), {**route, "status": status})
    labelled = {**route, "metadata": {"name": "r", "labels": {"a": "b"}}, "status": {"parents": None}}
    assert verbs.update(at("TCPRoute", "r"), labelled).raw["status"] == status
    with refused(422):
        verbs.update(at("TCPRoute", "r", sub="status"), {**route, "status": {"parents": None}})
