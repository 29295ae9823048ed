"""What happens between two ends: network policy, mTLS, tokens and rules at the pod.

In: the World, a Question and both ends. Out: a Way with every step, made by the reference evaluators.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tandem.base.problems import Origin
from tandem.model.core import Service
from tandem.model.istio import DestinationRule
from tandem.model.world import World
from tandem.reference import limits, policy
from tandem.reference.authentication import Authentication, authenticate
from tandem.reference.authorization import Asked, decide_authorization
from tandem.reference.authorizers import own_domains
from tandem.reference.backendtls import decide_backend_tls
from tandem.reference.consulchains import is_http, may_be_http
from tandem.reference.consullimits import counted_by_defaults
from tandem.reference.destinationrules import caller_of, destination_rules
from tandem.reference.intentions import decide_intentions
from tandem.reference.mtls import MtlsDecision, Outcome, decide_direct, decide_mtls, in_mesh, name_asked_for
from tandem.reference.request import Share
from tandem.reference.serverlimits import counted_at_server
from tandem.reference.servers import decide_servers, reads_requests
from tandem.views.parties import Party
from tandem.views.peers import unlike


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """FROM and TO as the user writes them; `path` and the like make it a question about a request."""

    source: str
    destination: str
    namespace: str = "default"
    protocol: str = ""
    """TCP, UDP, SCTP or ICMP; empty: as TO says, else TCP."""
    method: str = ""
    path: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    host: str = ""
    """Of a request to a gateway; empty: what the headers say."""
    sni: str = ""
    """The name that is asked for in TLS; empty: none, at a gateway the host."""
    trust_domain: str = "cluster.local"
    cluster_domain: str = "cluster.local"
    dns_addresses: tuple[str, ...] = ("10.96.0.10",)
    """Where DNS is in this cluster."""
    names: Mapping[str, Mapping[str, tuple[str, ...]]] = {}
    """Node -> the addresses that domain names are known to have there."""
    service_cidrs: tuple[str, ...] = ("10.96.0.0/16",)
    """The networks of Services."""


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step: on which layer, what it did, why, and the rule that it is about."""

    layer: str
    effect: str
    text: str = ""
    rule: Origin | None = None
    warns: bool = False
    """It may fail for this all the same, where it is allowed."""


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """What happens towards one endpoint."""

    destination: str
    address: str
    port: int
    allowed: bool
    transport: str
    """mtls, plain, tls (with the application itself), or refused."""
    answered: bool = False
    """The denial is answered (reset, ICMP), because the policies that deny ask for that."""
    decided_by: tuple[Origin, ...]
    steps: tuple[Line, ...]


def known_names(question: Question, source: Party) -> Mapping[str, tuple[str, ...]]:
    """The addresses that the source's node knows domain names to have."""
    return question.names.get(source.pod.spec.node_name, {}) if source.pod is not None else {}


