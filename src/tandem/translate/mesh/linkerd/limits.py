"""HTTPLocalRateLimitPolicies -> what is counted at Servers, with Problems. Pure.

Each proxy counts for itself. First comes the total; then clients with a limit of their own share it, and every other
identity has a limit for itself, which those without one share.
"""

from __future__ import annotations

from collections.abc import Iterator

from tandem.base.ids import SpiffeId
from tandem.base.problems import Problem
from tandem.ir.limits import CountedBy, Limit, RateLimit
from tandem.ir.limits import Key as CountKey
from tandem.model.linkerd import HTTPLocalRateLimitPolicy, Reference, Server
from tandem.model.world import Key, World


def read_server_limits(world: World, trust_domain: str) -> tuple[dict[Key, RateLimit], tuple[Problem, ...]]:
    """By Server. Of two policies for one the older counts."""
    found: dict[Key, RateLimit] = {}
    problems: list[Problem] = []
    for policy in world.oldest_first(HTTPLocalRateLimitPolicy):
        server = policy.metadata.namespace, policy.spec.target_ref.name
        if world.get(Server, *server) is None:
            text = f"no Server {'/'.join(server)}: nothing is counted"
            problems.append(Problem(at=policy.origin("spec.targetRef.name"), code="TargetNotFound", text=text))
        elif server in found:
            text = f"{found[server].origin} is older and for the same Server: this one does not count"
            problems.append(Problem(at=policy.origin("spec.targetRef"), code="Conflicted", text=text))
        else:
            found[server] = _read(policy, trust_domain)
    return found, tuple(problems)


def _read(policy: HTTPLocalRateLimitPolicy, trust_domain: str) -> RateLimit:
    return RateLimit(
        name=f"{policy.kind}/{'/'.join(policy.key)}",
        limits=tuple(_limits(policy, trust_domain)),
        retry_after=False,  # a refusal of Linkerd's proxy says nothing of when to come back
        origin=policy.origin(),
    )


def _limits(policy: HTTPLocalRateLimitPolicy, trust_domain: str) -> Iterator[Limit]:
    spec = policy.spec
    home = policy.metadata.namespace
    if spec.total is not None:
        yield _limit(policy, "spec.total", spec.total.requests_per_second)
    # Whoever is named twice has the limit that is named last.
    owner = {_identity(ref, home, trust_domain): i for i, one in enumerate(spec.overrides) for ref in one.client_refs}
    for i, one in enumerate(spec.overrides):
        clients = tuple(sorted(client for client, index in owner.items() if index == i))
        if clients:
            yield _limit(policy, f"spec.overrides[{i}]", one.requests_per_second, clients=clients)
    if spec.identity is not None:
        apart = (CountedBy(key=CountKey.SERVICE_ACCOUNT),)
        requests = spec.identity.requests_per_second
        yield _limit(policy, "spec.identity", requests, by=apart, others=tuple(sorted(owner)))


def _limit(
    policy: HTTPLocalRateLimitPolicy,
    path: str,
    requests: int,
    *,
    by: tuple[CountedBy, ...] = (),
    clients: tuple[SpiffeId, ...] = (),
    others: tuple[SpiffeId, ...] = (),
) -> Limit:
    origin = policy.origin(path)
    return Limit(requests=requests, seconds=1, burst=requests, by=by, clients=clients, others=others, origin=origin)


def _identity(ref: Reference, home: str, trust_domain: str) -> SpiffeId:
    return SpiffeId(f"spiffe://{trust_domain}/ns/{ref.namespace or home}/sa/{ref.name}")
