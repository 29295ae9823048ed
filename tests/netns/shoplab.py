"""A shop on one node: clients a and c (a guest), servers v1 and v2 behind web:80, and the routes of a test."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from meshbuild import RULE, attached, endpoint, endpoints, service, view
from netns.meshapps import get, http_app
from netns.meshlab import Lab
from tandem.base.problems import Origin
from tandem.ir.fabric import AppProtocol
from tandem.ir.mesh import Backend, Forward, Route, RouteAction, RouteMatch
from tandem.ir.node import AttachedPod, NodeView
from tandem.ir.traffic import Subset, TrafficPolicy

ADDRESSES = {"a": "10.244.0.2", "v1": "10.244.0.3", "v2": "10.244.0.4", "c": "10.244.0.5"}
WEB = "10.96.1.1"


def to(*shares: tuple[str, int]) -> Forward:
    return Forward(
        backends=tuple(Backend(namespace="shop", service="web", subset=s, weight=w) for s, w in shares),
        missing_status=500,
    )


def route(name: str, action: RouteAction, *matches: RouteMatch, **fields: Any) -> Route:
    origin = Origin(kind="VirtualService", namespace="shop", name="web", path=f"spec.http[{name}]")
    return Route(name=name, matches=matches, action=action, origin=origin, **fields)


class Shop:
    """The lab with its four pods."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.ns = {name: lab.pod(name, address) for name, address in ADDRESSES.items()}

    def pod(self, name: str, **labels: str) -> AttachedPod:
        pairs = tuple(sorted(labels.items()))
        return attached(name, ADDRESSES[name], netns=str(self.ns[name]), labels=pairs)

    def view(self, *servers: str, **parts: Any) -> NodeView:
        v1, v2 = self.pod("v1", version="v1"), self.pod("v2", version="v2")
        members = [endpoint(pod, http=8080) for pod in (v1, v2) if pod.pod.name in servers]
        extra = [part for part in parts.values() if part is not None]
        web = service("web", WEB, ("http", 80, AppProtocol.HTTP))
        return view(self.pod("a"), self.pod("c", role="guest"), v1, v2, web, endpoints("web", *members), *extra)

    def get(self, path: str, who: str = "a", **headers: str) -> tuple[int, str]:
        status, seen = get(self.ns[who], WEB, 80, path, **headers)
        return status, seen.get("app", "")


SUBSETS = TrafficPolicy(
    namespace="shop",
    service="web",
    subsets=tuple(Subset(name=v, labels=(("version", v),)) for v in ("v1", "v2")),
    origin=RULE,
)


@contextlib.contextmanager
def running_shop(prefix: str) -> Iterator[Shop]:
    """A shop with its servers."""
    with Lab(prefix) as lab, contextlib.ExitStack() as apps:
        made = Shop(lab)
        for name in ("v1", "v2"):
            apps.enter_context(http_app(made.ns[name], 8080, name))
        yield made