def way_to(
    world: World,
    question: Question,
    source: Party,
    end: Party,
    *,
    share: Share | None,
    requests: bool = False,
    handed_on: bool = False,
    arrived: bool = False,
) -> Way:
    """Towards one end. `share`: the Service by which it was chosen; `requests`: a route says that they are some.

    `handed_on`: they are in TLS of the client's own, which a gateway passes through. `arrived`: they come over another
    node, where the client's side was judged.
    """
    packet = policy.Packet(
        source=source.facing(end).address,
        destination=end.address,
        source_pod=source.pod.key if source.pod is not None else None,
        destination_pod=end.pod.key if end.pod is not None else None,
        protocol=question.protocol,
        port=end.port,
        arrived=arrived,
    )
    # A name of which no address is known is judged by itself: the policy would know its address by then.
    names = {**known_names(question, source), **({end.domain: (end.address,)} if end.domain else {})}
    decision = policy.decide(world, packet, dns_addresses=question.dns_addresses, names=names)
    steps = [_with_labels(world, line, source, end) for line in policy_lines(decision)]
    denied = decision.by
    tls = _transport(world, source, end, share, handed_on=handed_on) if question.protocol == "TCP" else None
    if question.protocol != "TCP" and end.pod is not None and in_mesh(end.pod, world)[0]:
        text = f"the mesh is for TCP: {question.protocol} has neither mTLS nor rules of its own, only network policy"
        steps.append(Line(layer="mesh", effect="passes by", text=text))
    if tls is not None:
        steps += [Line(layer="mTLS", effect=tls.outcome.value, text=s.text, rule=s.origin) for s in tls.steps]
    refused = tls is not None and tls.outcome is Outcome.REFUSED
    by = denied or ((tls.rule,) if refused and tls is not None and tls.rule is not None else ())
    if tls is not None and not refused and end.pod is not None and in_mesh(end.pod, world)[0]:
        steps += detected(world, share)
        asked = _asked(world, question, source, end, share=share, tls=tls)
        # Nobody but the application reads what is in its own TLS.
        parsed = tls.outcome is not Outcome.TLS and (asked.parsed or requests)
        if tls.outcome is Outcome.PLAIN and (said := reads_requests(world, end.pod, end.port)) is not None:
            parsed = said
        asked = msgspec.structs.replace(asked, parsed=parsed)
        token = authenticate(world, end.pod, asked.path, asked.headers) if asked.parsed else Authentication()
        steps += [Line(layer="authentication", effect=s.text, rule=s.origin) for s in token.steps]
        asked = msgspec.structs.replace(asked, claims=token.claims)
        authorized = decide_authorization(world, end.pod, asked)
        if authorized.steps:
            who = asked.principal or "a client that has not proved who it is"
            steps.append(Line(layer="authorization", effect="judges", text=f"{_request(asked)}of {who}"))
        steps += [Line(layer="authorization", effect=s.text, rule=s.origin) for s in authorized.steps]
        intended = decide_intentions(world, end.pod, asked)
        steps += [Line(layer="intentions", effect=s.text, rule=s.origin) for s in intended.steps]
        server = decide_servers(world, end.pod, asked, trust_domain=question.trust_domain)
        steps += [Line(layer="server", effect=s.text, rule=s.origin) for s in server.steps]
        refused = bool(token.by) or not (authorized.allowed and intended.allowed and server.allowed)
        if not refused:
            found = limits.counted_at_pod(world, end.pod, end.port, asked.method, asked.path, asked.headers)
            found += counted_by_defaults(world, end.pod, asked) if asked.parsed else ()
            found += counted_at_server(world, end.pod, asked, trust_domain=question.trust_domain)
            steps += map(counted, found)
        by = by or token.by or (() if authorized.allowed else authorized.by) or intended.by or server.by
    if decision.allowed and not refused:
        steps += undeclared(world, end, share)
    return Way(
        destination=end.label,
        address=end.address,
        port=end.port,
        allowed=decision.allowed and not refused,
        transport=tls.outcome.value if tls is not None else Outcome.PLAIN.value,
        decided_by=by,
        steps=tuple(steps),
        answered=decision.rejects,
    )


def undeclared(world: World, end: Party, share: Share | None) -> list[Line]:
    """A port that no container of the pod declares, though they declare others: perhaps nobody listens there."""
    if end.pod is None:
        return []
    ports = sorted({p.container_port for c in end.pod.spec.containers for p in c.ports})
    if not ports or end.port in ports:
        return []
    rule = (_target_of(world, share) if share is not None else None) or end.pod.origin()
    who, known = "/".join(end.pod.key), ", ".join(map(str, ports))
    text = f"no container of {who} declares port {end.port}, they declare {known}: if nobody listens it is reset"
    return [Line(layer="port", effect="is not declared", text=text, rule=rule, warns=True)]


def detected(world: World, share: Share | None) -> list[Line]:
    """A port of which nobody says what it speaks."""
    if share is None or not may_be_http(world, share.namespace, share.service, share.port):
        return []
    text = (
        f"port {share.port} of Service {share.namespace}/{share.service} says nothing: connections that begin with a"
        " request of HTTP are read as such, all others are bytes (a silent client is waited for a moment)"
    )
    return [Line(layer="protocol", effect="is found out", text=text)]


