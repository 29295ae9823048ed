"""What Linkerd's HTTPLocalRateLimitPolicies count of a request, judged on the objects themselves.

In: the World, a pod and what is asked there. Out: each limit of which one bucket is taken from. Whether there is room
in one, only the proxies know. Shares no code with translation.
"""

from __future__ import annotations

from tandem.model import core
from tandem.model.linkerd import HTTPLocalRateLimitPolicy
from tandem.model.world import World
from tandem.reference.authorization import Asked
from tandem.reference.limits import Counting
from tandem.reference.servers import server_at

_BYTES = {"opaque", "TLS"}


def counted_at_server(
    world: World, pod: core.Pod, asked: Asked, *, trust_domain: str = "cluster.local"
) -> tuple[Counting, ...]:
    """By the oldest policy of the port's Server: the total, then the client's own limit, else that of each identity."""
    server = server_at(world, pod, asked.port)
    if server is None or server.spec.proxy_protocol in _BYTES or not asked.parsed:
        return ()
    for policy in world.oldest_first(HTTPLocalRateLimitPolicy):
        if (policy.metadata.namespace, policy.spec.target_ref.name) == server.key:
            return _counted(policy, asked.principal, trust_domain)
    return ()


def _counted(policy: HTTPLocalRateLimitPolicy, principal: str, trust_domain: str) -> tuple[Counting, ...]:
    spec, found = policy.spec, []
    if spec.total is not None:
        text = f"{spec.total.requests_per_second} in each second, of everybody, at each pod of it"
        found.append(Counting(rule=policy.origin("spec.total"), text=text))
    home = policy.metadata.namespace
    own = [
        i
        for i, one in enumerate(spec.overrides)
        for ref in one.client_refs
        if principal == f"{trust_domain}/ns/{ref.namespace or home}/sa/{ref.name}"
    ]
    if own:
        requests = spec.overrides[own[-1]].requests_per_second
        text = f"{requests} in each second, of the clients that are named, at each pod of it"
        found.append(Counting(rule=policy.origin(f"spec.overrides[{own[-1]}]"), text=text))
    elif spec.identity is not None:
        text = f"{spec.identity.requests_per_second} in each second, of each identity, at each pod of it"
        found.append(Counting(rule=policy.origin("spec.identity"), text=text))
    return tuple(found)
