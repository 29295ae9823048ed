"""What of Consul's routing objects is not supported: such an object is refused as a whole.

A list of its own, so that the oracle does not repeat a mistake of translation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeVar

from tandem.model.consulroutes import (
    Elsewhere,
    HeaderModifiers,
    RouteDestination,
    ServiceResolver,
    ServiceRouter,
    ServiceSplit,
    ServiceSplitter,
)
from tandem.reference.support import is_token, re2, seconds_ms

Source = TypeVar("Source", ServiceRouter, ServiceSplitter, ServiceResolver)
_FAR = ("partition", "datacenter", "peer", "sameness_group")


def in_force(source: Source | None) -> Source | None:
    """None for an object that is refused."""
    match source:
        case ServiceRouter():
            wrong = any(_router(source))
        case ServiceSplitter():
            wrong = any(_destination(split) for split in source.spec.splits)
        case ServiceResolver():
            wrong = any(_resolver(source))
        case _:
            return None
    return None if wrong else source


def _router(source: ServiceRouter) -> Iterator[bool]:
    for route in source.spec.routes:
        http = route.match.http if route.match is not None else None
        if http is not None:
            patterns = [http.path_regex, *(h.regex for h in http.header), *(q.regex for q in http.query_param)]
            yield not all(re2(pattern) for pattern in patterns)
        if route.destination is not None:
            yield _destination(route.destination)
            times = (route.destination.request_timeout, route.destination.idle_timeout)
            yield any(seconds_ms(time.lstrip("+-")) < 0 for time in times)


def _destination(asked: RouteDestination | ServiceSplit) -> bool:
    return bool(asked.partition) or not (_edit(asked.request_headers) and _edit(asked.response_headers))


def _edit(edit: HeaderModifiers) -> bool:
    names = (*edit.set, *edit.add, *edit.remove)
    return all(is_token(name) and name.lower() != "host" for name in names)


def _resolver(source: ServiceResolver) -> Iterator[bool]:
    spec = source.spec
    yield spec.redirect is not None and _elsewhere(spec.redirect)
    for failover in spec.failover.values():
        yield bool(failover.datacenters or failover.sameness_group or failover.policy.regions)
        yield failover.policy.mode == "order-by-locality" or any(map(_elsewhere, failover.targets))
    yield bool(spec.default_subset) and spec.default_subset not in spec.subsets
    yield not spec.failover.keys() <= {"*", *spec.subsets}
    yield any(subset_labels(subset.filter) is None for subset in spec.subsets.values())
    yield any(seconds_ms(time.lstrip("+-")) < 0 for time in (spec.connect_timeout, spec.request_timeout))


def _elsewhere(other: Elsewhere) -> bool:
    return any(getattr(other, field) for field in _FAR)


def subset_labels(text: str) -> dict[str, str] | None:
    """Of `Service.Meta.KEY == VALUE` and tags; None for what is none of these."""
    found: dict[str, str] = {}
    quoted = r'(?:"(?P<q>[^"]*)"|`(?P<r>[^`]*)`|(?P<w>[^\s"`()=!\[\]]+))'
    for part in re.split(r"\s+and\s+", text.strip()) if text.strip() else ():
        meta = re.fullmatch(r'Service\.Meta(?:\.([^\s=!"`()\[\]]+)|\["([^"]+)"\])\s*==\s*' + quoted, part)
        tag = re.fullmatch(quoted + r"\s+in\s+Service\.Tags", part) or re.fullmatch(
            r"Service\.Tags\s+contains\s+" + quoted, part
        )
        if meta is not None:
            value = next(v for v in (meta["q"], meta["r"], meta["w"]) if v is not None)
            key = f"consul.hashicorp.com/service-meta-{meta[1] or meta[2]}"
        elif tag is not None:
            value, name = "true", next(v for v in (tag["q"], tag["r"], tag["w"]) if v is not None)
            key = f"consul.hashicorp.com/service-tag-{name}"
        else:
            return None
        if found.setdefault(key, value) != value:
            return None
    return found