def _target_of(world: World, share: Share) -> Origin | None:
    """Where the Service says which port its pods have."""
    service = world.get(Service, share.namespace, share.service)
    if service is None:
        return None
    at = (i for i, port in enumerate(service.spec.ports) if port.port == share.port)
    return next((service.origin(f"spec.ports[{i}].targetPort") for i in at), None)


def counted(found: limits.Counting) -> Line:
    """What a RateLimit counts."""
    effect = "would be counted" if found.staged else "is counted"
    return Line(layer="rate limit", effect=effect, text=found.text, rule=found.rule)


def _asked(
    world: World, question: Question, source: Party, end: Party, *, share: Share | None, tls: MtlsDecision
) -> Asked:
    """What reaches the pod: a request, where the port of the Service that was dialled says that it is one."""
    principal = ""
    if tls.outcome is Outcome.MTLS and source.pod is not None:
        home, account = source.pod.metadata.namespace, source.pod.spec.service_account_name
        principal = f"{question.trust_domain}/ns/{home}/sa/{account}"
    if tls.outcome is Outcome.MTLS and source.gateway is not None:
        home, account = source.gateway.key
        principal = f"{question.trust_domain}/ns/{home}/sa/{account}"
    asked_name = ""
    if tls.outcome is Outcome.MTLS and share is not None:
        rule = _destination_rule(world, share, source)
        asked_name = name_asked_for(rule, share, question.cluster_domain)
    return Asked(
        principal=principal,
        domains=own_domains(world, question.trust_domain),
        sni=asked_name,
        source=source.facing(end).address,
        destination=end.address,
        port=end.port,
        parsed=share is not None and _reads(world, share, question),
        method=question.method or "GET",
        path=question.path or "/",
        host=dict(question.headers).get("host", share.service if share is not None else end.address),
        headers=dict(question.headers),
    )


def _request(asked: Asked) -> str:
    return f"{asked.method} {asked.path} " if asked.parsed else "a connection "


def _reads(world: World, share: Share, question: Question) -> bool:
    """Whether requests are read there; where proxies find out what is sent, a question about a request is about one."""
    end = share.namespace, share.service, share.port
    asks = bool(question.method or question.path or question.headers)
    return is_http(world, *end) or (asks and may_be_http(world, *end))


def policy_lines(decision: policy.Decision) -> list[Line]:
    """What network policies say, and would say."""
    would = [_would(decision.staged)] if decision.staged is not None else []
    return [*map(_line, decision.steps), *would]


def _line(step: policy.Step) -> Line:
    """A step of policy; of a tier's rule with the tier, and of a staged one with that."""
    tier = f", {step.tier} tier" if step.tier in {"Admin", "Baseline"} else ""
    staged = ", staged" if step.staged else ""
    return Line(
        layer=f"{step.side} policy{tier}{staged}",
        effect=step.effect,
        text=step.reason,
        rule=step.origin if step.kind else None,
    )


def _with_labels(world: World, line: Line, source: Party, end: Party) -> Line:
    """Of a rule whose peers the other end is none of, with whom it means instead."""
    pod = source.pod if line.layer.startswith("ingress") else end.pod
    if line.rule is None or pod is None or not line.text.endswith(policy.NO_PEER):
        return line
    more = unlike(world, line.rule, pod)
    return msgspec.structs.replace(line, text=f"{line.text}: {more}") if more else line


def _would(decision: policy.Decision) -> Line:
    """What staged policies would make of it."""
    verdict = "would be allowed" if decision.allowed else "would be denied"
    by = f" by {'; '.join(map(str, decision.by))}" if decision.by else ""
    rule = decision.by[0] if decision.by else None
    return Line(layer="staged", effect=verdict, text=f"with the staged policies in force{by}", rule=rule)


