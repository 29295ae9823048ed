"""Containers of images that are here: a root directory of busybox alone, on the real kernel."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from netns.runtimelab import Lab, pod, run, state
from tandem.model.images import Image, Images
from tandem.model.meta import RawObject

pytestmark = pytest.mark.root

PROGRAMS = ("sh", "cat", "env", "httpd", "id", "ls", "mount", "pwd", "rm", "setsid", "sleep", "test", "touch", "tty")
SERVER = ("httpd", "-f", "-p", "8080", "-h", "/srv")
CFG: RawObject = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "cfg", "namespace": "shop"},
    "data": {"greeting": "hello"},
}


def unpacked(folder: Path) -> Path:
    """The root of an image: busybox, a page, and an /etc that leads elsewhere by an absolute link."""
    root = folder / "image"
    for name in ("bin", "srv", "conf"):
        (root / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", root / "bin/busybox")
    for name in PROGRAMS:
        (root / "bin" / name).symlink_to("busybox")
    (root / "etc").symlink_to("/conf")
    (root / "srv/index.html").write_text("from the image")
    return root


def with_image(lab: Lab, root: Path) -> None:
    lab.images = Images(
        (
            Image(
                image="web", root=str(root), entrypoint=SERVER, working_dir="/srv", env={"PATH": "/bin", "OF": "image"}
            ),
        )
    )


def tree(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def test_the_container_is_the_image_and_the_pod_around_it(tmp_path: Path) -> None:
    root = unpacked(tmp_path)
    before = tree(root)
    container = {
        "image": "docker.io/library/web",
        "readinessProbe": {"exec": {"command": ["test", "-e", "/srv/index.html"]}},
        "volumeMounts": [{"name": "cfg", "mountPath": "/deep/cfg"}, {"name": "data", "mountPath": "/srv/data"}],
    }
    volumes = [{"name": "cfg", "configMap": {"name": "cfg"}}, {"name": "data", "emptyDir": {}}]

    async def story(lab: Lab) -> None:
        with_image(lab, root)
        async with lab.running():
            web = await lab.ready("web")
            assert await lab.run_in(web, "pwd") == "/srv\n"
            assert "OF=image" in await lab.run_in(web, "env")
            assert await lab.run_in(web, "cat", "/deep/cfg/greeting") == "hello"
            assert "10.9.0.2\tweb" in await lab.run_in(web, "cat", "/etc/hosts")
            assert await lab.run_in(web, "cat", "/conf/hostname") == "web\n"
            assert (await lab.run_in(web, "ls", "/")).split() == (
                ["bin", "conf", "deep", "dev", "etc", "proc", "srv", "sys"]
            )
            assert (await lab.run_in(web, "ls", "/sys/class/net")).split() == ["eth0", "lo"]
            assert "catatonit" in await lab.run_in(web, "cat", "/proc/1/comm")
            assert "CapBnd:\t00000000a80425fb" in await lab.run_in(web, "cat", "/proc/self/status")
            assert "ermission denied" in await lab.run_in(web, "mount", "-t", "tmpfs", "x", "/srv")
            assert "Read-only" in await lab.run_in(web, "sh", "-c", "echo x > /proc/sys/kernel/core_pattern")
            await lab.run_in(web, "touch", "/srv/mine", "/srv/data/mine")

    run(tmp_path, story, CFG, pod("web", uid="00000001-i", container=container, volumes=volumes))
    assert tree(root) == before


def test_what_was_written_goes_with_the_container_and_volumes_stay(tmp_path: Path) -> None:
    root = unpacked(tmp_path)
    container = {
        "image": "web",
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        "command": ["sh", "-c", "ls /srv/mine; ls /data; touch /srv/mine /data/kept; exit 1"],
    }

    async def story(lab: Lab) -> None:
        with_image(lab, root)
        async with lab.running():
            again = await lab.until("web", lambda p: state(p)["restartCount"] >= 2)
            said = (lab.dir.pods / again["metadata"]["uid"] / "logs").rglob("*")
            text = "".join(path.read_text() for path in sorted(said) if path.is_file())
            assert "kept" in text
            assert text.count("/srv/mine: No such file") >= 2

    raw = pod("web", uid="00000002-i", container=container, volumes=[{"name": "data", "emptyDir": {}}])
    run(tmp_path, story, raw)


def test_containers_of_one_pod_have_each_their_own_root(tmp_path: Path) -> None:
    root = unpacked(tmp_path)

    async def story(lab: Lab) -> None:
        with_image(lab, root)
        async with lab.running():
            both = await lab.ready("web")
            assert await lab.run_in(both, "cat", "/srv/index.html", container="c") == "from the image"
            assert "No such file" in await lab.run_in(both, "cat", "/srv/index.html", container="side")
            assert await lab.run_in(both, "ls", "/run/.tandem", container="side") == ""

    raw = pod("web", uid="00000003-i", container={"image": "web"})
    raw["spec"]["containers"].append({"name": "side", "image": "host", "command": ["sleep", "60"]})
    run(tmp_path, story, raw)


def test_a_root_that_has_gone_is_named_and_waited_for(tmp_path: Path) -> None:
    root = unpacked(tmp_path)
    away = root.with_name("away")
    root.rename(away)

    async def story(lab: Lab) -> None:
        with_image(lab, root)
        async with lab.running():
            waiting = await lab.until(
                "web", lambda p: "waiting" in state(p)["state"] and "message" in state(p)["state"]["waiting"]
            )
            assert str(root) in state(waiting)["state"]["waiting"]["message"]
            away.rename(root)
            await lab.ready("web")

    run(tmp_path, story, pod("web", uid="00000004-i", container={"image": "web"}))
