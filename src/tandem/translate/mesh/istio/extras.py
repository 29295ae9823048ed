"""What a VirtualService's route asks beside its destinations: redirect, rewrite, faults, CORS. Pure."""

from __future__ import annotations

from typing import Final

from tandem.base.grpc import STATUSES
from tandem.ir.mesh import AS_ASKED, DIALLED, Cors, Exact, Fault, Prefix, Redirect, Rewrite, StringMatch
from tandem.model import istio
from tandem.translate.mesh.values import Wrong, milliseconds, read_regex

_DERIVED: Final = {"FROM_REQUEST_PORT": DIALLED, "FROM_PROTOCOL_DEFAULT": 0}
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_REFUSED: Final = "not supported; the whole VirtualService is not applied"


class ExtrasReader:
    """Reads those parts of one VirtualService's routes; what is wrong is told to `wrong`."""

    def __init__(self, wrong: Wrong) -> None:
        self._wrong = wrong

    def redirect(self, asked: istio.HttpRedirect, at: str) -> Redirect:
        """A redirect; Istio's default is 301."""
        if asked.redirect_code not in _REDIRECTS:
            text = f"{asked.redirect_code} is none of {', '.join(map(str, _REDIRECTS))}"
            self._wrong(f"{at}.redirectCode", "InvalidValue", text)
        if asked.uri and asked.prefix_rewrite is not None:
            self._wrong(f"{at}.prefixRewrite", "InvalidValue", "give uri or prefixRewrite, not both")
        return Redirect(
            status=asked.redirect_code,
            scheme=asked.scheme,
            host=asked.authority,
            port=asked.port or _DERIVED.get(asked.derive_port, AS_ASKED),
            path=asked.uri or None,
            prefix=asked.prefix_rewrite,
        )

    def rewrite(self, asked: istio.HttpRewrite | None, at: str) -> Rewrite:
        """A rewrite; `uri` takes the place of what matched."""
        if asked is None:
            return Rewrite()
        regex = asked.uri_regex_rewrite
        if regex is not None:
            if asked.uri:
                self._wrong(f"{at}.uriRegexRewrite", "InvalidValue", "give uri or uriRegexRewrite, not both")
            read_regex(regex.match, f"{at}.uriRegexRewrite.match", self._wrong)
        return Rewrite(
            prefix=asked.uri or None,
            regex=(regex.match, regex.rewrite) if regex is not None else None,
            host=asked.authority,
        )

    def fault(self, asked: istio.FaultInjection | None, at: str) -> Fault | None:
        """Delay and abort; None where neither happens to any request."""
        if asked is None:
            return None
        delay_ms, delayed = self._delay(asked.delay, f"{at}.delay")
        status, grpc, aborted = self._abort(asked.abort, f"{at}.abort")
        if not delayed and not aborted:
            return None
        return Fault(
            delay_ms=delay_ms if delayed else 0,
            delay_per_million=delayed,
            abort_status=status if aborted else 0,
            abort_grpc=grpc if aborted else None,
            abort_per_million=aborted,
        )

    def _delay(self, asked: istio.FaultDelay | None, at: str) -> tuple[int, int]:
        """Milliseconds, and of how many of a million requests."""
        if asked is None:
            return 0, 0
        if asked.exponential_delay:
            self._wrong(f"{at}.exponentialDelay", "UnsupportedField", _REFUSED)
        delay = milliseconds(asked.fixed_delay)
        if not delay:
            text = f"{asked.fixed_delay!r} is not a duration such as 500ms or 1.5s, greater than 0"
            self._wrong(f"{at}.fixedDelay", "InvalidValue", text)
        return delay or 0, asked.percentage.per_million if asked.percentage is not None else 10_000 * asked.percent

    def _abort(self, asked: istio.FaultAbort | None, at: str) -> tuple[int, int | None, int]:
        """HTTP status, gRPC status, and of how many of a million requests."""
        if asked is None:
            return 0, None, 0
        share = asked.percentage.per_million if asked.percentage is not None else 0
        if asked.http2_error:
            self._wrong(f"{at}.http2Error", "UnsupportedField", _REFUSED)
        if asked.grpc_status:
            if asked.grpc_status not in STATUSES:
                self._wrong(
                    f"{at}.grpcStatus", "InvalidValue", f"{asked.grpc_status!r} is none of {', '.join(STATUSES)}"
                )
                return 0, 0, share
            return 0, STATUSES.index(asked.grpc_status), share
        if not 200 <= asked.http_status <= 599:
            self._wrong(f"{at}.httpStatus", "InvalidValue", f"{asked.http_status} is not a status from 200 to 599")
        return asked.http_status, None, share

    def cors(self, asked: istio.CorsPolicy | None, at: str) -> Cors | None:
        """A CORS policy."""
        if asked is None:
            return None
        age = milliseconds(asked.max_age)
        if age is None:
            self._wrong(f"{at}.maxAge", "InvalidValue", f"{asked.max_age!r} is not a duration such as 24h")
        origins = [self._origin(o, f"{at}.allowOrigins[{i}]") for i, o in enumerate(asked.allow_origins)]
        return Cors(
            origins=(*origins, *map(Exact, asked.allow_origin)),
            methods=asked.allow_methods,
            headers=asked.allow_headers,
            expose=asked.expose_headers,
            max_age_s=(age or 0) // 1000 if asked.max_age else None,
            credentials=asked.allow_credentials,
            forward_unmatched=asked.unmatched_preflights != "IGNORE",
        )

    def _origin(self, match: istio.StringMatch, at: str) -> StringMatch:
        if match.regex is not None:
            return read_regex(match.regex, f"{at}.regex", self._wrong)
        return Prefix(match.prefix) if match.prefix is not None else Exact(match.exact or "")
