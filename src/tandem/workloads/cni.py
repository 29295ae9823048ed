"""The network of a sandbox, as containerd obtains it: the plugins of the first conflist, executed in order.

To those of the list are added those of `<folder>/<network name>/*.conf`, unless it says `loadOnlyInlinedPlugins` (CNI
specification 1.1, section 1), as libcni 1.3 does.

In: a sandbox's identity. Out: the last plugin's result; CniError with the plugin's own words. After a failed ADD, DEL
has been called. The cached result is what DEL gets as `prevResult`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import msgspec

from tandem.base.paths import NodeDir
from tandem.workloads.capabilities import declared

TRY_AGAIN: Final = 11
BAD_JSON: Final = 6
BAD_CONFIG: Final = 7
_DEADLINE: Final = 60.0


class CniError(Exception):
    """The network could not be set up or taken down. `code` 11 means: try again later (CNI spec, "Error")."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """Who asks for an interface."""

    container_id: str
    netns: str
    namespace: str
    name: str
    uid: str
    capabilities: Mapping[str, Any] = field(default_factory=dict)
    """By name, what a plugin that declares it is told in `runtimeConfig`."""

    def environment(self, command: str, path: Path) -> dict[str, str]:
        """CNI_*, with the arguments that containerd sends."""
        args = {
            "IgnoreUnknown": "1",
            "K8S_POD_NAMESPACE": self.namespace,
            "K8S_POD_NAME": self.name,
            "K8S_POD_INFRA_CONTAINER_ID": self.container_id,
            "K8S_POD_UID": self.uid,
        }
        return {
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": self.container_id,
            "CNI_NETNS": self.netns,
            "CNI_IFNAME": "eth0",
            "CNI_ARGS": ";".join(f"{k}={v}" for k, v in args.items()),
            "CNI_PATH": str(path),
        }


class Cni:
    """The network of one node."""

    def __init__(self, node_dir: NodeDir) -> None:
        self._dir = node_dir

    async def add(self, attachment: Attachment) -> tuple[str, ...]:
        """Attach; the sandbox's addresses."""
        config = self._config()
        result: Mapping[str, Any] | None = None
        try:
            for plugin in config["plugins"]:
                result = await self._execute("ADD", attachment, _network(config, plugin, result))
        except CniError:
            # containerd tears down after every failed ADD: a plugin may have done half of its work.
            await self._undo(config, attachment, result)
            raise
        addresses = tuple(str(ip["address"]).partition("/")[0] for ip in (result or {}).get("ips") or ())
        if not addresses:
            await self._undo(config, attachment, result)
            raise CniError(999, f"network {config['name']}: the plugins returned no address")
        self._cache(attachment).parent.mkdir(parents=True, exist_ok=True)
        self._cache(attachment).write_bytes(
            msgspec.json.encode({"config": config, "result": result, "capabilities": attachment.capabilities})
        )
        return addresses

    async def delete(self, attachment: Attachment) -> None:
        """Detach; nothing to do is success."""
        try:
            cached = msgspec.json.decode(self._cache(attachment).read_bytes())
        except (OSError, msgspec.DecodeError):
            cached = {"config": self._config(), "result": None}
        attachment = replace(attachment, capabilities=cached.get("capabilities") or {})
        for plugin in reversed(cached["config"]["plugins"]):
            await self._execute("DEL", attachment, _network(cached["config"], plugin, cached["result"]))
        self._cache(attachment).unlink(missing_ok=True)

    async def _undo(self, config: dict[str, Any], attachment: Attachment, result: Mapping[str, Any] | None) -> None:
        for plugin in reversed(config["plugins"]):
            try:
                await self._execute("DEL", attachment, _network(config, plugin, result))
            except CniError:
                continue  # the failure of ADD is the one to tell; DEL is called again when the sandbox is removed

    def _cache(self, attachment: Attachment) -> Path:
        return self._dir.pods / attachment.uid / f"cni-{attachment.container_id}.json"

    def _config(self) -> dict[str, Any]:
        """The first of `*.conflist` in the order of their names, as containerd picks it."""
        folder = self._dir.cni_conf
        found = sorted(folder.glob("*.conflist"))
        if not found:
            raise CniError(TRY_AGAIN, f"no network configuration in {folder}: is the agent running?")
        try:
            config = msgspec.json.decode(found[0].read_bytes())
        except (OSError, msgspec.DecodeError) as err:
            raise CniError(BAD_JSON, f"{found[0]}: {err}") from err
        if not isinstance(config, dict) or not config.get("name"):
            raise CniError(BAD_CONFIG, f"{found[0]}: `name` is needed")
        config["plugins"] = [*(config.get("plugins") or ()), *_further(folder, config)]
        if not config["plugins"]:
            raise CniError(BAD_CONFIG, f"{found[0]}: `plugins` are needed, there or in {folder / config['name']}")
        return config

    async def _execute(self, command: str, attachment: Attachment, network: dict[str, Any]) -> dict[str, Any]:
        network = declared(network, attachment.capabilities)
        name = str(network.get("type") or "")
        program = self._dir.cni_bin / name
        if not name or "/" in name or not program.is_file():
            raise CniError(TRY_AGAIN, f"CNI plugin {name!r} is not in {self._dir.cni_bin}")
        environment = {**os.environ, **attachment.environment(command, self._dir.cni_bin)}
        process = await asyncio.create_subprocess_exec(
            str(program),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
        )
        try:
            async with asyncio.timeout(_DEADLINE):
                out, err = await process.communicate(msgspec.json.encode(network))
        except TimeoutError:
            process.kill()
            await process.wait()
            raise CniError(TRY_AGAIN, f"{name} {command}: no answer within {_DEADLINE:.0f} seconds") from None
        answer = _decoded(out)
        if process.returncode != 0:
            said = ": ".join(str(answer[k]) for k in ("msg", "details") if answer.get(k))
            text = said or err.decode(errors="replace").strip()[-500:] or f"exit status {process.returncode}"
            raise CniError(int(answer.get("code") or 999), f"{name} {command}: {text}")
        return answer


def _further(folder: Path, config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Plugins that others put behind those of the list, by the names of their files."""
    if config.get("loadOnlyInlinedPlugins") in {True, "true"}:
        return []
    found = []
    for path in sorted((folder / config["name"]).glob("*.conf")):
        try:
            plugin = msgspec.json.decode(path.read_bytes())
        except (OSError, msgspec.DecodeError) as err:
            raise CniError(BAD_JSON, f"{path}: {err}") from err
        if not isinstance(plugin, dict) or not plugin.get("type"):
            raise CniError(BAD_CONFIG, f"{path}: `type` is needed")
        found.append(plugin)
    return found


def _network(config: dict[str, Any], plugin: dict[str, Any], previous: Mapping[str, Any] | None) -> dict[str, Any]:
    network = {**plugin, "name": config["name"], "cniVersion": config.get("cniVersion", "1.0.0")}
    return network if previous is None else {**network, "prevResult": previous}


def _decoded(out: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(out)
    except msgspec.DecodeError:
        return {}
    return value if isinstance(value, dict) else {}
