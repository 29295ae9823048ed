"""Container runtimes of Debian inside a world of the tests: what each is told, so that all are tested alike.

In: a Lab in which the plugin is installed in the usual places. Out: containers that serve HTTP on port 9000. Their
files are busybox in a directory made on the spot; no image is downloaded.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Final, Protocol

from e2e.cri import Cri
from e2e.lab import Lab, Ran, until

BUSYBOX: Final = Path("/bin/busybox")
ROOTFS: Final = "/tmp/rootfs"
PORT: Final = 9000
SERVE: Final = (str(BUSYBOX), "httpd", "-f", "-p", str(PORT), "-h", "/www")
CGROUP: Final = "tandem-e2e"
"""All cgroups of these containers lie below it, so that they can be removed."""
IMAGE: Final = "tandem.test/sandbox:1"

_PRIVATE: Final = (
    # As `ip netns` and podman do on a machine where they ever ran; done later, it would hide what is pinned there.
    "mount --bind /run/netns /run/netns && mount --make-shared /run/netns;"
    # What runtimes write outside of /run and /tmp ends with the world.
    "for d in /etc /opt /var/lib; do mkdir -p /tmp/over$d/up /tmp/over$d/work;"
    " mount -t overlay overlay -o lowerdir=$d,upperdir=/tmp/over$d/up,workdir=/tmp/over$d/work $d; done"
)
_ROOTFS: Final = (
    f"mkdir -p {ROOTFS}/bin {ROOTFS}/proc {ROOTFS}/sys {ROOTFS}/dev {ROOTFS}/etc {ROOTFS}/run {ROOTFS}/www"
    f" && cp {BUSYBOX} {ROOTFS}/bin/"
    f" && echo hello > {ROOTFS}/www/index.html && touch {ROOTFS}/etc/resolv.conf {ROOTFS}/etc/hosts"
)
_CONTAINERD: Final = f"""
version = 2
root = "/tmp/containerd"
state = "/run/containerd"
[grpc]
address = "/run/containerd/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
path = "/tmp/containerd-opt"
[plugins."io.containerd.grpc.v1.cri"]
restrict_oom_score_adj = true  # a container here may not lower it, and runc fails with an empty message
sandbox_image = "{IMAGE}"
"""
_PODMAN: Final = """
[network]
network_backend = "cni"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""


class Runtime(Protocol):
    """One runtime."""

    def add(self, name: str) -> str:
        """Start a container; its address."""

    def inside(self, name: str, *command: str) -> Ran:
        """Run one of busybox's commands in it."""

    def restart(self, name: str) -> str:
        """Restart the runtime (or, where there is no daemon, the container); the container's address then."""

    def delete(self, name: str) -> None:
        """Stop and forget it."""

    def container_id(self, name: str) -> str:
        """What the runtime calls it towards the plugin."""


def prepare(lab: Lab) -> None:
    """Once per world, before the plugin is installed."""
    lab.run("sh", "-ec", _PRIVATE, status=0)
    lab.run("sh", "-ec", _ROOTFS, status=0)


def remove_cgroups() -> None:
    """After the world: its cgroups belong to the machine."""
    for top in Path("/sys/fs/cgroup").glob("*"):
        for folder in sorted((top / CGROUP).rglob("*"), reverse=True):
            if folder.is_dir():
                folder.rmdir()
        if (top / CGROUP).is_dir():
            (top / CGROUP).rmdir()


def address_of(said: Ran) -> str:
    """The address in what `ip -4 address show eth0` says."""
    return said.out.split("inet ")[1].split("/")[0]


