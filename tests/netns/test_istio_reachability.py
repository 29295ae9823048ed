"""Who reaches whom under which PeerAuthentication and DestinationRule: the tables of Istio's own integration tests."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Final

import pytest

from netns.istiolab import Tables, tables
from netns.meshapps import greeter_app, http_app

pytestmark = pytest.mark.root

POD: Final = """
apiVersion: v1
kind: Pod
metadata: {name: %(name)s, namespace: %(ns)s, labels: {app: %(app)s, version: %(name)s, tandem.io/mesh: %(mesh)s}}
spec:
  containers: [{name: app, image: host, command: [sleep, "1"]}]
---
"""
SERVICE: Final = """
apiVersion: v1
kind: Service
metadata: {name: %(name)s, namespace: %(ns)s}
spec:
  selector: {app: %(name)s}
  ports: [{name: http, port: 80, targetPort: 8080}, {name: tcp, port: 90, targetPort: 9090}]
---
"""
PODS: Final = (
    ("shop", "cart", "cart", True),
    ("shop", "old", "old", False),
    ("bank", "till", "till", True),
    ("shop", "moved", "moving", True),
    ("shop", "unmoved", "moving", False),
)
ENDS: Final = ("shop/cart", "shop/old", "bank/till")
MANIFESTS: Final = "".join(
    POD % {"ns": ns, "name": name, "app": app, "mesh": "enabled" if mesh else "disabled"}
    for ns, name, app, mesh in PODS
) + "".join(
    SERVICE % {"ns": ns, "name": name}
    for ns, name in (("shop", "cart"), ("shop", "old"), ("bank", "till"), ("shop", "moving"))
)
Holds = Callable[[bool, bool], bool]
"""Of client and server: whether they are in the mesh."""


def modes(mode: str, ns: str = "istio-system", *, app: str = "", ports: str = "") -> str:
    selector = f"selector: {{matchLabels: {{app: {app}}}}}" if app else ""
    return f"""
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: of-{app or "all"}, namespace: {ns}}}
spec: {{mtls: {{mode: {mode}}}{", " if selector else ""}{selector}{", portLevelMtls: " if ports else ""}{ports}}}
"""


def rule(host: str, mode: str, ns: str = "istio-system") -> str:
    return f"""
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: "{host.strip("*.").partition(".")[0] or "every"}", namespace: {ns}}}
spec: {{host: "{host}", trafficPolicy: {{tls: {{mode: {mode}}}}}}}
"""


def each(mode: str, tls: str) -> str:
    """An object of its own for each Service."""
    pairs = [end.split("/") for end in ENDS]
    return "".join(modes(mode, ns, app=app) + rule(f"{app}.{ns}.svc.cluster.local", tls, ns) for ns, app in pairs)


def both(here: bool, there: bool) -> bool:  # noqa: FBT001
    return here and there


def nobody(_here: bool, _there: bool) -> bool:  # noqa: FBT001
    return False


def everybody(_here: bool, _there: bool) -> bool:  # noqa: FBT001
    return True


def not_in_vain(here: bool, there: bool) -> bool:  # noqa: FBT001
    """Who insists on mTLS does not reach who has none."""
    return there or not here


def not_from_outside(here: bool, there: bool) -> bool:  # noqa: FBT001
    return here or not there


PORTS: Final = '{"8080": {mode: DISABLE}, "9090": {mode: DISABLE}}'
CASES: Final[dict[str, tuple[str, Holds, Holds]]] = {
    "strict, insisting": (
        modes("STRICT") + rule("*", "ISTIO_MUTUAL"), both, lambda a, b: a == b
    ),
    "permissive, insisting": (modes("PERMISSIVE") + rule("*", "ISTIO_MUTUAL"), both, not_in_vain),
    "off at both ends": (modes("DISABLE") + rule("*.local", "DISABLE"), nobody, everybody),
    "plain to permissive": (modes("PERMISSIVE") + rule("*.svc.cluster.local", "DISABLE"), nobody, everybody),
    "strict alone": (modes("STRICT"), both, not_from_outside),
    "off alone": (modes("DISABLE"), nobody, everybody),
    "nothing, insisting": (rule("*", "ISTIO_MUTUAL"), both, not_in_vain),
    "nothing": ("", both, everybody),
    "by workload, strict": (each("STRICT", "ISTIO_MUTUAL"), both, lambda a, b: a == b),
    "by workload, permissive": (each("PERMISSIVE", "ISTIO_MUTUAL"), both, not_in_vain),
    "by workload, off": (each("DISABLE", "DISABLE"), nobody, everybody),
    "by port": (
        "".join(modes("STRICT", ns, app=app, ports=PORTS) for ns, app in (e.split("/") for e in ENDS)),
        nobody,
        everybody,
    ),
    "of a namespace before all": (
        modes("STRICT") + rule("*", "ISTIO_MUTUAL") + modes("DISABLE", "shop")
        + rule("*.shop.svc.cluster.local", "DISABLE", "shop") + modes("DISABLE", "bank")
        + rule("*.bank.svc.cluster.local", "DISABLE", "bank"),
        nobody,
        everybody,
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def lab() -> Iterator[Tables]:
    with tables("ir", MANIFESTS) as made, contextlib.ExitStack() as apps:
        for name, ns in made.ns.items():
            apps.enter_context(http_app(ns, 8080, name))
            apps.enter_context(greeter_app(ns, 9090))
        yield made


@pytest.mark.parametrize("case", CASES)
def test_who_reaches_whom(lab: Tables, case: str) -> None:
    manifests, secure, reached = CASES[case]
    lab.put(manifests)
    assert not [p for p in lab.problems if p.severity.value == "error"]
    for here in ENDS:
        for there in ENDS:
            if here != there:
                ends = here != "shop/old", there != "shop/old"
                passes = reached(*ends)
                assert _met(lab, here, there) == (passes, passes, passes and secure(*ends)), (here, there)


def _met(lab: Tables, here: str, there: str) -> tuple[bool, bool, bool]:
    """Whether requests get there, and bytes, and whether the requests came by mTLS. Outside, nobody knows Services."""
    ns, name = there.split("/")
    inside = here != "shop/old"
    address = lab.address(name, ns) if inside else lab.pod_address(there)
    web, raw = (80, 90) if inside else (8080, 9090)
    status, body = lab.curl(here, f"http://{name}.{ns}:{web}/", at=address)
    seen = json.loads(body) if status == 200 else {}
    return status == 200, lab.heard(here, address, raw), bool(seen.get("xfcc"))


MOVING: Final = """
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: moving, namespace: shop}
spec:
  hosts: [moving.shop.svc.cluster.local]
  http:
  - {match: [{uri: {prefix: /moved}}], route: [{destination: {host: moving, subset: moved}}]}
  - {route: [{destination: {host: moving, subset: unmoved}}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: moving, namespace: shop}
spec:
  host: moving
  subsets: [{name: moved, labels: {version: moved}}, {name: unmoved, labels: {version: unmoved}}]
"""


@pytest.mark.parametrize(
    ("mode", "expected"), [("", (200, 200)), ("DISABLE", (503, 200)), ("ISTIO_MUTUAL", (200, 503))]
)
def test_a_service_that_is_moving_into_the_mesh(lab: Tables, mode: str, expected: tuple[int, int]) -> None:
    policy = f"  trafficPolicy: {{tls: {{mode: {mode}}}}}\n" if mode else ""
    lab.put(modes("STRICT", "shop") + MOVING + policy)
    address = lab.address("moving", "shop")
    asked = [lab.curl("bank/till", f"http://moving.shop/{path}", at=address)[0] for path in ("moved", "unmoved")]
    assert tuple(asked) == expected
