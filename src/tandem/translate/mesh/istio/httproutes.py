"""spec.http[] of a VirtualService -> Route values, with Problems at the exact field. Pure."""

from __future__ import annotations

from typing import Final

import msgspec

from tandem.base.problems import Problem
from tandem.ir.mesh import (
    AUTHORITY,
    DEFAULT_RETRY,
    Backend,
    Forward,
    HeaderEdit,
    Mirror,
    Respond,
    Retry,
    Route,
    RouteAction,
)
from tandem.model.core import Service
from tandem.model.istio import Destination, HeaderOperations, HttpRoute, Retries, VirtualService
from tandem.model.world import Key
from tandem.translate.mesh.context import Context
from tandem.translate.mesh.istio.extras import ExtrasReader
from tandem.translate.mesh.istio.matches import MatchReader
from tandem.translate.mesh.values import command_mistake, duration, header_mistake

MISSING: Final = 503
EXTERNAL_NAME: Final = "ExternalName"


class RouteReader:
    """Reads the routes of one VirtualService and gathers what is wrong with them."""

    def __init__(self, owner: VirtualService, context: Context) -> None:
        self._owner = owner
        self._context = context
        self._matches = MatchReader(owner)
        self._problems: list[Problem] = []
        self._extras = ExtrasReader(self._wrong)

    def beside(self, owner: VirtualService) -> RouteReader:
        """The same for another one."""
        return RouteReader(owner, self._context)

    @property
    def problems(self) -> list[Problem]:
        """Everything found so far."""
        return [*self._problems, *self._matches.problems]

    def read(self, route: HttpRoute, index: int) -> Route:
        """`spec.http[index]`, as it stands there or as it was merged."""
        at = f"spec.http[{index}]"
        request = self._edit(route.headers.request, f"{at}.headers.request")
        response = self._edit(route.headers.response, f"{at}.headers.response")
        meta = self._owner.metadata
        action = self._action(route, at)
        retry = self._retry(route.retries, f"{at}.retries")
        return Route(
            name=f"VirtualService/{meta.namespace}/{meta.name}/{index}",
            matches=tuple(self._matches.read(m, f"{at}.match[{j}]") for j, m in enumerate(route.match)),
            action=action,
            timeout_ms=self._duration(route.timeout, f"{at}.timeout"),
            retry=retry if isinstance(action, Forward) else None,
            request_headers=request,
            response_headers=response,
            mirrors=self._mirrors(route, at) if isinstance(action, Forward) else (),
            fault=self._extras.fault(route.fault, f"{at}.fault"),
            cors=self._extras.cors(route.cors_policy, f"{at}.corsPolicy"),
            origin=self._owner.origin(at),
        )

    def _action(self, route: HttpRoute, at: str) -> RouteAction:
        if sum((bool(route.route), route.direct_response is not None, route.redirect is not None)) > 1:
            self._wrong(at, "InvalidValue", "give one of route, redirect and directResponse, not several")
        if route.direct_response is not None:
            return self._response(route, f"{at}.directResponse")
        if route.redirect is not None:
            return self._extras.redirect(route.redirect, f"{at}.redirect")
        if not route.route:
            self._wrong(f"{at}.route", "InvalidValue", "give a route, a redirect or a directResponse")
            return Respond(status=MISSING)
        return self._forward(route, at)

    def _forward(self, route: HttpRoute, at: str) -> Forward | Respond:
        backends = []
        missing = 0
        alone = len(route.route) == 1
        for j, share in enumerate(route.route):
            if share.weight < 0:
                self._wrong(f"{at}.route[{j}].weight", "InvalidValue", "a weight is 0 or more")
            weight = 1 if alone else share.weight
            backend, exists = self.backend(share.destination, f"{at}.route[{j}].destination")
            if share.headers is not None:
                backend = msgspec.structs.replace(
                    backend,
                    request_headers=self._edit(share.headers.request, f"{at}.route[{j}].headers.request"),
                    response_headers=self._edit(share.headers.response, f"{at}.route[{j}].headers.response"),
                )
            if weight > 0:
                backends.append(msgspec.structs.replace(backend, weight=weight))
                missing += not exists
        if not backends:
            self._wrong(f"{at}.route", "InvalidValue", "the weights add up to 0: no destination gets a request")
        if missing == len(backends):
            return Respond(status=MISSING, body="no destination of this route exists")
        rewrite = self._extras.rewrite(route.rewrite, f"{at}.rewrite")
        return Forward(backends=tuple(backends), missing_status=MISSING, rewrite=rewrite)

    def _mirrors(self, route: HttpRoute, at: str) -> tuple[Mirror, ...]:
        """Those whose destination exists; the others are told, and the request goes on without them."""
        asked: list[tuple[Destination, int, str]] = []
        if route.mirror is not None:
            if route.mirrors:
                self._wrong(f"{at}.mirrors", "InvalidValue", "give mirror or mirrors, not both")
            if route.mirror_percentage is not None:
                share = route.mirror_percentage.per_million
            else:
                named = (route.mirror_percent, route.mirror_percent_old)
                share = 10_000 * next((percent for percent in named if percent is not None), 100)
            asked.append((route.mirror, share, f"{at}.mirror"))
        for j, mirror in enumerate(route.mirrors):
            share = 1_000_000 if mirror.percentage is None else mirror.percentage.per_million
            asked.append((mirror.destination, share, f"{at}.mirrors[{j}].destination"))
        found = ((self.backend(target, where), share) for target, share, where in asked)
        return tuple(
            Mirror(backend=backend, per_million=share, shadow=True)
            for (backend, exists), share in found
            if exists and share
        )

    def _response(self, route: HttpRoute, at: str) -> Respond:
        response = route.direct_response
        if response is None:
            return Respond(status=MISSING)
        if not 200 <= response.status <= 599:
            self._wrong(f"{at}.status", "InvalidValue", f"{response.status} is not a final status (200 to 599)")
        return Respond(status=response.status, body=response.body.string, encoded=response.body.bytes)

    def backend(self, destination: Destination, at: str) -> tuple[Backend, bool]:
        """The backend, and whether it exists."""
        domain = self._context.options.cluster_domain
        key = self._context.resolve(destination.host, self._owner.metadata.namespace)
        service = self._context.service(key) if key is not None else None
        asked = destination.port.number if destination.port is not None else 0
        if key is not None and service is not None and service.spec.type == EXTERNAL_NAME:
            key, asked = self._alias(service, asked)
            service = self._context.service(key) if key is not None else None
        if key is None or service is None or service.spec.type == EXTERNAL_NAME:
            meant = f"{key[0]}/{key[1]}" if key else destination.host
            text = f"no Service {meant}: its share is answered with {MISSING}"
            self._wrong(f"{at}.host", "HostNotFound", f"{text} (write a name, or NAME.NAMESPACE.svc.{domain})")
            namespace, name = key or ("", destination.host)
            return Backend(namespace=namespace, service=name, port=asked, subset=destination.subset), False
        ports = [p.port for p in service.spec.ports if p.protocol == "TCP"]
        # Without a port Istio takes the Service's only one, else the one that was dialled.
        port = asked or (ports[0] if len(ports) == 1 else 0)
        backend = Backend(namespace=key[0], service=key[1], port=port, subset=destination.subset)
        exists = self._subset_exists(destination, key, f"{at}.subset")
        if self._context.passes(key) and self._dials_others(key):
            resolution = self._context.entries.hosts[key].spec.resolution
            text = f"{destination.host} has the resolution {resolution}: it is reached as what was dialled alone"
            self._wrong(f"{at}.host", "UnsupportedValue", f"{text}, so no other host may lead to it")
        if asked and asked not in ports:
            offered = ", ".join(map(str, ports)) or "none"
            text = f"Service {key[0]}/{key[1]} has no port {asked} (it has {offered})"
            self._wrong(f"{at}.port.number", "PortNotFound", f"{text}: its share is answered with {MISSING}")
            exists = False
        return backend, exists

    def _alias(self, service: Service, asked: int) -> tuple[Key | None, int]:
        """What it is another name for, and the port: the one asked for, else its only one, else the dialled one."""
        own = [port.port for port in service.spec.ports]
        target = service.spec.external_name.lower().removesuffix(".")
        key = self._context.resolve(target, service.metadata.namespace) if "." in target else None
        return key, asked or (own[0] if len(own) == 1 else 0)

    def _dials_others(self, key: Key) -> bool:
        home = self._owner.metadata.namespace
        return any(self._context.resolve(host, home) != key for host in self._owner.spec.hosts)

    def _subset_exists(self, destination: Destination, key: Key, at: str) -> bool:
        policy = self._context.policies.get(key)
        names = policy.subset_names if policy is not None else ()
        if not destination.subset or destination.subset in names:
            return True
        inside = f"{key[1]}.{key[0]}.svc.{self._context.options.cluster_domain}"
        host = key[1] if key in self._context.entries.hosts else inside
        known = f"they define {', '.join(names)}" if names else "there is none with subsets"
        text = f"no DestinationRule for host {host} defines subset {destination.subset!r} ({known})"
        self._wrong(at, "SubsetNotFound", f"{text}: its share is answered with {MISSING}")
        return False

    def _retry(self, retries: Retries | None, at: str) -> Retry | None:
        if retries is None:
            return DEFAULT_RETRY
        if retries.attempts < 0:
            self._wrong(f"{at}.attempts", "InvalidValue", "attempts is 0 or more")
        per_try = self._duration(retries.per_try_timeout, f"{at}.perTryTimeout")
        if retries.attempts == 0:
            return None
        elsewhere = retries.retry_ignore_previous_hosts
        if not retries.retry_on:
            on, codes = DEFAULT_RETRY.retry_on, DEFAULT_RETRY.retriable_codes
        else:
            words = [w.strip() for w in retries.retry_on.split(",") if w.strip()]
            codes = tuple(int(w) for w in words if w.isdigit())
            on = tuple(dict.fromkeys([w for w in words if not w.isdigit()] + ["retriable-status-codes"] * bool(codes)))
        return Retry(
            attempts=retries.attempts,
            per_try_timeout_ms=per_try,
            retry_on=on,
            retriable_codes=codes,
            backoff_ms=self._duration(retries.backoff, f"{at}.backoff"),
            previous_hosts=None if elsewhere is None else not elsewhere,
            other_localities=bool(retries.retry_remote_localities),
        )

    def _edit(self, operations: HeaderOperations, at: str) -> HeaderEdit:
        for verb, names in (("set", operations.set), ("add", operations.add), ("remove", operations.remove)):
            for name in names:
                # Setting or adding the host is Istio's way of rewriting it; anything else about it is a mistake.
                rewrites = verb != "remove" and at.endswith(".request") and name.lower() in AUTHORITY
                mistake = "" if rewrites else header_mistake(name)
                if mistake:
                    self._wrong(f"{at}.{verb}[{name}]", "UnsupportedValue", mistake)
        for verb, values in (("set", operations.set), ("add", operations.add)):
            for name, value in values.items():
                if mistake := command_mistake(value):
                    self._wrong(f"{at}.{verb}[{name}]", "UnsupportedValue", mistake)
        added = {k.lower(): v for k, v in operations.add.items()}
        hosts = {k: added.pop(k) for k in AUTHORITY & added.keys()}
        return HeaderEdit(
            set=tuple(sorted((hosts | {k.lower(): v for k, v in operations.set.items()}).items())),
            add=tuple(sorted(added.items())),
            remove=tuple(sorted(n.lower() for n in operations.remove)),
        )

    def _duration(self, text: str, at: str) -> int:
        return duration(text, at, self._wrong, such_as="500ms or 1.5s")

    def _wrong(self, path: str, code: str, text: str) -> None:
        self._problems.append(Problem(at=self._owner.origin(path), code=code, text=text))
