"""Authorization policies of a pod or a gateway -> Envoy's RBAC filters: DENY, then ALLOW, and what looks on. Pure.

Connections of which only bytes are seen have no requests: there a rule that asks something of a request allows nothing,
and a rule that denies is judged without that part (Istio, and closed either way).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from tandem.compile import names
from tandem.compile.envoy.claims import provider_claim, string, token_claim, token_subject
from tandem.compile.envoy.proto import Json, any_of, extension
from tandem.compile.envoy.queries import query_like
from tandem.compile.envoy.tls import IDENTITY_KEY
from tandem.ir.authz import (
    ADDRESSES,
    IDENTITY,
    REQUEST,
    TOKEN,
    Action,
    Attribute,
    AuthzPolicy,
    AuthzRule,
    Contains,
    ExternalCheck,
    Requirement,
    Requirements,
    Suffix,
    Template,
    Text,
)
from tandem.ir.mesh import Exact, Prefix, Present, Regex
from tandem.state.xds import ASKED, AUDITED, STAGED_ALLOW, STAGED_DENY

HTTP: Final = "extensions.filters.http.rbac.v3.RBAC"
NETWORK: Final = "extensions.filters.network.rbac.v3.RBAC"
_SOURCES: Final = frozenset(
    {
        *IDENTITY,
        *ADDRESSES,
        Attribute.FORWARDED_ADDRESS,
        *TOKEN,
    }
)
_ANY: Final[Json] = {"any": True}
Words = tuple[str, str, str, str]
"""How Envoy calls all of several, one of them, their list, and what is not."""
_IDS: Final = ("and_ids", "or_ids", "ids", "not_id")
_PERMISSIONS: Final = ("and_rules", "or_rules", "rules", "not_rule")
_ONE_SLASH: Final = r"(?:/|\\|%2[fF]|%5[cC])"
_SLASH: Final = f"{_ONE_SLASH}+"
_SEVERAL: Final = rf".*(?:{_ONE_SLASH}{_ONE_SLASH}|\\|%2[fF]|%5[cC]).*"
"""Slashes that servers may read as fewer, or as something else."""
_INSIDE: Final = (Exact("127.0.0.0/8"), Exact("::1/128"), Exact("fe80::/10"))
"""Addresses that every pod has beside its own."""
_UNCLEAR: Final = rf".*{_ONE_SLASH}(?:\.|%2[eE]){{1,2}}(?:{_ONE_SLASH}.*)?"
"""Dots between slashes of which one is escaped: Envoy has left them, and where they lead is the server's opinion."""


def _name(action: Action) -> str:
    return f"rbac-{action.value.lower()}"


ASKED_RULES: Final = extension(_name(Action.CUSTOM), HTTP)
"""The filter of the rules about which an external authorizer is asked."""
AUDIT: Final = extension(_name(Action.AUDIT), HTTP)
FILTERS: Final = tuple(extension(_name(action), HTTP) for action in (Action.DENY, Action.ALLOW))
"""The filters of a connection manager, which do nothing of their own: routes say what they ask."""
_STAGED: Final = {Action.DENY: STAGED_DENY, Action.ALLOW: STAGED_ALLOW}


def check_of(policies: Iterable[AuthzPolicy]) -> ExternalCheck | None:
    """The external authorizer that is asked; of a pod there is one."""
    return next((p.check for p in policies if p.check is not None and not p.staged), None)


def sleeping() -> list[Json]:
    """The filters of all actions in a chain whose routes say which of them judge."""
    return [{**found, "disabled": True} for found in (AUDIT, *FILTERS)]


def http_rbac(policies: Iterable[AuthzPolicy]) -> dict[Action, Json]:
    """What the filter of each action is told where it judges all requests of a connection manager."""
    return dict(_bodies(tuple(policies), parsed=True))


def per_route_rbac(policies: Iterable[AuthzPolicy]) -> dict[str, Json]:
    """By filter's name what a route asks of it: a change counts from the next request on, on whatever connection."""
    return {_name(action): any_of(f"{HTTP}PerRoute", {"rbac": body}) for action, body in http_rbac(policies).items()}


