"""`defaultConfig.gatewayTopology` of Istio's mesh configuration -> how many proxies before gateways count. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tandem.model.schemas.protojson import whole_number

CONFIG: Final = "defaultConfig"
_TOPOLOGY: Final = "gatewayTopology"
_HOPS: Final = "numTrustedProxies"
_MOST: Final = 255
_HERE: Final = "it has no effect here"


def trusted_hops(fields: Mapping[str, Any]) -> tuple[int, list[tuple[str, str]]]:
    """So many of them say in `x-forwarded-for` who the client is, and what is wrong beside, each with its code.

    Where what is written cannot be used there is none: the client is who connects.
    """
    wrong: list[tuple[str, str]] = []
    config = _object(fields.get(CONFIG), CONFIG, wrong)
    wrong += [("UnsupportedField", f"{CONFIG}.{name}: {_HERE}") for name in sorted(config.keys() - {_TOPOLOGY})]
    at = f"{CONFIG}.{_TOPOLOGY}"
    topology = _object(config.get(_TOPOLOGY), at, wrong)
    wrong += [("UnsupportedField", f"{at}.{name}: {_HERE}") for name in sorted(topology.keys() - {_HOPS})]
    number = whole_number(topology.get(_HOPS, 0))
    if type(number) is int and 0 <= number <= _MOST:
        return number, wrong
    return 0, [
        *wrong,
        ("InvalidValue", f"{at}.{_HOPS}: {number!r} is no number from 0 to {_MOST}: no proxy is trusted"),
    ]


def _object(value: Any, at: str, wrong: list[tuple[str, str]]) -> Mapping[str, Any]:
    if isinstance(value, dict):
        return value
    if value is not None:
        wrong.append(("InvalidValue", f"{at}: {type(value).__name__} in place of an object"))
    return {}
