"""Key sets of issuers, with a fetcher of the test's; over HTTP: tests/contract/test_jwks.py."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from gatewaybuild import gateway
from meshbuild import attached, endpoints, service, view
from tandem.base.clock import FixedClock
from tandem.base.ids import PodUid
from tandem.base.netns import OWN_NETNS
from tandem.base.problems import Origin
from tandem.drivers.jwks.fake import FakeFetcher
from tandem.drivers.jwks.port import Answer
from tandem.ir.authn import FetchedKeys, JwtRule
from tandem.ir.fabric import AppProtocol
from tandem.ir.node import NodeView
from tandem.runtime.keys import REFRESH_SECONDS, SOONEST_SECONDS, KeyFigures, KeysLoop

URL = "http://keys.shop/jwks"
AT = Origin(kind="RequestAuthentication", namespace="shop", name="ra", path="spec.jwtRules[0]")
RULE = JwtRule(issuer="i", keys=FetchedKeys(url=URL), origin=AT)
POD = attached("a", "10.244.0.2", authentication=(RULE,))
VIEW = view(POD, service("keys", "10.96.0.5", ("http", 80, AppProtocol.HTTP)), endpoints("keys"))
UID = PodUid("uid-a")


def key_set(name: str) -> str:
    return json.dumps({"keys": [{"kty": "EC", "kid": name}]})


class Lab:
    def __init__(self, folder: Path, runner: asyncio.Runner) -> None:
        self.runner = runner
        self.journal = folder / "keys.json"
        self.clock, self.fetcher, self.changes = FixedClock(), FakeFetcher(), 0
        self.loop = self.new()

    def new(self) -> KeysLoop:
        return KeysLoop(self.journal, self.fetcher, self.clock, self._changed)

    def _changed(self) -> None:
        self.changes += 1

    def kid(self) -> str:
        """Of the key that a view has; empty: none."""
        text = self.loop.into(VIEW).keys.get(URL, "")
        return str(json.loads(text)["keys"][0]["kid"]) if text else ""

    def until(self, holds: Callable[[], bool]) -> None:
        """The loop runs until then."""

        async def main() -> None:
            async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
                running = tasks.create_task(self.loop.run())
                while not holds():  # noqa: ASYNC110 - the loop has no end to wait for
                    await asyncio.sleep(0.005)
                running.cancel()

        self.runner.run(main())


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with asyncio.Runner() as runner:
        yield Lab(tmp_path, runner)


def test_keys_are_fetched_over_the_pod_that_needs_them(lab: Lab) -> None:
    lab.fetcher.answers[URL] = Answer(text=key_set("one"))
    assert lab.kid() == ""
    lab.until(lambda: lab.changes == 1)
    assert lab.kid() == "one"
    assert lab.fetcher.asked == [(URL, POD.netns)]
    assert lab.loop.unmet() == []
    assert lab.loop.status() == [{"source": URL, "keys": "there", "error": ""}]


def test_an_issuer_that_never_answered_is_told_of(lab: Lab) -> None:
    lab.loop.into(VIEW)
    lab.until(lambda: bool(lab.loop.failed))
    (unmet,) = lab.loop.unmet()
    assert (unmet["kind"], unmet["namespace"], unmet["name"]) == ("RequestAuthentication", "shop", "ra")
    assert "every token of it is refused: Connection refused" in unmet["message"]
    assert lab.loop.missing == 1
    figures = {s.name: s.value for m in KeyFigures(lab.loop).collect() for s in m.samples if not s.labels}
    assert figures == {"tandem_jwks_missing": 1}


def test_the_last_good_keys_stay_while_the_issuer_is_away(lab: Lab) -> None:
    lab.fetcher.answers[URL] = Answer(text=key_set("one"))
    lab.loop.into(VIEW)
    lab.until(lambda: lab.changes == 1)
    lab.fetcher.answers.clear()
    lab.clock.advance(REFRESH_SECONDS)
    lab.until(lambda: bool(lab.loop.failed))
    assert (lab.kid(), lab.loop.unmet()) == ("one", [])
    lab.fetcher.answers[URL] = Answer(text="no key set")
    lab.clock.advance(REFRESH_SECONDS)
    lab.until(lambda: "JSON" in lab.loop.failed[0])
    assert lab.kid() == "one"


def test_other_keys_are_in_force_when_the_time_of_the_old_is_over(lab: Lab) -> None:
    lab.fetcher.answers[URL] = Answer(text=key_set("one"), seconds=60.0)
    lab.loop.into(VIEW)
    lab.until(lambda: lab.changes == 1)
    lab.fetcher.answers[URL] = Answer(text=key_set("two"), seconds=60.0)
    lab.clock.advance(61)
    lab.until(lambda: lab.changes == 2)
    assert lab.kid() == "two"


def test_whoever_wants_the_newest_keys_soonest_says_when_they_are_asked_for(lab: Lab) -> None:
    lab.fetcher.answers[URL] = Answer(text=key_set("one"))
    lab.loop.into(VIEW)
    lab.until(lambda: lab.changes == 1)
    short = JwtRule(issuer="i", keys=FetchedKeys(url=URL, keep_ms=60_000), origin=AT, provider="shop/p")
    lab.loop.into(view(attached("a", "10.244.0.2", authentication=(RULE, short))))
    lab.fetcher.answers[URL] = Answer(text=key_set("two"))
    lab.clock.advance(59)
    asked = len(lab.fetcher.asked)
    lab.clock.advance(2)
    lab.until(lambda: lab.changes == 2)
    assert (lab.kid(), asked) == ("two", 1)


def test_a_token_with_an_unknown_key_brings_the_question_forward_but_not_too_often(lab: Lab) -> None:
    lab.fetcher.answers[URL] = Answer(text=key_set("one"))
    lab.loop.into(VIEW)
    lab.until(lambda: lab.changes == 1)
    lab.fetcher.answers[URL] = Answer(text=key_set("two"))
    for _ in range(3):
        lab.loop.missed(UID)
    lab.clock.advance(SOONEST_SECONDS)
    lab.until(lambda: lab.changes == 2)
    assert lab.kid() == "two"
    assert len(lab.fetcher.asked) == 2


def test_a_new_agent_goes_on_with_the_keys_of_the_old(lab: Lab) -> None:
    lab.fetcher.answers[URL] = Answer(text=key_set("one"))
    lab.loop.into(VIEW)
    lab.until(lab.journal.exists)
    lab.loop = lab.new()
    assert lab.kid() == "one"
    lab.journal.write_text("half")
    lab.loop = lab.new()
    assert lab.kid() == ""


def test_a_view_without_tokens_is_the_same_view(lab: Lab) -> None:
    plain: NodeView = view(attached("a", "10.244.0.2"))
    assert lab.loop.into(plain) is plain


def test_a_gateway_asks_from_the_namespace_of_the_node(lab: Lab) -> None:
    edge = msgspec.structs.replace(gateway(), authentication=(RULE,))
    lab.fetcher.answers[URL] = Answer(text=key_set("one"))
    lab.loop.into(view(gateways={"edge/edge": edge}))
    lab.until(lambda: lab.changes == 1)
    assert lab.fetcher.asked == [(URL, OWN_NETNS)]
    lab.clock.advance(SOONEST_SECONDS)
    lab.loop.missed(PodUid("gateway/edge/edge"))
    lab.until(lambda: len(lab.fetcher.asked) == 2)


def test_names_of_services_are_their_addresses(lab: Lab) -> None:
    lab.loop.into(VIEW)
    for host in ("keys", "keys.shop", "keys.shop.svc", "keys.shop.svc.cluster.local"):
        assert lab.loop._resolve("shop", host) == ("10.96.0.5",)
    assert lab.loop._resolve("shop", "localhost")[0] in {"127.0.0.1", "::1"}
