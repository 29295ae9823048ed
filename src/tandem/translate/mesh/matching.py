"""matches[] of HTTPRoutes and GRPCRoutes -> RouteMatches, with Problems at the exact field. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tandem.ir.match import Exact, HeaderMatch, PathPrefix, Prefix, QueryMatch, Regex, RouteMatch, StringMatch
from tandem.model import gateway
from tandem.model.gateway import HttpRouteMatch, PathMatch
from tandem.model.grpcroute import GrpcRouteMatch, MethodMatch
from tandem.translate.mesh.values import Wrong, read_regex


class MatchReader:
    """Reads the matches of one route; `wrong` is told what is wrong with them."""

    def __init__(self, wrong: Wrong) -> None:
        self.wrong = wrong

    def http(self, match: HttpRouteMatch, at: str) -> RouteMatch:
        """Of an HTTPRoute."""
        return RouteMatch(
            path=self._path(match.path, f"{at}.path"),
            method=Exact(match.method) if match.method else None,
            headers=self._headers(match.headers, f"{at}.headers"),
            query=tuple(
                QueryMatch(name=name, match=value)
                for name, value in self._named(match.query_params, f"{at}.queryParams")
            ),
        )

    def grpc(self, match: GrpcRouteMatch, at: str) -> RouteMatch:
        """Of a GRPCRoute."""
        headers = self._headers(match.headers, f"{at}.headers")
        return RouteMatch(path=self._called(match.method, f"{at}.method"), headers=headers, grpc=True)

    def regex(self, pattern: str, at: str) -> Regex:
        """A regular expression that Envoy takes, or a Problem."""
        return read_regex(pattern, at, self.wrong)

    def _path(self, path: PathMatch, at: str) -> StringMatch | None:
        if not path.value.startswith("/") and path.type != "RegularExpression":
            self.wrong(f"{at}.value", "InvalidValue", f"{path.value!r} does not start with /")
        match path.type:
            case "Exact":
                return Exact(path.value)
            case "PathPrefix":  # element-wise; a trailing slash is ignored
                prefix = path.value.rstrip("/")
                return PathPrefix(prefix) if prefix else None
            case "RegularExpression":
                return self.regex(path.value, f"{at}.value")
            case other:
                self.wrong(f"{at}.type", "UnsupportedValue", f"path type {other!r} is not supported")
                return None

    def _called(self, method: MethodMatch | None, at: str) -> StringMatch | None:
        """The path of gRPC is `/service/method`; an empty part of a match is any."""
        if method is None or not (method.service or method.method):
            return None
        if method.type == "RegularExpression":
            for field, pattern in (("service", method.service), ("method", method.method)):
                self.regex(pattern, f"{at}.{field}")
            named = (f"(?:{pattern})" if pattern else "[^/]+" for pattern in (method.service, method.method))
            return Regex("/" + "/".join(named))
        if method.type != "Exact":
            self.wrong(f"{at}.type", "UnsupportedValue", f"method type {method.type!r} is not supported")
        if not method.service:
            return Regex(f"/[^/]+/{re.escape(method.method)}")
        return Exact(f"/{method.service}/{method.method}") if method.method else Prefix(f"/{method.service}/")

    def _headers(self, matches: Sequence[gateway.HeaderMatch], at: str) -> tuple[HeaderMatch, ...]:
        """Names are in lower case."""
        return tuple(HeaderMatch(name=name, match=value) for name, value in self._named(matches, at))

    def _named(
        self, matches: Sequence[gateway.HeaderMatch | gateway.QueryMatch], at: str
    ) -> list[tuple[str, Exact | Regex]]:
        """Names and values; only the first entry of a name counts, in headers without regard to case (API docs)."""
        found: dict[str, Exact | Regex] = {}
        for i, match in enumerate(matches):
            name = match.name.lower() if isinstance(match, gateway.HeaderMatch) else match.name
            if match.type not in {"Exact", "RegularExpression"}:
                self.wrong(f"{at}[{i}].type", "UnsupportedValue", f"type {match.type!r} is not supported")
            exact = match.type == "Exact"
            found.setdefault(name, Exact(match.value) if exact else self.regex(match.value, f"{at}[{i}].value"))
        return list(found.items())
