"""Redirects, rewrites, faults and CORS of a VirtualService."""

from __future__ import annotations

import msgspec

from tandem.ir.mesh import AS_ASKED, Cors, Exact, Fault, Prefix, Redirect, Regex, Rewrite
from tandem.model import istio
from tandem.translate.mesh.istio.extras import ExtrasReader

Wrongs = list[tuple[str, str]]


def reader() -> tuple[ExtrasReader, Wrongs]:
    wrongs: Wrongs = []
    return ExtrasReader(lambda path, code, _text: wrongs.append((path, code))), wrongs


def test_a_redirect_is_301_and_follows_the_scheme() -> None:
    read, wrongs = reader()
    asked = istio.HttpRedirect(uri="/new", authority="a.test", scheme="https")
    assert read.redirect(asked, "r") == Redirect(status=301, scheme="https", host="a.test", path="/new", port=AS_ASKED)
    own = istio.HttpRedirect(scheme="https", derive_port="FROM_PROTOCOL_DEFAULT")
    assert read.redirect(own, "r") == Redirect(status=301, scheme="https")
    kept = istio.HttpRedirect(derive_port="FROM_REQUEST_PORT", prefix_rewrite="/x", redirect_code=307)
    assert read.redirect(kept, "r") == Redirect(status=307, port=-1, prefix="/x")
    assert wrongs == []
    read.redirect(istio.HttpRedirect(redirect_code=300, uri="/", prefix_rewrite="/"), "r")
    assert wrongs == [("r.redirectCode", "InvalidValue"), ("r.prefixRewrite", "InvalidValue")]


def test_a_rewrite_takes_the_place_of_what_matched() -> None:
    read, wrongs = reader()
    assert read.rewrite(None, "w") == Rewrite()
    assert read.rewrite(istio.HttpRewrite(uri="/a", authority="b"), "w") == Rewrite(prefix="/a", host="b")
    regex = istio.RegexRewrite(match="^/(.)", rewrite="/\\1")
    assert read.rewrite(istio.HttpRewrite(uri_regex_rewrite=regex), "w") == Rewrite(regex=("^/(.)", "/\\1"))
    assert wrongs == []
    read.rewrite(istio.HttpRewrite(uri="/a", uri_regex_rewrite=istio.RegexRewrite(match="(")), "w")
    assert wrongs == [("w.uriRegexRewrite", "InvalidValue"), ("w.uriRegexRewrite.match", "InvalidValue")]


def test_a_fault_without_a_percentage_happens_to_nobody() -> None:
    read, wrongs = reader()
    delay = istio.FaultDelay(fixed_delay="2s")
    assert read.fault(istio.FaultInjection(delay=delay, abort=istio.FaultAbort(http_status=500)), "f") is None
    both = istio.FaultInjection(
        delay=msgspec.structs.replace(delay, percent=50),
        abort=istio.FaultAbort(grpc_status="UNAVAILABLE", percentage=istio.Percent(value=0.5)),
    )
    assert read.fault(both, "f") == Fault(
        delay_ms=2000, delay_per_million=500_000, abort_grpc=14, abort_per_million=5000
    )
    assert wrongs == []


def test_what_a_fault_cannot_be_is_named() -> None:
    read, wrongs = reader()
    read.fault(istio.FaultInjection(delay=istio.FaultDelay(exponential_delay="1s")), "f")
    read.fault(istio.FaultInjection(abort=istio.FaultAbort(http2_error="x", http_status=500)), "f")
    read.fault(istio.FaultInjection(abort=istio.FaultAbort(grpc_status="SAD")), "f")
    read.fault(istio.FaultInjection(abort=istio.FaultAbort(http_status=99)), "f")
    assert [path for path, _ in wrongs] == [
        "f.delay.exponentialDelay",
        "f.delay.fixedDelay",
        "f.abort.http2Error",
        "f.abort.grpcStatus",
        "f.abort.httpStatus",
    ]


def test_cors_knows_the_older_list_of_origins_and_who_answers_strangers() -> None:
    read, wrongs = reader()
    asked = istio.CorsPolicy(
        allow_origins=(istio.StringMatch(prefix="https://a"), istio.StringMatch(regex=".*")),
        allow_origin=("*",),
        max_age="24h",
        unmatched_preflights="IGNORE",
    )
    assert read.cors(asked, "c") == Cors(
        origins=(Prefix("https://a"), Regex(".*"), Exact("*")), max_age_s=86_400, forward_unmatched=False
    )
    assert wrongs == []
    read.cors(istio.CorsPolicy(max_age="soon", allow_origins=(istio.StringMatch(regex="("),)), "c")
    assert wrongs == [("c.maxAge", "InvalidValue"), ("c.allowOrigins[0].regex", "InvalidValue")]
