"""`tandem describe`: one object with its conditions and with what belongs to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer

from tandem.apps.cli.applying import conditions, label
from tandem.apps.cli.attaching import JUDGING, ROUTES, gateways_of, parents_of, policies_at, routes_at, sets_of
from tandem.apps.cli.columns import age_of
from tandem.apps.cli.events import events_of
from tandem.apps.cli.ingress import gateways_named, policies_there, virtualservices_at
from tandem.apps.cli.layout import visible
from tandem.apps.cli.naming import names_of, patterns_in
from tandem.apps.cli.output import as_json, as_yaml, check_format, ordered
from tandem.apps.cli.selecting import pods_of, policies_of
from tandem.apps.cli.session import CommandError, KubeconfigOption, NamespaceOption, with_client
from tandem.apps.cli.target import kind_named
from tandem.base.clock import SystemClock
from tandem.ingest.errors import ApiError, NotFound
from tandem.ingest.merge import LAST_APPLIED
from tandem.model.core import Deployment
from tandem.model.kinds import BY_KIND, POLICIES, Kind
from tandem.model.meta import LINES_ANNOTATION, SOURCE_ANNOTATION, RawObject
from tandem.model.parse import parse
from tandem.model.selectors import matches
from tandem.model.stateful import StatefulSet
from tandem.views.counts import lines

if TYPE_CHECKING:
    from tandem.ingest.kube import KubeClient

COUNTS: Final = "/apis/views.tandem.io/v1/counts"
STATUS: Final = "/apis/views.tandem.io/v1/status"
_QUIET_NOTES = frozenset({LAST_APPLIED, SOURCE_ANNOTATION, LINES_ANNOTATION})


def describe(
    *,
    kind: Annotated[str, typer.Argument(help="Kind, or KIND/NAME.")],
    name: Annotated[str, typer.Argument(help="Name.")] = "",
    namespace: NamespaceOption = "default",
    output: Annotated[str, typer.Option("-o", "--output", help="text or json.", metavar="FORMAT")] = "text",
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Show one object with its conditions and what belongs to it: a pod's policies, a policy's decisions and names.

    Of a gateway: its routes, and the policies that judge there. Of whatever: the Events about it of the last hour.

    Example: tandem describe pod web-0 -n shop

    Example: tandem describe networkpolicy db -n shop -o json
    """
    check_format(output, ("text", "json"))
    word, _, after = kind.partition("/")
    wanted = name or after
    of = kind_named(word)
    if not wanted:
        raise CommandError(f"which {of.singular}? give a NAME (see: tandem describe --help)", status=2)

    async def work(client: KubeClient) -> str:
        raw = await client.get(of, namespace, wanted)
        belonging = await related(client, of, raw)
        if told := await events_of(client, raw, SystemClock().now()):
            belonging["Events"] = told
        if output == "json":
            return as_json({"object": ordered(raw), "related": belonging})
        text = "\n".join(text_of(of, raw, belonging, SystemClock().now()))
        return "\n".join(map(visible, text.split("\n")))

    typer.echo(with_client(work, kubeconfig))


async def related(client: KubeClient, kind: Kind, raw: RawObject) -> dict[str, list[str]]:
    """Heading -> lines, of the objects that belong to this one."""
    meta = raw["metadata"]
    namespace, name = str(meta.get("namespace") or ""), str(meta["name"])
    if kind.kind == "Pod":
        namespaces, _ = await client.list(BY_KIND["Namespace"])
        policies = [p for k in POLICIES for p in await _policies(client, BY_KIND[k], namespace)]
        return {"Network policies": policies_of(raw, policies, namespaces)}
    if kind.name in POLICIES:
        namespaces, _ = await client.list(BY_KIND["Namespace"])
        pods, _ = await client.list(BY_KIND["Pod"], namespace)
        judged = await _judged(client, kind.kind, namespace, name)
        return {**judged, **await _names(client, raw), "Pods": pods_of(raw, pods, namespaces)}
    if kind.kind == "Service":
        slices, _ = await client.list(
            BY_KIND["EndpointSlice"], namespace, label_selector=f"kubernetes.io/service-name={name}"
        )
        return {"Endpoints": [line for piece in slices for line in _endpoints(piece)]}
    if kind.kind in {"Deployment", "StatefulSet"}:
        pods, _ = await client.list(BY_KIND["Pod"], namespace)
        owned = [p for p in pods if _selects_template(raw, p["metadata"].get("labels") or {})]
        return {"Pods": [p["metadata"]["name"] for p in owned]}
    return await _attached(client, kind, raw)


async def _attached(client: KubeClient, kind: Kind, raw: RawObject) -> dict[str, list[str]]:
    """What belongs together at gateways."""
    if kind is BY_KIND["Gateway"]:
        routes = [r for k in ROUTES for r in await _policies(client, BY_KIND[k], "")]
        policies = [p for k in JUDGING for p in await _policies(client, BY_KIND[k], "")]
        sets = await _policies(client, BY_KIND["ListenerSet"], "")
        return {
            "Listener sets": sets_of(raw, sets),
            "Routes": routes_at(raw, routes),
            "Judged by": policies_at(raw, policies),
        }
    if kind is BY_KIND["ListenerSet"]:
        return {"Routes": routes_at(raw, [r for k in ROUTES for r in await _policies(client, BY_KIND[k], "")])}
    if kind.kind in ROUTES:
        return {"Parents": parents_of(raw)}
    if kind.kind in JUDGING:
        return {"Gateways": gateways_of(raw, await _policies(client, BY_KIND["Gateway"], ""))}
    return await _of_istio(client, kind, raw)


