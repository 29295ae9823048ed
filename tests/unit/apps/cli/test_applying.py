"""Ordering, conditions, and what is said of them."""

from __future__ import annotations

import asyncio
from typing import Any

from cliobjects import config, namespace, pod, policy, service
from tandem.apps.cli.applying import ORDER, Applied, apply_each, in_order, is_settled, label, refusals, said_no
from tandem.apps.cli.progress import Progress
from tandem.ingest.errors import ApiError
from tandem.ingest.fake import FakeKube
from tandem.model.kinds import BY_KIND


def judged(*conditions: tuple[str, str, str], generation: int = 1, observed: int = 1) -> dict[str, Any]:
    found = [
        {"type": t, "status": s, "reason": r, "message": f"{t} words", "observedGeneration": observed}
        for t, s, r in conditions
    ]
    return {**policy(), "metadata": {"name": "p", "generation": generation}, "status": {"conditions": found}}


def test_every_kind_has_its_place() -> None:
    assert set(ORDER) == set(BY_KIND)


def test_objects_are_sorted_by_kind_alone() -> None:
    objects = [pod("b"), service(), config("z"), config("a"), namespace("n"), policy()]
    names = [(o["kind"], o["metadata"]["name"]) for o in in_order(objects)]
    assert names == [
        ("Namespace", "n"),
        ("NetworkPolicy", "deny-all"),
        ("ConfigMap", "z"),
        ("ConfigMap", "a"),
        ("Service", "web"),
        ("Pod", "b"),
    ]


def test_labels_read_as_with_kubectl() -> None:
    assert label(BY_KIND["Pod"], "a") == "pod/a"
    assert label(BY_KIND["NetworkPolicy"], "a") == "networkpolicy.networking.k8s.io/a"


def test_what_is_refused_is_told_and_the_others_go_on() -> None:
    kube = FakeKube()
    kube.fail_next(ApiError(422, "Invalid", "no such thing"))

    async def outcomes() -> list[str]:
        objects = [config("b"), namespace("a")]
        return [f"{a.label} {a.outcome} {a.message}".rstrip() async for a in apply_each(kube, objects)]  # type: ignore[arg-type]

    assert asyncio.run(outcomes()) == ["namespace/a refused no such thing", "configmap/b created"]


def test_objects_are_told_of_before_all_of_their_kind_are_sent() -> None:
    kube = FakeKube()

    async def first() -> int:
        async for _ in apply_each(kube, [config(f"c{i}") for i in range(300)]):  # type: ignore[arg-type]
            break
        return len((await kube.list(BY_KIND["ConfigMap"]))[0])

    assert 0 < asyncio.run(first()) < 300


def test_an_object_is_settled_when_its_newest_generation_was_judged() -> None:
    accepted = ("Accepted", "True", "Accepted")
    assert not is_settled(policy() | {"metadata": {"name": "p"}})
    assert not is_settled(judged(accepted, ("Programmed", "True", "Programmed"), generation=2))
    assert not is_settled(judged(accepted, ("Programmed", "False", "Pending")))
    assert is_settled(judged(accepted, ("Programmed", "True", "Programmed")))
    assert is_settled(judged(("Accepted", "False", "X"), ("Programmed", "False", "Invalid")))


def test_a_refusal_is_said_once() -> None:
    no = judged(("Accepted", "False", "SubsetNotFound"), ("Programmed", "False", "Invalid"))
    assert said_no(no) == ["Accepted=False (SubsetNotFound): Accepted words"]
    assert said_no(judged(("Accepted", "True", "Accepted"), ("Promoted", "False", "Began"))) == []
    assert said_no(judged(("Programmed", "False", "Pending"))) == ["Programmed=False (Pending): Programmed words"]


def test_refusals_waits_for_the_verdict_and_no_longer_than_asked() -> None:
    kind = BY_KIND["NetworkPolicy"]

    async def run() -> list[str]:
        kube = FakeKube([policy("a"), policy("b")])
        status = judged(("Accepted", "False", "Bad"))["status"]
        await kube.patch(kind, "default", "a", {"status": status}, subresource="status")
        done = [Applied(kind=kind, raw=await kube.get(kind, "default", name), outcome="created") for name in ("a", "b")]
        return await refusals(kube, done, 0.1, progress=Progress())  # type: ignore[arg-type]

    assert asyncio.run(run()) == ["networkpolicy.networking.k8s.io/a: Accepted=False (Bad): Accepted words"]
