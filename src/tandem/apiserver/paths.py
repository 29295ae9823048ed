"""The path of a request -> what it is about. Pure."""

from __future__ import annotations

from tandem.apiserver import discovery, eventforms
from tandem.apiserver.errors import Refusal
from tandem.apiserver.verbs import Where
from tandem.model.kinds import Kind

NO_SUCH_PATH = "the server could not find the requested resource"


def parse_path(path: str) -> Where:
    """`/api/v1/namespaces/shop/pods/web/status` -> Where; Refusal 404 for what is not served."""
    parts = [p for p in path.split("/") if p]
    if parts[:1] == ["api"] and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[:1] == ["apis"] and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        raise Refusal(404, NO_SUCH_PATH)
    namespace = ""
    # /namespaces/<name> and its subresources are about the Namespace, longer paths about what is in it.
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in {"status", "finalize"}:
        namespace, rest = rest[1], rest[2:]
    kind = discovery.find(group, version, rest[0])
    if kind is None or len(rest) > 3 or (namespace and not kind.namespaced):
        raise Refusal(404, f"{NO_SUCH_PATH}: {path}")
    if kind.namespaced and not namespace and len(rest) > 1:
        raise Refusal(404, f"{NO_SUCH_PATH}: {kind.kind} is namespaced: {path}")
    name = rest[1] if len(rest) > 1 else ""
    subresource = rest[2] if len(rest) > 2 else ""
    if subresource and subresource not in _subresources(kind):
        raise Refusal(404, f"{NO_SUCH_PATH}: {kind.kind} has no subresource {subresource!r}")
    return Where(
        kind=eventforms.CORE if kind is eventforms.GROUP else kind,
        api_version=f"{group}/{version}" if group else version,
        namespace=namespace,
        name=name,
        subresource=subresource,
    )


def _subresources(kind: Kind) -> set[str]:
    own = {"log", "exec", "attach", "portforward"} if kind.kind == "Pod" else set()
    scale = {"scale"} if kind.kind in discovery.SCALED else set()
    return own | scale | ({"status"} if kind.status else set())
