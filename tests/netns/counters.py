"""A counter in a pod: Envoy's rate limit protocol (v3) over gRPC, as its servers speak it.

It counts each descriptor as often as it is asked about it, and refuses what goes beyond the limit that came along.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from envoy.service.ratelimit.v3 import rls_pb2 as rls
from envoy.service.ratelimit.v3 import rls_pb2_grpc

from netns.grpcserving import serving_grpc

Descriptor = tuple[tuple[str, str], ...]
OK, OVER = rls.RateLimitResponse.OK, rls.RateLimitResponse.OVER_LIMIT


@dataclass
class Counts:
    """What was counted, by domain and descriptor."""

    seen: Counter[tuple[str, Descriptor]] = field(default_factory=Counter)

    def of(self, **entries: str) -> int:
        """All that was counted of descriptors with these entries among theirs."""
        wanted = {(name.replace("_", "."), value) for name, value in entries.items()}
        return sum(number for (_, descriptor), number in self.seen.items() if wanted <= set(descriptor))


class _Server(rls_pb2_grpc.RateLimitServiceServicer):  # type: ignore[misc]
    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def ShouldRateLimit(self, request: Any, _context: Any) -> Any:  # noqa: N802
        statuses = []
        for descriptor in request.descriptors:
            key = request.domain, tuple((entry.key, entry.value) for entry in descriptor.entries)
            self._counts.seen[key] += 1
            left = descriptor.limit.requests_per_unit - self._counts.seen[key]
            limit = {"requests_per_unit": descriptor.limit.requests_per_unit, "unit": descriptor.limit.unit}
            code = OVER if left < 0 else OK
            statuses.append(
                rls.RateLimitResponse.DescriptorStatus(code=code, current_limit=limit, limit_remaining=max(left, 0))
            )
        over = any(status.code == OVER for status in statuses)
        return rls.RateLimitResponse(overall_code=OVER if over else OK, statuses=statuses)


@contextlib.contextmanager
def counter_app(netns: Path, port: int) -> Iterator[Counts]:
    """Serves until the end of the block."""
    counts = Counts()
    with serving_grpc(netns, port, partial(rls_pb2_grpc.add_RateLimitServiceServicer_to_server, _Server(counts))):
        yield counts
