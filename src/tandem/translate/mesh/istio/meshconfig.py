"""Istio's mesh configuration -> its fields, and Problems for those that have no effect here. Pure.

It stands where Istio has it: in the ConfigMap `istio` of the root namespace, `data.mesh`, as YAML. Whoever needs a
field asks here, and says what it comes to; that a field is not asked for by anybody is told once, with its path.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

import msgspec
import yaml

from tandem.base.problems import Origin, Problem, Severity
from tandem.ir.locality import LocalityBalancing
from tandem.ir.paths import Paths
from tandem.model.core import ConfigMap
from tandem.model.istio import LocalitySettings
from tandem.model.schemas import tables
from tandem.model.schemas.protojson import from_protojson
from tandem.model.schemas.walk import UNKNOWN, walk
from tandem.model.world import World
from tandem.translate.mesh.istio.locality import read_locality
from tandem.translate.mesh.istio.topology import CONFIG, trusted_hops
from tandem.translate.options import Options

NAME: Final = "istio"
KEY: Final = "mesh"
LOCALITY: Final = "localityLbSetting"
PATHS: Final = "pathNormalization"
_PATHS: Final = {
    "DEFAULT": Paths.BASE,
    "NONE": Paths.KEEP,
    "BASE": Paths.BASE,
    "MERGE_SLASHES": Paths.MERGE,
    "DECODE_AND_MERGE_SLASHES": Paths.DECODE,
}
PLACE: Final = f"ConfigMap {NAME}, data.{KEY}"
EFFECTIVE: Final = frozenset(
    {CONFIG, "extensionProviders", LOCALITY, "outboundTrafficPolicy", PATHS, "trustDomainAliases"}
)
"""Fields that something here is made of; each is judged by whoever reads it."""
_KNOWN: Final = tables.fields("MeshConfig").keys() - EFFECTIVE
_HERE: Final = "it has no effect here"
_INSTEAD: Final[Mapping[str, str]] = MappingProxyType(
    {
        "accessLogFile": "flows tell of every request (tandem flows)",
        "caCertificates": "a TrustSource says whose identities of other trust domains count",
        "certificates": "the control plane has a certificate authority of its own",
        "ca": "the control plane has a certificate authority of its own",
        "defaultDestinationRuleExportTo": "say exportTo in each object",
        "defaultServiceExportTo": "say exportTo in each ServiceEntry",
        "defaultVirtualServiceExportTo": "say exportTo in each object",
        "defaultHttpRetryPolicy": "say retries in each route",
        "connectTimeout": "say connectTimeout in a DestinationRule",
        "tcpKeepalive": "say tcpKeepalive in a DestinationRule",
        "h2UpgradePolicy": "say h2UpgradePolicy in a DestinationRule",
        "meshMTLS": "the least version of TLS between pods is not to be chosen",
    }
)


class MeshSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`fields` in the one form that tables have, none where there is no configuration; `wrong` says why it is none."""

    at: Origin | None = None
    fields: Mapping[str, Any] = MappingProxyType({})
    wrong: str = ""


def read_mesh_config(world: World, options: Options) -> MeshSettings:
    """The mesh configuration of this World."""
    config = world.get(ConfigMap, options.root_namespace, NAME)
    if config is None:
        return MeshSettings()
    fields, wrong = _parsed(config.data.get(KEY) or "")
    return MeshSettings(at=config.origin(f"data.{KEY}"), fields=fields, wrong=wrong)


def read_mesh_locality(world: World, options: Options) -> LocalityBalancing:
    """What holds where no DestinationRule says it; Istio's default where what is written cannot be used."""
    found, wrong = _locality(read_mesh_config(world, options).fields)
    return LocalityBalancing() if wrong else found


def read_paths(world: World, options: Options) -> Paths | None:
    """What is done with paths of requests, at pods and at gateways; None: nothing is said of it."""
    said = read_mesh_config(world, options).fields.get(PATHS)
    return _PATHS.get(str(said.get("normalization"))) if isinstance(said, dict) else None


def read_trusted_hops(world: World, options: Options) -> int:
    """How many proxies before a gateway are believed who the client is."""
    return trusted_hops(read_mesh_config(world, options).fields)[0]


def mesh_config_problems(world: World, options: Options) -> tuple[Problem, ...]:
    """What is written there and has no effect, each field with its path.

    What is no configuration at all, or no `outboundTrafficPolicy`, is told with what it does to pods (`sidecar.py`).
    """
    settings = read_mesh_config(world, options)
    return tuple(
        Problem(at=settings.at, code=code, text=text, severity=Severity.WARNING)
        for code, text in _without_effect(settings, options)
        if settings.at is not None
    )


@lru_cache(maxsize=4)
def _parsed(text: str) -> tuple[Mapping[str, Any], str]:
    """What it says and, if that is no configuration, why; of the same text the very same answer."""
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as err:
        return {}, f"no YAML ({' '.join(str(err).split())})"
    if found is None:
        return {}, ""
    if not isinstance(found, dict):
        return {}, f"{type(found).__name__} in place of an object"
    return from_protojson(found, "MeshConfig"), ""


def _locality(fields: Mapping[str, Any]) -> tuple[LocalityBalancing, list[tuple[str, str]]]:
    """The setting, and what is wrong with it; what has not even its form is told with all that has not."""
    raw, wrong = fields.get(LOCALITY), list[tuple[str, str]]()
    if raw is None or any(walk({LOCALITY: raw}, "MeshConfig")):
        return LocalityBalancing(), wrong
    asked = msgspec.convert(raw, LocalitySettings)
    found = read_locality(asked, LOCALITY, lambda path, code, text: wrong.append((code, f"{path}: {text}")))
    return found, wrong


def _without_effect(settings: MeshSettings, options: Options) -> Iterator[tuple[str, str]]:
    for line in walk(settings.fields, "MeshConfig"):
        if not line.startswith("outboundTrafficPolicy:"):
            yield "UnsupportedField" if UNKNOWN in line else "InvalidValue", line
    yield from _locality(settings.fields)[1]
    yield from trusted_hops(settings.fields)[1]
    for name in sorted(_KNOWN & settings.fields.keys()):
        if _says_something(name, settings.fields[name], options):
            instead = _INSTEAD.get(name)
            yield "UnsupportedField", f"{name}: {_HERE}" + (f": {instead}" if instead else "")


def _says_something(name: str, value: Any, options: Options) -> bool:
    """False for what is so here in any case."""
    same = {"trustDomain": options.trust_domain, "rootNamespace": options.root_namespace, "enableAutoMtls": True}
    return value is not None and not (name in same and value == same[name])
