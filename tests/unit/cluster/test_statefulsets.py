"""World -> pods and status of StatefulSets."""

from __future__ import annotations

from typing import Any

from tandem.cluster.statefulsets import REVISION_LABEL, keep_ordinals
from tandem.cluster.templates import template_hash
from tandem.cluster.writes import Create, Delete, Patch, Write
from tandem.model.meta import Object
from tandem.model.parse import parse
from tandem.model.stateful import StatefulSet
from tandem.model.world import World

NOW = 1_700_000_000.0


def stateful(replicas: int = 2, image: str = "host", **more: Any) -> StatefulSet:
    template = {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "c", "image": image}]}}
    raw = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "db", "namespace": "n", "uid": "s", "generation": 2},
        "spec": {
            "replicas": replicas,
            "serviceName": "dbs",
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": {"app": "db"}},
            "template": template,
        },
        **more,
    }
    parsed = parse(raw)
    assert isinstance(parsed, StatefulSet)
    return parsed


def writes(*objects: Object) -> tuple[Write, ...]:
    return keep_ordinals(World.of(objects), now=NOW)


def running(owner: StatefulSet, *, uid: str = "") -> list[Object]:
    """The pods that the StatefulSet makes, once they run."""
    ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    raws = [w.raw for w in writes(owner) if isinstance(w, Create)]
    return [
        parse({**r, "metadata": {**r["metadata"], "uid": uid or r["metadata"]["name"]}, "status": ready}) for r in raws
    ]


def status(found: tuple[Write, ...]) -> dict[str, Any]:
    (patch,) = [w for w in found if isinstance(w, Patch)]
    assert (patch.kind, patch.subresource) == ("StatefulSet", "status")
    value: dict[str, Any] = patch.patch["status"]
    return value


def test_pods_have_names_that_stay_and_a_host_name_below_the_service() -> None:
    owner = stateful()
    raws = [w.raw for w in writes(owner) if isinstance(w, Create)]
    assert [r["metadata"]["name"] for r in raws] == ["db-0", "db-1"]
    assert (raws[1]["spec"]["hostname"], raws[1]["spec"]["subdomain"]) == ("db-1", "dbs")
    assert raws[1]["metadata"]["ownerReferences"][0]["uid"] == "s"
    assert raws[1]["metadata"]["labels"] == {
        "app": "db",
        "statefulset.kubernetes.io/pod-name": "db-1",
        "apps.kubernetes.io/pod-index": "1",
        REVISION_LABEL: template_hash(owner.spec.template),
    }


def test_the_status_counts_and_names_the_revision() -> None:
    owner = stateful()
    current = template_hash(owner.spec.template)
    told = status(writes(owner, *running(owner)))
    assert (told["replicas"], told["readyReplicas"], told["availableReplicas"]) == (2, 2, 2)
    assert (told["currentRevision"], told["updateRevision"], told["observedGeneration"]) == (current, current, 2)
    told_of = stateful(status=told)
    assert writes(told_of, *running(owner)) == ()


def test_another_template_replaces_the_last_pod_first_and_is_current_when_all_have_it() -> None:
    before = stateful()
    pods = running(before)
    told = status(writes(before, *pods))
    changed = stateful(image="other", status=told)
    found = writes(changed, *pods)
    assert [(w.name, w.told[0].reason) for w in found if isinstance(w, Delete)] == [("db-1", "SuccessfulDelete")]
    under_way = status(found)
    assert (under_way["currentRevision"], under_way["updatedReplicas"]) == (told["currentRevision"], 0)
    done = status(writes(changed, *running(changed)))
    assert done["currentRevision"] == done["updateRevision"] != told["currentRevision"]


def test_pods_of_a_stateful_set_that_is_gone_go_too_and_those_of_others_stay() -> None:
    pods = running(stateful())
    stranger = parse({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "db-7", "namespace": "n"}})
    assert [w.name for w in writes(*pods, stranger) if isinstance(w, Delete)] == ["db-0", "db-1"]
