"""Figures by their names, as Prometheus reads them."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from tandem.base.problems import Origin
from tandem.compile.nft.origins import Count, Counts
from tandem.drivers.nft.fake import FakeNft
from tandem.drivers.nft.plan import plan
from tandem.ir.policy import Side
from tandem.observe.counts import RuleCount
from tandem.runtime.metrics import KernelFigures, Metrics
from tandem.state import nft

RULE = Origin(kind="NetworkPolicy", namespace="shop", name="web", path="spec.ingress[0]", source="a.yaml:3")
OTHER = Origin(kind="NetworkPolicy", namespace="shop", name="more", path="spec.ingress")
COUNTS = {
    "ok-1": Count(what=Counts.ALLOWED, side=Side.INGRESS, origins=(RULE,)),
    "no-1": Count(what=Counts.DENIED, side=Side.INGRESS, origins=(RULE, OTHER)),
    "ok-2": Count(what=Counts.ALLOWED, side=Side.EGRESS, origins=(OTHER,)),
}
TABLE = nft.ruleset(
    chains=(nft.Chain(name="c", rules=(nft.Rule(then=(nft.Counter("ok-1"),)), nft.Rule(then=(nft.Counter("no-1"),)))),),
    sets=(nft.Set(name="s", type=("ipv4_addr",), elements=frozenset({("10.0.0.1",), ("10.0.0.2",)})),),
    counters=frozenset({"ok-1", "no-1", "ok-2"}),
)


def figures(table: FakeNft) -> KernelFigures:
    return KernelFigures(table, lambda: COUNTS, lambda: {"found": 2, "repaired": 1}, lambda: 5)


def made() -> FakeNft:
    table = FakeNft()
    table.apply(plan(None, TABLE))
    table.packets = {"ok-1": 7, "no-1": 3}
    return table


def samples(metrics: Metrics) -> dict[tuple[str, str], float]:
    """(name, values of labels, these in the order of their names) -> number."""
    families = text_string_to_metric_families(metrics.render().decode())
    return {
        (s.name, " ".join(v for _, v in sorted(s.labels.items()))): s.value
        for family in families
        for s in family.samples
    }


def test_each_rule_has_its_count_by_verdict_and_side() -> None:
    metrics = Metrics()
    metrics.registry.register(figures(made()))
    found = samples(metrics)
    name = "tandem_policy_connections_total"
    assert found[name, "ingress NetworkPolicy web shop spec.ingress[0] allowed"] == 7
    assert found[name, "ingress NetworkPolicy web shop spec.ingress[0] denied"] == 3
    assert found[name, "ingress NetworkPolicy more shop spec.ingress denied"] == 3
    assert found[name, "egress NetworkPolicy more shop spec.ingress allowed"] == 0


def test_sizes_drift_and_ended_connections_are_told() -> None:
    metrics = Metrics()
    metrics.registry.register(figures(made()))
    found = samples(metrics)
    assert found["tandem_table_objects", "element"] == 2
    assert found["tandem_table_objects", "rule"] == 2
    assert (found["tandem_drift_found_total", ""], found["tandem_drift_repaired_total", ""]) == (2, 1)
    assert found["tandem_policy_connections_ended_total", ""] == 5


def test_without_a_table_there_are_no_counts() -> None:
    metrics = Metrics()
    metrics.registry.register(figures(FakeNft()))
    assert not any(name == "tandem_policy_connections_total" for name, _ in samples(metrics))
    assert figures(FakeNft()).rules() == ()


def test_control_is_told_of_rules_that_have_decided() -> None:
    told = figures(made()).rules()
    assert told == (
        RuleCount(rule=RULE, verdict="denied", direction="ingress", count=3),
        RuleCount(rule=OTHER, verdict="denied", direction="ingress", count=3),
        RuleCount(rule=RULE, verdict="allowed", direction="ingress", count=7),
    )


def test_the_time_to_the_kernel_is_counted_for_every_change_once() -> None:
    metrics = Metrics()
    for number, now in ((1, 10.0), (2, 10.5), (3, 11.0)):
        metrics.due(number, now)
    metrics.in_force(2, 11.0)
    metrics.in_force(2, 12.0)
    assert metrics.registry.get_sample_value("tandem_view_to_kernel_seconds_count") == 2
    assert metrics.registry.get_sample_value("tandem_view_to_kernel_seconds_sum") == 1.5


def test_waits_and_their_bounds_are_summed_up_for_status() -> None:
    metrics = Metrics()
    metrics.waited("policy", 0.25)
    metrics.waited("peers", 1.0, in_time=False)
    metrics.added()
    assert metrics.totals() == {"adds": 1, "addWaitSeconds": 1.25, "addBoundHits": 1}
    assert samples(metrics)["tandem_cni_add_bound_hits_total", "peers"] == 1
