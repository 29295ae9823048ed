"""Istio's RequestAuthentication as its documents say -> what the token of a request is worth at a pod.

In: the World, the pod or gateway that is called and the request. Out: a frozen value with every step. Signatures and
times are not looked at: a token is taken for valid if its issuer and audience are those of a rule.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping, Sequence
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from tandem.base.problems import Origin
from tandem.model import core
from tandem.model.gateways import GROUP, Gateway
from tandem.model.security import AuthorizationPolicy, JwtRule, RequestAuthentication, TargetRef
from tandem.model.world import World
from tandem.reference.ingressgateway import IngressGateway, has_labels
from tandem.reference.request import Step
from tandem.reference.support import ROOT

Policy = AuthorizationPolicy | RequestAuthentication
Judging = core.Pod | Gateway | IngressGateway
"""Where policies judge."""


class Authentication(msgspec.Struct, frozen=True, kw_only=True):
    """`claims`: the payload of the valid token, None without one. `by`: the rules that refuse the one that came.

    `headers`: those of the request as they go on: with what is told, and without what only the proxy may tell.
    """

    headers: Mapping[str, str] = {}
    claims: dict[str, Any] | None = None
    by: tuple[Origin, ...] = ()
    steps: tuple[Step, ...] = ()


def authenticate(world: World, called: Judging, path: str, headers: Mapping[str, str]) -> Authentication:
    """Whether the request passes, and what its token says; names of headers are in lower case."""
    policies = [p for p in world.sorted(RequestAuthentication) if selects(p, called, world)]
    closed = [p.origin() for p in policies if p.metadata.unreadable or by_other_reference(p)]
    if closed:
        return Authentication(by=tuple(closed), steps=tuple(Step(text="is not understood", origin=at) for at in closed))
    rules = [(r, p.origin(f"spec.jwtRules[{i}]")) for p in policies for i, r in enumerate(p.spec.jwt_rules)]
    found = [(rule, at, token) for rule, at in rules for token in _tokens(rule, path, headers)]
    told = {_loose(name) for rule, _ in rules for name in _told_in(rule)}
    left = {name: value for name, value in headers.items() if _loose(name) not in told}
    if not found:
        return Authentication(
            headers=left, steps=tuple(Step(text="asks nothing: there is no token", origin=at) for _, at in rules)
        )
    for rule, at, token in found:
        claims = payload(token)
        if claims is not None and rule.issuer in {"", claims.get("iss")} and meant_for(rule.audiences, claims):
            step = Step(text=f"takes the token of {claims.get('iss')}, if its signature and times are right", origin=at)
            onward = _onward(rule, left, claims, token)
            return Authentication(headers=onward, claims=_with_lists(rule, claims), steps=(step,))
    refused = {at: f"refuses the token: {_wrong(rule, token)}" for rule, at, token in reversed(found)}
    steps = tuple(Step(text=text, origin=at) for at, text in reversed(refused.items()))
    return Authentication(by=tuple(reversed(refused)), steps=steps)


def _wrong(rule: JwtRule, token: str) -> str:
    claims = payload(token)
    if claims is None:
        return "it cannot be read as one"
    if rule.issuer not in {"", claims.get("iss")}:
        return f"it is of issuer {claims.get('iss')!r}, and asked for is {rule.issuer!r}"
    return f"it is for {claims.get('aud')!r}, and asked for is one of {', '.join(rule.audiences)}"


def selects(policy: Policy, at: Judging, world: World) -> bool:
    """By what it is attached to, else by its selector; from the root namespace in every namespace."""
    home, spec = policy.metadata.namespace, policy.spec
    if home not in {ROOT, ROOT if isinstance(at, IngressGateway) else at.metadata.namespace}:
        return False
    refs = [ref for ref in (spec.target_ref, *spec.target_refs) if ref is not None]
    if by_other_reference(policy):
        return True
    if isinstance(at, IngressGateway):
        return not refs and has_labels(spec.selector.match_labels if spec.selector is not None else {})
    if isinstance(at, Gateway):
        if refs:
            return any(_means(ref, at, home) for ref in refs)
        labels = labels_of(at)
    else:
        labels = at.metadata.labels
    if refs:
        named = [ref for ref in refs if ref.kind == "Service" and ref.namespace in {"", home}]
        services = [world.get(core.Service, home, ref.name) for ref in named]
        wanted = [service.spec.selector for service in services if service is not None and service.spec.selector]
    else:
        wanted = [spec.selector.match_labels if spec.selector is not None else {}]
    return any(all(labels.get(k) == v for k, v in selector.items()) for selector in wanted)


def _means(ref: TargetRef, gateway: Gateway, home: str) -> bool:
    """A Gateway beside the policy, or from the root namespace a class."""
    if (ref.group, ref.kind) == (GROUP, "GatewayClass"):
        return home == ROOT and ref.name == gateway.spec.gateway_class_name
    named = (ref.group, ref.kind) == (GROUP, "Gateway") and ref.namespace in {"", home}
    return named and (home, ref.name) == gateway.key


def labels_of(gateway: Gateway) -> dict[str, str]:
    """As Istio labels the pods of a gateway."""
    given = gateway.spec.infrastructure.labels or gateway.metadata.labels
    names = {f"{GROUP}/gateway-name": gateway.metadata.name}
    return given | names | {f"{GROUP}/gateway-class-name": gateway.spec.gateway_class_name}


def by_other_reference(policy: Policy) -> bool:
    """Attached to what is neither a Service nor a gateway; what is a gateway's is for no pod."""
    refs = (policy.spec.target_ref, *policy.spec.target_refs)
    known = {("", "Service"), ("core", "Service"), (GROUP, "Gateway"), (GROUP, "GatewayClass")}
    return any(ref is not None and (ref.group, ref.kind) not in known for ref in refs)


