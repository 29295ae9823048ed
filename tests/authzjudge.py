"""What rules of the IR make of a request, judged by a few lines: beside the reference, which reads objects."""

from __future__ import annotations

import base64
import ipaddress
import json
import re
from typing import Any
from urllib.parse import unquote, unquote_plus

from tandem.base.problems import Origin
from tandem.ir.authn import JwtRule
from tandem.ir.authz import (
    REQUEST,
    TOKEN,
    Action,
    Attribute,
    AuthzPolicy,
    AuthzRule,
    Contains,
    Requirement,
    Suffix,
    Template,
    Text,
)
from tandem.ir.mesh import Exact, Prefix, Present, Regex
from tandem.reference.authorization import Asked

ADDRESSES = {
    Attribute.PEER_ADDRESS,
    Attribute.CLIENT_ADDRESS,
    Attribute.FORWARDED_ADDRESS,
    Attribute.LOCAL_ADDRESS,
}


class Carrying(Asked, frozen=True, kw_only=True):
    """What is asked, with the payload of the valid token of each JWTProvider."""

    tokens: dict[str, dict[str, Any]] = {}


def carrying(rules: tuple[JwtRule, ...], asked: Asked) -> Carrying:
    """The same with what the proxy finds in headers by the rules of JWTProviders, one after the other."""
    headers, found = dict(asked.headers), {}
    for rule in rules if asked.parsed else ():
        for name, prefix in rule.headers or (("authorization", "Bearer "),):
            value = headers.get(name.lower(), "")
            text = value.removeprefix(prefix).split(".")
            if not value.startswith(prefix) or len(text) != 3:
                continue
            claims = json.loads(base64.urlsafe_b64decode(text[1] + "=="))
            if claims["iss"] == rule.issuer and (not rule.audiences or claims.get("aud") in rule.audiences):
                found[rule.provider] = claims
                if not rule.forward:
                    del headers[name.lower()]
                break
    every = {field: getattr(asked, field) for field in asked.__struct_fields__}
    return Carrying(**every, tokens=found)


def _texts(requirement: Requirement, asked: Asked) -> list[str]:
    """What a token says, as Envoy's metadata has it."""
    if requirement.provider:
        return _of_provider(requirement, asked)
    found: Any = asked.claims or {}
    if requirement.attribute is Attribute.TOKEN_SUBJECT:
        return [f"{found['iss']}/{found['sub']}"] if found.get("iss") and found.get("sub") else []
    for name in requirement.claim:
        found = found.get(name) if isinstance(found, dict) else None
    return [text for text in (found if isinstance(found, list) else [found]) if isinstance(text, str)]


def _of_provider(requirement: Requirement, asked: Asked) -> list[str]:
    assert isinstance(asked, Carrying)
    found: Any = asked.tokens.get(requirement.provider)
    if not requirement.claim:
        return [] if found is None else ["there"]
    for name in requirement.claim:
        found = found.get(name) if isinstance(found, dict) else None
    return [found] if isinstance(found, str) else []


def _value(requirement: Requirement, asked: Asked) -> str | None:
    domain, _, rest = asked.principal.partition("/ns/")
    values = {
        Attribute.PRINCIPAL: asked.principal or None,
        Attribute.NAMESPACE: rest.split("/sa/")[0] or None,
        Attribute.SERVICE_ACCOUNT: rest.replace("/sa/", "/") or None,
        Attribute.TRUST_DOMAIN: domain or None,
        Attribute.HOST: asked.host.lower(),
        Attribute.METHOD: asked.method,
        Attribute.HEADER: asked.headers.get(requirement.name),
        Attribute.PORT: str(asked.port),
        Attribute.PATH: asked.path.partition("?")[0],
        Attribute.PEER_ADDRESS: asked.source,
        Attribute.CLIENT_ADDRESS: asked.source,
        Attribute.FORWARDED_ADDRESS: asked.client or asked.source,
        Attribute.LOCAL_ADDRESS: asked.destination,
        Attribute.SNI: asked.sni or None,
    }
    return values[requirement.attribute]


def _holds(requirement: Requirement, value: Text, asked: Asked, *, wide: bool) -> bool:
    if requirement.attribute in TOKEN:
        return any(_is(value, text) for text in _texts(requirement, asked))
    if requirement.attribute is Attribute.QUERY:
        return in_query(requirement.name, value, asked.path.partition("?")[2], wide=wide)
    seen = _value(requirement, asked)
    return seen is not None and _seen(requirement, value, seen, wide=wide)


