"""What `apply`, `delete` and `up` do with manifests: read, order, compare, send. Prints nothing.

In: paths, or raw objects. Out: what happened to each object, and the conditions that say no.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tandem.apps.cli.progress import Progress
from tandem.apps.cli.session import CommandError
from tandem.base.clock import SystemClock
from tandem.base.paths import RunDir
from tandem.ingest.errors import AlreadyExists, ApiError, NotFound, Unreachable
from tandem.ingest.merge import apply_patch, with_last_applied
from tandem.model.kinds import BY_KIND, PROGRAMMED, Kind, name_of
from tandem.model.meta import SOURCE_ANNOTATION, RawObject

if TYPE_CHECKING:
    from tandem.ingest.kube import KubeClient

ORDER: Final = (
    "Network",
    "TrustSource",
    "LoadBalancerPool",
    "IPReservation",
    "IPPool",
    "IPAMBlock",
    "Namespace",
    "Node",
    "Lease",
    "ClusterNetworkPolicy",
    "AdminNetworkPolicy",
    "BaselineAdminNetworkPolicy",
    "NetworkPolicy",
    "ServiceAccount",
    "ConfigMap",
    "Secret",
    "Service",
    "EndpointSlice",
    "WorkloadEntry",
    "ServiceEntry",
    "Sidecar",
    "ProxyConfig",
    "Telemetry",
    "DestinationRule",
    "IstioGateway",
    "VirtualService",
    "GatewayClass",
    "ReferenceGrant",
    "XMesh",
    "BackendTLSPolicy",
    "Gateway",
    "ListenerSet",
    "HTTPRoute",
    "GRPCRoute",
    "TCPRoute",
    "TLSRoute",
    "UDPRoute",
    "PeerAuthentication",
    "RequestAuthentication",
    "AuthorizationPolicy",
    "JWTProvider",
    "ServiceIntentions",
    "MeshTLSAuthentication",
    "NetworkAuthentication",
    "Server",
    "LinkerdHTTPRoute",
    "LinkerdAuthorizationPolicy",
    "ServerAuthorization",
    "ServiceRouter",
    "ServiceSplitter",
    "ServiceResolver",
    "HTTPLocalRateLimitPolicy",
    "ServiceDefaults",
    "ServiceProfile",
    "RateLimit",
    "FaultInjection",
    "TrafficPolicy",
    "XBackendTrafficPolicy",
    "Canary",
    "Deployment",
    "StatefulSet",
    "Pod",
    "Event",
    "GroupEvent",
)
"""The order of applying: what others refer to first, and what restricts before what runs. Deleting goes backwards."""
_POLL: Final = 0.05
_TOGETHER: Final = 64
"""How many are sent before the first of them is told of."""
_UNDER_WAY: Final = ("Promoted",)
"""Conditions that say how far something is: False is no refusal."""
_SENT: ContextVar[str] = ContextVar("_SENT", default="")
"""Whose turn it is: each object is sent by a task, which has a context of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What became of one object: `created`, `configured`, `unchanged`; `refused` carries the server's words."""

    kind: Kind
    raw: RawObject
    outcome: str
    message: str = ""

    @property
    def label(self) -> str:
        """The object as kubectl writes it."""
        return label(self.kind, self.raw["metadata"].get("name", "?"))


def about_it(text: str) -> str:
    """A warning of the server's with the object that it is about, while that is being sent."""
    sent = _SENT.get()
    return f"{sent}: {text}" if sent else text


def label(kind: Kind, name: str) -> str:
    """`networkpolicy.networking.k8s.io/deny-all`, as kubectl writes it."""
    return f"{kind.singular}.{kind.group}/{name}" if kind.group else f"{kind.singular}/{name}"


def read_manifests(
    paths: Sequence[str | Path], namespace: str | None, *, skip: Sequence[str] = (), progress: Progress | None = None
) -> list[RawObject]:
    """Every object of the paths, in the order of applying; raises CommandError with each mistake on a line."""
    from tandem.ingest.files import ManifestError, read_objects

    shown = progress or Progress()

    def tell(count: int) -> None:
        shown.moving(f"reading manifests: {count} objects so far")

    try:
        objects = read_objects(paths, namespace=namespace, skip=skip, tell=tell)
    except ManifestError as err:
        raise CommandError("\nerror: ".join(err.errors)) from err
    finally:
        shown.clear()
    if not objects:
        raise CommandError("no objects in the manifests")
    return in_order(objects)


def in_order(objects: Iterable[RawObject]) -> list[RawObject]:
    """Objects in the order of applying; objects of one kind stay as they were."""
    return sorted(objects, key=lambda raw: ORDER.index(name_of(raw)))


def idle_fields(objects: Iterable[RawObject]) -> Iterator[str]:
    """What the server would warn of: `object: field: what is the matter`, of fields that change nothing here."""
    from tandem.ingest.images import load_images
    from tandem.model.schema import inert

    images = load_images(RunDir.default().images)
    for raw in objects:
        for text in inert(raw, images):
            yield f"{label(BY_KIND[name_of(raw)], raw['metadata'].get('name', '?'))}: {text}"


