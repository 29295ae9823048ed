"""RequestAuthentication from a manifest to a refused request, with keys that a pod of the mesh serves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from yaml import safe_dump

from e2e.lab import Lab, lab, until
from e2e.objects import Raw, account, container, deployment, idle, namespace, pod, service, strict, web
from jwts import Issuer

pytestmark = pytest.mark.root

ISSUER = Issuer("https://issuer.example")
URL = "http://keys.mesh.svc.cluster.local/jwks.json"


def security(kind: str, name: str, *, notes: dict[str, str] | None = None, **spec: Any) -> Raw:
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "mesh", **({"annotations": notes} if notes else {})},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, **spec},
    }


def authentication(*, notes: dict[str, str] | None = None, **rule: Any) -> Raw:
    return security(
        "RequestAuthentication", "tokens", notes=notes, jwtRules=[{"issuer": ISSUER.name, "jwksUri": URL} | rule]
    )


@pytest.fixture(scope="module")
def world() -> Iterator[Lab]:
    """`caller` calls `web`; `keys` serves files, and takes mTLS alone."""
    with lab() as made:
        made.tandem("up", "--detach", status=0)
        serve = container("sh", "-c", "mkdir -p /tmp/keys && exec python3 -m http.server -d /tmp/keys 8080", port=8080)
        made.apply(
            *namespace("mesh", mesh=True),
            account("mesh", "caller"),
            pod("mesh", "caller", idle(), serviceAccountName="caller"),
            deployment("mesh", "web", web("web")),
            service("mesh", "web"),
            pod("mesh", "keys", serve),
            service("mesh", "keys"),
            strict("mesh"),
        )
        yield made


def publish(world: Lab) -> None:
    """The issuer's key is the one that the pod serves."""
    script = f"cat > /tmp/keys/jwks.json <<'E'\n{ISSUER.jwks}\nE"
    assert world.inside("mesh", "keys", "sh", "-c", script).status == 0


def code(world: Lab, token: str = "", path: str = "/") -> str:
    header = ("-H", f"authorization: Bearer {token}") if token else ()
    return world.curl("mesh", "caller", f"http://web{path}", *header).out.rpartition("\n")[2]


def denied(world: Lab, reason: str) -> list[Any]:
    flows = world.tandem("flows", "--denied", "-o", "json", status=0).json()["flows"]
    return [flow for flow in flows if flow.get("reason") == reason]


def conditions(world: Lab) -> dict[str, str]:
    found = world.get("mesh", "requestauthentication", "tokens").get("status", {}).get("conditions", ())
    return {c["type"]: f"{c['status']} {c['message']}" for c in found}


def test_without_keys_no_token_is_valid_and_the_condition_says_so(world: Lab) -> None:
    world.tandem("apply", "-f", "-", stdin=safe_dump(authentication()), status=0)
    told = until(lambda: conditions(world), lambda c: "404" in c.get("Programmed", ""), world.logs)
    assert "every token of it is refused" in told["Programmed"]
    assert told["Programmed"].startswith("False")
    assert [code(world), code(world, ISSUER.token())] == ["200", "401"]


def test_keys_come_from_a_pod_that_takes_mtls_alone(world: Lab) -> None:
    publish(world)
    world.apply(authentication())
    until(lambda: code(world, ISSUER.token()), lambda c: c == "200", world.logs)
    until(lambda: conditions(world), lambda c: c["Programmed"].startswith("True"), world.logs)
    assert code(world, ISSUER.token(exp=1)) == "401"
    refused = until(lambda: denied(world, "the token is refused: Jwt is expired"), bool, world.logs)
    rule = refused[-1]["rules"][0]
    assert (rule["kind"], rule["path"]) == ("RequestAuthentication", "spec.jwtRules[0]")


def test_a_new_key_counts_without_anybody_asking_for_it(world: Lab) -> None:
    publish(world)
    world.apply(authentication())
    until(lambda: code(world, ISSUER.token()), lambda c: c == "200", world.logs)
    old = ISSUER.token()
    ISSUER.rotate()
    publish(world)
    until(lambda: code(world, ISSUER.token()), lambda c: c == "200", world.logs)
    assert code(world, old) == "401"


def test_rules_ask_for_claims_and_explain_says_which(world: Lab) -> None:
    publish(world)
    when = [{"key": "request.auth.claims[groups]", "values": ["ops"]}]
    rules = [{"from": [{"source": {"requestPrincipals": [f"{ISSUER.name}/*"]}}], "when": when}]
    world.apply(authentication(), security("AuthorizationPolicy", "ops", rules=rules))
    ops, others = ISSUER.token(groups=["dev", "ops"]), ISSUER.token(groups=["dev"])
    until(lambda: code(world, ops), lambda c: c == "200", world.logs)
    assert [code(world), code(world, others)] == ["403", "403"]
    asked = ("explain", "mesh/caller", "mesh/svc/web:80", "--header")
    allowed = world.tandem(*asked, f"authorization=Bearer {ops}")
    assert (allowed.status, "takes the token of" in allowed.out) == (0, True), allowed.text
    refused = world.tandem(*asked, f"authorization=Bearer {others}")
    assert (refused.status, "AuthorizationPolicy mesh/ops" in refused.out) == (1, True), refused.text
    world.delete("-n", "mesh", "authorizationpolicy", "ops")


def test_keys_may_be_in_a_file(world: Lab) -> None:
    keys: Raw = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "issuer", "namespace": "mesh"},
        "data": {"keys.json": ISSUER.jwks},
    }
    notes = {"tandem.io/jwks-from": f"{ISSUER.name}=configmap/issuer/keys.json"}
    filed = security("RequestAuthentication", "tokens", notes=notes, jwtRules=[{"issuer": ISSUER.name}])
    world.apply(keys, filed)
    until(lambda: code(world, ISSUER.token()), lambda c: c == "200", world.logs)
    ISSUER.rotate()
    assert code(world, ISSUER.token()) == "401"
    world.apply(keys | {"data": {"keys.json": ISSUER.jwks}})
    until(lambda: code(world, ISSUER.token()), lambda c: c == "200", world.logs)