def _told_in(rule: JwtRule) -> list[str]:
    return [told.header for told in rule.output_claim_to_headers] + [rule.output_payload_to_header]


def _loose(name: str) -> str:
    """Servers read both spellings as one."""
    return name.lower().replace("_", "-")


def _onward(rule: JwtRule, headers: Mapping[str, str], claims: dict[str, Any], token: str) -> dict[str, str]:
    kept = {n: v for n, v in headers.items() if rule.forward_original_token or n == "cookie" or not v.endswith(token)}
    for told in rule.output_claim_to_headers:
        value: Any = claims
        for name in told.claim.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        if isinstance(value, str | int):
            kept[told.header.lower()] = str(value).lower() if isinstance(value, bool) else str(value)
    if rule.output_payload_to_header:
        kept[rule.output_payload_to_header.lower()] = token.split(".")[1]
    return kept


def _tokens(rule: JwtRule, path: str, headers: Mapping[str, str]) -> Iterator[str]:
    places = [(h.name, h.prefix) for h in rule.from_headers]
    return (token for _, token in carried(places, rule.from_params, rule.from_cookies, path, headers))


def carried(
    places: Sequence[tuple[str, str]],
    params: Sequence[str],
    names: Sequence[str],
    path: str,
    headers: Mapping[str, str],
) -> Iterator[tuple[str, str]]:
    """Tokens of a request, each after the header that it is in, if it is in one of `places` (header and prefix).

    `params` of the query, `names` of cookies; without any of the three where RFC 6750 has them.
    """
    if not (places or params or names):
        places, params = [("authorization", "Bearer ")], ["access_token"]
    for name, prefix in places:
        value = headers.get(name.lower(), "")
        if value and value.startswith(prefix):
            yield name.lower(), value.removeprefix(prefix)
    query = parse_qs(urlsplit(path).query)
    yield from (("", query[name][0]) for name in params if name in query)
    cookies = _cookies(headers.get("cookie", ""))
    yield from (("", cookies[name]) for name in names if name in cookies)


def _cookies(text: str) -> dict[str, str]:
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(text).items()}
    except CookieError:
        return {}


def payload(token: str) -> dict[str, Any] | None:
    """What a token says; None if it is none."""
    parts = token.split(".")
    try:
        found = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (IndexError, binascii.Error, ValueError):
        return None
    return found if isinstance(found, dict) and len(parts) == 3 else None


def meant_for(wanted: Sequence[str], claims: dict[str, Any]) -> bool:
    """Whether one of the audiences is among those of the token; empty: any."""
    given = claims.get("aud")
    audiences = given if isinstance(given, list) else [given]
    return not wanted or any(audience in wanted for audience in audiences)


def _with_lists(rule: JwtRule, claims: dict[str, Any]) -> dict[str, Any]:
    """Claims whose text is a list with spaces between, as lists: those that Istio knows, and those of the rule."""
    names = {"scope", "permission", *rule.space_delimited_claims}
    return {k: v.split(" ") if k in names and isinstance(v, str) else v for k, v in claims.items()}
