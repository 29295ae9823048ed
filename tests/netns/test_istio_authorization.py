"""What AuthorizationPolicies let through: the tables of Istio's own integration tests."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Final

import pytest

from netns.istiolab import Tables, tables
from netns.meshapps import greeter_app, http_app
from netns.test_istio_reachability import POD, SERVICE

pytestmark = pytest.mark.root

NEAR, FAR, OLD, SERVER = "shop/cart", "bank/till", "shop/old", "shop/orders"
PODS: Final = (("shop", "cart"), ("bank", "till"), ("shop", "old"), ("shop", "orders"))
MANIFESTS: Final = "".join(
    POD % {"ns": ns, "name": name, "app": name, "mesh": "disabled" if name == "old" else "enabled"} for ns, name in PODS
).replace("containers", "serviceAccountName: sa\n  containers") + SERVICE % {"ns": "shop", "name": "orders"}


def policy(
    *rules: str, action: str = "ALLOW", name: str = "p", ns: str = "shop", selector: str = "{app: orders}"
) -> str:
    chosen = f"selector: {{matchLabels: {selector}}}, " if selector else ""
    return f"""
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{name: {name}, namespace: {ns}}}
spec: {{{chosen}action: {action}, rules: [{", ".join(rules)}]}}
"""


def to(operation: str, source: str = "", when: str = "") -> str:
    parts = [f"to: [{{operation: {{{operation}}}}}]"]
    parts += [f"from: [{{source: {{{source}}}}}]"] if source else []
    parts += [f"when: [{{{when}}}]"] if when else []
    return f"{{{', '.join(parts)}}}"


def paths(*texts: str) -> str:
    return f"paths: {json.dumps(texts)}"


class Shop:
    """Requests and bytes to the orders of the shop."""

    def __init__(self, lab: Tables) -> None:
        self.lab = lab

    def put(self, *manifests: str, lenient: bool = False) -> None:
        self.lab.put("".join(manifests))
        assert lenient or not [p for p in self.lab.problems if p.severity.value == "error"]

    def ask(self, path: str, *more: str, who: str = NEAR, host: str = "orders.shop") -> int:
        if who == OLD:
            return self.lab.curl(who, f"http://{host}:8080{path}", *more, at=self.lab.pod_address(SERVER))[0]
        return self.lab.curl(who, f"http://{host}{path}", *more, at=self.lab.address("orders", "shop"))[0]

    def heard(self, who: str = NEAR) -> bool:
        if who == OLD:
            return self.lab.heard(who, self.lab.pod_address(SERVER), 9090)
        return self.lab.heard(who, self.lab.address("orders", "shop"), 90)

    def all(self, who: str, *asked: str) -> list[int]:
        return [self.ask(path, who=who) for path in asked]


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with tables("ia", MANIFESTS) as made, contextlib.ExitStack() as apps:
        server = made.ns[SERVER]
        apps.enter_context(http_app(server, 8080, SERVER))
        apps.enter_context(greeter_app(server, 9090))
        yield Shop(made)


WHO: Final = (
    "principals: [cluster.local/ns/shop/sa/sa]",
    "serviceAccounts: [shop/sa]",
    "serviceAccounts: [sa]",
    "namespaces: [shop]",
    'namespaces: ["s*p"]',
    'namespaces: ["*ho*"]',
)


@pytest.mark.parametrize("source", WHO)
def test_who_is_allowed(shop: Shop, source: str) -> None:
    shop.put(policy(to(f'ports: ["8080"], methods: [GET], {paths("/in")}', source), to('ports: ["9090"]', source)))
    assert (shop.all(NEAR, "/in", "/in?param=value", "/out"), shop.heard()) == ([200, 200, 403], True)
    assert (shop.all(FAR, "/in", "/in?param=value", "/out"), shop.heard(FAR)) == ([403, 403, 403], False)


@pytest.mark.parametrize("source", WHO)
def test_who_is_denied(shop: Shop, source: str) -> None:
    everywhere = to('ports: ["8080"], paths: ["/never*"], notPaths: ["/never/but"]')
    here = to('ports: ["8080"], methods: [GET], paths: ["/no*"], notPaths: ["/no/but"]', source)
    shop.put(
        policy(everywhere, action="DENY", ns="istio-system", name="all", selector=""),
        policy(here, to('ports: ["9090"]', source), action="DENY"),
    )
    asked = ("/no", "/no?param=value", "/no/but", "/no/but?param=value", "/yes", "/never", "/never?a=b", "/never/but")
    assert (shop.all(NEAR, *asked), shop.heard()) == ([403, 403, 200, 200, 200, 403, 403, 200], False)
    assert (shop.all(FAR, *asked), shop.heard(FAR)) == ([200, 200, 200, 200, 200, 403, 403, 200], True)


def test_trust_domains(shop: Shop) -> None:
    rules = {
        "/own": "trustDomains: [cluster.local]",
        "/other": "trustDomains: [other.test]",
        "/not-own": "notTrustDomains: [cluster.local]",
        "/not-other": "notTrustDomains: [other.test]",
        "/begins": 'trustDomains: ["cluster.*"]',
        "/around": 'trustDomains: ["c*al"]',
        "/once": 'trustDomains: ["c*a*"]',
    }  # fmt: skip
    shop.put(policy(*(to(paths(path), source) for path, source in rules.items())))
    assert dict(zip(rules, shop.all(FAR, *rules), strict=True)) == {
        "/own": 200, "/other": 403, "/not-own": 403, "/not-other": 200, "/begins": 200, "/around": 200, "/once": 403
    }  # fmt: skip


def test_what_is_not_named(shop: Shop) -> None:
    shop.put(policy("{from: [{source: {notNamespaces: [shop]}}]}", action="DENY"))
    assert (shop.ask("/"), shop.heard(), shop.ask("/", who=FAR), shop.heard(FAR)) == (200, True, 403, False)
    shop.put(policy(to("notMethods: [PUT]")))
    assert (shop.ask("/"), shop.ask("/", "-X", "PUT")) == (200, 403)
    shop.put(policy(to('notPorts: ["9090"]')))
    assert (shop.ask("/"), shop.heard()) == (200, False)
    shop.put(policy(to("notHosts: [no.shop]")))
    assert (shop.ask("/"), shop.ask("/", "-H", "host: NO.shop")) == (200, 403)
    shop.put(policy('{from: [{source: {notPrincipals: ["*"]}}]}', action="DENY"))
    assert (shop.ask("/"), shop.heard(), shop.ask("/", who=OLD), shop.heard(OLD)) == (200, True, 403, False)


def test_whom_a_policy_selects(shop: Shop) -> None:
    shop.put(
        policy(to(paths("/own"))),
        policy(to(paths("/two-labels")), name="two", selector="{app: orders, tier: gold}"),
        policy(to(paths("/namespace")), name="namespace", selector=""),
        policy(to(paths("/elsewhere")), name="elsewhere", ns="bank", selector=""),
        policy(to(paths("/root")), name="root", ns="istio-system"),
        policy(to(paths("/another")), name="another", selector="{app: cart}"),
    )
    asked = ("/own", "/two-labels", "/namespace", "/elsewhere", "/root", "/another")
    assert shop.all(FAR, *asked) == [200, 403, 200, 403, 200, 403]


def test_denial_before_permission(shop: Shop) -> None:
    shop.put(policy(to(paths("/in/admin")), action="DENY", name="no"), policy(to(paths("/in*"))))
    assert shop.all(NEAR, "/in/admin", "/in/admin?a=b", "/in", "/in?a=b") == [403, 403, 200, 200]


TEMPLATES: Final = {
    "/in/admin/": 200, "/in/admin": 403, "/in/user/": 403, "/in/admin?a=b": 403, "/in": 403, "/in/admin/t": 200,
    "/in/admin/t.txt": 200, "/in/admin/f/t.txt": 200, "/f/x/b/t.txt": 200, "/f/x/b/t.u.txt": 200, "/f/x/b/t/z.txt": 200,
    "/f/b/t.txt": 403, "/f//b/t.txt": 403, "/f/x/b/t": 200, "/s//c": 200, "/s/c": 403, "/s/x/c": 200, "/s/x/y/c": 200,
}  # fmt: skip


def test_path_templates(shop: Shop) -> None:
    shop.put(policy(to(paths("/in/admin/{**}", "/f/{*}/b/{**}", "/s/{**}/c"))))
    assert {path: shop.ask(path) for path in TEMPLATES} == TEMPLATES


def test_paths_are_judged_where_they_lead(shop: Shop) -> None:
    shop.put(policy(to('paths: ["/public*"], methods: [GET]')))
    assert shop.all(NEAR, "/public", "/public/../public") == [200, 200]
    asked = ("..", "./..", "../.", "%2E%2E", "%2e%2e", "%2E/%2E%2E", "%2e/%2e%2e", "%2E%2E/%2E", "%2e%2e/%2e")
    assert {path: shop.ask(f"/public/{path}/private") for path in asked} == dict.fromkeys(asked, 403)


def test_conditions(shop: Shop) -> None:
    here, there = shop.lab.pod_address(NEAR), shop.lab.pod_address(SERVER)
    far = shop.lab.pod_address(FAR)
    name = "*.orders.shop.svc.cluster.local"
    both, one, none = (200, 200), (200, 403), (403, 403)
    rows: list[tuple[str, list[str], tuple[int, int], tuple[int, int]]] = [
        ("source.ip", [here], one, (403, 200)),
        ("source.ip", [far], (403, 200), one),
        ("source.namespace", ["shop"], one, (403, 200)),
        ("source.principal", ["cluster.local/ns/shop/sa/sa"], one, (403, 200)),
        ("source.trustDomain", ["cluster.local"], both, none),
        ("destination.ip", [there], both, none),
        ("destination.ip", ["1.2.3.4"], none, both),
        ("destination.port", ["8080"], both, none),
        ("destination.port", ["1"], none, both),
        ("connection.sni", [name], both, none),
        ("connection.sni", ["never"], none, both),
        ("request.headers[x-say]", ["word"], both, none),
        ("request.headers[x-say]", ["wo*"], both, none),
        ("request.headers[x-say]", ["other"], none, both),
    ]
    when = [(f"/{i}/{f}", f'key: "{k}", {f}: {json.dumps(v)}') for i, (k, v, *_) in enumerate(rows) for f in FIELDS]
    shop.put(policy(*(to(paths(path), when=text) for path, text in when)))
    for i, (key, values, holds, fails) in enumerate(rows):
        for field, expected in zip(FIELDS, (holds, fails), strict=True):
            asked = [shop.ask(f"/{i}/{field}", "-H", "x-say: word", who=who) for who in (NEAR, FAR)]
            assert tuple(asked) == expected, (key, field, values)


FIELDS: Final = ("values", "notValues")


def test_a_name_that_was_dialled_is_told_to_whoever_judges_bytes(shop: Shop) -> None:
    name = 'key: connection.sni, values: ["outbound_.90_._.orders.shop.svc.cluster.local"]'
    shop.put(policy(f"{{when: [{{{name}}}]}}"))
    assert (shop.heard(), shop.ask("/")) == (True, 403)


def test_what_nobody_here_knows_allows_nothing(shop: Shop) -> None:
    key = 'key: "experimental.envoy.filters.network.mysql_proxy[db.table]", values: ["[update]"]'
    shop.put(policy(to(paths("/x"), when=key)), lenient=True)
    assert shop.ask("/x") == 403
    (problem,) = [p for p in shop.lab.problems if p.severity.value == "error"]
    assert problem.at.path == "spec.rules[0].when[0].key"


def test_bytes_and_requests(shop: Shop) -> None:
    shop.put(policy(to("methods: [GET]", "namespaces: [shop]"), action="DENY"))
    assert (shop.ask("/"), shop.heard(), shop.ask("/", who=FAR), shop.heard(FAR)) == (403, False, 200, True)
    shop.put(policy(to("methods: [GET]"), to('ports: ["9090"]', "namespaces: [bank]")))
    assert (shop.ask("/"), shop.heard(), shop.heard(FAR)) == (200, False, True)


@pytest.mark.parametrize(
    ("rules", "action", "expected"),
    [
        ("{}", "ALLOW", (200, True)),
        ("{}", "DENY", (403, False)),
        ("", "ALLOW", (403, False)),
        ("", "DENY", (200, True)),
    ],
)
def test_empty_rules(shop: Shop, rules: str, action: str, expected: tuple[int, bool]) -> None:
    shop.put(policy(*filter(None, (rules,)), action=action))
    assert (shop.ask("/"), shop.heard()) == expected


def test_other_names_of_the_trust_domain(shop: Shop) -> None:
    names = """
---
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data: {mesh: "trustDomainAliases: [old.test, older.test]"}
"""
    shop.put(names, policy("{from: [{source: {principals: [old.test/ns/shop/sa/sa]}}]}"))
    assert (shop.ask("/"), shop.ask("/", who=FAR)) == (200, 403)
