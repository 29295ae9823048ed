"""The difference between what a server holds and what it is to answer."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tandem.drivers.dns.fake import FakeDns
from tandem.drivers.dns.plan import Change, Delta, Held, desired, plan
from tandem.state.dns import Answers, Record
from unit.drivers.dns.running import run

WEB = Record("web.", "A", "10.96.1.1")
DB = frozenset(Record("db.", "A", f"10.244.0.{n}") for n in (1, 2, 3))
OUT = Record("out.", "CNAME", "example.org.")

records = st.frozensets(
    st.builds(Record, st.sampled_from(["a.", "b.", "c."]), st.sampled_from(["A", "CNAME"]), st.sampled_from("123"))
)
hosts = st.frozensets(st.builds(Record, st.sampled_from(["x.", "*.x."]), st.just("A"), st.sampled_from("12")))
answers = st.builds(Answers, records=records, hosts=hosts, upstreams=st.sampled_from([(), ("192.0.2.1",)]))


def test_equal_answers_need_nothing() -> None:
    wanted = Answers(records=DB | {WEB, OUT}, upstreams=("192.0.2.1", "192.0.2.2"))
    assert not plan(desired(wanted), wanted)


def test_a_first_load_only_adds() -> None:
    delta = plan(Held(), Answers(records=frozenset({WEB})))
    assert delta == Delta(authority=Change(add=(WEB,)), front=Change(add=(WEB,)))


def test_an_alias_is_known_to_the_authority_alone() -> None:
    delta = plan(Held(), Answers(records=frozenset({OUT})))
    assert (delta.authority.add, delta.front) == ((OUT,), Change())


def test_one_record_more_takes_nothing_away() -> None:
    delta = plan(desired(Answers(records=DB)), Answers(records=DB | {WEB}))
    assert (delta.front.remove, delta.front.add) == ((), (WEB,))


def test_a_name_that_loses_one_record_gets_the_others_back() -> None:
    gone = min(DB)
    delta = plan(desired(Answers(records=DB | {WEB})), Answers(records=(DB | {WEB}) - {gone}))
    assert delta.front == delta.authority == Change(remove=("db.",), add=tuple(sorted(DB - {gone})))


def test_wildcards_are_replaced_whole_and_given_again_where_nobody_knows() -> None:
    wild = frozenset({Record("*.x.", "A", "1")})
    wanted = Answers(hosts=wild | {WEB})
    assert plan(Held(), wanted) == Delta(front=Change(add=(WEB,)), wildcards=wild)
    assert plan(desired(wanted), Answers(hosts=frozenset({WEB}))) == Delta(wildcards=frozenset())
    assert plan(Held(wildcards=None), Answers()) == Delta(wildcards=frozenset())


def test_the_order_of_upstreams_alone_is_no_change() -> None:
    held = desired(Answers(upstreams=("192.0.2.1", "192.0.2.2")))
    assert not plan(held, Answers(upstreams=("192.0.2.2", "192.0.2.1")))
    assert plan(held, Answers()).upstreams == ()


@given(answers, answers)
def test_a_plan_leads_from_any_answers_to_any_others(before: Answers, after: Answers) -> None:
    driver = FakeDns()
    run(driver.apply(plan(Held(), before)))
    delta = plan(driver.held, after)
    run(driver.apply(delta))
    assert driver.held == desired(after)
    touched = {r.name for r in before.records ^ after.records}
    assert {r.name for r in delta.authority.add} | set(delta.authority.remove) <= touched
