"""Rules of HTTPRoutes: backends, filters, times and retries, and what Gateway API does not do."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.base.problems import Origin
from tandem.ir.mesh import (
    DEFAULT_RETRY,
    DIALLED,
    Backend,
    Cors,
    Exact,
    Forward,
    HeaderEdit,
    Mirror,
    PathPrefix,
    Redirect,
    Regex,
    Respond,
    Retry,
    Rewrite,
    Route,
    RouteAction,
    RouteMatch,
)
from tandem.translate.gatewayapi.actions import Writer
from tandem.translate.gatewayapi.shapes import Remarks

AT = Origin(kind="VirtualService", name="web", namespace="shop", path="spec.http[0]")
WEB = Backend(namespace="shop", service="web", port=80)
PREFIX = RouteMatch(path=PathPrefix("/v1"))


def rule(
    action: RouteAction | None = None, match: RouteMatch = PREFIX, retry: Retry | None = DEFAULT_RETRY, **more: Any
) -> tuple[dict[str, Any], list[str]]:
    remarks = Remarks()
    action = action or Forward(backends=(WEB,))
    route = Route(name="r", matches=(match,), action=action, retry=retry, origin=AT, **more)
    made = Writer("shop", 8080, remarks).rule(route, (match,))
    return made, [f"{r.code} {r.at.path.removeprefix('spec.http[0].')}" for r in remarks.all]


def filters(action: RouteAction | None = None, match: RouteMatch = PREFIX, **more: Any) -> Any:
    made, told = rule(action, match, **more)
    assert told == []
    (found,) = made["filters"]
    return found


def test_values_of_headers_are_texts_and_what_is_none_is_told() -> None:
    edit = HeaderEdit(set=(("a", "1%%"), ("b", "%PROTOCOL%")))
    made, told = rule(request_headers=edit)
    (found,) = made["filters"]
    assert found["requestHeaderModifier"] == {"set": [{"name": "a", "value": "1%"}]}
    assert len(told) == 1


def test_backends_have_ports_weights_namespaces_and_headers_of_their_own() -> None:
    other = Backend(
        namespace="far",
        service="web",
        subset="v2",
        weight=3,
        request_headers=HeaderEdit(set=(("a", "1"),), remove=("b",)),
    )
    made, told = rule(Forward(backends=(WEB, other)))
    assert told == []
    assert made["backendRefs"] == [
        {"name": "web", "port": 80, "weight": 1},
        {
            "name": "web-v2",
            "port": 8080,
            "namespace": "far",
            "weight": 3,
            "filters": [
                {
                    "type": "RequestHeaderModifier",
                    "requestHeaderModifier": {"set": [{"name": "a", "value": "1"}], "remove": ["b"]},
                }
            ],
        },
    ]
    assert rule()[0] == {"backendRefs": [{"name": "web", "port": 80}]}


@pytest.mark.parametrize(
    ("rewrite", "match", "wanted"),
    [
        (Rewrite(prefix="/"), PREFIX, {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}),
        (
            Rewrite(prefix="/x"),
            RouteMatch(path=Exact("/a")),
            {"path": {"type": "ReplaceFullPath", "replaceFullPath": "/x"}},
        ),
        (
            Rewrite(prefix="/x/"),
            RouteMatch(),
            {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/x/"}},
        ),
        (
            Rewrite(prefix="/x", by_element=True),
            RouteMatch(),
            {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/x"}},
        ),
        (Rewrite(path="/x"), PREFIX, {"path": {"type": "ReplaceFullPath", "replaceFullPath": "/x"}}),
        (Rewrite(host="h"), PREFIX, {"hostname": "h"}),
    ],
)
def test_rewrites(rewrite: Rewrite, match: RouteMatch, wanted: dict[str, Any]) -> None:
    found = filters(Forward(backends=(WEB,), rewrite=rewrite), match)
    assert found == {"type": "URLRewrite", "urlRewrite": wanted}


def test_redirects() -> None:
    found = filters(Redirect(status=308, scheme="https", host="h", port=444, prefix="/x"))["requestRedirect"]
    path = {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/x"}
    assert found == {"statusCode": 308, "scheme": "https", "hostname": "h", "port": 444, "path": path}


@pytest.mark.parametrize(
    ("share", "wanted"),
    [(1_000_000, {}), (100_000, {"percent": 10}), (5, {"fraction": {"numerator": 5, "denominator": 1_000_000}})],
)
def test_mirrors(share: int, wanted: dict[str, Any]) -> None:
    found = filters(mirrors=(Mirror(backend=WEB, per_million=share),))
    assert found["requestMirror"] == {"backendRef": {"name": "web", "port": 80}, **wanted}


def test_cors() -> None:
    made = Cors(
        origins=(Exact("https://a"),), methods=("GET",), headers=("x",), expose=("y",), max_age_s=9, credentials=True
    )
    assert filters(cors=made) == {
        "type": "CORS",
        "cors": {
            "allowOrigins": ["https://a"],
            "allowMethods": ["GET"],
            "allowHeaders": ["x"],
            "exposeHeaders": ["y"],
            "allowCredentials": True,
            "maxAge": 9,
        },
    }


def test_times_and_retries() -> None:
    retry = Retry(attempts=3, per_try_timeout_ms=250, retry_on=("gateway-error", "reset"), backoff_ms=1000)
    made, told = rule(retry=retry, timeout_ms=2000)
    assert told == []
    assert made["timeouts"] == {"request": "2s", "backendRequest": "250ms"}
    assert made["retry"] == {"attempts": 3, "codes": [502, 503, 504], "backoff": "1s"}
    assert rule(retry=None)[0]["retry"] == {"attempts": 0}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"action": Respond(status=418)}, "NotCarried spec.http[0]"),
        ({"action": Redirect(port=DIALLED)}, "NotCarried redirect.derivePort"),
        ({"action": Forward(backends=(WEB,), rewrite=Rewrite(regex=("a", "b")))}, "NotCarried rewrite.uriRegexRewrite"),
        (
            {"action": Forward(backends=(WEB,), rewrite=Rewrite(prefix="/x")), "match": RouteMatch()},
            "NotCarried rewrite.uri",
        ),
        (
            {"action": Forward(backends=(WEB,), rewrite=Rewrite(prefix="/")), "match": RouteMatch(path=Regex("/x"))},
            "NotCarried rewrite.uri",
        ),
        ({"mirrors": (Mirror(backend=WEB, shadow=True),)}, "Changed mirror"),
        ({"cors": Cors(origins=(Regex("x"),))}, "NotCarried corsPolicy.allowOrigins"),
        ({"retry": Retry(attempts=1, retry_on=("unavailable",))}, "NotCarried retries.retryOn"),
        ({"retry": Retry(attempts=1, retry_on=("reset",), previous_hosts=True)}, "NotCarried retries"),
    ],
)
def test_what_gateway_api_does_not_do_is_told(given: dict[str, Any], told: str) -> None:
    assert rule(**given)[1] == [told]


def test_an_answer_of_its_own_goes_to_nobody() -> None:
    assert "backendRefs" not in rule(Respond(status=200))[0]
