"""RateLimits -> what is counted at Services, routes and gateways, with Problems. Pure (docs/design/0041)."""