class Containerd:
    """The daemon."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self.socket = lab.root / "run" / "containerd" / "containerd.sock"
        (lab.root / "tmp" / "containerd.toml").write_text(_CONTAINERD)
        self._start()

    def _start(self) -> None:
        command = "containerd -c /tmp/containerd.toml >>/tmp/containerd.log 2>&1 & echo $!"
        self._pid = self._lab.run("sh", "-c", command, status=0).out.strip()
        until(lambda: self._lab.run("ctr", "version").status, lambda status: status == 0, self.log)

    def restart(self) -> None:
        self.stop()
        self._start()

    def stop(self) -> None:
        """By SIGKILL, as a crash would."""
        self._lab.run("kill", "-9", self._pid, status=0)
        until(lambda: int(self._pid) in self._lab.processes(), lambda there: not there)

    def log(self) -> str:
        return (self._lab.root / "tmp" / "containerd.log").read_text()[-3000:]


class Ctr:
    """`ctr run --cni`: no Pod, no namespace, no DNS; DEL with an empty namespace path."""

    def __init__(self, lab: Lab, daemon: Containerd) -> None:
        self._lab = lab
        self._daemon = daemon

    def _ctr(self, *words: str, status: int | None = 0) -> Ran:
        return self._lab.run("ctr", "-n", CGROUP, *words, status=status)

    def add(self, name: str) -> str:
        self._ctr("run", "-d", "--cni", "--rootfs", ROOTFS, name, *SERVE)
        return address_of(self.inside(name, "ip", "-4", "address", "show", "eth0"))

    def inside(self, name: str, *command: str) -> Ran:
        return self._ctr("task", "exec", "--exec-id", "e", name, str(BUSYBOX), *command, status=None)

    def restart(self, name: str) -> str:
        self._daemon.restart()
        return address_of(self.inside(name, "ip", "-4", "address", "show", "eth0"))

    def delete(self, name: str) -> None:
        self._ctr("task", "kill", "-s", "KILL", name)
        until(lambda: self._ctr("task", "ls").out, lambda said: "STOPPED" in said)
        self._ctr("task", "delete", name)
        self._ctr("container", "delete", name)
        # ctr executes DEL only for a container that it waits for: of a detached one it leaves that to its user.
        container = f"CNI_CONTAINERID={self.container_id(name)}"
        environment = ("CNI_COMMAND=DEL", container, "CNI_IFNAME=eth0", "CNI_PATH=/opt/cni/bin")
        conflist = json.loads((self._lab.root / "etc/cni/net.d/10-tandem.conflist").read_text())
        config = {**conflist["plugins"][0], "name": "tandem", "cniVersion": "1.0.0"}
        self._lab.run("env", *environment, "/opt/cni/bin/tandem-cni", stdin=json.dumps(config), status=0)

    def container_id(self, name: str) -> str:
        return f"{CGROUP}-{name}"


class Podman:
    """podman with its CNI backend, by the network's name."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        (lab.root / "tmp" / "containers.conf").write_text(_PODMAN)

    def _podman(self, *words: str, status: int | None = 0) -> Ran:
        where = ("--root", "/tmp/podman", "--runroot", "/run/podman", "--storage-driver", "vfs")
        return self._lab.run("env", "CONTAINERS_CONF=/tmp/containers.conf", "podman", *where, *words, status=status)

    def add(self, name: str, *more: str, network: str = "tandem") -> str:
        options = ("-d", "--network", network, "--cgroup-parent", f"/{CGROUP}", "--name", name, *more)
        self._podman("run", *options, "--rootfs", ROOTFS, *SERVE)
        return self._address(name, network)

    def inside(self, name: str, *command: str) -> Ran:
        return self._podman("exec", name, str(BUSYBOX), *command, status=None)

    def restart(self, name: str) -> str:
        self._podman("restart", "-t", "1", name)
        return self._address(name)

    def delete(self, name: str) -> None:
        self._podman("rm", "-f", "-t", "1", name)

    def container_id(self, name: str) -> str:
        return self._podman("inspect", "-f", "{{.Id}}", name).out.strip()

    def _address(self, name: str, network: str = "tandem") -> str:
        """What podman made of the plugin's result."""
        found = json.loads(self._podman("inspect", name).out)[0]["NetworkSettings"]["Networks"][network]
        return str(found["IPAddress"])


class Sandboxes:
    """Pods of the API, run by containerd through its CRI; the sandbox's own process is the server."""

    def __init__(self, lab: Lab, daemon: Containerd, namespace: str) -> None:
        self._lab = lab
        self._daemon = daemon
        self._namespace = namespace
        self._ids: dict[str, str] = {}
        self.cri = Cri(daemon.socket)
        (lab.root / "tmp" / "image.tar").write_bytes(_image(lab))
        lab.run("ctr", "-n", "k8s.io", "images", "import", "/tmp/image.tar", status=0)

    def add(self, name: str) -> str:
        uid = self._lab.get(self._namespace, "pod", name)["metadata"]["uid"]
        self._ids[name] = self.cri.run(self._namespace, name, uid, cgroup_parent=f"/{CGROUP}")
        return self.cri.address(self._ids[name])

    def inside(self, name: str, *command: str) -> Ran:
        execute = ("task", "exec", "--exec-id", "e", self._ids[name], str(BUSYBOX))
        return self._lab.run("ctr", "-n", "k8s.io", *execute, *command)

    def restart(self, name: str) -> str:
        self._daemon.restart()
        return self.cri.address(self._ids[name])

    def addresses(self, name: str) -> list[str]:
        return self.cri.addresses(self._ids[name])

    def delete(self, name: str) -> None:
        self.cri.remove(self._ids.pop(name))

    def container_id(self, name: str) -> str:
        return self._ids[name]


def _image(lab: Lab) -> bytes:
    """An image of one layer, in the form of `docker save`."""
    layer = _tar({}, lab.root / ROOTFS.strip("/"))
    config = {
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}[lab.run("uname", "-m").out.strip()],
        "os": "linux",
        "config": {"Cmd": list(SERVE)},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [IMAGE], "Layers": ["layer.tar"]}]
    parts = {"config.json": json.dumps(config), "manifest.json": json.dumps(manifest)}
    return _tar({"layer.tar": layer, **{name: text.encode() for name, text in parts.items()}})


def _tar(files: dict[str, bytes], folder: Path | None = None) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        if folder is not None:
            archive.add(folder, arcname=".")
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()
