"""Listeners beyond the form of single fields: the rules of the CRD of ListenerSets, and of both (v1). Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from tandem.model.schemas.rules_kubernetes import Rule

LONGEST: Final = 64
PLAIN: Final = frozenset({"HTTP", "TCP", "UDP"})
"""Protocols whose listeners have no TLS."""
HOSTLESS: Final = frozenset({"TCP", "UDP"})


def _set_spec(raw: dict[str, Any], at: str) -> Iterator[str]:
    listeners = raw["listeners"]
    if not listeners:
        yield f"{at}.listeners: at least one entry is required"
    if len(listeners) > LONGEST:
        yield f"{at}.listeners: at most {LONGEST} entries, not {len(listeners)}"
    seen: dict[tuple[object, ...], str] = {}
    for i, one in enumerate(listeners):
        where = f"{at}.listeners[{i}]"
        yield from _listener(one, where)
        same = one.get("port"), one.get("protocol"), one.get("hostname")
        if same in seen:
            yield f"{where}: port, protocol and hostname are those of {seen[same]}"
        seen.setdefault(same, where)


def _listener(raw: dict[str, Any], at: str) -> Iterator[str]:
    protocol, tls = raw.get("protocol"), raw.get("tls") or {}
    if protocol in PLAIN and "tls" in raw:
        yield f"{at}.tls: must not be given for the protocol {protocol}"
    if protocol == "HTTPS" and tls.get("mode", "Terminate") != "Terminate":
        yield f"{at}.tls.mode: must be Terminate for the protocol HTTPS"
    if protocol in HOSTLESS and raw.get("hostname"):
        yield f"{at}.hostname: must not be given for the protocol {protocol}"


def _mode(raw: dict[str, Any], at: str) -> Iterator[str]:
    """Of a Gateway as well: nobody could tell what to do with its sessions."""
    if raw["protocol"] == "TLS" and not (raw.get("tls") or {}).get("mode"):
        yield f"{at}.tls.mode: is required for the protocol TLS"


RULES: Final[dict[str, Rule]] = {"GwSetSpec": _set_spec, "GwListener": _mode}
