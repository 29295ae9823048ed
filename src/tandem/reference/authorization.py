"""Istio's AuthorizationPolicy as its documents say -> may this request or connection pass, and by which rule.

In: the World, the pod or gateway that judges and what is asked. Out: a frozen value with every step. Shares no code
with translation; slow on purpose.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import unquote

import msgspec

from tandem.base.problems import Origin
from tandem.model import core
from tandem.model.security import AuthorizationPolicy, AuthorizationRule, Operation, RuleWhen, Source
from tandem.model.speakers import is_known
from tandem.model.world import World
from tandem.reference.authentication import Judging, by_other_reference, selects
from tandem.reference.authorizers import authorizer
from tandem.reference.request import Step

_ABOUT_REQUESTS = ("hosts", "not_hosts", "methods", "not_methods", "paths", "not_paths")


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What reaches a pod or a gateway.

    `principal` is empty where no identity was proved, `parsed` False where bytes are seen.
    """

    principal: str = ""
    """Without `spiffe://`."""
    domains: tuple[str, ...] = ()
    """What the mesh's own trust domain is called."""
    source: str = ""
    client: str = ""
    """Who the client is by the word of trusted proxies; empty: `source`."""
    sni: str = ""
    """What it asked for in TLS that ends here."""
    destination: str = ""
    port: int = 0
    parsed: bool = True
    method: str = "GET"
    path: str = "/"
    host: str = ""
    headers: dict[str, str] = {}
    claims: dict[str, Any] | None = None
    """The payload of the valid token that came with the request."""