def network_rbac(policies: Iterable[AuthzPolicy], prefix: str) -> list[Json]:
    """The filters of a chain that carries bytes; `prefix` is the name of its statistics.

    Over HTTP nobody can be asked about bytes: what would be asked is denied.
    """
    every = [_unaskable(p) for p in policies]
    return [
        extension(_name(action), NETWORK, {"stat_prefix": prefix, **body})
        for action, body in _bodies(every, parsed=False)
        if action is not Action.CUSTOM
    ]


def network_asked(policies: Iterable[AuthzPolicy], prefix: str) -> Json:
    """The rules about which an external authorizer is asked, in a chain that carries bytes."""
    body = dict(_bodies(policies, parsed=False))[Action.CUSTOM]
    return extension(_name(Action.CUSTOM), NETWORK, {"stat_prefix": prefix, **body})


def _unaskable(policy: AuthzPolicy) -> AuthzPolicy:
    if policy.check is None or policy.check.grpc:
        return policy
    return msgspec.structs.replace(policy, action=Action.DENY, check=None)


def _looking_on(policies: list[AuthzPolicy], action: Action, prefix: str, *, parsed: bool) -> Json:
    """Rules that decide nothing, and leave in the metadata which of them holds."""
    return {"shadow_rules": _engine(policies, action, parsed=parsed), "shadow_rules_stat_prefix": prefix}


def _engine(policies: list[AuthzPolicy], action: Action, *, parsed: bool) -> Json:
    rules = {names.authz_rule(r.origin): _policy(r, action) for p in policies for r in _rules(p, parsed=parsed)}
    return {"action": action.value, "policies": rules}


def _bodies(policies: Iterable[AuthzPolicy], *, parsed: bool) -> list[tuple[Action, Json]]:
    """One for each action that there are policies of: enforced ones as `rules`, staged ones as `shadow_rules`."""
    found: list[tuple[Action, Json]] = []
    every = tuple(policies)
    for action, prefix in ((Action.AUDIT, AUDITED), (Action.CUSTOM, ASKED)):
        if looking := [p for p in every if p.action is action and not p.staged]:
            found.append((action, _looking_on(looking, Action.DENY, prefix, parsed=parsed)))
    for action in (Action.DENY, Action.ALLOW):
        body: dict[str, Any] = {}
        judged = [p for p in every if p.action is action]
        if enforced := [p for p in judged if not p.staged]:
            body["rules"] = _engine(enforced, action, parsed=parsed)
        if staged := [p for p in judged if p.staged]:
            body |= _looking_on(staged, action, _STAGED[action], parsed=parsed)
        if body:
            found.append((action, body))
    return found


def _rules(policy: AuthzPolicy, *, parsed: bool) -> list[AuthzRule]:
    if parsed:
        return list(policy.rules)
    if policy.action is Action.ALLOW:
        return [rule for rule in policy.rules if not _asks_requests(rule)]
    return [_of_bytes(rule) for rule in policy.rules if not rule.of_requests]


def _asks_requests(rule: AuthzRule) -> bool:
    return any(r.attribute in REQUEST for part in rule.parts for r in part)


def _of_bytes(rule: AuthzRule) -> AuthzRule:
    """A rule that denies, without what only requests have: no exception for those holds for bytes."""

    def left(part: Requirements) -> Requirements:
        return tuple(r for r in part if r.attribute not in REQUEST)

    return msgspec.structs.replace(
        rule,
        sources=tuple(map(left, rule.sources)),
        operations=tuple(map(left, rule.operations)),
        when=left(rule.when),
        unless=(),
    )


def _policy(rule: AuthzRule, action: Action) -> Json:
    """Envoy asks for one of `principals` and one of `permissions`; conditions go to the side that they are about."""
    who = [_principal(r, action) for r in rule.when if r.attribute in _SOURCES] + _none(rule.spares, _principal, _IDS)
    what = [_permission(r, action) for r in rule.when if r.attribute not in _SOURCES]
    what += _none(rule.unless, _permission, _PERMISSIONS)
    return {
        "principals": [
            _all([*(_principal(r, action) for r in part), *who], "and_ids", "ids") for part in rule.sources or ((),)
        ],
        "permissions": [
            _all([*(_permission(r, action) for r in part), *what], "and_rules", "rules")
            for part in rule.operations or ((),)
        ],
    }


