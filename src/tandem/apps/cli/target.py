"""How users name things: `po`, `netpol,svc`, `all`, `deploy/web`, `shop/web-0`. In: words; out: kinds and pods."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

from tandem.apps.cli.session import CommandError
from tandem.model.kinds import BY_KIND, KINDS, POLICIES, Kind, find
from tandem.model.meta import RawObject

if TYPE_CHECKING:
    from tandem.ingest.kube import KubeClient

ALL: Final = (
    "Pod",
    "Service",
    "Deployment",
    "StatefulSet",
    *POLICIES,
    "ServiceEntry",
    "VirtualService",
    "DestinationRule",
    "IstioGateway",
    "HTTPRoute",
    "GRPCRoute",
    "TCPRoute",
    "TLSRoute",
    "BackendTLSPolicy",
    "UDPRoute",
)
"""What `get all` means: what runs, and what decides about its traffic."""


def kind_named(word: str) -> Kind:
    """The kind that a user means; CommandError with what there is."""
    kind = find(word)
    if kind is None:
        names = [name for k in KINDS for name in (k.plural, k.singular, *k.short)]
        close = difflib.get_close_matches(word.lower(), names, n=1)
        meant = f" (did you mean {close[0]}?)" if close else "; `kubectl api-resources` lists what there is"
        raise CommandError(f"there is no kind {word!r}{meant}", status=2)
    return kind


def kinds_named(words: str) -> list[Kind]:
    """The kinds of a comma-separated list; `all` is a list of its own."""
    found: list[Kind] = []
    for word in words.split(","):
        kinds = [BY_KIND[k] for k in ALL] if word == "all" else [kind_named(word)]
        found += [k for k in kinds if k not in found]
    return found


async def find_pod(client: KubeClient, target: str, namespace: str) -> RawObject:
    """The pod behind `POD`, `pod/POD`, `deploy/NAME` or `svc/NAME` (a ready one of those); CommandError if none."""
    word, slash, name = target.partition("/")
    kind = kind_named(word) if slash else BY_KIND["Pod"]
    if kind.kind == "Pod":
        return await client.get(kind, namespace, name if slash else target)
    if kind.kind not in {"Deployment", "StatefulSet", "Service"}:
        raise CommandError(f"{kind.singular} has no pods: give POD, deploy/NAME, sts/NAME or svc/NAME", status=2)
    owner = await client.get(kind, namespace, name)
    selector = owner.get("spec", {}).get("selector") or {}
    labels = selector if kind.kind == "Service" else selector.get("matchLabels") or {}
    if not labels:
        raise CommandError(f"{target} selects no pods")
    pods, _ = await client.list(
        BY_KIND["Pod"], namespace, label_selector=",".join(f"{k}={v}" for k, v in sorted(labels.items()))
    )
    usable = [p for p in pods if not p["metadata"].get("deletionTimestamp")]
    if not usable:
        raise CommandError(f"{target} has no pod at the moment")
    return min(usable, key=lambda p: (not is_ready(p), p["metadata"]["name"]))


def is_ready(pod: RawObject) -> bool:
    """The pod's Ready condition is True."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def container_named(pod: RawObject, name: str) -> str:
    """`name`, or the first container if it is empty; CommandError with the names that there are."""
    names = [str(c["name"]) for c in (pod.get("spec") or {}).get("containers") or ()]
    if not name:
        return names[0]
    if name not in names:
        raise CommandError(f"pod {pod['metadata']['name']} has no container {name!r}; it has: {', '.join(names)}")
    return name
