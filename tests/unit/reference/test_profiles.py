"""Where requests go by ServiceProfiles, by the reference: the cases of Linkerd's documents."""

from __future__ import annotations

import pytest

from builders import service
from linkerdworlds import Raw, profile
from tandem.model.world import World
from tandem.reference.profiles import decide_profile
from tandem.reference.request import Request, RouteDecision

SERVICES = [service(name, ports=[{"name": "http", "port": 80}]) for name in ("a", "b")]
AUTHORS: Raw = {
    "any": [
        {"all": [{"method": "POST"}, {"pathRegex": r"/authors/\d+"}]},
        {"all": [{"not": {"method": "DELETE"}}, {"pathRegex": "/info.txt"}]},
    ]
}


def decide(*objects: object, path: str = "/", method: str = "GET", source: str = "default") -> RouteDecision | None:
    request = Request(source_namespace=source, namespace="default", service="a", port=80, method=method, path=path)
    return decide_profile(World.of([*SERVICES, *objects]), request, "cluster.local")  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("method", "path", "index"),
    [
        ("POST", "/authors/12", 0),
        ("GET", "/authors/12", -1),
        ("GET", "/info.txt?x=1", 0),
        ("DELETE", "/info.txt", -1),
    ],
)
def test_conditions(method: str, path: str, index: int) -> None:
    found = decide(profile("a", {"name": "r", "condition": AUTHORS, "timeout": "1s"}), path=path, method=method)
    assert found is not None
    assert (found.index, found.timeout_ms) == (index, 1000 if index == 0 else 0)


def test_the_clients_own_profile_goes_first() -> None:
    one = profile("a", {"name": "r", "condition": {"method": "GET"}}, ns="shop")
    found, other = (decide(one, profile("a"), source=source) for source in ("shop", "default"))
    assert found is not None
    assert other is not None
    assert (found.index, other.index) == (0, -1)
    assert decide(one) is None


def test_overrides_are_shares() -> None:
    overrides = [
        {"authority": f"{n}.default.svc.cluster.local", "weight": w} for n, w in (("a", "500m"), ("b", "1500m"))
    ]
    found = decide(profile("a", dstOverrides=overrides))
    assert found is not None
    assert [(share.service, share.weight) for share in found.backends] == [("a", 1), ("b", 3)]