async def missing_namespaces(client: KubeClient, objects: Sequence[RawObject]) -> list[str]:
    """Namespaces that objects name, and that neither exist nor are among the objects: a line each, with who asks."""
    made = {raw["metadata"].get("name", "") for raw in objects if raw["kind"] == "Namespace"}
    first: dict[str, RawObject] = {}
    for raw in objects:
        first.setdefault(raw["metadata"].get("namespace", ""), raw)
    missing = []
    for name in sorted(first.keys() - {""} - made):
        try:
            await client.get(BY_KIND["Namespace"], "", name)
        except NotFound:
            missing.append(f"{written_at(first[name])}metadata.namespace: there is no namespace {name!r}")
    return missing


def written_at(raw: RawObject) -> str:
    """`file:line: ` of an object that was read from manifests."""
    source = (raw["metadata"].get("annotations") or {}).get(SOURCE_ANNOTATION)
    return f"{source}: " if source else ""


async def apply_each(
    client: KubeClient, objects: Iterable[RawObject], *, dry_run: bool = False
) -> AsyncIterator[Applied]:
    """Send every object, in the order of applying; what the server refuses is reported and the others go on.

    Objects of one kind do not refer to each other, so that some are on their way at the same time.
    """
    for _, group in groupby(in_order(objects), key=name_of):
        while some := tuple(islice(group, _TOGETHER)):
            for applied in await asyncio.gather(*(_apply(client, raw, dry_run=dry_run) for raw in some)):
                yield applied


async def _apply(client: KubeClient, raw: RawObject, *, dry_run: bool) -> Applied:
    kind = BY_KIND[name_of(raw)]
    _SENT.set(label(kind, raw["metadata"].get("name", "?")))
    try:
        return await _bring_about(client, kind, raw, dry_run=dry_run)
    except Unreachable:
        raise
    except ApiError as err:
        return Applied(kind=kind, raw=raw, outcome="refused", message=err.message)


async def _bring_about(client: KubeClient, kind: Kind, raw: RawObject, *, dry_run: bool) -> Applied:
    meta = raw["metadata"]
    if "name" not in meta:
        raise ApiError(422, "Invalid", "metadata.name: apply needs a name (metadata.generateName is for create)")
    try:
        live = await client.get(kind, meta.get("namespace", ""), meta["name"])
    except NotFound:
        if dry_run:
            return Applied(kind=kind, raw=raw, outcome="created")
        try:
            made = await client.create(kind, with_last_applied(raw))
            return Applied(kind=kind, raw=made, outcome="created")
        except AlreadyExists:  # somebody was faster
            live = await client.get(kind, meta.get("namespace", ""), meta["name"])
    patch = apply_patch(raw, live)
    if not patch:
        return Applied(kind=kind, raw=live, outcome="unchanged")
    if not dry_run:
        live = await client.patch(kind, meta.get("namespace", ""), meta["name"], patch)
    return Applied(kind=kind, raw=live, outcome="configured")


async def refusals(client: KubeClient, applied: Iterable[Applied], seconds: float, *, progress: Progress) -> list[str]:
    """Wait until the conditions of policy and routing objects are settled (at most `seconds`); those that say no."""
    clock = SystemClock()
    deadline = clock.monotonic() + seconds
    waiting = [a for a in applied if a.kind.name in PROGRAMMED and a.outcome != "refused"]
    found: list[str] = []
    while waiting:
        late = clock.monotonic() >= deadline
        left = []
        for number, item in enumerate(waiting):
            progress.moving(f"waiting for the nodes' answer: {len(waiting) - number} objects")
            meta = item.raw["metadata"]
            try:
                live = await client.get(item.kind, meta.get("namespace", ""), meta["name"])
            except NotFound:
                continue
            if late or is_settled(live):
                found += [f"{item.label}: {text}" for text in said_no(live)]
            else:
                left.append(item)
        waiting = left
        if waiting:
            await asyncio.sleep(_POLL)
    progress.clear()
    return found


def conditions(raw: RawObject) -> Iterator[dict[str, Any]]:
    """Conditions of an object, and of each of its parents or ancestors (Gateway API routes and policies)."""
    status = raw.get("status") or {}
    yield from status.get("conditions") or ()
    for parent in (*(status.get("parents") or ()), *(status.get("ancestors") or ())):
        yield from parent.get("conditions") or ()


def is_settled(raw: RawObject) -> bool:
    """The newest generation was judged: in force, or refused for good."""
    found = list(conditions(raw))
    generation = raw["metadata"].get("generation", 0)
    if not found or any(c.get("observedGeneration", 0) < generation for c in found):
        return False
    return all(c["status"] == "True" or c.get("reason") != "Pending" for c in found if c["type"] == "Programmed")


def said_no(raw: RawObject) -> list[str]:
    """`Type=False (Reason): message` of each condition that is False, without those that only repeat another."""
    no = [c for c in conditions(raw) if c.get("status") == "False" and c.get("type") not in _UNDER_WAY]
    causes = {"Invalid", *(c.get("reason") for c in no if c["type"] != "Programmed")}
    root = [c for c in no if c["type"] != "Programmed" or c.get("reason") not in causes] or no
    return [f"{c['type']}=False ({c.get('reason', '')}): {c.get('message', '')}" for c in root]
