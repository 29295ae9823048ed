"""Chained behind another plugin: what the configuration asks for, and what `prevResult` says of the link. Pure.

ADD with a `prevResult` is chained: Tandem is not the first plugin, makes no link and gives no address. Keys of the
configuration that are for this alone: `chained` (true: ADD without `prevResult` is refused) and `policy`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tandem.podnet.request import Code, Request, VerbError, ip_address

CHAINED: Final = "chained"
POLICY: Final = "policy"
FIRST_PLUGIN: Final = ("portMappings", "bandwidth", "ips", "mac", "dns", "ipRanges")
"""Capabilities of the plugin that makes the link; behind it they would be promised and not done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Previous:
    """The link that is there, in the words of the plugins before."""

    addresses: tuple[str, ...]
    """Of the interface, without prefix lengths, IPv4 first."""
    gateways: tuple[str, ...]


def is_chained(request: Request) -> bool:
    """True if another plugin makes the link; raises VerbError where the configuration contradicts itself.

    DEL does not look at that: what ADD refused has a DEL all the same.
    """
    if request.verb == "DEL":
        return request.config.get(CHAINED) is True
    chained = _flag(request.config, CHAINED)
    if request.verb == "ADD" and chained and request.config.get("prevResult") is None:
        what = f'"{CHAINED}": true needs the prevResult of a plugin that makes the interface'
        raise VerbError(Code.BAD_CONFIG, f"prevResult: {what}; Tandem is the first plugin of {request.config['name']}")
    found = chained or (request.verb == "ADD" and request.config.get("prevResult") is not None)
    if not found and POLICY in request.config:
        raise VerbError(
            Code.BAD_CONFIG, f"{POLICY}: only behind another plugin; pods of Tandem's own are always judged"
        )
    return found


def wants_policy(request: Request) -> bool:
    """True if NetworkPolicy is to be enforced on the link; raises VerbError."""
    return _flag(request.config, POLICY)


def refuse_foreign_wishes(request: Request) -> None:
    """Raises VerbError for a capability that only the plugin that makes the link can fulfil."""
    config = request.config.get("runtimeConfig")
    asked = config if isinstance(config, Mapping) else {}
    if name := next((name for name in FIRST_PLUGIN if asked.get(name)), ""):
        what = f"runtimeConfig.{name}: Tandem is chained here and makes no link"
        raise VerbError(Code.UNSUPPORTED, f"{what}: declare it for the first plugin only", repr(asked[name]))


def previous_of(request: Request) -> Previous:
    """The link of CNI_IFNAME as `prevResult` has it; raises VerbError that names the path at fault."""
    result = request.config.get("prevResult")
    if not isinstance(result, Mapping):
        raise VerbError(Code.BAD_CONFIG, f"prevResult: an object, not {result!r}")
    number = _interface(result, request.ifname)
    addresses, gateways = [], []
    for index, item in enumerate(objects("prevResult.ips", result.get("ips"))):
        if item.get("interface") in {None, number}:
            addresses.append(ip_address(f"prevResult.ips[{index}].address", str(item.get("address")).partition("/")[0]))
            if item.get("gateway"):
                gateways.append(ip_address(f"prevResult.ips[{index}].gateway", item["gateway"]))
    if not addresses:
        raise VerbError(
            Code.BAD_CONFIG, f"prevResult.ips: no address for {request.ifname}: nothing to redirect or judge"
        )
    return Previous(addresses=_in_order(addresses), gateways=_in_order(gateways))


def _interface(result: Mapping[str, Any], ifname: str) -> int:
    for index, item in enumerate(objects("prevResult.interfaces", result.get("interfaces"))):
        if item.get("name") == ifname and item.get("sandbox"):
            return index
    raise VerbError(Code.BAD_CONFIG, f"prevResult.interfaces: no {ifname} with a sandbox")


def objects(path: str, value: Any) -> list[Mapping[str, Any]]:
    """A list of objects, empty where there is none; raises VerbError."""
    found = value if value is not None else []
    if not isinstance(found, list) or not all(isinstance(item, Mapping) for item in found):
        raise VerbError(Code.BAD_CONFIG, f"{path}: a list of objects, not {value!r}")
    return found


def _in_order(addresses: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(sorted(addresses, key=lambda a: (":" in a, addresses.index(a)))))


def _flag(config: Mapping[str, Any], key: str) -> bool:
    value = config.get(key, False)
    if not isinstance(value, bool):
        raise VerbError(Code.BAD_CONFIG, f"{key}: true or false, not {value!r}")
    return value
