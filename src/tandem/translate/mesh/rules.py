"""spec.rules[] of an HTTPRoute -> one Route per match, with Problems at the exact field. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from tandem.base.problems import Problem
from tandem.ir.mesh import DEFAULT_RETRY, Forward, Retry, Route
from tandem.model.gateway import HTTPRoute, HttpRouteMatch, HttpRouteRule
from tandem.model.world import Key
from tandem.translate.mesh.context import Context
from tandem.translate.mesh.filters import UNASKED
from tandem.translate.mesh.parts import Parts

_CONNECTION: Final = ("connect-failure", "refused-stream", "reset")


class RuleReader:
    """Reads the rules of one HTTPRoute and gathers what is wrong with them. `parents` are its parent Services."""

    def __init__(self, owner: HTTPRoute, context: Context, parents: frozenset[Key]) -> None:
        self._owner = owner
        self._parts = Parts(owner, context, parents)

    @property
    def problems(self) -> list[Problem]:
        """What is wrong with the rules that were read."""
        return self._parts.problems

    def read(self, rule: HttpRouteRule, index: int) -> Iterator[Route]:
        """The routes of `spec.rules[index]`, one for each match, and for each action of its backends."""
        at = f"spec.rules[{index}]"
        filters = self._parts.filters.of_rule(rule.filters, at)
        instead = UNASKED if filters.unasked else filters.redirect
        actions = [(0, instead)] if instead else self._parts.actions(rule.backend_refs, filters, at)
        timeout_ms, retry = self._patience(rule, at)
        session = self._parts.session(rule.session_persistence, f"{at}.sessionPersistence")
        meta = self._owner.metadata
        for j, match in enumerate(rule.matches or (HttpRouteMatch(),)):
            asked = self._parts.matches.http(match, f"{at}.matches[{j}]")
            for k, (until, action) in enumerate(actions):
                yield Route(
                    name=f"{self._owner.kind}/{meta.namespace}/{meta.name}/{index}/{j}{f'/{k}' if k else ''}",
                    matches=(msgspec.structs.replace(asked, until=until),),
                    action=action,
                    timeout_ms=timeout_ms,
                    retry=retry if isinstance(action, Forward) else None,
                    request_headers=filters.request,
                    response_headers=filters.response,
                    mirrors=filters.mirrors if isinstance(action, Forward) else (),
                    cors=filters.cors,
                    check=filters.check,
                    session=session if isinstance(action, Forward) else None,
                    origin=self._owner.origin(at),
                )

    def _patience(self, rule: HttpRouteRule, at: str) -> tuple[int, Retry | None]:
        duration = self._parts.duration
        request = duration(rule.timeouts.request, f"{at}.timeouts.request")
        per_try = duration(rule.timeouts.backend_request, f"{at}.timeouts.backendRequest")
        if rule.retry is None:
            retry = DEFAULT_RETRY
        else:
            codes = rule.retry.codes
            attempts = 1 if rule.retry.attempts is None else rule.retry.attempts
            on = (*_CONNECTION, "retriable-status-codes") if codes else _CONNECTION
            backoff = duration(rule.retry.backoff, f"{at}.retry.backoff")
            retry = Retry(attempts=attempts, retry_on=on, retriable_codes=codes, backoff_ms=backoff)
        if retry.attempts <= 0:  # one try: the shorter of the two times ends it
            return min((t for t in (request, per_try) if t), default=0), None
        return request, msgspec.structs.replace(retry, per_try_timeout_ms=per_try)