class AuthzDecision(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict, and what it is by: the rule that denies, or the policies of which none allows.

    `allowed` takes for granted that external authorizers agree: `asks` is the rules for which one is asked.
    """

    allowed: bool
    by: tuple[Origin, ...] = ()
    asks: tuple[Origin, ...] = ()
    audits: tuple[Origin, ...] = ()
    steps: tuple[Step, ...] = ()


def speaks_http(port: core.ServicePort) -> bool:
    """True if a Service's port says that its bytes are requests: by appProtocol, else by the beginning of its name."""
    if port.protocol != "TCP":
        return False
    if port.app_protocol:
        said = port.app_protocol.lower()
        return said in {"http", "http2", "grpc", "grpc-web", "kubernetes.io/h2c", "kubernetes.io/ws"}
    return port.name.lower().split("-")[0] in {"http", "http2", "grpc"}


def says_bytes(port: core.ServicePort) -> bool:
    """True if a Service's port says that its bytes are none of HTTP."""
    return not speaks_http(port) and (bool(port.app_protocol) or port.name.lower().partition("-")[0] in _BYTES)


def may_speak_http(port: core.ServicePort) -> bool:
    """True if a port says nothing, so that proxies find out whether a client begins with a request."""
    return port.protocol == "TCP" and not (speaks_http(port) or says_bytes(port) or is_known(port))


_BYTES = {"https", "tls", "tcp", "mongo", "mysql", "redis"}


def speaks_grpc(port: core.ServicePort) -> bool:
    """True if a Service's port says that its requests are gRPC's."""
    said = port.app_protocol.lower() if port.app_protocol else port.name.lower()
    if port.protocol != "TCP":
        return False
    return said in {"grpc", "grpc-web"} or (not port.app_protocol and said.startswith("grpc-"))


def decide_authorization(world: World, at: Judging, asked: Asked) -> AuthzDecision:
    """AUDIT looks on; CUSTOM and then DENY may refuse; where there are ALLOW policies, one of them must match."""
    selecting = [p for p in world.sorted(AuthorizationPolicy) if selects(p, at, world) and not _staged(p)]
    audits = [o for p in selecting if _does(p, "AUDIT") for o in _matching(p, asked) if o.path]
    steps = [Step(text="records", origin=o) for o in audits]
    asks, refused = _custom(world, [p for p in selecting if _does(p, "CUSTOM")], asked)
    steps += [Step(text="asks the external authorizer, which decides", origin=o) for o in asks]
    judging = [p for p in selecting if not _does(p, "ALLOW", "AUDIT", "CUSTOM")]
    denials = [*refused, *(o for p in judging for o in _matching(p, asked))]
    told = AuthzDecision(allowed=True, asks=tuple(asks), audits=tuple(audits))
    if denials:
        steps.append(Step(text="denies", origin=denials[0]))
        return msgspec.structs.replace(told, allowed=False, by=(denials[0],), steps=tuple(steps))
    steps += [Step(text="does not deny", origin=policy.origin()) for policy in judging]
    allows = [p for p in selecting if _does(p, "ALLOW")]
    for policy in allows:
        for i, rule in enumerate(policy.spec.rules):
            if _judgeable(rule) and not (_about_requests(rule) and not asked.parsed) and _matches(policy, rule, asked):
                steps.append(Step(text="allows", origin=policy.origin(f"spec.rules[{i}]")))
                return msgspec.structs.replace(told, steps=tuple(steps))
        steps.append(Step(text="allows nothing of the kind", origin=policy.origin()))
    by = tuple(policy.origin() for policy in allows)
    return msgspec.structs.replace(told, allowed=not allows, by=by, steps=tuple(steps))


def enforced_at(world: World, at: Judging) -> tuple[Origin, ...]:
    """The policies that may refuse something there."""
    selecting = (p for p in world.sorted(AuthorizationPolicy) if selects(p, at, world) and not _staged(p))
    return tuple(p.origin() for p in selecting if not _does(p, "AUDIT"))


def _does(policy: AuthorizationPolicy, *actions: str) -> bool:
    return policy.spec.action in actions and not by_other_reference(policy)


def _custom(world: World, policies: list[AuthorizationPolicy], asked: Asked) -> tuple[list[Origin], list[Origin]]:
    """The rules for which the one authorizer of the pod is asked, and those that deny since none can be."""
    asks: list[Origin] = []
    refused: list[Origin] = []
    first = ""
    for policy in sorted(policies, key=lambda p: (p.metadata.name, p.metadata.namespace)):
        name = policy.spec.provider.name if policy.spec.provider is not None else ""
        kind = authorizer(world, name)
        if not kind:
            refused.append(policy.origin())
            continue
        first = first or name
        askable = name == first and (asked.parsed or kind == "grpc")
        (asks if askable else refused).extend(_matching(policy, asked))
    return asks, refused


def _matching(policy: AuthorizationPolicy, asked: Asked) -> Iterator[Origin]:
    """The rules of a policy that hold; of one that cannot be judged, itself."""
    if policy.spec.action not in {"DENY", "AUDIT", "CUSTOM"} or by_other_reference(policy):
        yield policy.origin()
        return
    for i, rule in enumerate(policy.spec.rules):
        if (policy.spec.action != "AUDIT" and not _judgeable(rule)) or (
            _judgeable(rule) and _matches(policy, rule, asked)
        ):
            yield policy.origin(f"spec.rules[{i}]")


def _staged(policy: AuthorizationPolicy) -> bool:
    notes = policy.metadata.annotations
    dry = notes.get("istio.io/dry-run") in {"1", "t", "T", "TRUE", "true", "True"}
    return dry or notes.get("tandem.io/staged") == "true"


def _judgeable(rule: AuthorizationRule) -> bool:
    """False for what asks for other filters' data, or a path template that is none."""
    if any(w.key.startswith("experimental") for w in rule.when):
        return False
    paths = [p for to in rule.operations for p in (*to.operation.paths, *to.operation.not_paths) if "{" in p]
    return all(_is_template(p) for p in paths)


def _is_template(path: str) -> bool:
    parts = path.split("/")
    return parts.count("{**}") <= 1 and not any(
        ("{" in part or "*" in part) and part not in {"{*}", "{**}"} for part in parts
    )


def _about_requests(rule: AuthorizationRule) -> bool:
    asks = any(getattr(to.operation, field) for to in rule.operations for field in _ABOUT_REQUESTS)
    tokens = any(f.source.request_principals or f.source.not_request_principals for f in rule.sources)
    return asks or tokens or any(w.key.startswith("request.") for w in rule.when)


def _matches(policy: AuthorizationPolicy, rule: AuthorizationRule, asked: Asked) -> bool:
    denies = policy.spec.action != "ALLOW"
    home = policy.metadata.namespace
    sources = not rule.sources or any(_source(f.source, asked, home) for f in rule.sources)
    operations = not rule.operations or any(_operation(t.operation, asked, denies=denies) for t in rule.operations)
    return sources and operations and all(_when(w, asked, home) for w in rule.when)


def _source(source: Source, asked: Asked, home: str) -> bool:
    domain, _, rest = asked.principal.partition("/")
    namespace, _, account = rest.removeprefix("ns/").partition("/sa/")
    proved = bool(asked.principal)

    def account_is(value: str) -> bool:
        return proved and _text(value if "/" in value else f"{home}/{value}", f"{namespace}/{account}")

    def signed(value: str) -> bool:
        issuer, subject = (asked.claims or {}).get("iss"), (asked.claims or {}).get("sub")
        return bool(issuer and subject) and _text(value, f"{issuer}/{subject}")

    def inside(value: str) -> bool:
        return _in_block(value, asked.source)

    def behind(value: str) -> bool:
        return _in_block(value, asked.client or asked.source)

    pairs = (
        (source.principals, source.not_principals, lambda v: proved and _is_principal(v, asked)),
        (source.namespaces, source.not_namespaces, lambda v: proved and _starred(v, namespace)),
        (source.service_accounts, source.not_service_accounts, account_is),
        (source.trust_domains, source.not_trust_domains, lambda v: proved and _is_domain(v, domain, asked)),
        (source.ip_blocks, source.not_ip_blocks, inside),
        (source.remote_ip_blocks, source.not_remote_ip_blocks, behind),
        *([(source.request_principals, source.not_request_principals, signed)] if asked.parsed else []),
    )
    return all((not yes or any(map(holds, yes))) and not any(map(holds, no)) for yes, no, holds in pairs)


def _is_principal(wanted: str, asked: Asked) -> bool:
    """Whoever is of this mesh is meant by each name of its domain, and by `cluster.local`."""
    named, slash, rest = wanted.partition("/")
    own, _, who = asked.principal.partition("/")
    if named == "*" or wanted.count("/") != 4 or own not in asked.domains:
        return _text(wanted, asked.principal)
    ours = named == "cluster.local" or any(_text(named, domain) for domain in asked.domains)
    return ours and _text(f"{slash}{rest}", f"/{who}")


def _is_domain(wanted: str, domain: str, asked: Asked) -> bool:
    """Stars after the first one are no stars."""
    first, star, rest = wanted.partition("*")
    if rest and star:
        return len(domain) >= len(first + rest) and domain.startswith(first) and domain.endswith(rest)
    return _text(wanted, domain) or {wanted, domain} <= {*asked.domains}


def _operation(operation: Operation, asked: Asked, *, denies: bool) -> bool:
    ports = _list(operation.ports, operation.not_ports, lambda v: v == str(asked.port))
    if not asked.parsed:
        return ports
    host = asked.host.lower()
    return (
        ports
        and (not operation.hosts or any(_host(v, host, wide=denies) for v in operation.hosts))
        and not any(_host(v, host, wide=not denies) for v in operation.not_hosts)
        and _list(operation.methods, operation.not_methods, lambda v: _text(v, asked.method))
        and (not operation.paths or any(_path(v, asked.path, wide=denies) for v in operation.paths))
        and not any(_path(v, asked.path, wide=not denies) for v in operation.not_paths)
    )


def _when(when: RuleWhen, asked: Asked, home: str) -> bool:
    key = when.key
    if key.startswith("request."):
        return not asked.parsed or _of_request(when, asked, home)
    if key in {"source.ip", "remote.ip", "destination.ip"}:
        addresses = {"destination.ip": asked.destination, "remote.ip": asked.client or asked.source}
        address = addresses.get(key, asked.source)
        return _list(when.values, when.not_values, lambda v: _in_block(v, address))
    if key == "destination.port":
        return _list(when.values, when.not_values, lambda v: v == str(asked.port))
    if key == "connection.sni":
        return _list(when.values, when.not_values, lambda v: bool(asked.sni) and _text(v, asked.sni))
    fields = {
        "source.namespace": ("namespaces", "not_namespaces"),
        "source.principal": ("principals", "not_principals"),
        "source.serviceAccount": ("service_accounts", "not_service_accounts"),
        "source.trustDomain": ("trust_domains", "not_trust_domains"),
    }
    yes, no = fields[key]
    return _source(Source(**{yes: when.values, no: when.not_values}), asked, home)


def _of_request(when: RuleWhen, asked: Asked, home: str) -> bool:
    key = when.key
    if key.startswith("request.headers["):
        value = asked.headers.get(key[len("request.headers[") : -1].lower())
        return _list(when.values, when.not_values, lambda v: value is not None and _text(v, value))
    if key == "request.auth.principal":
        source = Source(request_principals=when.values, not_request_principals=when.not_values)
        return _source(source, asked, home)
    texts = _claim(key, asked.claims or {})
    return _list(when.values, when.not_values, lambda v: any(_text(v, text) for text in texts))


def _claim(key: str, claims: dict[str, Any]) -> list[str]:
    """The texts of a claim: itself, or those of a list."""
    short = {"request.auth.audiences": ["aud"], "request.auth.presenter": ["azp"]}
    found: Any = claims
    for name in short.get(key) or re.findall(r"\[([^\]]+)\]", key):
        found = found.get(name) if isinstance(found, dict) else None
    every = found if isinstance(found, list) else [found]
    return [text for text in every if isinstance(text, str)]


def _list(yes: Iterable[str], no: Iterable[str], holds: object) -> bool:
    assert callable(holds)  # noqa: S101 - for the reader of types
    values = list(yes)
    return (not values or any(map(holds, values))) and not any(map(holds, no))


def _text(wanted: str, value: str) -> bool:
    if wanted == "*":
        return value != ""
    if wanted.startswith("*"):
        return value.endswith(wanted[1:])
    return value.startswith(wanted[:-1]) if wanted.endswith("*") else value == wanted


def _starred(wanted: str, value: str) -> bool:
    """Stars anywhere."""
    inside = "*" in wanted[:-1] and re.fullmatch(re.escape(wanted).replace(r"\*", ".*"), value) is not None
    return inside or _text(wanted, value)


def _host(wanted: str, host: str, *, wide: bool) -> bool:
    """`wide`: with or without a port."""
    bare = re.sub(r":[0-9]*$", "", host) if wide else host
    return _text(wanted.lower(), host) or _text(wanted.lower(), bare)


def _path(wanted: str, path: str, *, wide: bool) -> bool:
    """`wide`: slashes that are repeated or escaped are one slash, so that nothing gets around what closes.

    Where an escaped slash stands beside dots, nobody can say where they lead: what closes closes it, and what opens by
    a pattern does not open it.
    """
    seen = without_dots(path.partition("?")[0])
    if wanted != "*" and is_unclear(seen) and (wide or "*" in wanted):
        return wide
    if wide:
        seen = re.sub(r"/+", "/", unquote(seen).replace("\\", "/"))
    if "{" in wanted:
        pattern = re.escape(wanted).replace(re.escape("{**}"), ".*").replace(re.escape("{*}"), "[^/]+")
        return re.fullmatch(pattern, seen) is not None
    return _text(wanted, seen)


def without_dots(path: str) -> str:
    """As RFC 3986, 5.2.4, takes dot segments away."""
    kept: list[str] = []
    parts = path.split("/")
    for i, part in enumerate(parts):
        if part == ".." and len(kept) > 1:
            kept.pop()
        if part not in {".", ".."}:
            kept.append(part)
        elif i == len(parts) - 1:
            kept.append("")
    return "/".join(kept)


def is_unclear(path: str) -> bool:
    """Whether dots stand beside a slash of which nobody can say that it is one."""
    parts = re.split(r"/|\\|%2f|%5c", path, flags=re.IGNORECASE)
    return any(part.lower().replace("%2e", ".") in {".", ".."} for part in parts)


def _in_block(block: str, address: str) -> bool:
    return bool(address) and ipaddress.ip_address(address) in ipaddress.ip_network(block, strict=False)
