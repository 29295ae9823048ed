"""A fetcher whose answers are given: text, or an error."""

from __future__ import annotations

from tandem.base.problems import DriverError
from tandem.drivers.jwks.port import Answer, Place, Resolve


class FakeFetcher:
    """`answers`: by URL; what is not there is refused. `asked` is every URL and namespace that was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[tuple[str, str]] = []

    def fetch(self, place: Place, netns: str, resolve: Resolve) -> Answer:
        """As the real one."""
        del resolve
        self.asked.append((place.url, netns))
        if place.url not in self.answers:
            raise DriverError("Connection refused")
        return self.answers[place.url]
