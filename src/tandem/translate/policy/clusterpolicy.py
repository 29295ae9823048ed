"""policy.networking.k8s.io kinds -> Draft. Pure, and of the one policy alone.

A rule that cannot be evaluated fails closed: an Accept matches nothing, a Deny or Pass denies everything (API docs,
ClusterNetworkPolicyEgressPeer); one unknown part of it is enough. The older kinds are read in the form of
ClusterNetworkPolicy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tandem.base.problems import Origin
from tandem.ir.policy import Anyone, Verdict
from tandem.model.adminpolicy import AdminNetworkPolicy, BaselineAdminNetworkPolicy
from tandem.model.clusterpolicy import ClusterNetworkPolicy, Subject
from tandem.translate.policy.adminpolicy import as_cluster
from tandem.translate.policy.clusterclause import ClusterRule, Unclear, clause_of, pods_of
from tandem.translate.policy.doubts import denies_dns, unreachable
from tandem.translate.policy.draft import EVERY_POD, Clause, Draft, Judgement, PodSelector, Tier
from tandem.translate.policy.report import Report, origin_of_rule

ClusterPolicy = ClusterNetworkPolicy | AdminNetworkPolicy | BaselineAdminNetworkPolicy
RANK: Final = {"ClusterNetworkPolicy": 0, "AdminNetworkPolicy": 1, "BaselineAdminNetworkPolicy": 2}
"""At equal priority the newer API comes first, then the name decides."""
_NOBODY_KNOWN: Final = "Accept rules match nothing, and others deny everything to every pod"


def draft_clusterpolicy(policy: ClusterPolicy) -> Draft:
    """The Draft of a policy of tier ADMIN or BASELINE."""
    report = Report(policy)
    report.unread()
    notes = report.notes()
    spec = policy.spec if isinstance(policy, ClusterNetworkPolicy) else as_cluster(policy)
    placed = spec.tier in {"Admin", "Baseline"}
    if not placed:
        text = (
            f"{spec.tier!r} is neither Admin nor Baseline: the policy is judged in tier Admin, its Accept rules match "
            "nothing, and its others deny everything"
        )
        report.error("spec.tier", "InvalidValue", text)
    subject = _subject(spec.subject, report)
    known = placed and subject is not None
    rules: tuple[tuple[str, tuple[ClusterRule, ...]], ...] = (("ingress", spec.ingress), ("egress", spec.egress))
    sides = {field: _side(policy, list_, field, report, known=known) for field, list_ in rules}
    if not report.broken:
        _doubts(sides, admin=spec.tier == "Admin", report=report)
    return Draft(
        origin=policy.origin(),
        tier=Tier.BASELINE if spec.tier == "Baseline" else Tier.ADMIN,
        order=(spec.priority, RANK[policy.kind], policy.metadata.name),
        subject=EVERY_POD if subject is None else subject,
        ingress=sides["ingress"],
        egress=sides["egress"],
        staged=notes.staged,
        rejects=notes.rejects,
        keeps=notes.keeps,
        problems=report.problems,
    )


def _subject(subject: Subject, report: Report) -> PodSelector | None:
    """None, and told: whom the policy means is not known."""
    try:
        found = pods_of(subject, "spec.subject")
    except Unclear as err:
        report.error(err.path, err.code, f"{err.why}: {_NOBODY_KNOWN}")
        return None
    if found is None or (subject.namespaces is not None and subject.pods is not None):
        text = f"is to have exactly one of namespaces and pods: {_NOBODY_KNOWN}"
        report.error("spec.subject", "UnknownSubject", text)
        return None
    return found


def _side(
    policy: ClusterPolicy, rules: tuple[ClusterRule, ...], field: str, report: Report, *, known: bool
) -> Judgement | None:
    """None without rules: such a policy does not affect this side (API docs, ClusterNetworkPolicySpec)."""
    found = [_clause(policy, rule, f"spec.{field}[{i}]", report, known=known) for i, rule in enumerate(rules)]
    clauses = tuple(c for c in found if c is not None)
    return Judgement(origin=policy.origin(f"spec.{field}"), clauses=clauses) if rules else None


def _clause(policy: ClusterPolicy, rule: ClusterRule, at: str, report: Report, *, known: bool) -> Clause | None:
    """None: the rule matches nothing."""
    origin = origin_of_rule(policy, at, rule.name)
    word = "protocols" if isinstance(policy, ClusterNetworkPolicy) else "ports"
    try:
        clause = clause_of(rule, origin, at=at, ports_word=word)
    except Unclear as err:
        accepts = rule.action == "Accept"
        effect = "matches nothing" if accepts else "denies everything"
        report.error(err.path, err.code, f"{err.why}: the rule {effect}")
        return None if accepts else _everything(origin)
    if known:
        return clause
    return None if clause.verdict is Verdict.ACCEPT else _everything(origin)


def _doubts(sides: Mapping[str, Judgement | None], *, admin: bool, report: Report) -> None:
    """Of a policy that is in force as written."""
    for judgement in sides.values():
        for late, early in unreachable(judgement.clauses if judgement is not None else ()):
            text = f"no packet reaches this rule: {early.origin.path} matches all that it matches"
            report.warning(late.origin.path.partition(" ")[0], "Unreachable", text)
    egress = sides["egress"]
    clause = denies_dns(egress.clauses) if admin and egress is not None else None
    if clause is not None:
        text = (
            "denies DNS with all else (UDP 53 of the pods in kube-system labelled k8s-app: kube-dns): no name will "
            "resolve. Put a rule before it that accepts or passes that, unless it is meant"
        )
        report.warning(clause.origin.path.partition(" ")[0], "DnsDenied", text)


def _everything(origin: Origin) -> Clause:
    return Clause(origin=origin, peers=(Anyone(),), verdict=Verdict.DENY, every_port=True)
