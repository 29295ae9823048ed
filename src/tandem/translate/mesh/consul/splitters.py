"""ServiceSplitters -> shares of services and subsets, those of splitters within splitters made one. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from tandem.base.problems import Origin, Problem, Severity
from tandem.ir.mesh import HeaderEdit
from tandem.model.consulroutes import ServiceSplitter
from tandem.model.world import Key, World
from tandem.translate.mesh.consul.resolvers import Target
from tandem.translate.mesh.consul.values import FAR, edit_of, merged

WHOLE = 10_000
"""Hundredths of a percent: the smallest share that Consul has."""


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """So many of ten thousand requests go there."""

    target: Target
    weight: int = WHOLE
    request: HeaderEdit = HeaderEdit()
    response: HeaderEdit = HeaderEdit()
    at: Origin


class Splitters(msgspec.Struct, frozen=True, kw_only=True):
    """Of every service that has one, its shares as they are written."""

    found: Mapping[Key, tuple[Share, ...]]
    problems: tuple[Problem, ...]

    def shares(self, service: Key, at: Origin) -> tuple[Share, ...]:
        """Where requests for a service go; without a splitter to itself."""
        return tuple(self._shares(service, at, (service,)))

    def _shares(self, service: Key, at: Origin, within: tuple[Key, ...]) -> Iterator[Share]:
        """`within`: the splitters that have led here; one of them is not asked again."""
        if service not in self.found:
            yield Share(target=Target(*service), at=at)
            return
        for share in self.found[service]:
            key = share.target.key
            if share.target.subset or key in within or key not in self.found:
                yield share
                continue
            for inner in self._shares(key, share.at, (*within, key)):
                yield Share(
                    target=inner.target,
                    weight=round(share.weight * inner.weight / WHOLE),
                    request=merged(share.request, inner.request),
                    response=merged(inner.response, share.response),
                    at=inner.at,
                )


def read_splitters(world: World) -> Splitters:
    """Those that are in force: one with a field that is not enforced is refused as a whole."""
    problems: list[Problem] = []
    found: dict[Key, tuple[Share, ...]] = {}
    for source in world.sorted(ServiceSplitter):
        wrongs: list[Problem] = []
        shares = tuple(_read(source, wrongs))
        problems += wrongs
        if not any(p.severity is Severity.ERROR for p in wrongs):
            found[source.key] = shares
    loops = tuple(_loops(world, found))
    for problem in loops:
        found.pop((problem.at.namespace, problem.at.name))
    return Splitters(found=found, problems=(*problems, *loops))


def _read(source: ServiceSplitter, problems: list[Problem]) -> Iterator[Share]:
    def wrong(path: str, code: str, text: str) -> None:
        text = f"{text}: the whole ServiceSplitter is not applied"
        problems.append(Problem(at=source.origin(path), code=code, text=text))

    for i, split in enumerate(source.spec.splits):
        at = f"spec.splits[{i}]"
        for name, field in FAR:
            if getattr(split, field, ""):
                wrong(f"{at}.{name}", "UnsupportedField", "there is one cluster here, and nothing beside it")
        namespace = split.namespace or source.metadata.namespace
        target = Target(namespace, split.service or source.metadata.name, split.service_subset)
        request = edit_of(split.request_headers, f"{at}.requestHeaders", wrong)
        response = edit_of(split.response_headers, f"{at}.responseHeaders", wrong)
        if split.weight:
            yield Share(
                target=target,
                weight=round(split.weight * 100),
                request=request,
                response=response,
                at=source.origin(at),
            )


def _loops(world: World, found: Mapping[Key, tuple[Share, ...]]) -> Iterator[Problem]:
    """Splitters that lead back to themselves by way of others."""
    for key in sorted(found):
        if _leads(key, key, found, frozenset()):
            source = world.all(ServiceSplitter)[key]
            text = "it leads back to itself by way of other splitters: none of them is applied"
            yield Problem(at=source.origin("spec.splits"), code="Circular", text=text)


def _leads(start: Key, to: Key, found: Mapping[Key, tuple[Share, ...]], seen: frozenset[Key]) -> bool:
    after = {s.target.key for s in found.get(start, ()) if not s.target.subset and s.target.key != start}
    return to in after or any(_leads(key, to, found, seen | {start}) for key in after - seen if key in found)
