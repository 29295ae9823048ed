"""Kinds of our own group, in the order of the registry."""

from __future__ import annotations

from typing import Final

from tandem.model import canary, faults, ipam, network, pools, ratelimit, trafficpolicy, trustsource
from tandem.model.kind import Kind

OWN: Final = (
    Kind(
        group="tandem.io",
        versions=("v1",),
        kind="Network",
        plural="networks",
        namespaced=False,
        status=True,
        cls=network.Network,
    ),
    Kind(
        group="tandem.io",
        versions=("v1",),
        kind="Canary",
        plural="canaries",
        status=True,
        cls=canary.Canary,
    ),
    Kind(
        group="tandem.io",
        versions=("v1",),
        kind="RateLimit",
        plural="ratelimits",
        status=True,
        cls=ratelimit.RateLimit,
    ),
    Kind(
        group="tandem.io",
        versions=("v1",),
        kind="FaultInjection",
        plural="faultinjections",
        status=True,
        cls=faults.FaultInjection,
    ),
    Kind(
        group="tandem.io",
        versions=("v1",),
        kind="TrafficPolicy",
        plural="trafficpolicies",
        status=True,
        cls=trafficpolicy.TrafficPolicy,
    ),
    Kind(
        group="tandem.io",
        versions=("v1",),
        kind="TrustSource",
        plural="trustsources",
        namespaced=False,
        status=True,
        cls=trustsource.TrustSource,
    ),
    Kind(
        group="tandem.io",
        versions=("v1",),
        kind="LoadBalancerPool",
        plural="loadbalancerpools",
        short=("lbpool",),
        namespaced=False,
        cls=pools.LoadBalancerPool,
    ),
    Kind(
        group="tandem.io",
        versions=("v1",),
        kind="IPPool",
        plural="ippools",
        namespaced=False,
        cls=ipam.IPPool,
    ),
    Kind(
        group="tandem.io",
        versions=("v1",),
        kind="IPReservation",
        plural="ipreservations",
        namespaced=False,
        cls=ipam.IPReservation,
    ),
    Kind(
        group="tandem.io",
        versions=("v1",),
        kind="IPAMBlock",
        plural="ipamblocks",
        namespaced=False,
        cls=ipam.IPAMBlock,
    ),
)
