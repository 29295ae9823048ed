"""Headers in which only the proxy speaks, and other spellings of headers that rules look at, are taken away. Pure.

Servers that hand headers on as variables (CGI, WSGI) read `x_user` and `x-user` as one: what a rule judges, or what the
proxy tells of a token, must not come in by the other spelling.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

from tandem.compile import names
from tandem.compile.envoy.guarded import Guarded
from tandem.compile.envoy.proto import Json, any_of, discovered, extension
from tandem.ir.authn import JwtRule, told_headers
from tandem.ir.authz import Attribute, AuthzPolicy
from tandem.state.xds import Resource

NAME: Final = "spellings"
TYPE: Final = "extensions.filters.http.header_mutation.v3.HeaderMutation"
EARLY: Final = "extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation"
_OTHER: Final = {"-": "_", "_": "-"}


def disabled() -> Json:
    """The filter of a connection manager, which does nothing of its own."""
    return extension(NAME, TYPE)


def per_route_spellings(judging: tuple[AuthzPolicy, ...], tokens: tuple[JwtRule, ...] = ()) -> dict[str, Json]:
    """What is taken away of requests of a route, before anybody looks at them."""
    mutations = _mutations(judging, tokens)
    return {NAME: any_of(f"{TYPE}PerRoute", {"mutations": mutations})} if mutations else {}


def spelling_filter(to: Guarded) -> Json:
    """The filter of a gateway, for all of its requests."""
    return discovered(names.spelling_filter(to.uid), TYPE)


@lru_cache(maxsize=1024)
def compile_spellings(to: Guarded) -> Resource:
    """Its configuration, which does nothing where nobody looks at headers."""
    name, mutations = names.spelling_filter(to.uid), _mutations(to.authorization, to.authentication)
    return Resource(name=name, body={"name": name, "typed_config": any_of(TYPE, {"mutations": mutations})})


def before_routes(to: Guarded) -> list[Json]:
    """What a connection manager takes away before it looks for a route, and so before any filter."""
    told = told_headers(to.authentication)
    if not told:
        return []
    removals = [_removal([_loose(name) for name in told])]
    return [extension("told-headers", EARLY, {"mutations": removals})]


def _mutations(judging: tuple[AuthzPolicy, ...], tokens: tuple[JwtRule, ...]) -> Json:
    told = told_headers(tokens)
    judged = sorted(_judged(judging).difference(told))
    patterns = [_loose(name) for name in told] + [p for name in judged for p in _others(name)]
    return {"request_mutations": [_removal(patterns)]} if patterns else {}


def _removal(patterns: list[str]) -> Json:
    return {"remove_on_match": {"key_matcher": {"safe_regex": {"regex": "|".join(patterns)}}}}


def _judged(policies: Iterable[AuthzPolicy]) -> set[str]:
    rules = [rule for policy in policies for rule in policy.rules]
    return {r.name for rule in rules for part in rule.parts for r in part if r.attribute is Attribute.HEADER}


def _loose(name: str) -> str:
    """The header in every spelling."""
    return "".join("[-_]" if c in _OTHER else re.escape(c) for c in name)


def _others(name: str) -> Iterator[str]:
    """Every spelling but this one: by the first place that differs."""
    for i, c in enumerate(name):
        if c in _OTHER:
            yield f"{re.escape(name[:i])}{re.escape(_OTHER[c])}{_loose(name[i + 1 :])}"
