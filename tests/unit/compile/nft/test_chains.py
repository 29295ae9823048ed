"""Policy sets as chains: tiers, endings, what is staged."""

from __future__ import annotations

import msgspec

from tandem.base.ids import PolicySetId
from tandem.base.problems import Origin
from tandem.compile import names
from tandem.compile.nft.chains import joined, judge, log_prefix, rule_prefix
from tandem.compile.nft.writer import Written
from tandem.ir.policy import Anyone, PolicySet, PortMatch, Rule, Side, Verdict
from tandem.state import nft

ORIGIN = Origin(kind="NetworkPolicy", namespace="shop", name="p", path="spec.ingress", source="p.yaml:7")
X = PolicySetId("x")
WEB = (PortMatch(protocol="TCP", first=80, last=80),)


def _rule(verdict: Verdict = Verdict.ACCEPT, path: str = "spec.ingress[0]", *, rejects: bool = False) -> Rule:
    origin = msgspec.structs.replace(ORIGIN, path=path)
    return Rule(peers=(Anyone(),), ports=WEB, origin=origin, verdict=verdict, rejects=rejects)


def _then(written: Written, chain: str) -> list[tuple[nft.Statement, ...]]:
    return [rule.then for rule in written.rules.chain(chain).rules]


EMPTY = PolicySet(id=X, side=Side.INGRESS, rules=(), isolated_by=(ORIGIN,))
DROPPED = nft.Counter(names.denied((ORIGIN,)))


def test_what_isolation_denies_is_logged_counted_and_dropped_in_silence() -> None:
    assert log_prefix(EMPTY) == "ps-x/ingress"
    limit, drop = _then(judge(EMPTY), "ps-x")[-2:]
    assert limit[-1] == nft.Log("ps-x/ingress")
    assert drop == (DROPPED, nft.Drop())


def test_a_denial_is_answered_only_where_that_is_asked_for_and_can_be() -> None:
    asked = msgspec.structs.replace(EMPTY, rejects=True)
    assert _then(judge(asked), "ps-x")[-3:] == [
        (DROPPED,),
        (nft.Reject(tcp_reset=True),),
        (nft.Reject(prohibited=True),),
    ]
    assert _then(judge(asked, answers=False), "ps-x")[-1] == (DROPPED, nft.Drop())


def test_an_allow_is_counted_and_carries_its_origin() -> None:
    rule = _rule()
    chain = judge(msgspec.structs.replace(EMPTY, rules=(rule,))).rules.chain("ps-x")
    assert chain.rules[0].comment == "NetworkPolicy shop/p spec.ingress[0] (p.yaml:7)"
    assert chain.rules[0].then == (nft.Counter(names.allowed(rule.origin)), nft.Accept())
    out = PolicySet(id=X, side=Side.EGRESS, rules=(rule,), isolated_by=(ORIGIN,))
    assert _then(judge(out), "ps-x")[0][-1] == nft.Return()


def test_a_line_more_in_the_file_changes_no_counter() -> None:
    moved = msgspec.structs.replace(ORIGIN, source="p.yaml:8")
    assert names.allowed(moved) == names.allowed(ORIGIN)
    assert names.denied((moved,)) == names.denied((ORIGIN,))
    assert names.denied((ORIGIN,), staged=True) != names.denied((ORIGIN,))


def test_network_policy_cannot_keep_a_pod_from_itself_and_the_other_tiers_can() -> None:
    def exempt(policy_set: PolicySet) -> bool:
        return any(nft.InSet(m.fields, "self4") == m for m in _sets_in(judge(policy_set).rules.chain("ps-x")))

    assert exempt(EMPTY)
    assert not exempt(msgspec.structs.replace(EMPTY, closed=True))
    assert not exempt(PolicySet(id=X, side=Side.INGRESS, rules=(), isolated_by=(), baseline=(_rule(Verdict.DENY),)))


def _sets_in(chain: nft.Chain) -> list[nft.InSet]:
    return [m for rule in chain.rules for m in rule.match if isinstance(m, nft.InSet)]


def test_a_rule_that_denies_has_a_chain_that_names_it() -> None:
    rule = _rule(Verdict.DENY, rejects=True)
    found = judge(msgspec.structs.replace(EMPTY, admin=(rule,)))
    name = names.denied((rule.origin,))
    assert _then(found, "ps-x")[0] == (nft.Goto(name),)
    assert _then(found, name)[0][-1] == nft.Log(rule_prefix(rule, Side.INGRESS))
    assert _then(found, name)[1:] == [
        (nft.Counter(name),),
        (nft.Reject(tcp_reset=True),),
        (nft.Reject(prohibited=True),),
    ]


def test_a_pass_leaves_its_tier_and_the_last_tier_lets_go() -> None:
    admin, base = (_rule(Verdict.PASS), _rule(Verdict.DENY)), (_rule(Verdict.PASS, "b"), _rule(Verdict.DENY, "c"))
    found = judge(PolicySet(id=X, side=Side.INGRESS, rules=(), isolated_by=(), admin=admin, baseline=base))
    assert _then(found, "ps-x")[0] == (nft.Goto("ps-x-t"),)
    assert _then(found, "ps-x")[-1] == (nft.Goto("ps-x-t"),)
    assert _then(found, "ps-x-t")[0] == (nft.Accept(),)


def test_what_is_closed_asks_only_the_first_tier() -> None:
    closed = PolicySet(
        id=X, side=Side.INGRESS, rules=(_rule(),), isolated_by=(), closed=True, admin=(_rule(),), baseline=(_rule(),)
    )
    first, log, drop = _then(judge(closed), "ps-x")
    assert first[-1] == nft.Accept()
    assert isinstance(log[0], nft.Limit)
    assert drop == (nft.Counter(), nft.Drop())


def test_a_preview_judges_what_is_allowed_and_lets_it_go() -> None:
    preview = msgspec.structs.replace(EMPTY, id=PolicySetId("y"), admin=(_rule(Verdict.DENY),), rules=(_rule(),))
    open_so_far = PolicySet(id=X, side=Side.INGRESS, rules=(), isolated_by=(), preview=preview.id)
    found = judge(open_so_far, preview)
    assert _then(found, "ps-x") == [(nft.Goto("pv-y"),)]
    told = names.denied((_rule().origin,), staged=True)
    assert _then(found, "pv-y")[0] == (nft.Goto(told),)
    assert _then(found, "pv-y")[1] == (nft.Return(),)
    assert _then(found, told)[0][-1] == nft.Log(f"{told}/ingress")
    assert _then(found, told)[1] == (nft.Counter(told), nft.Return())
    assert _then(found, "pv-y")[-1] == (nft.Counter(names.denied((ORIGIN,), staged=True)), nft.Return())
    assert not [name for name in found.rules.counters if name.startswith("ok-")]


def test_what_sets_share_is_there_once() -> None:
    rule = _rule(Verdict.DENY)
    sets = [msgspec.structs.replace(EMPTY, id=PolicySetId(i), admin=(rule,)) for i in "xy"]
    found = joined(judge(s) for s in sets)
    assert [c.name for c in found.rules.chains].count(names.denied((rule.origin,))) == 1
