"""What a container refers to is fetched, and what is missing is named."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from builders import pod
from tandem.base import processes
from tandem.ingest.errors import ApiError
from tandem.ingest.fake import FakeKube
from tandem.model.images import Image, Images
from tandem.workloads import preparation, volumes
from tandem.workloads.context import Node
from tandem.workloads.environment import ConfigError
from tandem.workloads.record import Process, SandboxRecord
from tandem.workloads.sandbox import Bind, Launch, StartError

ME = Process(pid=os.getpid(), started=processes.start_time(os.getpid()) or 0)
MAP = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "app", "namespace": "default"},
    "data": {"greeting": "hello"},
}
IMAGES = Images(
    (Image(image="redis", root="/r", cmd=("redis-server",), working_dir="/data", env={"A": "1", "B": "2"}),)
)
VOLUME = {"name": "cfg", "configMap": {"name": "app"}}


def prepared(
    root: Path, monkeypatch: pytest.MonkeyPatch, kube: FakeKube, *, provided: list[Any], **container: Any
) -> Launch:
    monkeypatch.setattr(volumes, "place", lambda _: root)
    node = SimpleNamespace(name="node-1", addresses=("192.0.2.1",), dns=("10.96.0.10",), client=kube, images=IMAGES)
    one = pod("a", uid="u1", spec={"containers": [{"name": "main", **container}], "volumes": provided})
    record = SandboxRecord(
        uid="u1", namespace="default", name="a", attempt=0, container_id="c", init=ME, addresses=("10.244.0.5",)
    )
    return asyncio.run(preparation.prepare(cast("Node", node), one, record, one.spec.containers[0]))


def test_environment_arguments_and_volumes_come_from_the_api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env = [
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "HOST", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}},
    ]
    mounts = [{"name": "cfg", "mountPath": "/cfg", "subPath": "greeting"}]
    launch = prepared(
        tmp_path,
        monkeypatch,
        FakeKube([MAP]),
        provided=[VOLUME],
        command=["serve", "$(IP)", "$(greeting)"],
        env=env,
        envFrom=[{"configMapRef": {"name": "app"}}],
        volumeMounts=mounts,
        workingDir="/cfg",
    )
    assert launch.argv == ("serve", "10.244.0.5", "hello")
    assert (launch.environment["HOST"], launch.environment["HOSTNAME"]) == ("192.0.2.1", "a")
    assert launch.binds == (Bind(volume="cfg", path="greeting", target="/cfg", read_only=True),)
    assert launch.working_dir == "/cfg"
    assert (tmp_path / "cfg/greeting").read_text() == "hello"


def test_a_volume_that_is_not_mounted_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared(tmp_path, monkeypatch, FakeKube([MAP]), provided=[VOLUME], command=["x"])
    assert list(tmp_path.iterdir()) == []


def test_a_missing_config_map_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = [{"name": "cfg", "mountPath": "/cfg"}]
    with pytest.raises(ConfigError, match='volume cfg: configmap "app" not found'):
        prepared(tmp_path, monkeypatch, FakeKube(), provided=[VOLUME], command=["x"], volumeMounts=mounts)


def test_a_mount_of_no_volume_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = [{"name": "data", "mountPath": "/data"}]
    with pytest.raises(ConfigError, match="no volume is named 'data'"):
        prepared(tmp_path, monkeypatch, FakeKube(), provided=[], command=["x"], volumeMounts=mounts)


def test_an_api_that_does_not_answer_is_a_reason_to_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kube = FakeKube([MAP])
    kube.fail_next(ApiError(500, "InternalError", "no answer"))
    with pytest.raises(ConfigError, match="ConfigMap app: no answer"):
        prepared(tmp_path, monkeypatch, kube, provided=[VOLUME], command=["x"])


def test_an_image_says_what_the_container_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env = [{"name": "B", "value": "own"}]
    order = prepared(tmp_path, monkeypatch, FakeKube(()), provided=[], image="docker.io/library/redis", env=env)
    assert (order.argv, order.root, order.working_dir) == (("redis-server",), Path("/r"), "/data")
    assert (order.environment["A"], order.environment["B"]) == ("1", "own")
    order = prepared(tmp_path, monkeypatch, FakeKube(()), provided=[], image="redis", command=["x"], workingDir="/w")
    assert (order.argv, order.root, order.working_dir) == (("x",), Path("/r"), "/w")


def test_nothing_to_start_is_told_with_what_helps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StartError, match=r"what the image 'nginx' starts: give `command`, or tell `tandem up --images"):
        prepared(tmp_path, monkeypatch, FakeKube(()), provided=[], image="nginx", args=["-g"])


def test_args_alone_are_a_command_line_where_the_image_is_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in an image without entrypoint; `kubectl run NAME --image=host -- PROGRAM` says no more."""
    order = prepared(tmp_path, monkeypatch, FakeKube(()), provided=[], image="host", args=["sed", "s/^/read:/"])
    assert order.argv == ("sed", "s/^/read:/")
    with pytest.raises(StartError, match="`command` or `args` have to name a program of this machine"):
        prepared(tmp_path, monkeypatch, FakeKube(()), provided=[], image="host")


def test_the_roots_of_all_containers_images_are_told_once() -> None:
    node = cast("Node", SimpleNamespace(images=IMAGES))
    containers = [{"name": "a", "image": "redis"}, {"name": "b", "image": "redis:7"}, {"name": "c", "image": "host"}]
    assert preparation.roots(node, pod("a", spec={"containers": containers})) == (Path("/r"),)
