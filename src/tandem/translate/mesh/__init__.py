"""Routing and traffic policy: the front ends and what joins them."""
