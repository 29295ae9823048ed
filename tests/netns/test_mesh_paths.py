"""Which path a server is asked for, by what the mesh does with paths: real requests through a real Envoy."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from meshbuild import attached, service, view
from netns.meshapps import get, http_app
from netns.meshlab import Lab
from tandem.ir.fabric import AppProtocol
from tandem.ir.paths import Paths

pytestmark = pytest.mark.root

B = "10.244.0.3"
SEEN = {
    "/a/../b": {Paths.KEEP: "/a/../b"},
    "/a/%2e%2E/b": {Paths.KEEP: "/a/%2e%2E/b"},
    "/%61/b": {Paths.KEEP: "/%61/b"},
    "/a\\b": {Paths.KEEP: "/a\\b"},
    "/a//b": {Paths.MERGE: "/a/b", Paths.DECODE: "/a/b"},
    "/a/%2fb": {Paths.DECODE: "/a/b"},
    "/a%5Cb": {Paths.DECODE: "/a/b"},
    "/a%252fb": {},
    "/a?x=%2f//": {},
}
"""Those that see something else than BASE does."""
BASE = {"/a/../b": "/b", "/a/%2e%2E/b": "/b", "/%61/b": "/a/b", "/a\\b": "/a/b"}


class World:
    """A plain client asks port 8080 of pod b."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.a, self.b = lab.pod("a", "10.244.0.2"), lab.pod("b", B)

    def put(self, paths: Paths) -> None:
        b = attached("b", B, netns=str(self.b))
        pod = msgspec.structs.replace(b.pod, paths=paths, plain_http_ports=(8080,))
        web = service("web", "10.96.1.1", ("http", 80, AppProtocol.HTTP))
        self.lab.apply(view(msgspec.structs.replace(b, pod=pod), web))


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with Lab("pn") as lab:
        made = World(lab)
        with http_app(made.b, 8080):
            yield made


@pytest.fixture(scope="module", params=[paths for paths in Paths if paths is not Paths.EDGE])
def paths(request: pytest.FixtureRequest, world: World) -> Paths:
    world.put(request.param)
    return Paths(request.param)


@pytest.mark.parametrize("target", SEEN)
def test_a_server_sees_the_path_as_the_mesh_makes_it(world: World, paths: Paths, target: str) -> None:
    status, answer = get(world.a, B, 8080, target)
    assert (status, answer["path"]) == (200, SEEN[target].get(paths, BASE.get(target, target)))