async def _of_istio(client: KubeClient, kind: Kind, raw: RawObject) -> dict[str, list[str]]:
    """The same at Istio's Gateways."""
    if kind is BY_KIND["IstioGateway"]:
        sources = await _policies(client, BY_KIND["VirtualService"], "")
        policies = [p for k in JUDGING for p in await _policies(client, BY_KIND[k], "")]
        return {"VirtualServices": virtualservices_at(raw, sources), "Judged by": policies_there(raw, policies)}
    if kind is BY_KIND["VirtualService"]:
        found = gateways_named(raw, await _policies(client, BY_KIND["IstioGateway"], ""))
        return {"Gateways": found} if found else {}
    return {}


async def _judged(client: KubeClient, kind: str, namespace: str, name: str) -> dict[str, list[str]]:
    """How often each rule of a policy has decided; nothing where no control is, or it cannot say yet."""
    try:
        answer = await client.request("GET", COUNTS, query={"kind": kind, "namespace": namespace, "name": name})
    except ApiError:
        return {}
    return {"Decisions": lines(answer["counts"])}


async def _names(client: KubeClient, raw: RawObject) -> dict[str, list[str]]:
    """What is known of the domain names of a policy; nothing where it has none, or no control is."""
    if not patterns_in(raw):
        return {}
    try:
        view = await client.request("GET", STATUS)
    except ApiError:
        return {}
    return {"Names": names_of(raw, view["nodes"])}


async def _policies(client: KubeClient, kind: Kind, namespace: str) -> list[RawObject]:
    """Those of a namespace (empty: of all), or of the cluster; none where the server does not have the kind."""
    for version in kind.versions:
        try:
            found, _ = await client.list(msgspec.structs.replace(kind, versions=(version,)), namespace)
        except NotFound:
            continue
        return found
    return []


def text_of(kind: Kind, raw: RawObject, belonging: Mapping[str, list[str]], now: float) -> list[str]:
    """Metadata, spec, conditions, the rest of status, related objects."""
    meta = raw["metadata"]
    notes = {k: v for k, v in (meta.get("annotations") or {}).items() if k not in _QUIET_NOTES}
    head = {
        "Name": label(kind, meta["name"]),
        "Namespace": meta.get("namespace", ""),
        "Applied from": (meta.get("annotations") or {}).get(SOURCE_ANNOTATION, ""),
        "Age": age_of(raw, now),
        "Labels": "\n".join(f"{k}={v}" for k, v in (meta.get("labels") or {}).items()),
        "Annotations": "\n".join(f"{k}={v}" for k, v in notes.items()),
    }
    lines = [row for name, text in head.items() if text for row in _field(name, text)]
    for section in ("spec", "data", "addressType", "endpoints", "ports", "type"):
        if raw.get(section) not in (None, {}, []) and not (kind.kind == "Secret" and section == "data"):
            lines += ["", f"{section[0].upper()}{section[1:]}:", *_indented(as_yaml(raw[section]))]
    if kind.kind == "Secret":
        lines += ["", "Data:", *(f"  {k}: {len(v)} characters of base64" for k, v in (raw.get("data") or {}).items())]
    status = {k: v for k, v in (raw.get("status") or {}).items() if k not in {"conditions", "parents", "ancestors"}}
    if status:
        lines += ["", "Status:", *_indented(as_yaml(status))]
    if found := list(conditions(raw)):
        lines += ["", "Conditions:", *(_condition(c) for c in found)]
    for heading, names in belonging.items():
        lines += ["", f"{heading}:", *(f"  {n}" for n in names or ["<none>"])]
    return lines


def _field(name: str, text: str) -> list[str]:
    first, *more = text.splitlines()
    return [f"{name + ':':<14}{first}", *(f"{'':<14}{row}" for row in more)]


def _indented(text: str) -> list[str]:
    return [f"  {row}" for row in text.splitlines()]


def _condition(condition: Mapping[str, Any]) -> str:
    reason = f" ({condition['reason']})" if condition.get("reason") else ""
    message = f": {condition['message']}" if condition.get("message") else ""
    return f"  {condition.get('type')}={condition.get('status')}{reason}{message}"


def _endpoints(piece: RawObject) -> list[str]:
    ports = ",".join(f"{p.get('port')}/{p.get('protocol', 'TCP')}" for p in piece.get("ports") or ())
    lines = []
    for endpoint in piece.get("endpoints") or ():
        ready = "ready" if (endpoint.get("conditions") or {}).get("ready", True) else "not ready"
        pod = (endpoint.get("targetRef") or {}).get("name", "")
        lines += [f"{address} {ports} {ready} {pod}".rstrip() for address in endpoint.get("addresses") or ()]
    return lines


def _selects_template(owner: RawObject, labels: Mapping[str, str]) -> bool:
    parsed = parse(owner)
    return isinstance(parsed, Deployment | StatefulSet) and matches(parsed.spec.selector, labels)
