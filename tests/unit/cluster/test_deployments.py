from __future__ import annotations

from typing import Any

from tandem.cluster.deployments import HASH_LABEL, deploy
from tandem.cluster.templates import template_hash, waits_for_time
from tandem.cluster.writes import Create, Delete, Patch, Write
from tandem.model import core
from tandem.model.meta import Object
from tandem.model.parse import parse
from tandem.model.world import World

NOW = 1_700_000_000.0


def deployment(replicas: int = 2, image: str = "host", **spec: Any) -> core.Deployment:
    raw = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "n", "uid": "d", "generation": 3},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "c", "image": image, "command": ["sleep", "1"]}]},
            },
            **spec,
        },
    }
    parsed = parse(raw)
    assert isinstance(parsed, core.Deployment)
    return parsed


def writes(*objects: Object, seed: str = "s", now: float = NOW) -> tuple[Write, ...]:
    return deploy(World.of(objects), seed=seed, now=now)


def pods(*objects: Object, phase: str = "Running", ready: str = "True", since: str = "") -> list[Object]:
    """What the creations in `writes` become once they run."""
    made = []
    for write in writes(*objects):
        if isinstance(write, Create):
            condition = {"type": "Ready", "status": ready, **({"lastTransitionTime": since} if since else {})}
            made.append(parse({**write.raw, "status": {"phase": phase, "conditions": [condition]}}))
    return made


def status(found: tuple[Write, ...]) -> dict[str, Any]:
    (patch,) = [w for w in found if isinstance(w, Patch)]
    assert patch.subresource == "status"
    value: dict[str, Any] = patch.patch["status"]
    return value


def test_pods_are_named_after_deployment_and_template_and_belong_to_it() -> None:
    wanted = deployment()
    raws = [w.raw for w in writes(wanted) if isinstance(w, Create)]
    current = template_hash(wanted.spec.template)
    assert len({r["metadata"]["name"] for r in raws}) == 2
    for raw in raws:
        assert raw["metadata"]["name"].startswith(f"web-{current}-")
        assert len(raw["metadata"]["name"].rpartition("-")[2]) == 5
        assert raw["metadata"]["labels"] == {"app": "web", HASH_LABEL: current}
        assert raw["metadata"]["ownerReferences"][0]["uid"] == "d"
        assert raw["spec"]["containers"][0]["command"] == ["sleep", "1"]


def test_a_pod_has_every_field_of_the_template_also_those_that_nothing_acts_on() -> None:
    spec = {
        "containers": [{"name": "c", "resources": {"limits": {"cpu": "1"}}, "securityContext": {"runAsUser": 7}}],
        "tolerations": [{"key": "k", "operator": "Exists"}],
    }
    metadata = {"labels": {"app": "web"}, "annotations": {"note": "x"}, "finalizers": ["a/b"]}
    raws = [w.raw for w in writes(deployment(template={"metadata": metadata, "spec": spec})) if isinstance(w, Create)]
    assert raws[0]["spec"] == spec
    assert raws[0]["metadata"]["annotations"] == {"note": "x"}
    assert raws[0]["metadata"]["finalizers"] == ["a/b"]


def test_a_change_of_any_field_of_the_template_is_another_template() -> None:
    def template(cpu: str, **metadata: Any) -> dict[str, Any]:
        resources = {"limits": {"cpu": cpu}}
        return {"metadata": metadata, "spec": {"containers": [{"name": "c", "resources": resources}]}}

    kinds = [template("1"), template("2"), template("1", annotations={"restartedAt": "now"})]
    assert len({template_hash(t) for t in kinds}) == 3


def test_the_order_of_a_templates_fields_and_nulls_in_it_mean_nothing() -> None:
    plain = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "host"}]}}
    other = {
        "spec": {"containers": [{"image": "host", "name": "c", "args": None}]},
        "metadata": {"creationTimestamp": None, "labels": {"app": "web"}},
    }
    hashes = {template_hash(deployment(template=t).spec.template) for t in (plain, other)}
    assert len(hashes) == 1


def test_the_same_seed_gives_the_same_names_and_another_gives_others() -> None:
    assert writes(deployment(), seed="a") == writes(deployment(), seed="a")
    assert writes(deployment(), seed="a") != writes(deployment(), seed="b")


def test_a_settled_deployment_is_complete_and_writes_nothing_more() -> None:
    wanted = deployment()
    ready = pods(wanted)
    found = status(writes(wanted, *ready))
    assert (found["replicas"], found["readyReplicas"], found["availableReplicas"]) == (2, 2, 2)
    assert found["observedGeneration"] == 3
    reasons = {c["type"]: c["reason"] for c in found["conditions"]}
    assert reasons == {"Available": "MinimumReplicasAvailable", "Progressing": "NewReplicaSetAvailable"}
    raw = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "n", "uid": "d"}}
    settled = core.Deployment(
        api_version="apps/v1",
        kind="Deployment",
        metadata=wanted.metadata,
        spec=wanted.spec,
        status=parse({**raw, "status": found}).status,  # type: ignore[attr-defined]
    )
    assert writes(settled, *ready) == ()


def test_a_finished_pod_is_removed_and_replaced() -> None:
    wanted = deployment(1)
    found = writes(wanted, *pods(wanted, phase="Failed"))
    assert [type(w) for w in found] == [Delete, Create, Patch]


def test_the_pods_of_a_removed_deployment_are_removed() -> None:
    assert [type(w) for w in writes(*pods(deployment()))] == [Delete, Delete]


def test_a_new_template_gives_a_new_hash_and_is_rolled_out_within_bounds() -> None:
    old = pods(deployment(4))
    found = writes(deployment(4, "other"), *old)
    assert sum(isinstance(w, Create) for w in found) == 1
    assert sum(isinstance(w, Delete) for w in found) == 1


def test_a_pod_is_available_only_after_min_ready_seconds() -> None:
    wanted = deployment(1, minReadySeconds=30)
    fresh = pods(wanted, since="2023-11-14T22:13:10Z")
    found = status(writes(wanted, *fresh))
    assert (found["readyReplicas"], found["availableReplicas"]) == (1, 0)
    assert status(writes(wanted, *fresh, now=NOW + 60))["availableReplicas"] == 1


def test_time_alone_matters_only_with_min_ready_seconds() -> None:
    assert not waits_for_time(deployment())