def _none(parts: tuple[Requirements, ...], judge: Callable[[Requirement, Action], Json], words: Words) -> list[Json]:
    """That nothing of it holds.

    What is let through in spite of a denial is an allowance: it matches in no other spelling than the server's.
    """
    both, one, inner, negate = words
    found = [_all([judge(r, Action.ALLOW) for r in part], both, inner) for part in parts]
    return [{negate: found[0] if len(found) == 1 else {one: {inner: found}}}] if found else []


def _all(parts: list[Json], word: str, inner: str) -> Json:
    if not parts:
        return _ANY
    return parts[0] if len(parts) == 1 else {word: {inner: parts}}


def _principal(requirement: Requirement, action: Action) -> Json:
    return _judged(requirement, action, _IDS)


def _permission(requirement: Requirement, action: Action) -> Json:
    return _judged(requirement, action, _PERMISSIONS)


def _judged(requirement: Requirement, action: Action, words: Words) -> Json:
    """What closes (values of a denial, exceptions of an allowance) matches a path, or a host, in every spelling."""
    both, one, inner, negate = words
    parts: list[Json] = []
    if requirement.values:
        values = _matchers(requirement, requirement.values, wide=action is Action.DENY)
        parts.append(values[0] if len(values) == 1 else {one: {inner: values}})
    if requirement.refuses:
        refuses = _matchers(requirement, requirement.refuses, wide=action is Action.ALLOW)
        parts.append({negate: refuses[0] if len(refuses) == 1 else {one: {inner: refuses}}})
    return _all(parts, both, inner)


def _matchers(requirement: Requirement, values: tuple[Text, ...], *, wide: bool) -> list[Json]:
    """A pod may dial with an address that is none of the network's: what closes holds for those, too."""
    hidden = _INSIDE if requirement.own and wide and requirement.attribute in ADDRESSES else ()
    return [_matcher(requirement, value, wide=wide) for value in (*values, *hidden)]


def _matcher(requirement: Requirement, value: Text, *, wide: bool) -> Json:
    if requirement.attribute is Attribute.PATH and not isinstance(value, Present):
        if wide:
            return _path_like(f"{_any_spelling(value)}|{_UNCLEAR}")
        if not isinstance(value, Exact):
            return {"and_rules": {"rules": [_path(value), {"not_rule": _path_like(_UNCLEAR)}]}}
    if requirement.attribute is Attribute.QUERY and wide:
        return _parameter(requirement, value, wide=True)
    if requirement.attribute is Attribute.HOST and wide and not isinstance(value, Present):
        return {"header": {"name": ":authority", "string_match": {"safe_regex": {"regex": _with_port(value)}}}}
    return MATCHERS[requirement.attribute](requirement, value)


def _parameter(requirement: Requirement, value: Text, *, wide: bool) -> Json:
    asked = value if isinstance(value, Exact | Regex) else Regex("[^&;]*")
    pattern = query_like(requirement.name, asked, wide=wide)
    return {"header": {"name": ":path", "string_match": {"safe_regex": {"regex": pattern}}}}


def _path_like(pattern: str) -> Json:
    return {"url_path": {"path": {"safe_regex": {"regex": pattern}}}}


def _any_spelling(value: Exact | Prefix | Suffix | Contains | Regex | Template) -> str:
    """Envoy has taken dots and escaped letters away; servers may also read several slashes, or escaped ones, as one.

    Of a pattern the other spellings are not known: every path with such slashes may be one.
    """
    if isinstance(value, Regex):
        return f"(?:{value.value})|{_SEVERAL}"
    parts = value.value.split("/")
    if isinstance(value, Template):
        return _SLASH.join({"*": "[^/]+", "**": ".*"}.get(part, re.escape(part)) for part in parts)
    text = _SLASH.join(map(re.escape, parts))
    match value:
        case Exact():
            return text
        case Prefix():
            return f"{text}.*"
        case Contains():
            return f".*{text}.*"
        case _:
            return f".*{text}"


def _with_port(value: Exact | Prefix | Suffix | Contains | Regex | Template) -> str:
    """A host with or without a port: routes see no difference."""
    text = value.value if isinstance(value, Regex) else re.escape(value.value)
    around = {Prefix: f"{text}.*", Suffix: f".*{text}", Contains: f".*{text}.*"}.get(type(value), text)
    return f"(?i){around}(?::[0-9]*)?"


