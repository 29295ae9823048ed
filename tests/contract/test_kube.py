"""The API client against the embedded server, and the fake that stands for both: one behaviour."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing
from typing import Any

import pytest

from apiserving import RunningServer
from tandem.ingest.errors import AlreadyExists, ApiError, Conflict, NotFound
from tandem.ingest.fake import FakeKube
from tandem.ingest.informer import Informer
from tandem.ingest.kube import KubeClient
from tandem.model import core
from tandem.model.kinds import BY_KIND

CONFIG, POD, POLICY, SERVICE = (BY_KIND[k] for k in ("ConfigMap", "Pod", "NetworkPolicy", "Service"))
Client = KubeClient | FakeKube
Story = Callable[[Client], Awaitable[None]]
Tell = Callable[[Story], None]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with RunningServer(tmp_path_factory.mktemp("api")) as running:
        yield running


@pytest.fixture(params=["fake", "real"])
def tell(request: pytest.FixtureRequest) -> Tell:
    """Runs a story with a client of the fake or of the embedded server."""
    real: RunningServer | None = request.getfixturevalue("server") if request.param == "real" else None

    def run(story: Story) -> None:
        async def with_client() -> None:
            async with asyncio.timeout(30):
                if real is None:
                    await story(FakeKube())
                    return
                async with KubeClient.from_kubeconfig(real.kubeconfig) as client:
                    for kind in (CONFIG, POD, POLICY, SERVICE):
                        for raw in (await client.list(kind, "default"))[0]:
                            await client.delete(kind, "default", raw["metadata"]["name"], grace_seconds=0)
                    await story(client)

        asyncio.run(with_client())

    return run


def config(name: str, labels: dict[str, str] | None = None, **data: str) -> dict[str, Any]:
    meta = {"name": name, "namespace": "default", "labels": labels or {}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


def pod(name: str, node: str = "") -> dict[str, Any]:
    spec: dict[str, Any] = {"containers": [{"name": "c", "image": "host", "command": ["true"]}]}
    if node:
        spec["nodeName"] = node
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"}, "spec": spec}


def policy(name: str) -> dict[str, Any]:
    spec = {"podSelector": {}, "policyTypes": ["Ingress"]}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": "default"},
        "spec": spec,
    }


def test_what_is_created_can_be_read_and_has_an_identity(tell: Tell) -> None:
    async def story(kube: Client) -> None:
        made = await kube.create(CONFIG, config("a", k="v"))
        assert made["metadata"]["uid"]
        assert made["metadata"]["resourceVersion"]
        assert made["metadata"]["creationTimestamp"]
        assert await kube.get(CONFIG, "default", "a") == made

    tell(story)


def test_creating_twice_is_already_exists(tell: Tell) -> None:
    async def story(kube: Client) -> None:
        await kube.create(CONFIG, config("a"))
        with pytest.raises(AlreadyExists, match='"a" already exists'):
            await kube.create(CONFIG, config("a"))

    tell(story)


def test_a_missing_object_is_not_found_by_every_verb(tell: Tell) -> None:
    async def story(kube: Client) -> None:
        for call in (
            kube.get(CONFIG, "default", "x"),
            kube.replace(CONFIG, config("x")),
            kube.patch(CONFIG, "default", "x", {"data": {}}),
            kube.delete(CONFIG, "default", "x"),
        ):
            with pytest.raises(NotFound, match='"x" not found'):
                await call

    tell(story)


def test_a_generated_name_begins_as_asked(tell: Tell) -> None:
    async def story(kube: Client) -> None:
        raw = config("")
        raw["metadata"] = {"generateName": "web-", "namespace": "default"}
        names = {(await kube.create(CONFIG, raw))["metadata"]["name"] for _ in range(3)}
        assert len(names) == 3
        assert all(n.startswith("web-") and len(n) == 9 for n in names)

    tell(story)


def test_replacing_an_old_version_is_a_conflict(tell: Tell) -> None:
    async def story(kube: Client) -> None:
        old = await kube.create(CONFIG, config("a", k="1"))
        new = await kube.replace(CONFIG, {**old, "data": {"k": "2"}})
        assert new["data"] == {"k": "2"}
        with pytest.raises(Conflict, match="the object has been modified"):
            await kube.replace(CONFIG, {**old, "data": {"k": "3"}})
        bare = await kube.replace(CONFIG, config("a", k="4"))
        assert bare["data"] == {"k": "4"}

    tell(story)


def test_a_merge_patch_sets_and_removes(tell: Tell) -> None:
    async def story(kube: Client) -> None:
        await kube.create(CONFIG, config("a", x="1", y="2"))
        got = await kube.patch(CONFIG, "default", "a", {"data": {"x": None, "z": "3"}})
        assert got["data"] == {"y": "2", "z": "3"}

    tell(story)


def test_an_equal_write_changes_no_version(tell: Tell) -> None:
    async def story(kube: Client) -> None:
        made = await kube.create(CONFIG, config("a", x="1"))
        same = await kube.patch(CONFIG, "default", "a", {"data": {"x": "1"}})
        assert same["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]

    tell(story)


def test_status_and_spec_are_written_apart(tell: Tell) -> None:
    async def story(kube: Client) -> None:
        made = await kube.create(POLICY, policy("p"))
        assert made["metadata"]["generation"] == 1
        condition = {
            "type": "Programmed",
            "status": "True",
            "reason": "Programmed",
            "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        told = await kube.patch(
            POLICY,
            "default",
            "p",
            {"status": {"conditions": [condition]}, "spec": {"egress": []}},
            subresource="status",
        )
        assert told["status"]["conditions"][0]["status"] == "True"
        assert "egress" not in told["spec"]
        assert told["metadata"]["generation"] == 1
        changed = await kube.patch(
            POLICY, "default", "p", {"spec": {"podSelector": {"matchLabels": {"a": "b"}}}, "status": {"conditions": []}}
        )
        assert changed["status"]["conditions"][0]["status"] == "True"
        assert changed["metadata"]["generation"] == 2

    tell(story)


def test_lists_are_selected_by_namespace_and_label(tell: Tell) -> None:
    async def story(kube: Client) -> None:
        await kube.create(CONFIG, config("a", {"app": "web", "tier": "x"}))
        await kube.create(CONFIG, config("b", {"app": "api"}))

        async def names(**selection: str) -> list[str]:
            items, version = await kube.list(CONFIG, "default", **selection)
            assert int(version) > 0
            return [i["metadata"]["name"] for i in items]

        assert await names() == ["a", "b"]
        assert await names(label_selector="app=web") == ["a"]
        assert await names(label_selector="app in (web,api),!tier") == ["b"]
        assert await names(field_selector="metadata.name=b") == ["b"]
        assert await names(label_selector="app=web", field_selector="metadata.name=b") == []
        assert (await kube.list(CONFIG, "elsewhere"))[0] == []

    tell(story)


def test_list_items_carry_their_kind(tell: Tell) -> None:
    async def story(kube: Client) -> None:
        await kube.create(POLICY, policy("p"))
        (item,) = (await kube.list(POLICY, "default"))[0]
        assert (item["apiVersion"], item["kind"]) == ("networking.k8s.io/v1", "NetworkPolicy")

    tell(story)


def test_a_watch_tells_every_change_after_its_version(tell: Tell) -> None:
    async def story(kube: Client) -> None:
        _, version = await kube.list(CONFIG)
        await kube.create(CONFIG, config("a", k="1"))
        await kube.patch(CONFIG, "default", "a", {"data": {"k": "2"}})
        await kube.delete(CONFIG, "default", "a")
        seen = []
        async with aclosing(kube.watch(CONFIG, version)) as events:
            async for change, raw in events:
                if change != "BOOKMARK":
                    seen.append((change, raw["metadata"]["name"], raw["data"]["k"]))
                if len(seen) == 3:
                    break
        assert seen == [("ADDED", "a", "1"), ("MODIFIED", "a", "2"), ("DELETED", "a", "2")]

    tell(story)


def test_what_leaves_a_selection_is_deleted_for_its_watcher(tell: Tell) -> None:
    async def story(kube: Client) -> None:
        await kube.create(CONFIG, config("a", {"app": "web"}))
        _, version = await kube.list(CONFIG)
        await kube.patch(CONFIG, "default", "a", {"metadata": {"labels": {"app": "api"}}})
        await kube.patch(CONFIG, "default", "a", {"metadata": {"labels": {"app": "web"}}})
        seen = []
        async with aclosing(kube.watch(CONFIG, version, label_selector="app=web")) as events:
            async for change, _ in events:
                seen.append(change)
                if len(seen) == 2:
                    break
        assert seen == ["DELETED", "ADDED"]

    tell(story)


def test_a_pod_on_a_node_ends_in_two_steps(tell: Tell) -> None:
    async def story(kube: Client) -> None:
        await kube.create(POD, pod("p", node="node-1"))
        await kube.delete(POD, "default", "p", grace_seconds=7)
        marked = await kube.get(POD, "default", "p")
        assert marked["metadata"]["deletionGracePeriodSeconds"] == 7
        assert marked["metadata"]["deletionTimestamp"]
        await kube.delete(POD, "default", "p", grace_seconds=0)
        with pytest.raises(NotFound):
            await kube.get(POD, "default", "p")

    tell(story)


def test_a_pod_without_a_node_goes_at_once(tell: Tell) -> None:
    async def story(kube: Client) -> None:
        await kube.create(POD, pod("p"))
        await kube.delete(POD, "default", "p")
        with pytest.raises(NotFound):
            await kube.get(POD, "default", "p")

    tell(story)


def test_an_object_without_a_name_is_refused(tell: Tell) -> None:
    async def story(kube: Client) -> None:
        raw = config("")
        del raw["metadata"]["name"]
        with pytest.raises(ApiError) as caught:
            await kube.create(CONFIG, raw)
        assert caught.value.status == 422

    tell(story)


def test_an_informer_follows(tell: Tell) -> None:
    async def story(kube: Client) -> None:
        await kube.create(CONFIG, config("a"))
        informer = Informer(kube, [CONFIG, SERVICE])
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(informer.run())
            seen, world = await informer.world.after(0)
            assert world.synced
            assert world.get(core.ConfigMap, "default", "a") is not None
            await kube.create(CONFIG, config("b"))
            while world.get(core.ConfigMap, "default", "b") is None:
                seen, world = await informer.world.after(seen)
            running.cancel()

    tell(story)