def in_query(name: str, value: Text, query: str, *, wide: bool) -> bool:
    """In some reading of a query, or in every one: without escapes, and once."""
    if wide:
        pairs = [part.partition("=")[::2] for part in re.split("[&;]", query) if "=" in part]
        own = [text for key, text in pairs if unquote_plus(key) == name]
        odd = any(re.search("[%+]", text) for text in own) if isinstance(value, Regex) else False
        return odd or any(_is(value, text) or _is(value, unquote_plus(text)) for text in own)
    parts = [part.partition("=") for part in query.split("&")]
    if ";" in query or any(re.search("[%+]", key) for key, _, _ in parts):
        return False
    return [_is(value, text) and bool(equals) for key, equals, text in parts if key == name] == [True]


def _seen(requirement: Requirement, value: Text, seen: str, *, wide: bool) -> bool:
    if requirement.attribute in ADDRESSES:
        assert isinstance(value, Exact)
        return ipaddress.ip_address(seen) in ipaddress.ip_network(value.value, strict=False)
    if requirement.attribute is Attribute.PATH and not isinstance(value, Present):
        unclear = re.search(r"(?i)(%2f\.{1,2}(/|%2f|$))|(/\.{1,2}%2f)", seen) is not None
        if unclear and (wide or not isinstance(value, Exact)):
            return wide
        if not isinstance(value, Regex):
            seen = re.sub("/+", "/", unquote(seen)) if wide else seen
    if isinstance(value, Regex) and requirement.attribute is Attribute.PATH:
        return _is(value, seen) or (wide and re.search(r"(?i)//|\\|%2f|%5c", seen) is not None)
    if isinstance(value, Template):
        pattern = re.escape(value.value).replace(r"\*\*", ".*").replace(r"\*", "[^/]+")
        return re.fullmatch(pattern, seen) is not None
    if requirement.attribute is Attribute.HOST and not isinstance(value, Present):
        value = type(value)(value.value.lower())
        bare = seen.rpartition(":")[0] or seen
        return _is(value, seen) or (wide and _is(value, bare))
    if requirement.ignore_case and not isinstance(value, Present | Regex):
        value, seen = type(value)(value.value.lower()), seen.lower()
    return _is(value, seen)


def _is(value: Text, seen: str) -> bool:
    wanted = getattr(value, "value", "")
    if isinstance(value, Exact):
        return seen == wanted
    if isinstance(value, Prefix):
        return seen.startswith(wanted)
    if isinstance(value, Contains):
        return wanted in seen
    if isinstance(value, Regex):
        return re.fullmatch(wanted, seen) is not None
    return seen.endswith(wanted) if isinstance(value, Suffix) else seen != ""


def _all(part: tuple[Requirement, ...], asked: Asked, action: Action) -> bool:
    return all(
        (not asked.parsed and r.attribute in REQUEST)
        or (
            (not r.values or any(_holds(r, v, asked, wide=action is not Action.ALLOW) for v in r.values))
            and not any(_holds(r, v, asked, wide=action is Action.ALLOW) for v in r.refuses)
        )
        for r in part
    )


def _matches(rule: AuthzRule, asked: Asked, action: Action) -> bool:
    every = (*rule.sources, *rule.operations, rule.when)
    if rule.of_requests and not asked.parsed:
        return False
    if action is Action.ALLOW and not asked.parsed and any(r.attribute in REQUEST for part in every for r in part):
        return False
    return (
        (not rule.sources or any(_all(part, asked, action) for part in rule.sources))
        and (not rule.operations or any(_all(part, asked, action) for part in rule.operations))
        and _all(rule.when, asked, action)
        and not (asked.parsed and any(_all(part, asked, Action.ALLOW) for part in rule.unless))
        and not any(_all(part, asked, Action.ALLOW) for part in rule.spares)
    )


def holding(policies: tuple[AuthzPolicy, ...], asked: Asked, *actions: Action) -> set[Origin]:
    """The rules of policies with one of these actions that hold."""
    return {r.origin for p in policies if p.action in actions for r in p.rules if _matches(r, asked, p.action)}


def _askable(policy: AuthzPolicy, asked: Asked) -> bool:
    return policy.check is not None and (asked.parsed or policy.check.grpc)


def decide(policies: tuple[AuthzPolicy, ...], asked: Asked) -> tuple[bool, set[Origin], set[Origin]]:
    """Whether it is allowed if the authorizer agrees; the rules for which that is asked, and those of audits."""
    unaskable = tuple(p for p in policies if p.action is Action.CUSTOM and not _askable(p, asked))
    asks = holding(tuple(p for p in policies if _askable(p, asked)), asked, Action.CUSTOM)
    audits = holding(policies, asked, Action.AUDIT)
    if holding(policies, asked, Action.DENY) or holding(unaskable, asked, Action.CUSTOM):
        return False, asks, audits
    allows = [p for p in policies if p.action is Action.ALLOW]
    return not allows or bool(holding(policies, asked, Action.ALLOW)), asks, audits
