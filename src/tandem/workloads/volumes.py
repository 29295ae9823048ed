"""A pod's volumes: emptyDir, ConfigMap and Secret, as directories in the sandbox's own tmpfs.

In: a volume and what it refers to. Out: files, written so that a reader sees the old set or the new one, never a
mixture (`..data` is a link that is replaced in one step, as kubelet does it). Nothing of it ever lies on the host.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tandem.base.digest import digest
from tandem.model import core
from tandem.workloads import rootfs
from tandem.workloads.environment import ConfigError, References, decoded
from tandem.workloads.record import Process

_DATA: Final = "..data"


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeFile:
    """One file of a volume."""

    path: str
    content: bytes
    mode: int


def files_of(volume: core.Volume, references: References) -> tuple[VolumeFile, ...] | None:
    """The files of a ConfigMap or Secret volume, sorted; None for an emptyDir. Raises ConfigError."""
    if volume.config_map is not None:
        name, config_map = volume.config_map.name, references.config_maps.get(volume.config_map.name)
        data = None if config_map is None else {k: v.encode() for k, v in config_map.data.items()}
        return _projected(volume.config_map, data, f'volume {volume.name}: configmap "{name}"')
    if volume.secret is not None:
        name, secret = volume.secret.secret_name, references.secrets.get(volume.secret.secret_name)
        data = None if secret is None else decoded(secret)
        return _projected(volume.secret, data, f'volume {volume.name}: secret "{name}"')
    if volume.empty_dir is None:
        raise ConfigError(f"volume {volume.name}: only emptyDir, configMap and secret volumes are provided here")
    return None


def place(init: Process) -> Path:
    """The directory of a sandbox's volumes, seen from the host."""
    return Path(f"/proc/{init.pid}/root", rootfs.VOLUMES)


def write(folder: Path, files: Sequence[VolumeFile] | None) -> None:
    """Make the volume at `folder` hold exactly `files`; an emptyDir is made once and left alone."""
    folder.mkdir(exist_ok=True)
    if files is None:
        folder.chmod(0o777)
        return
    version = f"..{digest(repr(files), 16)}"
    data = folder / version
    if not data.exists():
        for file in files:
            target = data / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.content)
            target.chmod(file.mode)
        data.mkdir(exist_ok=True)
    old = (folder / _DATA).readlink().name if (folder / _DATA).is_symlink() else ""
    if old == version:
        return
    (folder / "..new").symlink_to(version)
    (folder / "..new").rename(folder / _DATA)
    names = {file.path.partition("/")[0] for file in files}
    for name in names:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"{_DATA}/{name}")
    for entry in folder.iterdir():
        if not entry.name.startswith("..") and entry.name not in names:
            entry.unlink()
    if old.startswith("..") and old != "..":
        shutil.rmtree(folder / old, ignore_errors=True)


def _projected(
    source: core.ConfigMapVolume | core.SecretVolume, data: Mapping[str, bytes] | None, what: str
) -> tuple[VolumeFile, ...]:
    if data is None:
        if not source.optional:
            raise ConfigError(f"{what} not found")
        data = {}
    if not source.items:
        return tuple(_file(k, data[k], source.default_mode, what) for k in sorted(data))
    found = []
    for item in source.items:
        if item.key in data:
            mode = source.default_mode if item.mode is None else item.mode
            found.append(_file(item.path, data[item.key], mode, what))
        elif not source.optional:
            raise ConfigError(f"{what} has no key {item.key!r}")
    return tuple(found)


def _file(path: str, content: bytes, mode: int, what: str) -> VolumeFile:
    """What leads out of the volume is refused here too: the API server may be another than ours."""
    if path.startswith("/") or ".." in path.split("/"):
        raise ConfigError(f"{what}: the path {path!r} must be relative and without `..`")
    return VolumeFile(path=path, content=content, mode=mode)
