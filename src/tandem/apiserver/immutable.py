"""Which changes of an object the API refuses. Pure: (kind, old, new) -> `path: text` lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

Raw = dict[str, Any]
FIXED: Final = "may not be changed after creation"
POD_MAY_CHANGE: Final = re.compile(
    r"spec\.(initContainers|containers)\[\d+\]\.(image|imagePullPolicy)"
    r"|spec\.(activeDeadlineSeconds|terminationGracePeriodSeconds)|spec\.tolerations.*"
)
ALWAYS: Final = {
    "Deployment": (("spec", "selector"),),
    "StatefulSet": (("spec", "selector"), ("spec", "serviceName"), ("spec", "podManagementPolicy")),
    "EndpointSlice": (("addressType",),),
    "XMesh": (("spec", "controllerName"),),
    "IPPool": (("spec", "cidr"),),
    "IPAMBlock": (("spec", "cidr"), ("spec", "node")),
}
"""Fields that never change, by kind."""


def forbidden_changes(kind: str, old: Raw, new: Raw) -> list[str]:
    """What must stay as it is and does not."""
    match kind:
        case "Pod":
            return [f"{path}: {FIXED}" for path in _pod(old, new)]
        case "Secret" | "ConfigMap":
            found = _same(old, new, ("type",))
            if old.get("immutable"):
                fields = ("data", "binaryData", "immutable")
                found += [f"{f}: the object is immutable" for f in fields if old.get(f) != new.get(f)]
            return found
        case "Node":
            before = (old.get("spec") or {}).get("podCIDR")
            return _same(old, new, ("spec", "podCIDR")) if before else []
    return [wrong for path in ALWAYS.get(kind, ()) for wrong in _same(old, new, path)]


def _same(old: Raw, new: Raw, path: tuple[str, ...]) -> list[str]:
    before: Any = old
    after: Any = new
    for part in path:
        before, after = (before or {}).get(part), (after or {}).get(part)
    return [] if before == after else [f"{'.'.join(path)}: {FIXED}"]


def _pod(old: Raw, new: Raw) -> Iterator[str]:
    before, after = old.get("spec"), new.get("spec")
    for path in differences(before, after, "spec"):
        bound = path == "spec.nodeName" and not (before or {}).get("nodeName")
        if not bound and not POD_MAY_CHANGE.fullmatch(path):
            yield path


def differences(old: Any, new: Any, at: str) -> Iterator[str]:
    """The paths of the values that differ, as deep as the forms agree."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted(old.keys() | new.keys()):
            yield from differences(old.get(name), new.get(name), f"{at}.{name}")
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for i, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from differences(before, after, f"{at}[{i}]")
    elif old != new:
        yield at
