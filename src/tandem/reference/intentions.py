"""Consul's ServiceIntentions as its documents say -> may this client do this at a pod, and by which intention.

In: the World, the pod and what is asked. Out: a frozen value with every step. Shares no code with translation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote

import msgspec

from tandem.base.problems import Origin
from tandem.model import core
from tandem.model.consul import HeaderPermission, HttpPermission, IntentionSource, ServiceIntentions
from tandem.model.selectors import matches_map
from tandem.model.world import World
from tandem.reference.authorization import Asked, AuthzDecision, is_unclear, without_dots
from tandem.reference.consultokens import Claims, can_be_asked, has_token, valid_tokens
from tandem.reference.request import Step
from tandem.reference.support import ROOT


class _Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One source of one object, and how specific its names are: the smaller, the earlier it decides."""

    rank: tuple[int, int]
    owner: ServiceIntentions
    index: int


class _Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked, and the tokens that came with it."""

    world: World
    asked: Asked
    tokens: Claims = {}


def decide_intentions(world: World, pod: core.Pod, asked: Asked) -> AuthzDecision:
    """Each Service of the pod that is named as a destination must agree; where none is, what is said of all."""
    every = world.sorted(ServiceIntentions)
    blind = [o for o in every if o.metadata.unreadable and not o.spec.destination.name]
    shut = [o.origin() for o in blind if o.metadata.namespace in {pod.metadata.namespace, ROOT}]
    behind = [
        service.key
        for service in world.sorted(core.Service)
        if service.metadata.namespace == pod.metadata.namespace
        and service.spec.selector
        and matches_map(service.spec.selector, pod.metadata.labels)
    ]
    about = [o for o in every if o.spec.destination.name and _may_be_about(o)]
    exact = {_destination(o) for o in about}
    places = [key for key in behind if key in exact] or [(pod.metadata.namespace, "*")]
    known = {place: [o for o in about if _destination(o) in {place, (place[0], "*"), ("*", "*")}] for place in places}
    judged = _Judged(world=world, asked=asked)
    if asked.parsed:
        tokens = valid_tokens(world, [o for said in known.values() for o in said], asked)
        judged = msgspec.structs.replace(judged, tokens=tokens)
    steps: list[Step] = [Step(text="is not understood: nothing is allowed", origin=o) for o in shut]
    refused: list[Origin] = list(shut)
    for said in known.values():
        if said:
            allowed, step = _at(said, judged)
            steps.append(step)
            refused += [] if allowed or step.origin is None else [step.origin]
    return AuthzDecision(allowed=not refused, by=tuple(refused), steps=tuple(steps))


def _destination(owner: ServiceIntentions) -> tuple[str, str]:
    asked = owner.spec.destination
    return asked.namespace or owner.metadata.namespace, asked.name


def _may_be_about(owner: ServiceIntentions) -> bool:
    return owner.metadata.namespace in {_destination(owner)[0], ROOT}


def _at(said: list[ServiceIntentions], judged: _Judged) -> tuple[bool, Step]:
    """The verdict of the intentions for one destination."""
    asked = judged.asked
    entries = [
        _Asked(rank=(_destination(o).count("*"), _names(o, s).count("*")), owner=o, index=i)
        for o in said
        for i, s in enumerate(o.spec.sources)
        if _is(_names(o, s), asked.principal) and not (s.peer or s.partition or s.sameness_group)
    ]
    closed = [o for o in said if o.metadata.unreadable]
    entries += [_Asked(rank=(_destination(o).count("*"), 2), owner=o, index=-1) for o in closed]
    best = min((e.rank for e in entries if e.index >= 0 or asked.principal), default=None)
    if best is None:
        oldest = min(said, key=lambda o: (_destination(o).count("*"), o.metadata.creation_timestamp or "", *o.key))
        return False, Step(text="no intention is about this client: denied", origin=oldest.origin("spec.sources"))
    verdicts = [_verdict(entry, judged) for entry in entries if entry.rank == best]
    return next((v for v in verdicts if not v[0]), verdicts[0])


def _names(owner: ServiceIntentions, source: IntentionSource) -> tuple[str, str]:
    about = _destination(owner)[0]
    return source.namespace or (owner.metadata.namespace if about == "*" else about), source.name


def _is(source: tuple[str, str], principal: str) -> bool:
    """Whether a client is that source; who proved nothing is nobody."""
    namespace, _, account = principal.partition("/ns/")[2].partition("/sa/")
    return bool(principal) and source[0] in {"*", namespace} and source[1] in {"*", account}


def _verdict(entry: _Asked, judged: _Judged) -> tuple[bool, Step]:
    owner, jwt = entry.owner, entry.owner.spec.jwt
    if owner.metadata.unreadable:
        return False, Step(text="cannot be judged: everything is denied", origin=owner.origin())
    if jwt is not None and not has_token(judged.world, owner, jwt, judged.tokens):
        return False, Step(text="there is no token as it is asked for: denied", origin=owner.origin("spec.jwt"))
    return _by_source(entry, judged)


def _by_source(entry: _Asked, judged: _Judged) -> tuple[bool, Step]:
    owner, asked = entry.owner, judged.asked
    source, at = owner.spec.sources[entry.index], f"spec.sources[{entry.index}]"
    if not source.permissions:
        allowed = source.action == "allow"
        return allowed, Step(text="allows" if allowed else "denies", origin=owner.origin(at))
    for i, permission in enumerate(source.permissions):
        allows = permission.action == "allow"
        jwt = permission.jwt
        if not asked.parsed and allows:
            continue  # nobody sees a request there: permissions deny
        sound = permission.http is None or _judgeable(permission.http)
        if sound and (jwt is None or can_be_asked(judged.world, owner, jwt)):
            matches = not asked.parsed or permission.http is None or _http(permission.http, asked, denies=not allows)
            # What denies does so with a token and without one.
            matches = matches and (jwt is None or not allows or has_token(judged.world, owner, jwt, judged.tokens))
        else:
            matches = not allows
        if matches:
            origin = owner.origin(f"{at}.permissions[{i}]")
            return allows, Step(text="allows" if allows else "denies", origin=origin)
    return False, Step(text="no permission allows it: denied", origin=owner.origin(f"{at}.permissions"))


def _judgeable(http: HttpPermission) -> bool:
    return not any(h.name.startswith(":") or h.name.lower() == "host" for h in http.header)


def _http(http: HttpPermission, asked: Asked, *, denies: bool) -> bool:
    if (http.path_exact or http.path_prefix or http.path_regex) and not _path(http, asked.path, denies=denies):
        return False
    if http.methods and asked.method not in http.methods:
        return False
    return all(_header(header, asked.headers, denies=denies) for header in http.header)


def _path(http: HttpPermission, path: str, *, denies: bool) -> bool:
    """As rules of AuthorizationPolicies: what denies does so in every spelling, what allows in one."""
    seen = without_dots(path.partition("?")[0])
    if is_unclear(seen) and (denies or not http.path_exact):
        return denies
    if http.path_regex:
        several = re.search(r"//|\\|%2f|%5c", seen, flags=re.IGNORECASE) is not None
        return re.fullmatch(http.path_regex, seen) is not None or (denies and several)
    if denies:
        seen = re.sub(r"/+", "/", unquote(seen).replace("\\", "/"))
    return seen == http.path_exact if http.path_exact else seen.startswith(http.path_prefix)


def _header(header: HeaderPermission, headers: dict[str, str], *, denies: bool) -> bool:
    value = headers.get(header.name.lower())
    if value is None:
        # What is not there is not the value that is left out; an allowance does not count on that.
        return header.invert and (denies or _wants_presence(header))
    return _value(header, value) is not header.invert


def _wants_presence(header: HeaderPermission) -> bool:
    return not any((header.exact, header.prefix, header.suffix, header.contains, header.regex))


def _value(header: HeaderPermission, value: str) -> bool:
    return any(_ways(header, value))


def _ways(header: HeaderPermission, value: str) -> Iterator[bool]:
    def same(text: str) -> str:
        return text.lower() if header.ignore_case else text

    yield _wants_presence(header)
    yield bool(header.exact) and same(value) == same(header.exact)
    yield bool(header.prefix) and same(value).startswith(same(header.prefix))
    yield bool(header.suffix) and same(value).endswith(same(header.suffix))
    yield bool(header.contains) and same(header.contains) in same(value)
    yield bool(header.regex) and re.fullmatch(header.regex, value) is not None