def _identity(attribute: Attribute, value: Text) -> Json:
    """A matcher of the SPIFFE id."""
    if attribute is Attribute.PRINCIPAL:
        match value:
            case Exact(text):
                return {"exact": f"spiffe://{text}"}
            case Prefix(text):
                return {"prefix": f"spiffe://{text}"}
            case Suffix(text):
                return {"suffix": text}
            case Regex(text):
                return {"safe_regex": {"regex": f"spiffe://(?:{text})"}}
            case _:
                return {"prefix": "spiffe://"}
    before, inside, after = {
        Attribute.NAMESPACE: ("spiffe://[^/]+/ns/", "[^/]*", "/sa/[^/]+"),
        Attribute.SERVICE_ACCOUNT: ("spiffe://[^/]+/ns/", ".*", ""),
        Attribute.TRUST_DOMAIN: ("spiffe://", "[^/]*", "/.*"),
    }[attribute]
    return {"safe_regex": {"regex": f"{before}{_pattern(attribute, value, inside)}{after}"}}


def _pattern(attribute: Attribute, value: Text, inside: str) -> str:
    def text_of(text: str) -> str:
        escaped = re.escape(text)
        return escaped.replace("/", "/sa/", 1) if attribute is Attribute.SERVICE_ACCOUNT else escaped

    match value:
        case Exact(text):
            return text_of(text)
        case Prefix(text):
            return f"{text_of(text)}{inside}"
        case Suffix(text):
            return f"{inside}{text_of(text)}"
        case Regex(text):
            return f"(?:{text})"
        case _:
            return inside.replace("*", "+")


def _header(name: str, value: Text, *, ignore_case: bool = False) -> Json:
    if isinstance(value, Present):
        return {"header": {"name": name, "present_match": True}}
    # A regular expression says itself whether case counts: Envoy refuses the two together.
    case = {"ignore_case": True} if ignore_case and not isinstance(value, Regex) else {}
    return {"header": {"name": name, "string_match": {**string(value), **case}}}


def _path(value: Text) -> Json:
    if isinstance(value, Template):
        kind = "extensions.path.match.uri_template.v3.UriTemplateMatchConfig"
        config = any_of(kind, {"path_template": value.value})
        return {"uri_template": {"name": "envoy.path.match.uri_template.uri_template_matcher", "typed_config": config}}
    return {"url_path": {"path": string(value)}}


def _range(value: Text) -> Json:
    network = ipaddress.ip_network(_literal(value), strict=False)
    return {"address_prefix": str(network.network_address), "prefix_len": network.prefixlen}


def _literal(value: Text) -> str:
    return value.value if isinstance(value, Exact) else ""


def _proved(requirement: Requirement, value: Text) -> Json:
    identity = _identity(requirement.attribute, value)
    if requirement.own:
        return {"filter_state": {"key": IDENTITY_KEY, "string_match": identity}}
    return {"authenticated": {"principal_name": identity}}


MATCHERS: Final[Mapping[Attribute, Callable[[Requirement, Text], Json]]] = {
    **dict.fromkeys(IDENTITY, _proved),
    # No hop before a pod is trusted to tell a client's address: what a header claims counts for nothing.
    **dict.fromkeys(ADDRESSES, lambda _, value: {"direct_remote_ip": _range(value)}),
    Attribute.FORWARDED_ADDRESS: lambda _, value: {"remote_ip": _range(value)},
    Attribute.LOCAL_ADDRESS: lambda _, value: {"destination_ip": _range(value)},
    Attribute.PORT: lambda _, value: {"destination_port": int(_literal(value))},
    Attribute.SNI: lambda _, value: {"requested_server_name": string(value)},
    Attribute.HOST: lambda _, value: _header(":authority", value, ignore_case=True),
    Attribute.METHOD: lambda _, value: _header(":method", value),
    Attribute.HEADER: lambda requirement, value: _header(requirement.name, value, ignore_case=requirement.ignore_case),
    Attribute.PATH: lambda _, value: _path(value),
    Attribute.QUERY: lambda requirement, value: _parameter(requirement, value, wide=False),
    Attribute.TOKEN_SUBJECT: lambda _, value: token_subject(value),
    Attribute.CLAIM: lambda requirement, value: (
        provider_claim(requirement.provider, requirement.claim, value)
        if requirement.provider
        else token_claim(requirement.claim, value)
    ),
}