def _transport(world: World, source: Party, end: Party, share: Share | None, *, handed_on: bool) -> MtlsDecision | None:
    """`share` is the Service that the client's proxy takes the address for; None: a pod's address and nothing more."""
    if end.pod is None:
        return None
    if source.gateway is not None and share is not None and not handed_on:
        service = share.namespace, share.service
        opened = decide_backend_tls(world, source.gateway, service, share.port, pod=end.pod, at=end.port)
        if opened is not None:
            return opened
    if share is None and source.pod is not None and in_mesh(source.pod, world)[0]:
        return decide_direct(world, end.pod, end.port)
    rule = _destination_rule(world, share, source) if share is not None else None
    client = source.pod if source.gateway is None else source.gateway
    return decide_mtls(world, client, end.pod, end.port, rule=rule, dialled=share.port if share is not None else 0)


def _destination_rule(world: World, share: Share, source: Party) -> DestinationRule | None:
    """The rule that says how the client reaches the Service: the oldest with a traffic policy, as Istio merges them."""
    found = destination_rules(world, (share.namespace, share.service), caller_of(source.gateway or source.pod))
    return next((rule for rule in found if rule.spec.traffic_policy is not None), None)


class Seen(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of some of the last requests and connections of this kind, of those that proxies and kernel told."""

    verdict: str
    """As that of a flow."""
    count: int
    reason: str = ""
    rules: tuple[Origin, ...] = ()
    newest: str
    """When the last of them began."""

    @property
    def told(self) -> str:
        """Why, and by what."""
        rules = "; ".join(map(str, self.rules))
        return f"{self.reason or self.verdict} ({rules})" if rules else self.reason or self.verdict


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """The answer. `allowed` is True only if every endpoint that could be chosen may be reached."""

    allowed: bool
    summary: str
    source: str
    destination: str
    protocol: str
    """TCP, UDP, SCTP or ICMP."""
    route: tuple[Line, ...]
    ways: tuple[Way, ...]
    decided_by: tuple[Origin, ...] = ()
    seen: tuple[Seen, ...] = ()
    """What became of such requests in the last five minutes; of manifests at rest nothing."""


def summary(
    source: Party,
    target: Party,
    ways: tuple[Way, ...],
    *,
    status: int,
    denied: tuple[Line, ...] = (),
    last: Line | None = None,
    lines: tuple[Line, ...] = (),
) -> str:
    """The answer in one line.

    `status`: what a request is answered with where it has no way; `denied`: what keeps everybody away; `last`: the step
    after which there was no way; `lines`: of the way as far as it is that of all.
    """
    who = f"{source.label} to {target.label}"
    if denied:
        return f"{who}: {_kept_away(denied)}"
    if not ways:
        what = f"answered with {status} by the proxy" if status else "nobody is there to answer"
        return f"{who}: {what}{_reason(last)}"
    bad = [w for w in ways if not w.allowed]
    if not bad:
        kinds = sorted({w.transport for w in ways})
        return f"{who}: allowed, {' or '.join(kinds)}{_but((*lines, *(s for w in ways for s in w.steps)))}"
    by = "; ".join(str(o) for o in dict.fromkeys(o for w in bad for o in w.decided_by))
    some = "denied" if len(bad) == len(ways) else f"denied for {len(bad)} of {len(ways)} endpoints"
    return f"{who}: {some}" + (f" by {by}" if by else "")


def _but(lines: tuple[Line, ...]) -> str:
    """What may go wrong all the same; of lines that differ in the endpoint alone the first."""
    found = {(line.layer, line.rule): _reason(line).removeprefix(": ") for line in reversed(lines) if line.warns}
    return "".join(f"; but {text}" for text in reversed(found.values()))


def _kept_away(denied: tuple[Line, ...]) -> str:
    """What is not there, or what says no."""
    first = denied[0]
    by = "; ".join(str(o) for o in dict.fromkeys(line.rule for line in denied if line.rule is not None))
    if first.effect == "denies":
        return f"denied by {by}" if by else f"denied: {first.text}"
    kind = "nobody is there to answer" if first.layer == "endpoints" else f"{first.layer} {first.effect}"
    return f"{kind}{_reason(first)}"


def _reason(line: Line | None) -> str:
    """Its words, without what they say of the answer, and its rule."""
    if line is None:
        return ""
    where = f" ({line.rule})" if line.rule is not None else ""
    return f": {line.text.partition(': answered with')[0]}{where}"
