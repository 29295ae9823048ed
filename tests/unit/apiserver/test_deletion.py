"""Grace, finalizers, owners, namespaces."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.apiserver.deletion import Options
from tandem.apiserver.errors import Refusal
from tandem.apiserver.records import Record
from tandem.apiserver.store import Store
from tandem.apiserver.verbs import MERGE, Verbs, Where
from tandem.base.clock import FixedClock
from tandem.model.kinds import BY_KIND


@pytest.fixture
def verbs() -> Verbs:
    made = Verbs(Store(), clock=FixedClock())
    made.ensure_built_in()
    return made


def at(kind: str, name: str = "", namespace: str = "default") -> Where:
    found = BY_KIND[kind]
    return Where(kind=found, api_version=found.api_version, namespace=namespace if found.namespaced else "", name=name)


def pod(verbs: Verbs, name: str, namespace: str = "default", *, node: str = "n1", **meta: Any) -> Record:
    spec: dict[str, Any] = {"containers": [{"name": "c", "image": "host"}]} | ({"nodeName": node} if node else {})
    return verbs.create(at("Pod", namespace=namespace), {"metadata": {"name": name, **meta}, "spec": spec})


def names(verbs: Verbs, kind: str = "Pod", namespace: str = "") -> list[str]:
    return [r.name for r in verbs.store.select(BY_KIND[kind], namespace)]


def owner(record: Record) -> dict[str, Any]:
    kind = record.kind
    return {"apiVersion": kind.api_version, "kind": kind.kind, "name": record.name, "uid": record.meta["uid"]}


def test_a_running_pod_terminates_first_and_goes_with_grace_nought(verbs: Verbs) -> None:
    pod(verbs, "web")
    last, gone = verbs.delete(at("Pod", "web"), Options())
    assert not gone
    assert last.meta["deletionTimestamp"] == "2023-11-14T22:13:50Z"
    assert last.meta["deletionGracePeriodSeconds"] == 30
    assert verbs.delete(at("Pod", "web"), Options(grace_period_seconds=0))[1]
    assert names(verbs) == []


def test_a_second_deletion_shortens_the_grace_and_never_lengthens_it(verbs: Verbs) -> None:
    pod(verbs, "web")
    verbs.delete(at("Pod", "web"), Options(grace_period_seconds=10))
    assert verbs.delete(at("Pod", "web"), Options(grace_period_seconds=60))[0].meta["deletionGracePeriodSeconds"] == 10
    assert verbs.delete(at("Pod", "web"), Options(grace_period_seconds=5))[0].meta["deletionGracePeriodSeconds"] == 5


def test_a_pod_without_a_node_goes_at_once(verbs: Verbs) -> None:
    pod(verbs, "web", node="")
    assert verbs.delete(at("Pod", "web"), Options())[1]


def test_finalizers_hold_an_object_until_they_are_gone(verbs: Verbs) -> None:
    verbs.create(at("ConfigMap"), {"metadata": {"name": "a", "finalizers": ["x.io/y"]}})
    assert not verbs.delete(at("ConfigMap", "a"), Options())[1]
    verbs.patch(at("ConfigMap", "a"), {"metadata": {"finalizers": []}}, MERGE)
    assert names(verbs, "ConfigMap") == []


def test_preconditions_must_hold(verbs: Verbs) -> None:
    pod(verbs, "web")
    with pytest.raises(Refusal, match="precondition failed"):
        verbs.delete(at("Pod", "web"), Options(preconditions={"uid": "other"}))


def test_children_go_with_their_owner(verbs: Verbs) -> None:
    first = pod(verbs, "a", node="")
    second = pod(verbs, "b", node="", ownerReferences=[owner(first)])
    pod(verbs, "c", node="", ownerReferences=[owner(second)])
    verbs.delete(at("Pod", "a"), Options())
    assert names(verbs) == []


def test_running_children_get_their_grace(verbs: Verbs) -> None:
    first = pod(verbs, "a", node="")
    pod(verbs, "b", ownerReferences=[owner(first)])
    verbs.delete(at("Pod", "a"), Options())
    child = verbs.store.get(BY_KIND["Pod"], "default", "b")
    assert child is not None
    assert child.meta["deletionGracePeriodSeconds"] == 30


def test_a_child_stays_while_another_owner_lives(verbs: Verbs) -> None:
    first, second = pod(verbs, "a", node=""), pod(verbs, "b", node="")
    pod(verbs, "c", node="", ownerReferences=[owner(first), owner(second)])
    verbs.delete(at("Pod", "a"), Options())
    assert names(verbs) == ["b", "c"]
    verbs.delete(at("Pod", "b"), Options())
    assert names(verbs) == []


def test_orphans_stay(verbs: Verbs) -> None:
    first = pod(verbs, "a", node="")
    pod(verbs, "b", node="", ownerReferences=[owner(first)])
    verbs.delete(at("Pod", "a"), Options(propagation_policy="Orphan"))
    left = verbs.store.get(BY_KIND["Pod"], "default", "b")
    assert left is not None
    assert left.meta["ownerReferences"] == []


def test_a_namespace_goes_with_all_that_is_in_it(verbs: Verbs) -> None:
    verbs.create(at("Namespace"), {"metadata": {"name": "shop"}})
    pod(verbs, "a", "shop", node="")
    assert verbs.delete(at("Namespace", "shop"), Options())[1]
    assert verbs.store.in_namespace("shop") == []


def test_a_namespace_waits_for_its_running_pods(verbs: Verbs) -> None:
    verbs.create(at("Namespace"), {"metadata": {"name": "shop"}})
    pod(verbs, "a", "shop")
    last, gone = verbs.delete(at("Namespace", "shop"), Options())
    assert not gone
    assert last.raw["status"]["phase"] == "Terminating"
    with pytest.raises(Refusal, match="being terminated"):
        pod(verbs, "b", "shop")
    verbs.delete(at("Pod", "a", "shop"), Options(grace_period_seconds=0))
    assert "shop" not in names(verbs, "Namespace")


def test_some_namespaces_stay(verbs: Verbs) -> None:
    with pytest.raises(Refusal, match="may not be deleted"):
        verbs.delete(at("Namespace", "default"), Options())


def test_a_dry_run_deletes_nothing(verbs: Verbs) -> None:
    pod(verbs, "a", node="")
    assert verbs.delete(at("Pod", "a"), Options(), dry_run=True)[0].name == "a"
    assert names(verbs) == ["a"]
