"""What a container needs before it starts: its volumes written, its environment and command line resolved.

In: a container's spec and its pod's sandbox. Out: a Launch; ConfigError names what is missing, StartError says that
nothing says what to start.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tandem.ingest.errors import ApiError, NotFound
from tandem.model import core
from tandem.model.images import HOST
from tandem.model.kinds import BY_KIND
from tandem.model.parse import ParseError, parse
from tandem.workloads import volumes
from tandem.workloads.context import Node
from tandem.workloads.environment import ConfigError, References, arguments, resolve, wanted
from tandem.workloads.etc import pod_hostname
from tandem.workloads.record import SandboxRecord
from tandem.workloads.sandbox import DEFAULT_PATH, Bind, Launch, StartError

_OF_HOST: Final = (
    f"command is empty: with the image `{HOST}`, `command` or `args` have to name a program of this machine"
)
_NOTHING: Final = (
    "there is no `command`, and nothing says what the image {image!r} starts: give `command`,"
    " or tell `tandem up --images FILE` of the image"
)


async def prepare(node: Node, pod: core.Pod, record: SandboxRecord, container: core.Container) -> Launch:
    """Fetch what the container refers to, write its volumes, resolve its environment."""
    references = await _references(node, pod)
    mounts = {m.name for m in container.volume_mounts}
    # What is written from objects is written again from the node, with its rights: no container may put links there.
    kept = {v.name for v in pod.spec.volumes if v.empty_dir is None}
    folder = volumes.place(record.init)
    for volume in pod.spec.volumes:
        if volume.name in mounts:
            volumes.write(folder / volume.name, volumes.files_of(volume, references))
    unknown = mounts - {v.name for v in pod.spec.volumes}
    if unknown:
        raise ConfigError(f"volumeMounts: no volume is named {min(unknown)!r}")
    chosen = resolve(pod, container, references, addresses=record.addresses, host_ips=node.addresses)
    hostname = pod_hostname(pod, node.name)
    binds = tuple(
        Bind(volume=m.name, path=m.sub_path, target=m.mount_path, read_only=m.read_only or m.name in kept)
        for m in container.volume_mounts
    )
    image = node.images.of(container.image)
    argv = arguments(container, image, chosen)
    if not argv:
        raise StartError(_OF_HOST if container.image in {"", HOST} else _NOTHING.format(image=container.image))
    return Launch(
        argv=argv,
        environment={
            "PATH": DEFAULT_PATH,
            "HOSTNAME": hostname,
            "HOME": "/root",
            **({"TERM": "xterm"} if container.tty else {}),
            **(image.env if image else {}),
            **chosen,
        },
        working_dir=container.working_dir or (image.working_dir if image else ""),
        binds=binds,
        root=Path(image.root) if image and image.root else None,
    )


def roots(node: Node, pod: core.Pod) -> tuple[Path, ...]:
    """The roots of the images of a pod's containers."""
    found = {
        image.root for c in (*pod.spec.init_containers, *pod.spec.containers) if (image := node.images.of(c.image))
    }
    return tuple(Path(root) for root in sorted(found - {""}))


async def _references(node: Node, pod: core.Pod) -> References:
    maps, secrets = wanted(pod)
    found: dict[str, dict[str, object]] = {"ConfigMap": {}, "Secret": {}}
    for kind, names in (("ConfigMap", maps), ("Secret", secrets)):
        for name in sorted(names):
            try:
                found[kind][name] = parse(await node.client.get(BY_KIND[kind], pod.metadata.namespace, name))
            except NotFound:
                continue
            except ApiError as err:
                raise ConfigError(f"{kind} {name}: {err.message}") from err
            except ParseError as err:
                raise ConfigError(f"{kind} {name}: {err}") from err
    return References(config_maps=found["ConfigMap"], secrets=found["Secret"])  # type: ignore[arg-type]
